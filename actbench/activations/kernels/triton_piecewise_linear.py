"""The Triton form of `activations.piecewise_linear`, registered for CUDA with the same operators.

The backward needs sums per channel and piece. On a GPU every thread keeps its own pair of sums for every piece in
shared memory, which no other thread touches until the end: a read, two additions and a write per element, without
atomics and, lane beside lane, without bank conflicts. Where a table needs more than MOST_SHARED bytes, and in Triton's
interpreter, sums are made piece by piece.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from actbench.activations.kernels import piecewise_linear as operators
from actbench.activations.kernels.layout import Layout, dense, float_tables, like
from actbench.activations.kernels.triton_rows import (
    SIZES,
    across,
    along,
    along_next,
    along_start,
    as_words,
    load_words,
    on_device_of,
    pack,
    sum_chunks,
    unpack,
    vectors_at,
    words_at,
)
from actbench.activations.kernels.triton_shared import (
    MOST_SHARED,
    add,
    add_two,
    address_of,
    clear,
    declare,
    own_pairs,
    read,
    read_pair,
    write,
)

SOME = tl.constexpr(32)
"""Pieces that are copied at a time."""
_THREADS = (128, 64, 32)
_UNROLL = 4
_PROGRAMS, _TERMS = 1056, 256
"""Of the backward across channels: fewer and longer programs, as each first clears, and at last adds up, a pair of sums
for every thread and piece."""


# ---- the function -----------------------------------------------------------------------------------------------


@triton.jit
def _find(x, low, inv_step, last):
    """The piece, 0 for NaN, and u - o_j."""
    u = (x - low) * inv_step
    piece = tl.minimum(tl.maximum(tl.floor(u) + 1, 0.0), last)
    return piece.to(tl.int32), u - tl.maximum(piece - 1, 0.0)


@triton.jit
def _line(base, rise, offset, x):
    moves = (rise != 0) | (x != x)  # 0 * inf would be NaN
    return tl.where(moves, base + rise * offset, base)


@triton.jit(do_not_specialize=SIZES)
def _forward_along(
    x_ptr, y_ptr, base_ptr, rise_ptr, low_ptr, step_ptr, pieces, channels, vectors, total, rounds,
    DIRECT: tl.constexpr, DECLARATION: tl.constexpr,
    TILE: tl.constexpr, VECTOR: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    chunk, channel = tl.program_id(0) // channels, tl.program_id(0) % channels
    low, inv_step, last = tl.load(low_ptr + channel), tl.load(step_ptr + channel), (pieces - 1).to(tl.float32)
    base_ptr += channel * pieces
    rise_ptr += channel * pieces
    if DECLARATION is not None:
        start = address_of(DECLARATION, pieces)
        for first in range(0, pieces, SOME):
            some = first + tl.arange(0, SOME)
            is_piece = some < pieces
            write(start + some * 8, tl.load(base_ptr + some, mask=is_piece, other=0), is_piece)
            write(start + some * 8 + 4, tl.load(rise_ptr + some, mask=is_piece, other=0), is_piece)
        tl.debug_barrier()
    number, place, at, step, stride, jump = along_start(
        chunk, channel, channels, vectors, rounds, TILE, INDEX
    )
    here, mask = vectors_at(at, number < total, VECTOR)
    following = tl.load(x_ptr + here, mask=mask, other=0)
    for turn in range(1, rounds + 1):
        x, here_now, mask_now = following.to(tl.float32), here, mask
        number, place, at = along_next(number, place, at, step, stride, jump, vectors, TILE)
        here, mask = vectors_at(at, (number < total) & (turn < rounds), VECTOR)
        following = tl.load(x_ptr + here, mask=mask, other=0)
        piece, offset = _find(x, low, inv_step, last)
        if DECLARATION is not None:
            base, rise = read_pair(start + piece * 8)
        else:
            base, rise = tl.load(base_ptr + piece), tl.load(rise_ptr + piece)
        y = _line(base, rise, x if DIRECT else offset, x)
        tl.store(y_ptr + here_now, y.to(y_ptr.dtype.element_ty), mask=mask_now)


@triton.jit(do_not_specialize=SIZES)
def _backward_along(
    x_ptr, g_ptr, dx_ptr, rise_ptr, low_ptr, step_ptr, partial_ptr, pieces, channels, vectors, total, rounds, chunks,
    DECLARATION: tl.constexpr, THREADS: tl.constexpr,
    TILE: tl.constexpr, VECTOR: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    chunk, channel = tl.program_id(0) // channels, tl.program_id(0) % channels
    low, inv_step, last = tl.load(low_ptr + channel), tl.load(step_ptr + channel), (pieces - 1).to(tl.float32)
    rise_ptr += channel * pieces
    if DECLARATION is not None:
        start = address_of(DECLARATION, pieces)
        own = own_pairs(start)
        for k in range(pieces):
            clear(own + k * (8 * THREADS))
    number, place, at, step, stride, jump = along_start(
        chunk, channel, channels, vectors, rounds, TILE, INDEX
    )
    here, mask = vectors_at(at, number < total, VECTOR)
    following = tl.load(x_ptr + here, mask=mask, other=0), tl.load(g_ptr + here, mask=mask, other=0)
    for turn in range(1, rounds + 1):
        x, g, here_now, mask_now = following[0].to(tl.float32), following[1].to(tl.float32), here, mask
        number, place, at = along_next(number, place, at, step, stride, jump, vectors, TILE)
        here, mask = vectors_at(at, (number < total) & (turn < rounds), VECTOR)
        following = tl.load(x_ptr + here, mask=mask, other=0), tl.load(g_ptr + here, mask=mask, other=0)
        piece, offset = _find(x, low, inv_step, last)
        dx = g * (tl.load(rise_ptr + piece) * inv_step)
        tl.store(dx_ptr + here_now, dx.to(dx_ptr.dtype.element_ty), mask=mask_now)
        if DECLARATION is not None:
            add(own + piece * (8 * THREADS), g, offset)
    if DECLARATION is not None:
        tl.debug_barrier()
        lane = tl.arange(0, 32)
        for first in range(0, pieces, SOME):
            some = first + tl.arange(0, SOME)
            from_ = start + tl.minimum(some, pieces - 1)[:, None] * (8 * THREADS) + lane[None, :] * 8
            sums, moments = tl.zeros([SOME, 32], tl.float32), tl.zeros([SOME, 32], tl.float32)
            for thread in range(0, THREADS, 32):
                one, other = read_pair(from_ + thread * 8)
                sums += one
                moments += other
            to = partial_ptr + (channel * pieces + some) * chunks + chunk
            tl.store(to, tl.sum(sums, axis=1), mask=some < pieces)
            tl.store(to + channels * pieces * chunks, tl.sum(moments, axis=1), mask=some < pieces)


@triton.jit(do_not_specialize=SIZES)
def _one_piece_along(
    x_ptr, g_ptr, low_ptr, step_ptr, partial_ptr, pieces, channels, vectors, total, rounds, chunks,
    TILE: tl.constexpr, VECTOR: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """The sums of one piece alone."""
    chunk, channel, own = tl.program_id(0) // channels, tl.program_id(0) % channels, tl.program_id(1)
    low, inv_step, last = tl.load(low_ptr + channel), tl.load(step_ptr + channel), (pieces - 1).to(tl.float32)
    sums, moments = tl.zeros([TILE], tl.float32), tl.zeros([TILE], tl.float32)
    number, place, at, step, stride, jump = along_start(
        chunk, channel, channels, vectors, rounds, TILE, INDEX
    )
    for _ in range(rounds):
        mask = (number < total)[:, None]
        here = (at * VECTOR)[:, None] + tl.arange(0, VECTOR)[None, :]
        g = tl.load(g_ptr + here, mask=mask, other=0).to(tl.float32)
        piece, offset = _find(tl.load(x_ptr + here, mask=mask, other=0).to(tl.float32), low, inv_step, last)
        sums += tl.sum(tl.where(piece == own, g, 0.0), axis=1)
        moments += tl.sum(tl.where(piece == own, g * offset, 0.0), axis=1)
        number, place, at = along_next(number, place, at, step, stride, jump, vectors, TILE)
    to = partial_ptr + (channel * pieces + own) * chunks + chunk
    tl.store(to, tl.sum(sums))
    tl.store(to + channels * pieces * chunks, tl.sum(moments))


@triton.jit(do_not_specialize=SIZES)
def _forward_across(
    x_ptr, y_ptr, base_ptr, rise_ptr, low_ptr, step_ptr, pieces, rows, words, rounds,
    DIRECT: tl.constexpr, DECLARATION: tl.constexpr,
    THREADS: tl.constexpr, BLOCK: tl.constexpr, UNROLL: tl.constexpr, SLOTS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    ROWS: tl.constexpr = THREADS // BLOCK
    SHARE: tl.constexpr = 8 * ROWS  # pieces that are copied at a time
    blocks = tl.cdiv(words, BLOCK)
    chunk, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    lane = tl.arange(0, BLOCK)
    column = block * BLOCK + lane
    is_column = column < words
    last = (pieces - 1).to(tl.float32)
    lows, steps = (), ()
    for slot in tl.static_range(SLOTS):
        lows += (tl.load(low_ptr + column * SLOTS + slot, mask=is_column, other=0)[None, :],)
        steps += (tl.load(step_ptr + column * SLOTS + slot, mask=is_column, other=0)[None, :],)
    if DECLARATION is not None:
        start = address_of(DECLARATION, pieces)
        for slot in tl.static_range(SLOTS):
            for first in range(0, pieces, SHARE):
                some = first + tl.arange(0, SHARE)
                keep = (some < pieces)[:, None] & is_column[None, :]
                of = (column * SLOTS + slot)[None, :] * pieces + some[:, None]
                to = start + ((slot * pieces + some[:, None]) * BLOCK + lane[None, :]) * 8
                write(to, tl.load(base_ptr + of, mask=keep, other=0), keep)
                write(to + 4, tl.load(rise_ptr + of, mask=keep, other=0), keep)
        tl.debug_barrier()
    row = chunk.to(INDEX) * (rounds * UNROLL * ROWS) + tl.arange(0, ROWS)
    DTYPE: tl.constexpr = y_ptr.dtype.element_ty
    x_ptr, y_ptr = as_words(x_ptr, SLOTS), as_words(y_ptr, SLOTS)
    end = tl.minimum(rows, (chunk.to(INDEX) + 1) * (rounds * UNROLL * ROWS))
    following = load_words(x_ptr, row, end, column, words, UNROLL, ROWS)
    for _ in range(rounds):
        inputs, first_row = following, row
        row += UNROLL * ROWS
        following = load_words(x_ptr, row, end, column, words, UNROLL, ROWS)
        for step in tl.static_range(UNROLL):
            values = ()
            for slot in tl.static_range(SLOTS):
                x = unpack(inputs[step], slot, SLOTS, DTYPE)
                piece, offset = _find(x, lows[slot], steps[slot], last)
                if DECLARATION is not None:
                    base, rise = read_pair(start + ((slot * pieces + piece) * BLOCK + lane[None, :]) * 8)
                else:
                    of = (tl.where(is_column, column, 0) * SLOTS + slot)[None, :] * pieces + piece
                    base, rise = tl.load(base_ptr + of), tl.load(rise_ptr + of)
                values += (_line(base, rise, x if DIRECT else offset, x),)
            here, mask = words_at(first_row + step * ROWS, end, column, words)
            tl.store(y_ptr + here, pack(values, SLOTS, DTYPE, DECLARATION is not None), mask=mask)


@triton.jit(do_not_specialize=SIZES)
def _backward_across(
    x_ptr, g_ptr, dx_ptr, rise_ptr, low_ptr, step_ptr, partial_ptr, pieces, rows, words, rounds, chunks,
    DECLARATION: tl.constexpr,
    THREADS: tl.constexpr, BLOCK: tl.constexpr, UNROLL: tl.constexpr, SLOTS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    ROWS: tl.constexpr = THREADS // BLOCK
    SHARE: tl.constexpr = 8 * ROWS  # pieces that are copied at a time
    blocks = tl.cdiv(words, BLOCK)
    chunk, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    lane = tl.arange(0, BLOCK)
    column = block * BLOCK + lane
    is_column = column < words
    last = (pieces - 1).to(tl.float32)
    lows, steps = (), ()
    for slot in tl.static_range(SLOTS):
        lows += (tl.load(low_ptr + column * SLOTS + slot, mask=is_column, other=0)[None, :],)
        steps += (tl.load(step_ptr + column * SLOTS + slot, mask=is_column, other=0)[None, :],)
    if DECLARATION is not None:
        # Pairs of sums (slot, piece, thread), then slopes (slot, piece, lane).
        start = address_of(DECLARATION, pieces)
        own = own_pairs(start)
        slopes = start + SLOTS * pieces * (8 * THREADS)
        for k in range(SLOTS * pieces):
            clear(own + k * (8 * THREADS))
        for slot in tl.static_range(SLOTS):
            for first in range(0, pieces, SHARE):
                some = first + tl.arange(0, SHARE)
                keep = (some < pieces)[:, None] & is_column[None, :]
                of = (column * SLOTS + slot)[None, :] * pieces + some[:, None]
                to = slopes + ((slot * pieces + some[:, None]) * BLOCK + lane[None, :]) * 4
                write(to, tl.load(rise_ptr + of, mask=keep, other=0) * steps[slot], keep)
        tl.debug_barrier()
    row = chunk.to(INDEX) * (rounds * UNROLL * ROWS) + tl.arange(0, ROWS)
    DTYPE: tl.constexpr = dx_ptr.dtype.element_ty
    x_ptr, g_ptr, dx_ptr = as_words(x_ptr, SLOTS), as_words(g_ptr, SLOTS), as_words(dx_ptr, SLOTS)
    end = tl.minimum(rows, (chunk.to(INDEX) + 1) * (rounds * UNROLL * ROWS))
    following = load_words(x_ptr, row, end, column, words, UNROLL, ROWS)
    following_grads = load_words(g_ptr, row, end, column, words, UNROLL, ROWS)
    for _ in range(rounds):
        inputs, grads, first_row = following, following_grads, row
        row += UNROLL * ROWS
        following = load_words(x_ptr, row, end, column, words, UNROLL, ROWS)
        following_grads = load_words(g_ptr, row, end, column, words, UNROLL, ROWS)
        found, offsets = (), ()
        for step in tl.static_range(UNROLL):
            values = ()
            for slot in tl.static_range(SLOTS):
                piece, offset = _find(unpack(inputs[step], slot, SLOTS, DTYPE), lows[slot], steps[slot], last)
                if DECLARATION is not None:
                    slope = read(slopes + ((slot * pieces + piece) * BLOCK + lane[None, :]) * 4)
                else:
                    of = (tl.where(is_column, column, 0) * SLOTS + slot)[None, :] * pieces + piece
                    slope = tl.load(rise_ptr + of) * steps[slot]
                values += (unpack(grads[step], slot, SLOTS, DTYPE) * slope,)
                found += (piece,)
                offsets += (offset,)
            here, mask = words_at(first_row + step * ROWS, end, column, words)
            tl.store(dx_ptr + here, pack(values, SLOTS, DTYPE, DECLARATION is not None), mask=mask)
        if DECLARATION is not None:
            for step in tl.static_range(UNROLL):
                g, pair = unpack(grads[step], 0, SLOTS, DTYPE), own + found[step * SLOTS] * (8 * THREADS)
                if SLOTS == 1:
                    add(pair, g, offsets[step])
                else:
                    g_2 = unpack(grads[step], 1, SLOTS, DTYPE)
                    pair_2 = own + (found[step * SLOTS + 1] + pieces) * (8 * THREADS)
                    add_two(pair, g, offsets[step * SLOTS], pair_2, g_2, offsets[step * SLOTS + 1])
    if DECLARATION is not None:
        tl.debug_barrier()
        for slot in tl.static_range(SLOTS):
            for first in range(0, pieces, SHARE):
                some = first + tl.arange(0, SHARE)
                # Thread r * BLOCK + b had column b.
                which = (slot * pieces + tl.minimum(some, pieces - 1))[:, None]
                from_ = start + which * (8 * THREADS) + lane[None, :] * 8
                sums, moments = tl.zeros([SHARE, BLOCK], tl.float32), tl.zeros([SHARE, BLOCK], tl.float32)
                for r in range(ROWS):
                    one, other = read_pair(from_ + r * (8 * BLOCK))
                    sums += one
                    moments += other
                keep = (some < pieces)[:, None] & is_column[None, :]
                to = (
                    partial_ptr + ((column * SLOTS + slot)[None, :] * pieces + some[:, None]) * chunks + chunk
                )
                tl.store(to, sums, mask=keep)
                tl.store(to + words * SLOTS * pieces * chunks, moments, mask=keep)


@triton.jit(do_not_specialize=SIZES)
def _one_piece_across(
    x_ptr, g_ptr, low_ptr, step_ptr, partial_ptr, pieces, rows, words, rounds, chunks,
    THREADS: tl.constexpr, BLOCK: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """The sums of one piece alone; words of one channel."""
    ROWS: tl.constexpr = THREADS // BLOCK
    blocks = tl.cdiv(words, BLOCK)
    chunk, block, own = tl.program_id(0) // blocks, tl.program_id(0) % blocks, tl.program_id(1)
    column = block * BLOCK + tl.arange(0, BLOCK)
    is_column = column < words
    low = tl.load(low_ptr + column, mask=is_column, other=0)[None, :]
    inv_step = tl.load(step_ptr + column, mask=is_column, other=0)[None, :]
    row = chunk.to(INDEX) * (rounds * ROWS) + tl.arange(0, ROWS)
    sums, moments = tl.zeros([ROWS, BLOCK], tl.float32), tl.zeros([ROWS, BLOCK], tl.float32)
    for _ in range(rounds):
        mask = (row < rows)[:, None] & is_column[None, :]
        here = row[:, None] * words + column[None, :]
        g = tl.load(g_ptr + here, mask=mask, other=0).to(tl.float32)
        x = tl.load(x_ptr + here, mask=mask, other=0).to(tl.float32)
        piece, offset = _find(x, low, inv_step, (pieces - 1).to(tl.float32))
        sums += tl.where(piece == own, g, 0.0)
        moments += tl.where(piece == own, g * offset, 0.0)
        row += ROWS
    to = partial_ptr + (column * pieces + own) * chunks + chunk
    tl.store(to, tl.sum(sums, axis=0), mask=is_column)
    tl.store(to + words * pieces * chunks, tl.sum(moments, axis=0), mask=is_column)


@triton.jit(do_not_specialize=SIZES)
def _grid_gradients(base_grad_ptr, rise_grad_ptr, rise_ptr, step_ptr, low_out_ptr, step_out_ptr, pieces):
    """As piece_sums.grid_gradients, for one unit."""
    unit = tl.program_id(0)
    inv_step = tl.load(step_ptr + unit)
    low_sum, step_sum = tl.zeros([SOME], tl.float32), tl.zeros([SOME], tl.float32)
    for first in range(0, pieces, SOME):
        some = first + tl.arange(0, SOME)
        rise = tl.load(rise_ptr + unit * pieces + some, mask=some < pieces, other=0)
        base_grad = tl.load(base_grad_ptr + unit * pieces + some, mask=some < pieces, other=0)
        rise_grad = tl.load(rise_grad_ptr + unit * pieces + some, mask=some < pieces, other=0)
        origin = tl.maximum(some - 1, 0).to(tl.float32)
        low_sum += rise * base_grad
        step_sum += tl.where(rise == 0, 0.0, rise * (rise_grad + origin * base_grad))
    tl.store(low_out_ptr + unit, -inv_step * tl.sum(low_sum))
    tl.store(step_out_ptr + unit, tl.sum(step_sum) / inv_step)


# ---- operators --------------------------------------------------------------------------------------------------


def forward(
    x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int, *, direct: bool
) -> Tensor:
    x, layout = dense(x.detach(), channel_dim, len(base))
    y = torch.empty_like(x)
    if not x.numel():
        return y
    pieces = base.shape[1]
    tables = float_tables(base, rise, low, inv_step)
    with on_device_of(x):
        if layout.across:
            plan = across(x, len(base), threads=128, unroll=_UNROLL)
            size = 8 * pieces * plan.slots * plan.block
            declaration = declare(size) if x.is_cuda and size <= MOST_SHARED else None
            _forward_across[plan.programs](
                x, y, *tables, pieces, plan.rows, plan.words, plan.rounds, direct, declaration,
                plan.threads, plan.block, plan.unroll, plan.slots, plan.index,
                num_warps=plan.threads // 32,
            )  # fmt: skip
        else:
            rows = along(x, len(base), _length(x, layout, len(base)), threads=128, unroll=2)
            declaration = declare(8 * pieces) if x.is_cuda and 8 * pieces <= MOST_SHARED else None
            _forward_along[rows.programs](
                x, y, *tables, pieces, rows.channels, rows.vectors, rows.total, rows.rounds,
                direct, declaration, rows.tile, rows.vector, rows.index, num_warps=4,
            )  # fmt: skip
    return y


def backward(
    grad: Tensor, x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int
) -> tuple[Tensor, Tensor, Tensor]:
    x, layout = dense(x.detach(), channel_dim, len(base))
    dx = torch.empty_like(x)
    channels, pieces = base.shape
    if not x.numel():
        return dx, torch.zeros_like(base, dtype=torch.float32), torch.zeros_like(base, dtype=torch.float32)
    tensors = (x, like(x, grad), dx, *float_tables(rise, low, inv_step))
    with on_device_of(x):
        run = _run_backward_across if layout.across else _run_backward_along
        partial = run(tensors, channels, pieces, _length(x, layout, channels))
        base_grad, rise_grad = sum_chunks(partial, base.shape, base.shape)
    return dx, base_grad, rise_grad


def grid_gradients(
    base_grad: Tensor, rise_grad: Tensor, rise: Tensor, inv_step: Tensor
) -> tuple[Tensor, Tensor]:
    tables = float_tables(base_grad, rise_grad, rise, inv_step)
    low_grad, step_grad = torch.empty_like(tables[3]), torch.empty_like(tables[3])
    with on_device_of(base_grad):
        _grid_gradients[(len(rise),)](*tables, low_grad, step_grad, rise.shape[1], num_warps=1)
    return low_grad, step_grad


def _length(x: Tensor, layout: Layout, channels: int) -> int:
    return x.numel() if channels == 1 else layout.length


def _run_backward_along(tensors: tuple[Tensor, ...], channels: int, pieces: int, length: int) -> Tensor:
    x, g, _, _, low, inv_step = tensors
    sizes = [8 * pieces * threads for threads in _THREADS]
    threads, size = next(((t, s) for t, s in zip(_THREADS, sizes, strict=True) if s <= MOST_SHARED), (128, 0))
    plan = along(x, channels, length, threads=threads)
    partial = x.new_empty(2 * channels * pieces, plan.chunks, dtype=torch.float32)
    is_shared = x.is_cuda and size > 0
    _backward_along[plan.programs](
        *tensors, partial, pieces, channels, plan.vectors, plan.total, plan.rounds, plan.chunks,
        declare(size) if is_shared else None,
        threads, plan.tile, plan.vector, plan.index, num_warps=threads // 32,
    )  # fmt: skip
    if not is_shared:
        _one_piece_along[(*plan.programs, pieces)](
            x, g, low, inv_step, partial, pieces, channels, plan.vectors, plan.total, plan.rounds, plan.chunks,
            plan.tile, plan.vector, plan.index, num_warps=threads // 32,
        )  # fmt: skip
    return partial


def _run_backward_across(tensors: tuple[Tensor, ...], channels: int, pieces: int, _length: int) -> Tensor:
    x, g, _, _, low, inv_step = tensors
    for threads in _THREADS:
        plan = across(x, channels, threads=threads, unroll=_UNROLL, programs=_PROGRAMS, terms=_TERMS)
        size = 4 * plan.slots * pieces * (2 * threads + plan.block)
        if x.is_cuda and size + 32 * threads <= MOST_SHARED:  # Triton may move a tile of pieces itself
            break
    else:
        size = 0
        plan = across(x, channels, threads=_THREADS[0], unroll=1, slots=1)
    partial = x.new_empty(2 * channels * pieces, plan.chunks, dtype=torch.float32)
    _backward_across[plan.programs](
        *tensors, partial, pieces, plan.rows, plan.words, plan.rounds, plan.chunks, declare(size) if size else None,
        plan.threads, plan.block, plan.unroll, plan.slots, plan.index, num_warps=plan.threads // 32,
    )  # fmt: skip
    if not size:
        _one_piece_across[(*plan.programs, pieces)](
            x, g, low, inv_step, partial, pieces, plan.rows, plan.words, plan.rounds, plan.chunks,
            plan.threads, plan.block, plan.index, num_warps=plan.threads // 32,
        )  # fmt: skip
    return partial


@operators.piecewise_linear.register_kernel("cuda")
def _(x: Tensor, base: Tensor, rise: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int) -> Tensor:
    return forward(x, base, rise, low, inv_step, channel_dim, direct=False)


@operators.look_up.register_kernel("cuda")
def _(x: Tensor, offset: Tensor, slope: Tensor, low: Tensor, inv_step: Tensor, channel_dim: int) -> Tensor:
    return forward(x, offset, slope, low, inv_step, channel_dim, direct=True)


operators.piecewise_linear_backward.register_kernel("cuda")(backward)
operators.piecewise_linear_grid.register_kernel("cuda")(grid_gradients)
