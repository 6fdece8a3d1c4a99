"""Batches of token numbers: whose words are known, which part validates, and that order of files changes nothing."""

import os
from pathlib import Path

import pytest
import torch

from actbench.data.catalog import Sst2Options, SyntheticTextOptions
from actbench.data.settings import InputSettings, TokenSettings
from actbench.data.source import check_data
from actbench.data.text import TextSource, open_text
from actbench.data.tokens import UNKNOWN
from actbench.errors import DataError
from tests.data.text_sets import TEST, TRAIN, write_sst2, write_vocabulary

CPU = torch.device("cpu")


def open_sst2(
    folder: Path,
    *,
    limit: int | None = None,
    val_fraction: float | None = 0.1,
    tokens: TokenSettings | None = None,
) -> TextSource:
    settings = InputSettings(tokens=tokens or TokenSettings(max_length=8))
    options = Sst2Options(name="sst2")
    return open_text(options, settings, data_dir=folder, limit=limit, val_fraction=val_fraction)


def train_tokens(source: TextSource, *, seed: int = 0, epoch: int = 0) -> list[list[list[int]]]:
    batches = source.train_batches(seed=seed, epoch=epoch, batch_size=2, device=CPU, channels_last=False)
    return [batch.images.tolist() for batch in batches]


def test_the_set_s_own_dev_part_validates_and_training_keeps_all(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    source = open_sst2(tmp_path)
    assert (source.num_train, source.num_val, source.num_test) == (6, 2, 3)
    alone = open_sst2(tmp_path, val_fraction=None)
    assert (alone.num_train, alone.num_val, alone.num_test) == (6, 0, 3)


def test_a_set_without_one_holds_out_of_training_by_content() -> None:
    options = SyntheticTextOptions(name="synthetic_text", train=40, test=8)
    source = open_text(options, InputSettings(), data_dir=Path(), limit=None, val_fraction=0.2)
    assert (source.num_train, source.num_val, source.num_test) == (32, 8, 8)
    assert source.synthetic


def test_the_vocabulary_knows_the_training_part_alone(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    source = open_sst2(tmp_path)
    assert source.channels == 4 + len({word for text, _ in TRAIN for word in text.split()})
    (batch,) = source.eval_batches("test", batch_size=8, device=CPU, channels_last=False)
    unknown = {len(row[row == UNKNOWN]) for row in batch.images if (row == UNKNOWN).any()}
    assert unknown == {3}  # of "unseen words here", none of which is in training


def test_files_in_another_order_give_the_same_batches(tmp_path: Path) -> None:
    write_sst2(tmp_path / "a")
    write_sst2(tmp_path / "b", reverse=True)
    one, two = open_sst2(tmp_path / "a"), open_sst2(tmp_path / "b")
    assert one.fingerprint == two.fingerprint
    assert train_tokens(one) == train_tokens(two)


def test_every_part_and_label_counts_for_the_fingerprint(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    found = {open_sst2(tmp_path).fingerprint}
    for name in ("train", "dev", "test"):
        file = tmp_path / "SST-2" / f"{name}.tsv"
        before = file.read_text()
        for other in (before.replace("\t1", "\t0", 1), before.replace("\t1", " !\t1", 1)):
            file.write_text(other)
            found.add(open_sst2(tmp_path).fingerprint)
        file.write_text(before)
    assert len(found) == 7
    assert open_sst2(tmp_path).fingerprint in found


def test_a_vocabulary_file_counts_for_the_fingerprint(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra actbench[text]")
    write_sst2(tmp_path)
    file = write_vocabulary(tmp_path)
    tokens = TokenSettings(tokenizer="wordpiece", max_length=8)
    one = open_sst2(tmp_path, tokens=tokens)
    file.write_text(file.read_text() + "dull\n")
    two = open_sst2(tmp_path, tokens=tokens)
    assert one.fingerprint != two.fingerprint
    assert (one.channels, two.channels) == (12, 13)


def test_an_epoch_is_a_function_of_seed_and_epoch(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    source = open_sst2(tmp_path)
    assert train_tokens(source) == train_tokens(source)
    orders = {str(train_tokens(source, seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


def test_batches_end_behind_their_longest_sentence(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    source = open_sst2(tmp_path)
    for split in ("val", "test"):
        for batch in source.eval_batches(split, batch_size=1, device=CPU, channels_last=False):
            assert bool((batch.images != 0).all())
    batches = list(source.eval_batches("test", batch_size=2, device=CPU, channels_last=False))
    assert [len(batch.targets) for batch in batches] == [2, 1]
    assert sorted(int(label) for batch in batches for label in batch.targets) == sorted(y for _, y in TEST)
    assert batches[0].images.dtype == torch.int64


def test_a_limit_cuts_every_part_and_keeps_both_classes(tmp_path: Path) -> None:
    write_sst2(tmp_path)
    source = open_sst2(tmp_path, limit=2)
    assert (source.num_train, source.num_val, source.num_test) == (2, 2, 2)
    (batch,) = source.train_batches(seed=0, epoch=0, batch_size=2, device=CPU, channels_last=False)
    assert sorted(batch.targets.tolist()) == [0, 1]


def test_missing_files_are_found_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        check_data(Sst2Options(name="sst2"), data_dir=tmp_path)
    check_data(SyntheticTextOptions(name="synthetic_text"), data_dir=tmp_path)


def test_the_real_set_has_its_published_sizes() -> None:
    folder = Path(os.environ.get("ACTBENCH_DATA_DIR", "none"))
    if not (folder / "SST-2").is_dir():
        pytest.skip("needs SST-2 below ACTBENCH_DATA_DIR")
    source = open_sst2(folder, tokens=TokenSettings(max_length=64, min_count=2))
    assert (source.num_train, source.num_val, source.num_test) == (6920, 872, 1821)
    labels = torch.cat(
        [b.targets for b in source.eval_batches("test", batch_size=500, device=CPU, channels_last=False)]
    )
    assert labels.bincount().tolist() == [912, 909]
