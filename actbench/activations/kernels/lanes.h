// Vectors of floats, as long as the processor takes at once, in the extension that GCC and Clang share: one source for
// AVX-512, AVX2 and any other processor. Half numbers widen on the way in and are rounded once on the way out.

#pragma once

#include "rows.h"

#include <type_traits>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

// GCC would call a long body where it stands in a loop twice, and keep in memory what it hands over.
#define INLINE inline __attribute__((always_inline))

namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

inline floats all(float value) { return value - floats{}; }

// ---- memory -----------------------------------------------------------------------------------------------------

inline floats read(const float *from) { floats value; std::memcpy(&value, from, sizeof value); return value; }
inline void write(float *to, floats value) { std::memcpy(to, &value, sizeof value); }

inline floats read(const bfloat16 *from) {
    halves half;
    std::memcpy(&half, from, sizeof half);
    return (floats)(__builtin_convertvector(half, words) << 16);
}
inline void write(bfloat16 *to, floats value) {
    const words bits = (words)value, up = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const words rounded = (words)(value == value ? (ints)up : (ints)(words{} + 0x7fc0));
    const halves half = __builtin_convertvector(rounded, halves);
    std::memcpy(to, &half, sizeof half);
}

#ifdef __FLT16_MANT_DIG__
inline floats read(const float16 *from) {
#if defined(__AVX512F__)
    return (floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
#elif defined(__AVX2__) && defined(__F16C__)
    return (floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#else
    floats value;
    for (int lane = 0; lane < LANES; ++lane) value[lane] = widen(from[lane]);
    return value;
#endif
}
inline void write(float16 *to, floats value) {
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph((__m512)value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX2__) && defined(__F16C__)
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
    for (int lane = 0; lane < LANES; ++lane) narrow(value[lane], to + lane);
#endif
}
#endif

// The first `count` elements, the other lanes 0.
template <class T> inline floats read(const T *from, int64_t count) {
    T some[LANES] = {};
    std::memcpy(some, from, count * sizeof(T));
    return read(some);
}
template <class T> inline void write(T *to, floats value, int64_t count) {
    T some[LANES];
    write(some, value);
    std::memcpy(to, some, count * sizeof(T));
}

// Elements as whole vectors of floats, for cores that know nothing else: half numbers, and parts of vectors. They come
// in runs of `run` elements `stride` apart, `count` in all; a run begins with a new vector, whose other lanes are 0.
struct Staged {
    alignas(sizeof(floats)) float values[FLUSH_ROWS * LANES];

    Staged() {}
    template <class T> Staged(const T *from, int64_t run, int64_t stride, int64_t count) {
        float *to = values;
        for (int64_t begin = 0; begin < count; begin += run, from += stride) {
            int64_t i = 0;
            for (; i + LANES <= run; i += LANES, to += LANES) write(to, read(from + i));
            if (i < run) { write(to, read(from + i, run - i)); to += LANES; }
        }
    }
    template <class T> void leave(T *to, int64_t run, int64_t stride, int64_t count) const {
        const float *from = values;
        for (int64_t begin = 0; begin < count; begin += run, to += stride) {
            int64_t i = 0;
            for (; i + LANES <= run; i += LANES, from += LANES) write(to + i, read(from));
            if (i < run) { write(to + i, read(from), run - i); from += LANES; }
        }
    }
};

// Past the cache, for results that are larger than it; the place must be a multiple of the vector's size.
template <class T> inline void stream(T *to, floats value) { write(to, value); }
#if defined(__AVX512F__)
inline void stream(float *to, floats value) { _mm512_stream_ps(to, (__m512)value); }
#elif defined(__AVX2__)
inline void stream(float *to, floats value) { _mm256_stream_ps(to, (__m256)value); }
#endif
inline void end_of_stream() {
#if defined(__AVX2__) || defined(__AVX512F__)
    _mm_sfence();
#endif
}

constexpr int64_t LARGE = 8 << 20;  // bytes: a larger result leaves the cache before it is read again

template <class T> inline bool may_stream(const T *to, const Rows &rows) {
    const bool is_aligned = reinterpret_cast<uintptr_t>(to) % sizeof(floats) == 0 && rows.length % LANES == 0;
    return sizeof(T) == sizeof(float) && is_aligned && rows.elements() * int64_t(sizeof(T)) > LARGE;
}

// ---- arithmetic -------------------------------------------------------------------------------------------------

inline floats magnitude(floats x) { return (floats)((words)x & 0x7fffffff); }
// x with its sign turned where `at` has one.
inline floats flip(floats at, floats x) { return (floats)((words)x ^ ((words)at & 0x80000000)); }

inline bool any(ints mask) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#elif defined(__AVX2__)
    return _mm256_movemask_ps((__m256)mask);
#else
    int32_t found = 0;
    for (int lane = 0; lane < LANES; ++lane) found |= mask[lane];
    return found;
#endif
}

// By halves, so that additions need not wait for each other.
inline double sum(floats x) {
    double terms[LANES];
    for (int lane = 0; lane < LANES; ++lane) terms[lane] = x[lane];
    for (int half = LANES / 2; half; half /= 2)
        for (int lane = 0; lane < half; ++lane) terms[lane] += terms[lane + half];
    return terms[0];
}

}  // namespace
