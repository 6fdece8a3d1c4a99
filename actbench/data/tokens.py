"""From sentences to token numbers: a vocabulary of the training part's own words, or BERT's word pieces of a file.

Layout      [CLS] words [SEP], for a pair [CLS] first [SEP] second [SEP], then [PAD] up to the longest. [PAD] is 0
            and stands nowhere else, so `tokens != 0` tells what is real
Words       lower-cased and cut at white space. 0 to 3 are [PAD], [UNK], [CLS], [SEP]; then come the words of the
            training part that occur `min_count` times or more, the commonest first, equally common ones in
            alphabetical order, at most `max_words`
Word pieces transformers' BertTokenizer on a vocabulary file, which is never fetched
Truncation  to `max_length` tokens, the special ones included; a pair loses words of the longer one first
Departures  none
"""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from actbench.data.settings import TokenSettings
from actbench.errors import ActbenchError, DataError

PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
PAIR = "\t"
"""Between the two sentences of a pair; the files are tab-separated, so it stands in no sentence."""


class Tokenizer(Protocol):
    """What numbers the words of one sentence, and which numbers stand around them."""

    size: int
    """Of the vocabulary, special tokens included."""
    start: int
    end: int

    def numbers(self, sentence: str) -> list[int]: ...


class Encoded(NamedTuple):
    tokens: NDArray[np.int32]
    """(N, max_length), padded with 0."""
    lengths: NDArray[np.int64]
    """(N,) real tokens of each."""


class Words:
    """The words of a training part."""

    start, end = START, END

    def __init__(self, sentences: Iterable[str], settings: TokenSettings) -> None:
        counts = Counter(word for sentence in sentences for word in _words(sentence))
        kept = sorted((-count, word) for word, count in counts.items() if count >= settings.min_count)
        words = [word for _, word in kept[: settings.max_words]]
        self._numbers = {word: number for number, word in enumerate(words, start=len(SPECIAL))}
        self.size = len(SPECIAL) + len(words)

    def numbers(self, sentence: str) -> list[int]:
        return [self._numbers.get(word, UNKNOWN) for word in _words(sentence)]


class WordPieces:
    """BERT's word pieces, lower-cased, of the vocabulary in a file."""

    def __init__(self, file: Path) -> None:
        from transformers import BertTokenizer  # an extra, and slow to import

        self._tokenizer = BertTokenizer(vocab=str(file))
        numbers = {name: self._tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
        listed = set(_lines(file))
        absent = [name for name in SPECIAL if name not in listed]
        if absent or numbers["[PAD]"] != PADDING:
            what = f"no {', '.join(absent)} in it" if absent else "[PAD] is not its first line"
            raise DataError(
                f"not a vocabulary of BERT's: {what}", where=str(file), hints=[_vocabulary_hint(file)]
            )
        self.start, self.end, self.size = numbers["[CLS]"], numbers["[SEP]"], len(self._tokenizer)

    def numbers(self, sentence: str) -> list[int]:
        found: list[int] = self._tokenizer(sentence, add_special_tokens=False)["input_ids"]
        return found


def make_tokenizer(settings: TokenSettings, train: Sequence[str], data_dir: Path) -> Tokenizer:
    """What the settings ask for; `train` are the sentences that a vocabulary of words may know."""
    if settings.tokenizer == "words":
        return Words(train, settings)
    file = vocabulary_file(settings, data_dir)
    require_transformers("word pieces")
    return WordPieces(file)


def vocabulary_file(settings: TokenSettings, data_dir: Path) -> Path:
    """Where the vocabulary of word pieces lies. Raises DataError where it does not."""
    file = data_dir / settings.vocabulary
    if not file.is_file():
        raise DataError("no vocabulary of word pieces here", where=str(file), hints=[_vocabulary_hint(file)])
    return file


def require_transformers(what: str) -> None:
    """Raises ActbenchError with the command that installs what is missing."""
    if importlib.util.find_spec("transformers") is None:
        raise ActbenchError(
            f"{what}: this needs transformers, which is not installed", hints=['pip install "actbench[text]"']
        )


def encode(tokenizer: Tokenizer, sentences: Sequence[str], max_length: int) -> Encoded:
    """All sentences (or pairs, with a tab between) as one padded array."""
    tokens = np.full((len(sentences), max_length), PADDING, dtype=np.int32)
    lengths = np.empty(len(sentences), dtype=np.int64)
    for place, sentence in enumerate(sentences):
        row = _row([tokenizer.numbers(part) for part in sentence.split(PAIR)], tokenizer, max_length)
        tokens[place, : len(row)], lengths[place] = row, len(row)
    return Encoded(tokens, lengths)


def _row(parts: list[list[int]], tokenizer: Tokenizer, max_length: int) -> list[int]:
    room = max_length - 1 - len(parts)
    while sum(map(len, parts)) > room:
        max(parts, key=len).pop()
    row = [tokenizer.start]
    for part in parts:
        row += [*part, tokenizer.end]
    return row


def _words(sentence: str) -> list[str]:
    return sentence.lower().split()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as text: {error}", where=str(file)) from None


def _vocabulary_hint(file: Path) -> str:
    return (
        f"put BERT's vocab.txt (one word piece per line, [PAD] first) at {file}, or name another file below the data "
        "folder with input.tokens.vocabulary=...; nothing is fetched"
    )
