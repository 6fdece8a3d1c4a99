"""Batches of token numbers from a set of labelled sentences in memory.

Where a set has a validation part beside its test part (SST-2), that part validates and training keeps all of its
own; where it has none (GLUE, whose dev part is its test), validation is held out of training by content. Under
protocol best-test nothing is held out, and a part for validation lies idle.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from actbench.data.batch import Batch, DataSource, EvalSplit
from actbench.data.canonical import held_out, limited
from actbench.data.catalog import SyntheticTextOptions, TextOptions
from actbench.data.pipeline import Generators
from actbench.data.sentences import Sentences, TextSet, find_files, fingerprint, in_order, load_sentences
from actbench.data.settings import InputSettings
from actbench.data.synthetic_text import make_synthetic_text
from actbench.data.tokens import Tokenizer, encode, make_tokenizer, vocabulary_file


def check_text(options: TextOptions, *, data_dir: Path) -> None:
    """Raises a DataError if files of the set are missing; loads nothing."""
    if not isinstance(options, SyntheticTextOptions):
        find_files(options, data_dir)


def open_text(
    options: TextOptions,
    settings: InputSettings,
    *,
    data_dir: Path,
    limit: int | None,
    val_fraction: float | None,
) -> "TextSource":
    """The set, ready to give batches; `val_fraction` None (protocol best-test) holds nothing out."""
    synthetic = isinstance(options, SyntheticTextOptions)
    data = (
        make_synthetic_text(options)
        if isinstance(options, SyntheticTextOptions)
        else load_sentences(options, data_dir)
    )
    return TextSource(
        options.name,
        data,
        settings,
        data_dir=data_dir,
        limit=limit,
        val_fraction=val_fraction,
        synthetic=synthetic,
    )


class TextSource(DataSource):
    """`channels` is the size of the vocabulary: a token is one of so many."""

    def __init__(
        self,
        name: str,
        data: TextSet,
        settings: InputSettings,
        *,
        data_dir: Path,
        limit: int | None,
        val_fraction: float | None,
        synthetic: bool = False,
    ) -> None:
        tokens = settings.tokens
        train, keys = in_order(data.train)
        parts = {"train": train, "test": in_order(data.test)[0]}
        if data.val is not None:
            parts["val"] = in_order(data.val)[0]
        pieces = tokens.tokenizer == "wordpiece"
        vocabulary = vocabulary_file(tokens, data_dir).read_bytes() if pieces else None
        self.name, self.synthetic, self.num_classes = name, synthetic, data.num_classes
        self.fingerprint = fingerprint(parts, data.num_classes, vocabulary=vocabulary)
        kept = {part: limited(sentences.labels, limit) for part, sentences in parts.items()}
        parts = {part: sentences.select(kept[part]) for part, sentences in parts.items()}
        if val_fraction is None:
            parts.pop("val", None)
        elif "val" not in parts:
            apart = held_out(keys[kept["train"]], parts["train"].labels, val_fraction)
            parts["val"] = parts["train"].select(apart)
            parts["train"] = parts["train"].select(~apart) if apart.any() else parts["train"]
        tokenizer = make_tokenizer(tokens, parts["train"].texts, data_dir)
        self.channels = tokenizer.size
        self._parts = {
            part: _Tokens(sentences, tokenizer, tokens.max_length) for part, sentences in parts.items()
        }
        self.num_train, self.num_test = len(self._parts["train"]), len(self._parts["test"])
        self.num_val = len(self._parts["val"]) if "val" in self._parts else 0

    def train_batches(
        self,
        *,
        seed: int,
        epoch: int,
        batch_size: int,
        device: torch.device,
        channels_last: bool,  # noqa: ARG002
    ) -> Iterator[Batch]:
        order = torch.randperm(self.num_train, generator=Generators.of_epoch(seed, epoch).order)
        for step in range(self.steps_per_epoch(batch_size)):
            yield self._parts["train"].batch(order[step * batch_size : (step + 1) * batch_size], device)

    def _split_batches(
        self,
        split: EvalSplit,
        *,
        batch_size: int,
        device: torch.device,
        channels_last: bool,  # noqa: ARG002
    ) -> Iterator[Batch]:
        part = self._parts[split]
        for start in range(0, len(part), batch_size):
            yield part.batch(torch.arange(start, min(start + batch_size, len(part))), device)

    def first_train_images(
        self,
        count: int,
        *,
        device: torch.device,
        channels_last: bool,  # noqa: ARG002
    ) -> Tensor:
        part = self._parts["train"]
        return part.batch(torch.arange(min(count, len(part))), device).images


class _Tokens:
    """One part as numbers."""

    def __init__(self, sentences: Sentences, tokenizer: Tokenizer, max_length: int) -> None:
        encoded = encode(tokenizer, sentences.texts, max_length)
        self._tokens, self._lengths = torch.from_numpy(encoded.tokens), torch.from_numpy(encoded.lengths)
        self._labels = torch.from_numpy(sentences.labels)

    def __len__(self) -> int:
        return len(self._labels)

    def batch(self, places: Tensor, device: torch.device) -> Batch:
        """These examples, cut behind the longest of them."""
        longest = int(self._lengths[places].max())
        return Batch(self._tokens[places, :longest].to(device, torch.int64), self._labels[places].to(device))
