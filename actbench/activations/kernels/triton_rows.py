"""What the Triton kernels share: how a tensor is divided among programs, and the second stage of sums.

`Along`: rows of one channel each, r belonging to channel r % channels. Vectors of `vector` neighbours (16 bytes where
the row's length allows) are counted through all rows of a channel; a program serves one channel and a chunk of
`rounds` tiles of vectors. `Across`: a row is one pixel, its elements the channels, read as words of 4 bytes; a
program serves a block of columns and a chunk of rows, and a thread keeps one column, so that its sums stay its own.

Partial sums are float32 over a chunk, or wider; a second kernel adds the chunks in float64. The division depends on
shapes alone, so sums are bitwise the same from run to run.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS = 4096
"""At least so many where there is work for them: several waves on each multiprocessor, so the last costs little."""
SIZES = ("pieces", "channels", "vectors", "total", "rounds", "chunks", "rows", "words", "half")
"""Arguments of the kernels whose values make no other code: one compilation serves all shapes."""
_MOST_TERMS = 64
"""Elements of a channel that a thread takes, and so terms of a float32 sum."""
_MOST_INT32 = 2**31 - 1


class Along(NamedTuple):
    channels: int
    vectors: int
    """In one row."""
    total: int
    """In all rows of a channel."""
    rounds: int
    chunks: int
    tile: int
    vector: int
    index: Any

    @property
    def programs(self) -> tuple[int]:
        return (self.channels * self.chunks,)


class Across(NamedTuple):
    rows: int
    words: int
    """In one row."""
    rounds: int
    chunks: int
    block: int
    """Words, a power of two."""
    slots: int
    """Channels in a word."""
    threads: int
    unroll: int
    index: Any

    @property
    def programs(self) -> tuple[int]:
        return (triton.cdiv(self.words, self.block) * self.chunks,)


def along(x: Tensor, channels: int, length: int, *, threads: int, unroll: int = 1) -> Along:
    """For rows of `length` elements."""
    vector = _power_in(length, 16 // x.element_size())
    vectors = length // vector
    total = x.numel() // (channels * vector)
    tile = threads * unroll
    tiles = triton.cdiv(total, tile)
    rounds = max(1, min(tiles * channels // PROGRAMS, _MOST_TERMS // (vector * unroll)))
    return Along(channels, vectors, total, rounds, triton.cdiv(tiles, rounds), tile, vector, _index(x))


def across(
    x: Tensor,
    channels: int,
    *,
    threads: int,
    unroll: int,
    slots: int = 2,
    programs: int | None = None,
    terms: int = _MOST_TERMS,
) -> Across:
    """Words of `slots` channels where such words have 4 bytes, else of one.

    About so many programs, of which each thread takes at most so many rows.
    """
    if x.element_size() == 4 or channels % 2 or x.data_ptr() % 4:
        slots = 1
    words, rows = channels // slots, x.numel() // channels
    block = min(triton.next_power_of_2(words), threads)
    tiles = triton.cdiv(rows, threads // block * unroll)
    blocks = triton.cdiv(words, block)
    rounds = max(1, min(tiles * blocks // (programs or PROGRAMS), terms // unroll))
    return Across(rows, words, rounds, triton.cdiv(tiles, rounds), block, slots, threads, unroll, _index(x))


def _power_in(number: int, most: int) -> int:
    """The largest power of two up to `most` that divides the number."""
    return min(number & -number, most)


def _index(x: Tensor) -> Any:
    return tl.int32 if 2 * x.numel() < _MOST_INT32 else tl.int64


def on_device_of(x: Tensor) -> AbstractContextManager[Any]:
    """Triton launches on the current device."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


# ---- positions --------------------------------------------------------------------------------------------------


@triton.jit
def along_start(chunk, channel, channels, vectors, rounds, TILE: tl.constexpr, INDEX: tl.constexpr):
    """Of a tile of vectors: the number in its channel, the place in its row, the place in memory; then how far one goes
    from tile to tile: in a row, in memory, and in memory at a row's end."""
    number = chunk.to(INDEX) * (rounds * TILE) + tl.arange(0, TILE)
    row, place = number // vectors, number % vectors
    step = TILE % vectors
    stride = TILE // vectors * channels * vectors + step
    return number, place, (row * channels + channel) * vectors + place, step, stride, (channels - 1) * vectors


@triton.jit
def along_next(number, place, at, step, stride, jump, vectors, TILE: tl.constexpr):
    place += step
    is_over = place >= vectors
    at += tl.where(is_over, stride + jump, stride)
    return number + TILE, tl.where(is_over, place - vectors, place), at


@triton.jit
def vectors_at(at, is_number, VECTOR: tl.constexpr):
    """Offsets and mask of a tile of vectors."""
    return (at * VECTOR)[:, None] + tl.arange(0, VECTOR)[None, :], is_number[:, None]


@triton.jit
def words_at(row, end, column, words):
    """Offsets and mask of a tile of words."""
    return row[:, None] * words + column[None, :], (row < end)[:, None] & (column < words)[None, :]


