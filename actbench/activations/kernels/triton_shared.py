"""Shared memory by index, which Triton's language has not: a few lines of PTX.

A program declares it once; addresses are bytes. What a thread writes others may read after `tl.debug_barrier()`. Pairs
of sums lie lane beside lane, (entry, thread) in order, so that no two lanes of a warp meet in one bank.
"""

import triton
import triton.language as tl

MOST_SHARED = 48 * 1024
"""Bytes that a program may declare without asking the driver for more."""


def declare(size: int) -> str:
    """PTX that declares shared memory and gives its address."""
    return f"{{ .shared .align 16 .b8 actbench_shared[{size}]; mov.u32 $0, actbench_shared; }}"


@triton.jit
def address_of(DECLARATION: tl.constexpr, seed):
    return tl.inline_asm_elementwise(DECLARATION, "=r,r", [seed], dtype=tl.int32, is_pure=False, pack=1)


@triton.jit
def own_pairs(start):
    """Where this thread's pairs begin; another number in every thread."""
    return tl.inline_asm_elementwise(
        "{ .reg .u32 t; mov.u32 t, %tid.x; mad.lo.u32 $0, t, 8, $1; }",
        "=r,r", [start], dtype=tl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@triton.jit
def clear(address):
    tl.inline_asm_elementwise(
        "{ .reg .f32 z; mov.f32 z, 0f00000000; st.shared.v2.f32 [$1], {z, z}; mov.b32 $0, 0; }",
        "=r,r", [address], dtype=tl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@triton.jit
def write(address, value, keep):
    tl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.s32 p, $3, 0; @p st.shared.f32 [$1], $2; mov.b32 $0, 0; }",
        "=r,r,f,r", [address, value, keep.to(tl.int32)], dtype=tl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@triton.jit
def read(address):
    return tl.inline_asm_elementwise(
        "ld.shared.f32 $0, [$1];", "=f,r", [address], dtype=tl.float32, is_pure=False, pack=1
    )


@triton.jit
def read_pair(address):
    return tl.inline_asm_elementwise(
        "ld.shared.v2.f32 {$0, $1}, [$2];",
        "=f,=f,r", [address], dtype=(tl.float32, tl.float32), is_pure=False, pack=1,
    )  # fmt: skip


@triton.jit
def add(address, g, offset):
    """g and g * offset to a pair."""
    tl.inline_asm_elementwise(
        "{ .reg .f32 s, m; ld.shared.v2.f32 {s, m}, [$1]; add.f32 s, s, $2; fma.rn.f32 m, $2, $3, m; "
        "st.shared.v2.f32 [$1], {s, m}; mov.b32 $0, 0; }",
        "=r,r,f,f", [address, g, offset], dtype=tl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@triton.jit
def add_two(address, g, offset, address_2, g_2, offset_2):
    """To two different pairs at once, so that one does not wait for the other."""
    tl.inline_asm_elementwise(
        "{ .reg .f32 s, m, t, n; ld.shared.v2.f32 {s, m}, [$1]; ld.shared.v2.f32 {t, n}, [$4]; "
        "add.f32 s, s, $2; fma.rn.f32 m, $2, $3, m; add.f32 t, t, $5; fma.rn.f32 n, $5, $6, n; "
        "st.shared.v2.f32 [$1], {s, m}; st.shared.v2.f32 [$4], {t, n}; mov.b32 $0, 0; }",
        "=r,r,f,f,r,f,f", [address, g, offset, address_2, g_2, offset_2], dtype=tl.int32, is_pure=False, pack=1,
    )  # fmt: skip
