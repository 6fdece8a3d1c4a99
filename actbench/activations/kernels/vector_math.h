// Vectors of floats, as wide as the processor's, and the functions that activations are made of.
//
// They are the compiler's own vectors (GCC's and Clang's): +, *, comparison and ?: go lane by lane, so that a formula
// is written once for AVX-512, AVX2 and any other processor. Comparisons with NaN are false, which each ?: counts on.

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
INLINE V largest(V a, V b) { return a > b ? a : b; }   // b where either is NaN
INLINE V smallest(V a, V b) { return a < b ? a : b; }  // likewise
INLINE V above(V x) { return largest(V{}, x); }

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
    double sums[LANES];
    for (int i = 0; i < LANES; ++i) sums[i] = x[i];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
    return sums[0];
}

struct Exponential { V value, minus_one; };  // exp(a) and exp(a) - 1, each within 2 ulp

// For a <= 20: 2^n * exp(r) with r = a - n ln 2, |r| <= ln(2) / 2, and exp(r) = 1 + r + r^2 q(r), q fitted by least
// relative error, which is 2^-27 of exp(r). Below -87.33, where exp(a) is no longer a normal number, it is taken as 0.
INLINE Exponential exponential(V a) {
    const V least = all(-87.33f), magic = all(12582912.f);  // 1.5 * 2^23: what is added to it becomes a whole number
    const V near = largest(least, a), shifted = near * 1.44269504f + magic, n = shifted - magic;
    V r = near - n * 0.693145752f;  // ln 2 in two parts
    r = r - n * 1.42860677e-6f;
    V q = r * 0.00139013061f + 0.0083632003516f;
    q = q * r + 0.041666854173f;
    q = q * r + 0.16666576266f;
    q = q * r + 0.5f;
    const V p = r * r * q + r;
    V scale = (V)(((I)shifted << 23) + 0x3f800000);
    scale = a < least ? V{} : scale;
    return {p * scale + scale, p * scale + (scale - 1)};
}

struct Gate { V open, shut; };  // sigmoid(z) and sigmoid(-z), both to a few ulp

INLINE Gate gate(V z) {
    const V e = exponential(-magnitude(z)).value, more = 1 / (1 + e), less = e * more;
    return {z < 0 ? less : more, z < 0 ? more : less};
}

struct Tails { V below, bell; };  // 1 + erf(z), which has all its digits below zero too, and exp(-z^2)

// 1 - erf(|z|) = t * exp(-z^2) * q(t) with t = 1 / (1 + 0.45 |z|); q by least relative error, which is 2^-24.
INLINE Tails tails(V z) {
    const V bell = exponential(-(z * z)).value, t = 1 / (1 + 0.45f * magnitude(z));
    V q = t * -0.0414000116f + 0.190726608f;
    q = q * t - 0.300652802f;
    q = q * t + 0.142470181f;
    q = q * t - 0.022398036f;
    q = q * t + 0.119964309f;
    q = q * t + 0.175249338f;
    q = q * t + 0.228271946f;
    q = q * t + 0.253883153f;
    q = q * t + 0.253885329f;
    const V beyond = t * bell * q;
    return {z < 0 ? beyond : 2 - beyond, bell};
}

}  // namespace