@triton.jit
def load_words(pointer, row, end, column, words, UNROLL: tl.constexpr, ROWS: tl.constexpr):
    """Tiles of ROWS rows one below the other, as a tuple."""
    tiles = ()
    for step in tl.static_range(UNROLL):
        here, mask = words_at(row + step * ROWS, end, column, words)
        tiles += (tl.load(pointer + here, mask=mask, other=0),)
    return tiles


@triton.jit
def columns(tile, TILE: tl.constexpr, VECTOR: tl.constexpr):
    """A (TILE, VECTOR) tile as a tuple of columns, in an order of their own.

    A vector lies in one thread's registers, so nothing moves; and sums over columns need no tile of products first.
    """
    if VECTOR == 1:
        parts = (tl.reshape(tile, [TILE]),)
    elif VECTOR == 2:
        parts = tl.split(tile)
    else:
        even, odd = tl.split(tl.reshape(tile, [TILE, VECTOR // 2, 2]))
        parts = columns(even, TILE, VECTOR // 2) + columns(odd, TILE, VECTOR // 2)
    return parts


@triton.jit
def beside(parts, TILE: tl.constexpr, VECTOR: tl.constexpr, FIRST: tl.constexpr):
    """What `columns` took apart."""
    if VECTOR == 1:
        tile = parts[FIRST]
    else:
        even = beside(parts, TILE, VECTOR // 2, FIRST)
        odd = beside(parts, TILE, VECTOR // 2, FIRST + VECTOR // 2)
        tile = tl.join(even, odd)
    return tl.reshape(tile, [TILE, VECTOR])


@triton.jit
def unpack(word, slot: tl.constexpr, SLOTS: tl.constexpr, DTYPE: tl.constexpr):
    """A channel of each word in float32."""
    if SLOTS == 1:
        values = word.to(tl.float32)
    else:
        values = (word >> (16 * slot)).to(tl.int16).to(DTYPE, bitcast=True).to(tl.float32)
    return values


@triton.jit
def _convert_two(ASSEMBLY: tl.constexpr, low, high):
    return tl.inline_asm_elementwise(ASSEMBLY, "=r,f,f", [low, high], dtype=tl.int32, is_pure=True, pack=1)


@triton.jit
def pack(values, SLOTS: tl.constexpr, DTYPE: tl.constexpr, IS_CUDA: tl.constexpr):
    """Words from a tuple of their channels in float32."""
    if SLOTS == 1:
        word = values[0].to(DTYPE)
    elif IS_CUDA and DTYPE.is_bf16():  # both conversions in one instruction
        word = _convert_two("cvt.rn.bf16x2.f32 $0, $2, $1;", values[0], values[1])
    elif IS_CUDA:
        word = _convert_two("cvt.rn.f16x2.f32 $0, $2, $1;", values[0], values[1])
    else:
        low = values[0].to(DTYPE).to(tl.int16, bitcast=True).to(tl.int32) & 0xFFFF
        word = low | (values[1].to(DTYPE).to(tl.int16, bitcast=True).to(tl.int32) << 16)
    return word


@triton.jit
def as_words(pointer, SLOTS: tl.constexpr):
    if SLOTS == 1:
        words = pointer
    else:
        words = pointer.to(tl.pointer_type(tl.int32))
    return words


# ---- second stage -----------------------------------------------------------------------------------------------


@triton.jit(do_not_specialize=SIZES)
def _sum_rows(
    partial_ptr, first_ptr, second_ptr, half, rows, chunks, ROWS: tl.constexpr, CHUNKS: tl.constexpr
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = tl.zeros([ROWS, CHUNKS], tl.float64)
    for start in range(0, chunks, CHUNKS):
        chunk = start + tl.arange(0, CHUNKS)
        mask = (row < rows)[:, None] & (chunk < chunks)[None, :]
        total += tl.load(partial_ptr + row[:, None] * chunks + chunk[None, :], mask=mask, other=0).to(
            tl.float64
        )
    sums = tl.sum(total, axis=1).to(tl.float32)
    tl.store(first_ptr + row, sums, mask=row < half)
    tl.store(second_ptr + row - half, sums, mask=(row >= half) & (row < rows))


def sum_chunks(partial: Tensor, *shapes: tuple[int, ...]) -> list[Tensor]:
    """(rows, chunks) -> one or two tensors of these shapes that have a number for every row, in float32.

    Added in float64 in a fixed order. (Two: an operator's outputs must not share memory.)
    """
    rows, chunks = partial.shape
    outs = [torch.empty(shape, dtype=torch.float32, device=partial.device) for shape in shapes]
    width = min(triton.next_power_of_2(chunks), 4096)
    height = max(1, 2048 // width)
    _sum_rows[(triton.cdiv(rows, height),)](
        partial, outs[0], outs[-1], outs[0].numel(), rows, chunks, height, width, num_warps=8
    )  # fmt: skip
    return outs
