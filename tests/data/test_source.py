"""Opening folders of pictures: layouts, division, memory or stream, and what is said of mistakes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from actbench.data import source as source_module
from actbench.data.batch import DataSource
from actbench.data.catalog import ImageFolderOptions, ImageNetOptions, SyntheticOptions
from actbench.data.memory import MemorySource
from actbench.data.settings import InputSettings
from actbench.data.source import check_data, open_data
from actbench.data.streamed import StreamedSource
from actbench.errors import DataError

CPU = torch.device("cpu")
FOLDER = ImageFolderOptions(name="image_folder", folder="pictures")
IMAGENET = ImageNetOptions(name="imagenet", workers=0)
# From Python 3.12 on, starting workers by fork beside torch's threads is warned about.
FORKS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
CLASSES = ("bee", "cow", "elk")


def write_pictures(root: Path, per_class: int, *, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> None:
    rng = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = rng.integers(0, 256, (20 + label, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:03}.png", compress_level=0)


def open_folder(data_dir: Path, **settings: Any) -> DataSource:
    return open_data(
        FOLDER, InputSettings(**{"size": 16, **settings}), data_dir=data_dir, limit=None, val_fraction=0.2
    )


def counts(source: DataSource) -> tuple[int, int, int, int]:
    return source.num_train, source.num_val, source.num_test, source.num_classes


def first_images(source: DataSource, seed: int = 0, epoch: int = 0) -> torch.Tensor:
    batches = source.train_batches(seed=seed, epoch=epoch, batch_size=6, device=CPU, channels_last=False)
    return torch.cat([batch.images for batch in batches])


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_a_divided_folder(tmp_path: Path, test_name: str) -> None:
    write_pictures(tmp_path / "pictures/train", 10)
    write_pictures(tmp_path / f"pictures/{test_name}", 4, seed=1)
    check_data(FOLDER, data_dir=tmp_path)
    source = open_folder(tmp_path)
    assert isinstance(source, MemorySource)
    assert counts(source) == (24, 6, 12, 3)
    assert first_images(source).shape == (24, 3, 16, 16)


def test_a_folder_of_classes_is_divided_by_content(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a/pictures", 10)
    write_pictures(tmp_path / "b/pictures", 10)
    for name in CLASSES:  # other file names, so another order on disk
        for path in (tmp_path / "b/pictures" / name).iterdir():
            path.rename(path.with_name(f"{999 - int(path.stem)}.png"))
    one, other = open_folder(tmp_path / "a"), open_folder(tmp_path / "b")
    assert counts(one) == counts(other) == (18, 6, 6, 3)
    assert one.fingerprint == other.fingerprint
    assert torch.equal(first_images(one), first_images(other))


def test_an_absolute_folder_needs_no_data_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "mine", 3)
    check_data(
        ImageFolderOptions(name="image_folder", folder=str(tmp_path / "mine")), data_dir=Path("/nowhere")
    )


def test_pictures_in_memory_are_held_at_the_size_of_evaluation(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in CLASSES:
        (tmp_path / "pictures" / name).mkdir()
        for i in range(4):
            pixels = np.full((40, 20, 3), 10 * i, dtype=np.uint8)
            pixels[10:30] = 200 + i  # the middle square
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i}.png")
    source = open_folder(tmp_path, test_crop_ratio=0.8, normalize="half")
    batch = next(source.eval_batches("test", batch_size=9, device=CPU, channels_last=False))
    levels = batch.images * 127.5 + 127.5
    assert batch.images.shape[1:] == (3, 16, 16)
    assert ((levels > 199) & (levels < 204)).all()


@FORKS
@pytest.mark.parametrize("crop", ["none", "pad", "random-resized"])
def test_a_large_folder_is_streamed_and_workers_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crop: str
) -> None:
    write_pictures(tmp_path / "pictures", 10)
    monkeypatch.setattr(source_module, "MEMORY_LIMIT", 30 * 3 * 16**2 - 1)
    batches = []
    for workers in (0, 2) if crop == "random-resized" else (0,):
        monkeypatch.setattr(source_module, "FOLDER_WORKERS", workers)
        source = open_folder(tmp_path, crop=crop, padding=2, flip=0.5, mixup=0.2)
        assert isinstance(source, StreamedSource)
        assert counts(source) == (18, 6, 6, 3)
        batches.append(first_images(source, seed=1, epoch=2))
    assert all(torch.equal(batches[0], other) for other in batches)
    assert torch.equal(batches[-1], first_images(source, seed=1, epoch=2))
    assert not torch.equal(batches[-1], first_images(source, seed=1, epoch=3))


def test_a_streamed_folder_evaluates_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "pictures/train", 4)
    write_pictures(tmp_path / "pictures/test", 3, seed=1)
    images = []
    for limit in (10**9, 0):
        monkeypatch.setattr(source_module, "MEMORY_LIMIT", limit)
        monkeypatch.setattr(source_module, "FOLDER_WORKERS", 0)
        source = open_folder(tmp_path, test_crop_ratio=0.8, normalize="half")
        (batch,) = source.eval_batches("test", batch_size=99, device=CPU, channels_last=True)
        rows = torch.cat([batch.targets[:, None].float(), batch.images.flatten(1)], dim=1)
        images.append(rows[rows[:, 5].argsort()])  # memory sorts by content, streams by name
    assert torch.equal(images[0], images[1])


def test_imagenet_uses_val_as_test_and_names_as_fingerprint(tmp_path: Path) -> None:
    write_pictures(tmp_path / "imagenet/train", 10)
    write_pictures(tmp_path / "imagenet/val", 2, seed=1)
    check_data(IMAGENET, data_dir=tmp_path)
    settings = InputSettings(size=16, crop="random-resized", flip=0.5)

    def open_imagenet(limit: int | None = None) -> DataSource:
        return open_data(IMAGENET, settings, data_dir=tmp_path, limit=limit, val_fraction=0.1)

    source = open_imagenet()
    assert counts(source) == (27, 3, 6, 3)
    limited = open_imagenet(9)
    assert counts(limited) == (6, 3, 6, 3)
    assert limited.fingerprint == source.fingerprint
    labels = [
        label
        for batch in source.eval_batches("test", batch_size=4, device=CPU, channels_last=False)
        for label in batch.targets.tolist()
    ]
    assert sorted(labels) == [0, 0, 1, 1, 2, 2]
    (tmp_path / "imagenet/train/bee/000.png").rename(tmp_path / "imagenet/train/bee/x.png")
    assert open_imagenet().fingerprint != source.fingerprint


def test_streaming_leaves_the_global_sequence_alone(tmp_path: Path) -> None:
    write_pictures(tmp_path / "imagenet/train", 4)
    write_pictures(tmp_path / "imagenet/val", 2)
    source = open_data(IMAGENET, InputSettings(size=8), data_dir=tmp_path, limit=None, val_fraction=None)
    before = torch.get_rng_state()
    first_images(source)
    assert torch.equal(before, torch.get_rng_state())


@FORKS
@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_without_a_traceback(tmp_path: Path, workers: int) -> None:
    write_pictures(tmp_path / "imagenet/train", 4)
    write_pictures(tmp_path / "imagenet/val", 2)
    broken = tmp_path / "imagenet/train/cow/001.png"
    broken.write_bytes(broken.read_bytes()[:100])
    options = ImageNetOptions(name="imagenet", workers=workers)
    source = open_data(options, InputSettings(size=8), data_dir=tmp_path, limit=None, val_fraction=None)
    with pytest.raises(DataError, match="damaged, or not a picture") as error:
        first_images(source)
    assert error.value.problems[0].where == str(broken)
    assert "Traceback" not in str(error.value)


def test_a_part_of_imagenet_keeps_whole_classes_and_the_test_set(tmp_path: Path) -> None:
    write_pictures(tmp_path / "imagenet/train", 8)
    write_pictures(tmp_path / "imagenet/val", 3)

    def opened(**part: int) -> DataSource:
        options = IMAGENET.model_copy(update=part)
        return open_data(options, InputSettings(size=8), data_dir=tmp_path, limit=None, val_fraction=0.2)

    assert counts(opened()) == (18, 6, 9, 3)
    part = opened(classes=2, per_class=5)
    assert counts(part) == (8, 2, 6, 2)
    assert len({opened().fingerprint, part.fingerprint, opened(classes=2).fingerprint}) == 3
    # Which pictures are kept follows from their names alone.
    (tmp_path / "imagenet/train/cow").rename(tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "imagenet/train/cow")
    assert opened(classes=2, per_class=5).fingerprint == part.fingerprint


def test_a_damaged_picture_is_named_while_loading(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", 3)
    (tmp_path / "pictures/elk/002.png").write_text("no picture")
    with pytest.raises(DataError, match="damaged") as error:
        open_folder(tmp_path)
    assert error.value.problems[0].where == str(tmp_path / "pictures/elk/002.png")


def test_what_is_wrong_with_a_layout_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder") as error:
        check_data(FOLDER, data_dir=tmp_path)
    assert "--data-dir" in str(error.value)
    assert len(str(error.value).splitlines()) == 2
    root = tmp_path / "pictures"
    (root / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="train is here, but no test or val"):
        check_data(FOLDER, data_dir=tmp_path)
    (root / "test").mkdir()
    with pytest.raises(DataError, match="0 class folders"):
        check_data(FOLDER, data_dir=tmp_path)
    for name in ("train/bee", "train/cow", "test/bee", "test/elk"):
        (root / name).mkdir()
    with pytest.raises(DataError, match="in one alone: cow, elk"):
        check_data(FOLDER, data_dir=tmp_path)
    (root / "test/elk").rename(root / "test/cow")
    check_data(FOLDER, data_dir=tmp_path)
    with pytest.raises(DataError, match="no picture in it"):
        open_folder(tmp_path)


def test_imagenet_without_train_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "imagenet/val", 1)
    (tmp_path / "imagenet/other").mkdir()
    with pytest.raises(DataError, match="no train folder"):
        check_data(IMAGENET, data_dir=tmp_path)


def test_a_synthetic_set_says_so() -> None:
    options = SyntheticOptions(name="synthetic", channels=1, size=8, train=40, test=20)
    source = open_data(
        options, InputSettings(size=8), data_dir=Path("/nowhere"), limit=None, val_fraction=0.1
    )
    assert source.synthetic
    assert source.channels == 1
    assert counts(source) == (30, 10, 20, 10)


def test_grey_pictures_have_one_channel_in_memory_and_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    levels = {"bee": 40, "cow": 90, "elk": 200}
    for name, level in levels.items():
        (folder / name).mkdir(parents=True)
        for i in range(10):  # grey files and a colour one, all of one even brightness in the class
            pixels = np.full((20 + i, 24), level, dtype=np.uint8)
            image = Image.fromarray(pixels)
            (image.convert("RGB") if i == 0 else image).save(folder / name / f"{i}.png")
    options = ImageFolderOptions(name="image_folder", folder="pictures", grey=True)
    settings = InputSettings(size=16, normalize="half")
    sources = []
    for limit in (source_module.MEMORY_LIMIT, 0):
        monkeypatch.setattr(source_module, "MEMORY_LIMIT", limit)
        monkeypatch.setattr(source_module, "FOLDER_WORKERS", 0)
        sources.append(open_data(options, settings, data_dir=tmp_path, limit=None, val_fraction=0.2))
    assert isinstance(sources[0], MemorySource)
    assert isinstance(sources[1], StreamedSource)
    for source in sources:
        assert source.channels == 1
        for batch in source.eval_batches("test", batch_size=4, device=CPU, channels_last=False):
            assert batch.images.shape[1:] == (1, 16, 16)
            wanted = torch.tensor([(levels[CLASSES[label]] / 255 - 0.5) / 0.5 for label in batch.targets])
            assert torch.allclose(batch.images, wanted.view(-1, 1, 1, 1).expand_as(batch.images), atol=1e-6)
    assert first_images(sources[0]).shape[1] == 1
