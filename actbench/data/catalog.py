"""Every data set by name, with its typed options. Imports no torch.

The field `name` tells the option classes apart in a recipe. Sets are looked for below the data folder
(`--data-dir`, `ACTBENCH_DATA_DIR`, else ./data), in the layout that the entry describes.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from actbench.frozen import Options


class DigitsOptions(Options):
    name: Literal["digits"]
    test_fraction: float = Field(0.3, gt=0, lt=1)


class CifarOptions(Options):
    per_class: int | None = Field(None, ge=2)
    """At most so many training images of each class, by the hash of their bytes; the test set stays whole."""


class Cifar10Options(CifarOptions):
    name: Literal["cifar10"]


class Cifar100Options(CifarOptions):
    name: Literal["cifar100"]


class MnistOptions(Options):
    name: Literal["mnist"]


class ImageFolderOptions(Options):
    name: Literal["image_folder"]
    folder: str = Field(min_length=1)
    """Folder below the data folder (or an absolute path) with train/CLASS/*.png and test/ (or val/) likewise;
    a folder of classes without such a split is split by content."""
    test_fraction: float = Field(0.2, gt=0, lt=1)
    """Share kept as test where the folder has no test part of its own."""
    grey: bool = False
    """Read as one channel of brightness instead of three of colour."""


class ImageNetOptions(Options):
    name: Literal["imagenet"]
    folder: str = "imagenet"
    """Folder below the data folder with train/SYNSET/*.JPEG and val/SYNSET/*.JPEG; val is the test set."""
    workers: int = Field(2, ge=0, le=128)
    classes: int | None = Field(None, ge=2)
    """Only the first so many synsets by name; None for all."""
    per_class: int | None = Field(None, ge=2)
    """At most so many training pictures of each class, by the hash of their names; the test set stays whole."""


class SyntheticOptions(Options):
    name: Literal["synthetic"]
    num_classes: int = Field(10, ge=2, le=10_000)
    channels: Literal[1, 3] = 3
    size: int = Field(32, ge=4, le=512)
    train: int = Field(512, ge=8, le=100_000)
    test: int = Field(256, ge=8, le=100_000)


class CocoOptions(Options):
    name: Literal["coco"]
    folder: str = Field("coco", min_length=1)
    """Folder below the data folder (or an absolute path) in the layout of the entry below."""
    test_fraction: float = Field(0.2, gt=0, lt=1)
    """Share kept as test where the folder has neither a test nor a val part."""
    workers: int = Field(2, ge=0, le=128)


class ShapesOptions(Options):
    name: Literal["synthetic_shapes"]
    size: int = Field(96, ge=32, le=512)
    train: int = Field(64, ge=8, le=100_000)
    test: int = Field(32, ge=8, le=100_000)


class Sst2Options(Options):
    name: Literal["sst2"]


GlueTask = Literal["sst2", "mrpc", "qnli", "rte", "wnli", "mnli"]
"""GLUE's tasks that accuracy judges and whose files read line by line: CoLA and STS-B have other metrics, and QQP's
files hold broken lines."""


GLUE_LABELS: dict[GlueTask, str] = {
    "sst2": "SST-2",
    "mrpc": "MRPC",
    "qnli": "QNLI",
    "rte": "RTE",
    "wnli": "WNLI",
    "mnli": "MNLI",
}
"""As papers write them, and GLUE names the tasks' folders."""


class GlueOptions(Options):
    name: Literal["glue"]
    task: GlueTask = "sst2"
    folder: str = Field("glue", min_length=1)
    """Folder below the data folder (or an absolute path) with one folder per task, as GLUE names them."""


class SyntheticTextOptions(Options):
    name: Literal["synthetic_text"]
    num_classes: int = Field(2, ge=2, le=100)
    words: int = Field(100, ge=1, le=100_000)
    """Words that tell nothing."""
    longest: int = Field(16, ge=4, le=256)
    """Words of the longest sentence."""
    train: int = Field(256, ge=8, le=100_000)
    test: int = Field(128, ge=8, le=100_000)


ImageOptions = (
    DigitsOptions
    | Cifar10Options
    | Cifar100Options
    | MnistOptions
    | ImageFolderOptions
    | ImageNetOptions
    | SyntheticOptions
)
DetectionOptions = CocoOptions | ShapesOptions
TextOptions = Sst2Options | GlueOptions | SyntheticTextOptions
DataOptions = Annotated[ImageOptions | DetectionOptions | TextOptions, Field(discriminator="name")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEntry:
    """A data set, as all who ask for it by name need to know it."""

    name: str
    options: type[Options]
    summary: str
    layout: str
    source: str
    task: Literal["classify", "detect", "text"] = "classify"
    synthetic: bool = False


_ENTRIES = (
    DataEntry(
        name="digits",
        options=DigitsOptions,
        summary="1,797 handwritten digits of 8x8 pixels, each pixel repeated to 32x32; embedded, no download",
        layout="ships with scikit-learn",
        source="UCI Optical Recognition of Handwritten Digits, test part",
    ),
    DataEntry(
        name="cifar10",
        options=Cifar10Options,
        summary="60,000 colour images of 32x32 in 10 classes",
        layout="cifar-10-batches-py/{data_batch_1..5,test_batch,batches.meta}, "
        "or cifar10/{train,test}/CLASS/*.png",
        source="Krizhevsky, 2009",
    ),
    DataEntry(
        name="cifar100",
        options=Cifar100Options,
        summary="60,000 colour images of 32x32 in 100 classes",
        layout="cifar-100-python/{train,test,meta}, or cifar100/{train,test}/CLASS/*.png",
        source="Krizhevsky, 2009",
    ),
    DataEntry(
        name="mnist",
        options=MnistOptions,
        summary="70,000 grey images of handwritten digits of 28x28",
        layout="MNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte (or MNIST/, mnist/; each plain or .gz)",
        source="LeCun, Cortes and Burges, 1998",
    ),
    DataEntry(
        name="image_folder",
        options=ImageFolderOptions,
        summary="anyone's pictures, one folder per class",
        layout="FOLDER/{train,test}/CLASS/*.png, or FOLDER/CLASS/*.png",
        source="yours",
    ),
    DataEntry(
        name="imagenet",
        options=ImageNetOptions,
        summary="ImageNet-1K, streamed from disk; its val folder is the test set",
        layout="imagenet/{train,val}/SYNSET/*.JPEG",
        source="Russakovsky et al., 2014, arXiv:1409.0575",
    ),
    DataEntry(
        name="synthetic",
        options=SyntheticOptions,
        summary="generated images for smoke runs; never comparable with real data",
        layout="made in memory",
        source="actbench",
        synthetic=True,
    ),
    DataEntry(
        name="coco",
        options=CocoOptions,
        summary="pictures with boxes (and polygons) in COCO's format, streamed from disk; COCO's val2017 is the "
        "test set; needs the extra actbench[coco]",
        layout="FOLDER/annotations/instances_{train,val,test}*.json with pictures in FOLDER/{train,val,test}*/, "
        "or FOLDER/annotations/instances.json with FOLDER/images/",
        source="Lin et al., 2014, arXiv:1405.0312, or yours",
        task="detect",
    ),
    DataEntry(
        name="synthetic_shapes",
        options=ShapesOptions,
        summary="generated discs, squares and triangles with boxes and masks for smoke runs; never comparable "
        "with real data; needs the extra actbench[coco]",
        layout="made in memory",
        source="actbench",
        task="detect",
        synthetic=True,
    ),
    DataEntry(
        name="sst2",
        options=Sst2Options,
        summary="Stanford Sentiment Treebank, whole sentences, two classes; its dev part validates",
        layout="SST-2/{train,dev,test}.tsv, each with the columns sentence and label",
        source="Socher et al., EMNLP 2013",
        task="text",
    ),
    DataEntry(
        name="glue",
        options=GlueOptions,
        summary="one task of GLUE; its dev part is the test set, because the labels of its test part are hidden",
        layout="glue/{SST-2,MRPC,QNLI,RTE,WNLI,MNLI}/{train,dev}.tsv as GLUE ships them "
        "(of MNLI dev_matched.tsv)",
        source="Wang et al., 2018, arXiv:1804.07461",
        task="text",
    ),
    DataEntry(
        name="synthetic_text",
        options=SyntheticTextOptions,
        summary="generated sentences for smoke runs; never comparable with real data",
        layout="made in memory",
        source="actbench",
        task="text",
        synthetic=True,
    ),
)

ENTRIES: dict[str, DataEntry] = {entry.name: entry for entry in _ENTRIES}
