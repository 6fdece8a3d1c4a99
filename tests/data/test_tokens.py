"""Numbers of words and word pieces: their layout, what is known, what is cut."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actbench.data.settings import TokenSettings
from actbench.data.tokens import END, PADDING, SPECIAL, START, UNKNOWN, Words, encode, make_tokenizer
from actbench.errors import ActbenchError, DataError
from tests.data.text_sets import PIECES, write_vocabulary

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="needs the extra actbench[text]"
)
words = st.text(alphabet="abcAB.", min_size=1, max_size=3)
sentences = st.lists(words, max_size=12).map(" ".join)


def test_words_are_numbered_by_count_and_then_by_alphabet() -> None:
    known = Words(["b a a", "B c", "d"], TokenSettings())
    assert known.size == len(SPECIAL) + 4
    assert known.numbers("a b c d e A") == [4, 5, 6, 7, UNKNOWN, 4]


def test_rare_words_and_those_beyond_the_limit_are_unknown() -> None:
    text = ["a a a b b c"]
    assert Words(text, TokenSettings(min_count=2)).numbers("a b c") == [4, 5, UNKNOWN]
    assert Words(text, TokenSettings(max_words=1)).numbers("a b c") == [4, UNKNOWN, UNKNOWN]


@given(st.lists(sentences, max_size=8), st.randoms())
def test_the_order_of_sentences_changes_no_number(texts: list[str], random: object) -> None:
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = Words(texts, TokenSettings()), Words(shuffled, TokenSettings())
    assert one.size == two.size
    assert [one.numbers(text) for text in texts] == [two.numbers(text) for text in texts]


@given(st.lists(st.one_of(sentences, st.tuples(sentences, sentences).map("\t".join)), max_size=6))
def test_every_row_is_start_words_end_and_then_padding_alone(texts: list[str]) -> None:
    encoded = encode(Words(texts, TokenSettings()), texts, 9)
    assert encoded.tokens.shape == (len(texts), 9)
    for row, length, text in zip(encoded.tokens.tolist(), encoded.lengths.tolist(), texts, strict=True):
        real = row[:length]
        assert PADDING not in real
        assert row[length:] == [PADDING] * (9 - length)
        assert (real[0], real[-1], real.count(START)) == (START, END, 1)
        parts = text.split("\t")
        assert real.count(END) == len(parts)
        wanted = sum(len(part.split()) for part in parts)
        assert length == min(9, 1 + len(parts) + wanted)
        assert UNKNOWN not in real  # the vocabulary is of these very sentences


def test_a_pair_loses_words_of_the_longer_one_first() -> None:
    pair = "a b c d e f\tx y"
    known = Words(pair.split("\t"), TokenSettings())
    row = encode(known, [pair], 9).tokens[0].tolist()
    assert row == [START, *known.numbers("a b c d"), END, *known.numbers("x y"), END]


@needs_transformers
def test_word_pieces_are_bert_s_own(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    settings = TokenSettings(tokenizer="wordpiece")
    tokenizer = make_tokenizer(settings, [], tmp_path)
    number = {piece: place for place, piece in enumerate(PIECES)}
    assert tokenizer.size == len(PIECES)
    row = encode(tokenizer, ["A Funny film, good?"], 12).tokens[0].tolist()
    expected = ["[CLS]", "a", "fun", "##ny", "film", ",", "good", "[UNK]", "[SEP]"]
    assert row == [number[piece] for piece in expected] + [0, 0, 0]


def test_a_missing_vocabulary_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no vocabulary of word pieces here") as caught:
        make_tokenizer(TokenSettings(tokenizer="wordpiece"), [], tmp_path)
    file = tmp_path / "bert-base-uncased" / "vocab.txt"
    assert f"put BERT's vocab.txt (one word piece per line, [PAD] first) at {file}" in str(caught.value)
    assert "nothing is fetched" in str(caught.value)


@needs_transformers
@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (("a", "b"), r"no \[PAD\], \[UNK\], \[CLS\], \[SEP\] in it"),
        (("a", *SPECIAL), r"\[PAD\] is not its first line"),
    ],
)
def test_another_file_is_no_vocabulary(pieces: tuple[str, ...], message: str, tmp_path: Path) -> None:
    write_vocabulary(tmp_path, pieces)
    with pytest.raises(DataError, match=f"not a vocabulary of BERT's: {message}"):
        make_tokenizer(TokenSettings(tokenizer="wordpiece"), [], tmp_path)


def test_without_transformers_the_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_vocabulary(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ActbenchError, match="needs transformers") as caught:
        make_tokenizer(TokenSettings(tokenizer="wordpiece"), [], tmp_path)
    assert 'pip install "actbench[text]"' in str(caught.value)
