"""The Triton form of rationals, registered for CUDA with the same operators; formulas as in rational.cpp.

In float32 while |x| <= NEAR and coefficients are no larger than TAME: no power overflows there. A program that met
another element does all its work again in float64, which holds x^7 of any float32; that is rare, so nobody waits for
it. Infinite inputs count as +-FARTHEST and have an infinite value where the one there exceeds ENDLESS; NaN passes.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from actbench.activations.kernels import rational as operators
from actbench.activations.kernels.layout import float_tables, like
from actbench.activations.kernels.triton_rows import (
    SIZES,
    across,
    along,
    along_next,
    along_start,
    as_words,
    beside,
    columns,
    load_words,
    on_device_of,
    pack,
    sum_chunks,
    unpack,
    vectors_at,
    words_at,
)

NEAR = tl.constexpr(1024.0)
TAME = tl.constexpr(2.0**32)
FARTHEST = tl.constexpr(2.0**140)
ENDLESS = tl.constexpr(2.0**100)
_THREADS = 128
_UNROLL = 4


@triton.jit
def _flip(at, x):
    """x * sgn(at), sgn(0) = +1."""
    return tl.where(at < 0, -x, x)


@triton.jit
def _inverse(q, IS_QUICK: tl.constexpr):
    """1 / q; the quick one is off by at most an ulp, for q from 2^-126 to 2^126."""
    if IS_QUICK:
        inverse = tl.inline_asm_elementwise(
            "rcp.approx.ftz.f32 $0, $1;", "=f,f", [q], tl.float32, is_pure=True, pack=1
        )
    else:
        inverse = 1.0 / q
    return inverse


@triton.jit
def _value(
    x, a, c, offset, M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr, IS_QUICK: tl.constexpr
):
    z = tl.abs(x) if OF_MAGNITUDE else x
    p, s = a[M], c[N]
    for i in tl.static_range(M):
        p = p * x + a[M - 1 - i]
    for j in tl.static_range(N):
        s = s * z + c[N - 1 - j]
    return p * _inverse(offset + tl.abs(s), IS_QUICK)


@triton.jit
def _parts(
    x, g, a, c, offset, M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr, IS_QUICK: tl.constexpr
):
    """g dy/dx, g / Q, and -s g R / Q."""
    z = tl.abs(x) if OF_MAGNITUDE else x
    p, s = a[M], c[N]
    dp, ds = 0.0 * p, 0.0 * s
    for i in tl.static_range(M):
        dp = dp * x + p if i else p
        p = p * x + a[M - 1 - i]
    for j in tl.static_range(N):
        ds = ds * z + s if j else s
        s = s * z + c[N - 1 - j]
    inverse = _inverse(offset + tl.abs(s), IS_QUICK)
    y, share = _flip(s, p * inverse), g * inverse
    if OF_MAGNITUDE:
        ds = _flip(x, ds)
    return (dp - y * ds) * share, share, -y * share


@triton.jit
def _terms(x, share, fall, M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr):
    """share * x^i, then fall * z^j, as a tuple."""
    signed = _flip(x, fall) if OF_MAGNITUDE else fall  # |x|^j = sgn(x) x^j for odd j
    power = x
    of_a, of_c = (share,), (fall,)
    for i in tl.static_range(1, max(M, N) + 1):
        if i > 1:
            power = power * x
        if i <= M:
            of_a += (share * power,)
        if i <= N:
            of_c += ((signed if i % 2 else fall) * power,)
    return of_a + of_c


@triton.jit
def _added(sums, terms, COUNT: tl.constexpr):
    new = ()
    for i in tl.static_range(COUNT):
        new += (sums[i] + terms[i],)
    return new


@triton.jit
def _cut(x):
    """In float64 and between +-FARTHEST; NaN stays."""
    x = x.to(tl.float64)
    return tl.where(x != x, x, tl.minimum(tl.maximum(x, -FARTHEST), FARTHEST))


@triton.jit
def _far_value(x, a, c, offset, M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr):
    y = _value(_cut(x), a, c, offset, M, N, OF_MAGNITUDE, False)
    is_endless = (tl.abs(x) == float("inf")) & (tl.abs(y) > ENDLESS)
    return tl.where(is_endless, y * float("inf"), y).to(tl.float32)


@triton.jit
def _load_row(pointer, COUNT: tl.constexpr):
    """COUNT neighbours, as a tuple."""
    values = ()
    for i in tl.static_range(COUNT):
        values += (tl.load(pointer + i),)
    return values


@triton.jit
def _load_rows(pointer, row, mask, COUNT: tl.constexpr):
    """COUNT neighbours of each row, as a tuple of (1, rows)."""
    values = ()
    for i in tl.static_range(COUNT):
        values += (tl.load(pointer + row * COUNT + i, mask=mask, other=0)[None, :],)
    return values


@triton.jit
def _near(a, c, M: tl.constexpr, N: tl.constexpr):
    """Up to which |x| float32 serves; negative if it never does."""
    largest = tl.abs(a[0])
    for i in tl.static_range(1, M + 1):
        largest = tl.maximum(largest, tl.abs(a[i]))
    for j in tl.static_range(N + 1):
        largest = tl.maximum(largest, tl.abs(c[j]))
    return tl.where(largest <= TAME, NEAR, -1.0)


@triton.jit
def _zeros(zero, COUNT: tl.constexpr):
    values = ()
    for _ in tl.static_range(COUNT):
        values += (zero,)
    return values


@triton.jit(do_not_specialize=SIZES)
def _forward_along(
    x_ptr, y_ptr, a_ptr, c_ptr, offset, channels, vectors, total, rounds,
    M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr, IS_CUDA: tl.constexpr,
    TILE: tl.constexpr, VECTOR: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    chunk, channel = tl.program_id(0) // channels, tl.program_id(0) % channels
    a_ptr += channel * (M + 1)
    c_ptr += channel * (N + 1)
    a, c = _load_row(a_ptr, M + 1), _load_row(c_ptr, N + 1)
    largest = tl.zeros([TILE], tl.float32)
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
        y = _value(x, a, c, offset, M, N, OF_MAGNITUDE, IS_CUDA)
        tl.store(y_ptr + here_now, y.to(y_ptr.dtype.element_ty), mask=mask_now)
        largest = tl.maximum(largest, tl.max(tl.abs(x), axis=1))
    if tl.max(largest) > _near(a, c, M, N):
        number, place, at, step, stride, jump = along_start(
            chunk, channel, channels, vectors, rounds, TILE, INDEX
        )
        for _ in range(rounds):
            for v in range(VECTOR):
                x_v = tl.load(x_ptr + at * VECTOR + v, mask=number < total, other=0).to(tl.float32)
                a_v, c_v = _load_row(a_ptr, M + 1), _load_row(c_ptr, N + 1)
                y_v = _far_value(x_v, a_v, c_v, offset, M, N, OF_MAGNITUDE)
                tl.store(y_ptr + at * VECTOR + v, y_v.to(y_ptr.dtype.element_ty), mask=number < total)
            number, place, at = along_next(number, place, at, step, stride, jump, vectors, TILE)


@triton.jit(do_not_specialize=SIZES)
def _backward_along(
    x_ptr, g_ptr, dx_ptr, a_ptr, c_ptr, partial_ptr, offset, channels, vectors, total, rounds, chunks,
    M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr, IS_CUDA: tl.constexpr,
    TILE: tl.constexpr, VECTOR: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    TERMS: tl.constexpr = M + N + 2
    chunk, channel = tl.program_id(0) // channels, tl.program_id(0) % channels
    a_ptr += channel * (M + 1)
    c_ptr += channel * (N + 1)
    a, c = _load_row(a_ptr, M + 1), _load_row(c_ptr, N + 1)
    largest = tl.zeros([TILE], tl.float32)
    sums = _zeros(largest, TERMS)
    number, place, at, step, stride, jump = along_start(
        chunk, channel, channels, vectors, rounds, TILE, INDEX
    )
    here, mask = vectors_at(at, number < total, VECTOR)
    following = tl.load(x_ptr + here, mask=mask, other=0), tl.load(g_ptr + here, mask=mask, other=0)
    for turn in range(1, rounds + 1):
        inputs, grads = columns(following[0], TILE, VECTOR), columns(following[1], TILE, VECTOR)
        here_now, mask_now = here, mask
        number, place, at = along_next(number, place, at, step, stride, jump, vectors, TILE)
        here, mask = vectors_at(at, (number < total) & (turn < rounds), VECTOR)
        following = tl.load(x_ptr + here, mask=mask, other=0), tl.load(g_ptr + here, mask=mask, other=0)
        found = ()
        for v in tl.static_range(VECTOR):
            x = inputs[v].to(tl.float32)
            dx, share, fall = _parts(x, grads[v].to(tl.float32), a, c, offset, M, N, OF_MAGNITUDE, IS_CUDA)
            sums = _added(sums, _terms(x, share, fall, M, N, OF_MAGNITUDE), TERMS)
            largest = tl.maximum(largest, tl.abs(x))
            found += (dx,)
        dx = beside(found, TILE, VECTOR, 0)
        tl.store(dx_ptr + here_now, dx.to(dx_ptr.dtype.element_ty), mask=mask_now)
    is_far = tl.max(largest) > _near(a, c, M, N)
    to = partial_ptr + channel * TERMS * chunks + chunk
    for i in tl.static_range(TERMS):
        tl.store(to + i * chunks, tl.sum(sums[i]).to(tl.float64))
    if is_far:
        wide = _zeros(tl.zeros([TILE], tl.float64), TERMS)
        number, place, at, step, stride, jump = along_start(
            chunk, channel, channels, vectors, rounds, TILE, INDEX
        )
        for _ in range(rounds):
            for v in range(VECTOR):
                here_v, is_number = at * VECTOR + v, number < total
                x_v = _cut(tl.load(x_ptr + here_v, mask=is_number, other=0).to(tl.float32))
                g_v = tl.load(g_ptr + here_v, mask=is_number, other=0).to(tl.float64)
                a_v, c_v = _load_row(a_ptr, M + 1), _load_row(c_ptr, N + 1)
                dx_v, share_v, fall_v = _parts(x_v, g_v, a_v, c_v, offset, M, N, OF_MAGNITUDE, False)
                tl.store(dx_ptr + here_v, dx_v.to(tl.float32).to(dx_ptr.dtype.element_ty), mask=is_number)
                wide = _added(wide, _terms(x_v, share_v, fall_v, M, N, OF_MAGNITUDE), TERMS)
            number, place, at = along_next(number, place, at, step, stride, jump, vectors, TILE)
        for i in tl.static_range(TERMS):
            tl.store(to + i * chunks, tl.sum(wide[i]))


@triton.jit(do_not_specialize=SIZES)
def _forward_across(
    x_ptr, y_ptr, a_ptr, c_ptr, offset, rows, words, rounds,
    M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr, IS_CUDA: tl.constexpr,
    THREADS: tl.constexpr, BLOCK: tl.constexpr, UNROLL: tl.constexpr, SLOTS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    ROWS: tl.constexpr = THREADS // BLOCK
    blocks = tl.cdiv(words, BLOCK)
    chunk, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    column = block * BLOCK + tl.arange(0, BLOCK)
    is_column = column < words
    a, c = (), ()
    for slot in tl.static_range(SLOTS):
        a += (_load_rows(a_ptr, column * SLOTS + slot, is_column, M + 1),)
        c += (_load_rows(c_ptr, column * SLOTS + slot, is_column, N + 1),)
    largest = _zeros(tl.zeros([ROWS, BLOCK], tl.float32), SLOTS)
    DTYPE: tl.constexpr = y_ptr.dtype.element_ty
    from_ptr, to_ptr = as_words(x_ptr, SLOTS), as_words(y_ptr, SLOTS)
    first = chunk.to(INDEX) * (rounds * UNROLL * ROWS) + tl.arange(0, ROWS)
    row = first
    end = tl.minimum(rows, (chunk.to(INDEX) + 1) * (rounds * UNROLL * ROWS))
    following = load_words(from_ptr, row, end, column, words, UNROLL, ROWS)
    for _ in range(rounds):
        inputs, first_row = following, row
        row += UNROLL * ROWS
        following = load_words(from_ptr, row, end, column, words, UNROLL, ROWS)
        for step in tl.static_range(UNROLL):
            values, new = (), ()
            for slot in tl.static_range(SLOTS):
                x = unpack(inputs[step], slot, SLOTS, DTYPE)
                values += (_value(x, a[slot], c[slot], offset, M, N, OF_MAGNITUDE, IS_CUDA),)
                new += (tl.maximum(largest[slot], tl.abs(x)),)
            largest = new
            here, mask = words_at(first_row + step * ROWS, end, column, words)
            tl.store(to_ptr + here, pack(values, SLOTS, DTYPE, IS_CUDA), mask=mask)
    for slot in tl.static_range(SLOTS):
        is_far = largest[slot] > _near(a[slot], c[slot], M, N)
        if tl.max(is_far.to(tl.int32)) > 0:
            row_s, channel = first, column * SLOTS + slot
            for _ in range(rounds * UNROLL):
                mask_s = (row_s < rows)[:, None] & is_column[None, :]
                here_s = row_s[:, None] * (words * SLOTS) + channel[None, :]
                x_s = tl.load(x_ptr + here_s, mask=mask_s, other=0).to(tl.float32)
                a_s = _load_rows(a_ptr, channel, is_column, M + 1)
                c_s = _load_rows(c_ptr, channel, is_column, N + 1)
                y_s = _far_value(x_s, a_s, c_s, offset, M, N, OF_MAGNITUDE)
                tl.store(y_ptr + here_s, y_s.to(DTYPE), mask=mask_s)
                row_s += ROWS


@triton.jit(do_not_specialize=SIZES)
def _backward_across(
    x_ptr, g_ptr, dx_ptr, a_ptr, c_ptr, partial_ptr, offset, rows, words, rounds, chunks,
    M: tl.constexpr, N: tl.constexpr, OF_MAGNITUDE: tl.constexpr, IS_CUDA: tl.constexpr,
    THREADS: tl.constexpr, BLOCK: tl.constexpr, UNROLL: tl.constexpr, SLOTS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    ROWS: tl.constexpr = THREADS // BLOCK
    TERMS: tl.constexpr = M + N + 2
    blocks = tl.cdiv(words, BLOCK)
    chunk, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    column = block * BLOCK + tl.arange(0, BLOCK)
    is_column = column < words
    zero = tl.zeros([ROWS, BLOCK], tl.float32)
    a, c, sums = (), (), ()
    for slot in tl.static_range(SLOTS):
        a += (_load_rows(a_ptr, column * SLOTS + slot, is_column, M + 1),)
        c += (_load_rows(c_ptr, column * SLOTS + slot, is_column, N + 1),)
        sums += (_zeros(zero, TERMS),)
    largest = _zeros(zero, SLOTS)
    DTYPE: tl.constexpr = dx_ptr.dtype.element_ty
    from_ptr, grad_ptr, to_ptr = as_words(x_ptr, SLOTS), as_words(g_ptr, SLOTS), as_words(dx_ptr, SLOTS)
    first = chunk.to(INDEX) * (rounds * UNROLL * ROWS) + tl.arange(0, ROWS)
    row = first
    end = tl.minimum(rows, (chunk.to(INDEX) + 1) * (rounds * UNROLL * ROWS))
    following = load_words(from_ptr, row, end, column, words, UNROLL, ROWS)
    following_grads = load_words(grad_ptr, row, end, column, words, UNROLL, ROWS)
    for _ in range(rounds):
        inputs, grads, first_row = following, following_grads, row
        row += UNROLL * ROWS
        following = load_words(from_ptr, row, end, column, words, UNROLL, ROWS)
        following_grads = load_words(grad_ptr, row, end, column, words, UNROLL, ROWS)
        for step in tl.static_range(UNROLL):
            values, new, new_largest = (), (), ()
            for slot in tl.static_range(SLOTS):
                x, g = unpack(inputs[step], slot, SLOTS, DTYPE), unpack(grads[step], slot, SLOTS, DTYPE)
                dx, share, fall = _parts(x, g, a[slot], c[slot], offset, M, N, OF_MAGNITUDE, IS_CUDA)
                values += (dx,)
                new += (_added(sums[slot], _terms(x, share, fall, M, N, OF_MAGNITUDE), TERMS),)
                new_largest += (tl.maximum(largest[slot], tl.abs(x)),)
            sums, largest = new, new_largest
            here, mask = words_at(first_row + step * ROWS, end, column, words)
            tl.store(to_ptr + here, pack(values, SLOTS, DTYPE, IS_CUDA), mask=mask)
    far = ()
    for slot in tl.static_range(SLOTS):
        to = partial_ptr + (column * SLOTS + slot) * (TERMS * chunks) + chunk
        for i in tl.static_range(TERMS):
            tl.store(to + i * chunks, tl.sum(sums[slot][i], axis=0).to(tl.float64), mask=is_column)
        far += (tl.max((largest[slot] > _near(a[slot], c[slot], M, N)).to(tl.int32)),)
    for slot in tl.static_range(SLOTS):
        if far[slot] > 0:
            channel = column * SLOTS + slot
            to = partial_ptr + channel * (TERMS * chunks) + chunk
            wide = _zeros(zero.to(tl.float64), TERMS)
            row_s = first
            for _ in range(rounds * UNROLL):
                mask_s = (row_s < rows)[:, None] & is_column[None, :]
                here_s = row_s[:, None] * (words * SLOTS) + channel[None, :]
                x_s = _cut(tl.load(x_ptr + here_s, mask=mask_s, other=0).to(tl.float32))
                g_s = tl.load(g_ptr + here_s, mask=mask_s, other=0).to(tl.float64)
                a_s = _load_rows(a_ptr, channel, is_column, M + 1)
                c_s = _load_rows(c_ptr, channel, is_column, N + 1)
                dx_s, share_s, fall_s = _parts(x_s, g_s, a_s, c_s, offset, M, N, OF_MAGNITUDE, False)
                tl.store(dx_ptr + here_s, dx_s.to(tl.float32).to(DTYPE), mask=mask_s)
                wide = _added(wide, _terms(x_s, share_s, fall_s, M, N, OF_MAGNITUDE), TERMS)
                row_s += ROWS
            for i in tl.static_range(TERMS):
                tl.store(to + i * chunks, tl.sum(wide[i], axis=0), mask=is_column)


# ---- operators --------------------------------------------------------------------------------------------------


def forward(x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int) -> Tensor:
    x, layout, width = operators.laid_out(x.detach(), len(a), channel_dim)
    y = torch.empty_like(x)
    if not x.numel():
        return y
    orders = a.shape[1] - 1, c.shape[1] - 1
    tables = float_tables(*_for_columns(a, c, width))
    with on_device_of(x):
        if layout.across:
            plan = across(x, width, threads=_THREADS, unroll=_UNROLL)
            _forward_across[plan.programs](
                x, y, *tables, offset, plan.rows, plan.words, plan.rounds, *orders, of_magnitude, x.is_cuda,
                plan.threads, plan.block, plan.unroll, plan.slots, plan.index, num_warps=_THREADS // 32,
            )  # fmt: skip
        else:
            length = x.numel() if len(a) == 1 else layout.length
            rows = along(x, len(a), length, threads=_THREADS)
            _forward_along[rows.programs](
                x, y, *tables, offset, rows.channels, rows.vectors, rows.total, rows.rounds,
                *orders, of_magnitude, x.is_cuda, rows.tile, rows.vector, rows.index, num_warps=_THREADS // 32,
            )  # fmt: skip
    return y


def backward(
    grad: Tensor, x: Tensor, a: Tensor, c: Tensor, of_magnitude: bool, offset: float, channel_dim: int
) -> tuple[Tensor, Tensor]:
    x, layout, width = operators.laid_out(x.detach(), len(a), channel_dim)
    dx = torch.empty_like(x)
    orders = a.shape[1] - 1, c.shape[1] - 1
    terms = width, sum(orders) + 2
    if not x.numel():
        return dx, x.new_zeros(len(a), terms[1], dtype=torch.float32)
    tensors = (x, like(x, grad), dx, *float_tables(*_for_columns(a, c, width)))
    with on_device_of(x):
        if layout.across:
            plan = across(x, width, threads=_THREADS, unroll=_UNROLL)
            partial = x.new_empty(terms[0] * terms[1], plan.chunks, dtype=torch.float64)
            _backward_across[plan.programs](
                *tensors, partial, offset, plan.rows, plan.words, plan.rounds, plan.chunks,
                *orders, of_magnitude, x.is_cuda,
                plan.threads, plan.block, plan.unroll, plan.slots, plan.index,
                num_warps=_THREADS // 32, maxnreg=_registers(96, orders),
            )  # fmt: skip
        else:
            length = x.numel() if len(a) == 1 else layout.length
            rows = along(x, len(a), length, threads=_THREADS)
            partial = x.new_empty(terms[0] * terms[1], rows.chunks, dtype=torch.float64)
            _backward_along[rows.programs](
                *tensors, partial, offset, rows.channels, rows.vectors, rows.total, rows.rounds, rows.chunks,
                *orders, of_magnitude, x.is_cuda, rows.tile, rows.vector, rows.index,
                num_warps=_THREADS // 32, maxnreg=_registers(72, orders),
            )  # fmt: skip
        sums = sum_chunks(partial, terms)[0]
        return dx, sums if width == len(a) else sums.view(len(a), -1, terms[1]).sum(1)


def _for_columns(a: Tensor, c: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """A row for every column, where neighbours share theirs."""
    if width == len(a):
        return a, c
    return a.repeat_interleave(width // len(a), 0), c.repeat_interleave(width // len(c), 0)


def _registers(most: int, orders: tuple[int, int]) -> int | None:
    """For the usual orders, so many per thread that the loop over near elements keeps all it needs, and no more."""
    return most if sum(orders) <= 9 else None


operators.rational.register_kernel("cuda")(forward)
operators.rational_backward.register_kernel("cuda")(backward)
