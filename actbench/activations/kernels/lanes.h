// Vectors of floats, as wide as the processor's.
//
// They are the compiler's own vectors (GCC's and Clang's): +, *, comparison and ?: go lane by lane, so that a formula
// is written once for AVX-512, AVX2 and any other processor. Comparisons with NaN are false, which each ?: counts on.
// Half numbers widen on the way in and are rounded once on the way out.

#pragma once

#include "rows.h"

#if !WIDE && defined(__AVX2__)
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define APART __attribute__((noinline, noclone))

namespace {

#if WIDE
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float V __attribute__((vector_size(4 * LANES)));
typedef int32_t I __attribute__((vector_size(4 * LANES)));
typedef uint32_t U __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));

INLINE V all(float value) { return value - V{}; }
INLINE V magnitude(V x) { return (V)((U)x & 0x7fffffffu); }
INLINE V below(V x) { return (V)((U)x | 0x80000000u); }  // -|x|
// b where either is NaN, as the processor has it; the compiler would compare and select.
INLINE V largest(V a, V b) {
#if WIDE
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#else
    return a > b ? a : b;
#endif
}
INLINE V smallest(V a, V b) {
#if WIDE
    return _mm512_min_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_min_ps(a, b);
#else
    return a < b ? a : b;
#endif
}
// By the sign alone, also of zeros and of what is not a number.
INLINE V by_sign(V x, V negative, V positive) {
#if WIDE
    return _mm512_mask_mov_ps(positive, _mm512_movepi32_mask((__m512i)x), negative);
#elif defined(__AVX2__)
    return _mm256_blendv_ps(positive, negative, x);
#else
    return (I)x < 0 ? negative : positive;
#endif
}
INLINE V above(V x) { return largest(V{}, x); }
// x with its sign turned where `at` has one.
INLINE V flip(V at, V x) { return (V)((U)x ^ ((U)at & 0x80000000u)); }

INLINE bool any(I mask) {
#if WIDE
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#elif defined(__AVX2__)
    return _mm256_movemask_ps((__m256)mask);
#else
    int32_t found = 0;
    for (int i = 0; i < LANES; ++i) found |= mask[i];
    return found;
#endif
}

INLINE V root(V x) {
#if WIDE
    return _mm512_sqrt_ps(x);
#elif defined(__AVX2__)
    return _mm256_sqrt_ps(x);
#else
    for (int i = 0; i < LANES; ++i) x[i] = std::sqrt(x[i]);
    return x;
#endif
}

// 1 / sqrt(x) of a positive normal number, within 2 ulp: the processor's guess, 2^-11 off, made good to the cube.
INLINE V inverse_root(V x) {
#if WIDE
    const V guess = _mm512_rsqrt14_ps(x);
#elif defined(__AVX2__)
    const V guess = _mm256_rsqrt_ps(x);
#else
    return 1 / root(x);
#endif
#if WIDE || defined(__AVX2__)
    const V off = 1 - x * guess * guess;
    return guess + guess * off * (0.5f + 0.375f * off);
#endif
}

INLINE V load(const float *from) { V x; std::memcpy(&x, from, sizeof x); return x; }
INLINE void store(float *to, V x) { std::memcpy(to, &x, sizeof x); }

INLINE V load(const bfloat16 *from) {
#if WIDE
    const U bits = (U)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
#elif defined(__AVX2__)
    const U bits = (U)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
#else
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    const U bits = __builtin_convertvector(halves, U);
#endif
    return (V)(bits << 16);
}
INLINE void store(bfloat16 *to, V x) {
    const U bits = (U)x, up = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, rounded = x == x ? up : U{} + 0x7fc0u;
#if WIDE
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16((__m512i)rounded));
#elif defined(__AVX2__)
    const __m256i all = (__m256i)rounded;
    _mm_storeu_si128((__m128i *)to, _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
#else
    const Halves halves = __builtin_convertvector(rounded, Halves);
    std::memcpy(to, &halves, sizeof halves);
#endif
}

#ifdef __FLT16_MANT_DIG__
INLINE V load(const float16 *from) {
#if WIDE
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
#elif defined(__AVX2__) && defined(__F16C__)
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#else
    V x = {};
    for (int i = 0; i < LANES; ++i) x[i] = widen(from[i]);
    return x;
#endif
}
INLINE void store(float16 *to, V x) {
#if WIDE
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX2__) && defined(__F16C__)
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
    for (int i = 0; i < LANES; ++i) narrow(x[i], to + i);
#endif
}
#endif

// Past the caches, for what is larger than they are; `to` is a multiple of what is written. See leaves_caches.
INLINE void stream(float *to, V x) {
#if WIDE
    _mm512_stream_ps(to, x);
#elif defined(__AVX2__)
    _mm256_stream_ps(to, x);
#else
    store(to, x);
#endif
}
template <class Half>
INLINE void stream(Half *to, V x) {
    alignas(64) Half half[LANES];
    store(half, x);
#if WIDE
    _mm256_stream_si256((__m256i *)to, _mm256_load_si256((const __m256i *)half));
#elif defined(__AVX2__)
    _mm_stream_si128((__m128i *)to, _mm_load_si128((const __m128i *)half));
#else
    store(to, x);
#endif
}
template <class T>
INLINE void store(T *to, V x, bool past_caches) { past_caches ? stream(to, x) : store(to, x); }

// What comes so far behind `at` is on its way before it is read: the processor itself foresees no further than a page.
template <class T>
INLINE void fetch(const T *at) {
    constexpr int64_t AHEAD = 1024;
    __builtin_prefetch(at + AHEAD);
}

// To be called by each thread that streamed, before others read.
INLINE void end_of_stream() {
#if WIDE || defined(__AVX2__)
    _mm_sfence();
#endif
}

template <class T>
bool leaves_caches(const T *to, const Rows &rows) {
    constexpr int64_t LARGE = 8 << 20, VECTOR = LANES * sizeof(T);
    return rows.elements() * int64_t(sizeof(T)) > LARGE && reinterpret_cast<uintptr_t>(to) % VECTOR == 0 &&
           rows.length % LANES == 0;
}

// Halves on halves, in double.
INLINE double lane_sum(V x) {
#if WIDE
    const __m512d eight = _mm512_cvtps_pd(_mm512_castps512_ps256(x)) + _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    const __m256d four = _mm512_castpd512_pd256(eight) + _mm512_extractf64x4_pd(eight, 1);
#elif defined(__AVX2__)
    const __m256d four = _mm256_cvtps_pd(_mm256_castps256_ps128(x)) + _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
#endif
#if WIDE || defined(__AVX2__)
    const __m128d two = _mm256_castpd256_pd128(four) + _mm256_extractf128_pd(four, 1);
    return two[0] + two[1];
#else
    return (double(x[0]) + x[2]) + (double(x[1]) + x[3]);
#endif
}

}  // namespace
