// What the kernels share: number formats, how a tensor is seen as rows, sums that do not depend on threads.
//
// A tensor is `count` rows of `length` elements; row r belongs to channel r % channels (the last row may be shorter).
// With `across` a row is one pixel in channels-last order and its elements are the channels. Sums go through fixed
// blocks of rows: first in float over a few hundred terms, then in double, blocks in order; so they are the same
// whatever the number of threads. C linkage and plain pointers: nothing of PyTorch's is compiled against.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define WIDE 1
#else
#define WIDE 0
#endif

namespace {

struct bfloat16 { uint16_t bits; };
struct float16 { uint16_t bits; };

struct Rows {
    int64_t count, length, last_length, channels;
    int64_t size(int64_t row) const { return row + 1 == count ? last_length : length; }
    int64_t elements() const { return (count - 1) * length + last_length; }
};

inline float bits_to_float(uint32_t bits) { float value; std::memcpy(&value, &bits, 4); return value; }
inline uint32_t float_to_bits(float value) { uint32_t bits; std::memcpy(&bits, &value, 4); return bits; }

inline float widen(float value) { return value; }
inline float widen(bfloat16 value) { return bits_to_float(uint32_t(value.bits) << 16); }
inline void narrow(float value, float *to) { *to = value; }
inline void narrow(float value, bfloat16 *to) {
    const uint32_t bits = float_to_bits(value);
    to->bits = std::isnan(value) ? 0x7fc0 : uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#ifdef __FLT16_MANT_DIG__
inline float widen(float16 value) { _Float16 half; std::memcpy(&half, &value.bits, 2); return float(half); }
inline void narrow(float value, float16 *to) { const _Float16 half = _Float16(value); std::memcpy(&to->bits, &half, 2); }
#endif

#if WIDE
inline __m512 load(const float *from, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from); }
inline __m512 load(const bfloat16 *from, __mmask16 mask) {
    const __m256i half = _mm512_castsi512_si256(_mm512_maskz_loadu_epi16(mask, from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
inline __m512 load(const float16 *from, __mmask16 mask) {
    return _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_maskz_loadu_epi16(mask, from)));
}
inline void store(float *to, __m512 value, __mmask16 mask) { _mm512_mask_storeu_ps(to, mask, value); }
inline void store(bfloat16 *to, __m512 value, __mmask16 mask) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    up = _mm512_srli_epi32(up, 16);
    up = _mm512_mask_mov_epi32(up, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc0));
    _mm512_mask_storeu_epi16(to, mask, _mm512_castsi256_si512(_mm512_cvtepi32_epi16(up)));
}
inline void store(float16 *to, __m512 value, __mmask16 mask) {
    const __m256i half = _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm512_mask_storeu_epi16(to, mask, _mm512_castsi256_si512(half));
}
inline __mmask16 first(int64_t count) { return count >= 16 ? 0xffff : __mmask16((1u << count) - 1); }

#endif

inline void flush(float *sums, int64_t count, double *total) {
    for (int64_t i = 0; i < count; ++i) { total[i] += sums[i]; sums[i] = 0; }
}

// Blocks depend on sizes alone, never on the number of threads. Each owns a table of `sums`, so few rows get few.
inline int64_t count_blocks(const Rows &rows, int64_t sums) {
    const int64_t worth = std::min<int64_t>(64, rows.elements() / (16 * sums));
    const int64_t blocks = std::max<int64_t>(1, std::min(worth, rows.count));
    return blocks > 2 ? blocks & ~int64_t(1) : blocks;
}

constexpr int64_t FLUSH_ROWS = 256;  // float sums of that many terms at most go into the double ones

}  // namespace
