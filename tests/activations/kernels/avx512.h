// What the kernels use of AVX-512, lane by lane, so that their code for it runs on any x86 processor.
//
// To be included before a source (`-include`). Where an instruction has a free hand, in the guess of rsqrt14, this one is
// as far off as it may be; where one would fault, at a stream to an address that is no multiple, so does this.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include <immintrin.h>  // declares the types; before what comes next, or it would count on the instructions

#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512DQ__ 1

namespace emulated {

template <class To, class From> inline To as(From from) {
    To to{};
    std::memcpy(&to, &from, sizeof to < sizeof from ? sizeof to : sizeof from);
    return to;
}

template <class To, class Lane> inline To each(int lanes, Lane lane) {
    To to;
    for (int i = 0; i < lanes; ++i) to[i] = lane(i);
    return to;
}

// The type that casts speak of, in lanes of 32 bits.
typedef int32_t Whole __attribute__((vector_size(64), may_alias));
typedef uint32_t Unsigned __attribute__((vector_size(64), may_alias));
typedef uint16_t Short __attribute__((vector_size(32), may_alias));
typedef uint8_t Bytes __attribute__((vector_size(16), may_alias));

inline bool has(uint32_t mask, int lane) { return (mask >> lane) & 1; }

inline __m512 set1_ps(float a) { return each<__m512>(16, [&](int) { return a; }); }
inline __m512i set1_epi32(int a) { return as<__m512i>(each<Whole>(16, [&](int) { return a; })); }

inline __m512 loadu_ps(const void *from) {
    __m512 to;
    std::memcpy(&to, from, sizeof to);
    return to;
}
inline void storeu_ps(void *to, __m512 a) { std::memcpy(to, &a, sizeof a); }
inline void stream_ps(void *to, __m512 a) {
    if (reinterpret_cast<uintptr_t>(to) % sizeof a) __builtin_trap();
    storeu_ps(to, a);
}
inline __m512 maskz_loadu_ps(uint16_t mask, const void *from) {  // what is masked out is not read
    const float *values = static_cast<const float *>(from);
    return each<__m512>(16, [&](int i) { return has(mask, i) ? values[i] : 0.0f; });
}
inline void mask_storeu_ps(void *to, uint16_t mask, __m512 a) {
    for (int i = 0; i < 16; ++i)
        if (has(mask, i)) static_cast<float *>(to)[i] = a[i];
}
inline __m512i maskz_loadu_epi16(uint32_t mask, const void *from) {
    uint16_t lanes[32] = {};
    for (int i = 0; i < 32; ++i)
        if (has(mask, i)) std::memcpy(&lanes[i], static_cast<const char *>(from) + 2 * i, 2);
    __m512i a;
    std::memcpy(&a, lanes, sizeof a);
    return a;
}
inline void mask_storeu_epi16(void *to, uint32_t mask, __m512i a) {
    uint16_t lanes[32];
    std::memcpy(lanes, &a, sizeof a);
    for (int i = 0; i < 32; ++i)
        if (has(mask, i)) std::memcpy(static_cast<char *>(to) + 2 * i, &lanes[i], 2);
}
inline __m512 i32gather_ps(__m512i index, const void *from, int scale) {
    const Whole at = as<Whole>(index);
    return each<__m512>(16, [&](int i) {
        float value;
        std::memcpy(&value, static_cast<const char *>(from) + int64_t(at[i]) * scale, 4);
        return value;
    });
}

// The second where either is not a number.
inline __m512 max_ps(__m512 a, __m512 b) { return each<__m512>(16, [&](int i) { return a[i] > b[i] ? a[i] : b[i]; }); }
inline __m512 min_ps(__m512 a, __m512 b) { return each<__m512>(16, [&](int i) { return a[i] < b[i] ? a[i] : b[i]; }); }
inline __m512 sqrt_ps(__m512 a) { return each<__m512>(16, [&](int i) { return std::sqrt(a[i]); }); }
inline __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
    return each<__m512>(16, [&](int i) { return std::fma(a[i], b[i], c[i]); });
}
inline __m512 rsqrt14_ps(__m512 a) {  // off by less than 2^-14 of it
    return each<__m512>(16, [&](int i) { return float((1 - 0.99 / 16384) / std::sqrt(double(a[i]))); });
}
inline __m512 roundscale_ps(__m512 a, int how) {
    if (how != (_MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)) __builtin_trap();  // no other is used
    return each<__m512>(16, [&](int i) { return std::floor(a[i]); });
}

inline __m512i add_epi32(__m512i a, __m512i b) { return as<__m512i>(as<Unsigned>(a) + as<Unsigned>(b)); }
inline __m512i and_si512(__m512i a, __m512i b) { return as<__m512i>(as<Unsigned>(a) & as<Unsigned>(b)); }
inline __m512i slli_epi32(__m512i a, unsigned bits) { return as<__m512i>(as<Unsigned>(a) << bits); }
inline __m512i srli_epi32(__m512i a, unsigned bits) { return as<__m512i>(as<Unsigned>(a) >> bits); }

inline uint16_t mask_of(bool (*holds)(float, float), __m512 a, __m512 b) {
    uint32_t mask = 0;
    for (int i = 0; i < 16; ++i) mask |= uint32_t(holds(a[i], b[i])) << i;
    return uint16_t(mask);
}
inline uint16_t cmp_ps_mask(__m512 a, __m512 b, int how) {
    switch (how) {
        case _CMP_UNORD_Q: return mask_of([](float x, float y) { return x != x || y != y; }, a, b);
        case _CMP_GT_OQ: return mask_of([](float x, float y) { return x > y; }, a, b);
        case _CMP_NLE_UQ: return mask_of([](float x, float y) { return !(x <= y); }, a, b);
        default: __builtin_trap();
    }
}
inline uint16_t movepi32_mask(__m512i a) {
    return mask_of([](float x, float) { return std::signbit(x); }, as<__m512>(a), __m512{});
}
inline uint16_t test_epi32_mask(__m512i a, __m512i b) {
    const Whole both = as<Whole>(a) & as<Whole>(b);
    uint32_t mask = 0;
    for (int i = 0; i < 16; ++i) mask |= uint32_t(both[i] != 0) << i;
    return uint16_t(mask);
}
inline __m512 mask_mov_ps(__m512 no, uint16_t mask, __m512 yes) {
    return each<__m512>(16, [&](int i) { return has(mask, i) ? yes[i] : no[i]; });
}
inline __m512 maskz_mov_ps(uint16_t mask, __m512 yes) { return mask_mov_ps(__m512{}, mask, yes); }
inline __m512i mask_mov_epi32(__m512i no, uint16_t mask, __m512i yes) {
    const Whole a = as<Whole>(no), b = as<Whole>(yes);
    return as<__m512i>(each<Whole>(16, [&](int i) { return has(mask, i) ? b[i] : a[i]; }));
}

inline __m256i cvtepi32_epi16(__m512i a) {
    const Whole from = as<Whole>(a);
    return as<__m256i>(each<Short>(16, [&](int i) { return uint16_t(from[i]); }));
}
inline __m512i cvtepu16_epi32(__m256i a) {
    const Short from = as<Short>(a);
    return as<__m512i>(each<Whole>(16, [&](int i) { return int32_t(from[i]); }));
}
inline __m512i cvtepu8_epi32(__m128i a) {
    const Bytes from = as<Bytes>(a);
    return as<__m512i>(each<Whole>(16, [&](int i) { return int32_t(from[i]); }));
}
inline __m512 cvtepi32_ps(__m512i a) {
    const Whole from = as<Whole>(a);
    return each<__m512>(16, [&](int i) { return float(from[i]); });
}
inline __m512i cvttps_epi32(__m512 a) {  // what does not fit becomes the smallest
    return as<__m512i>(each<Whole>(16, [&](int i) {
        return a[i] >= -2147483648.0f && a[i] < 2147483648.0f ? int32_t(a[i]) : INT32_MIN;
    }));
}
inline __m512 cvtph_ps(__m256i a) {
    const Short from = as<Short>(a);
    return each<__m512>(16, [&](int i) { return float(as<_Float16>(uint16_t(from[i]))); });
}
inline __m256i cvtps_ph(__m512 a, int) {
    return as<__m256i>(each<Short>(16, [&](int i) { return as<uint16_t>(_Float16(a[i])); }));
}
inline __m512d cvtps_pd(__m256 a) { return each<__m512d>(8, [&](int i) { return double(a[i]); }); }

inline __m128 part_of(__m512 a, int which) {
    return each<__m128>(4, [&](int i) { return a[4 * which + i]; });
}
inline __m256 castps512_ps256(__m512 a) { return as<__m256>(a); }
inline __m128 castps512_ps128(__m512 a) { return as<__m128>(a); }
inline __m512 castps128_ps512(__m128 a) { return as<__m512>(a); }
inline __m256d castpd512_pd256(__m512d a) { return as<__m256d>(a); }
inline __m512i castps_si512(__m512 a) { return as<__m512i>(a); }
inline __m512 castsi512_ps(__m512i a) { return as<__m512>(a); }
inline __m256i castsi512_si256(__m512i a) { return as<__m256i>(a); }
inline __m512i castsi256_si512(__m256i a) { return as<__m512i>(a); }
inline __m128 extractf32x4_ps(__m512 a, int which) { return part_of(a, which); }
inline __m256 extractf32x8_ps(__m512 a, int which) {
    return each<__m256>(8, [&](int i) { return a[8 * which + i]; });
}
inline __m256d extractf64x4_pd(__m512d a, int which) {
    return each<__m256d>(4, [&](int i) { return a[4 * which + i]; });
}
inline __m512 insertf32x4(__m512 a, __m128 part, int which) {
    return each<__m512>(16, [&](int i) { return i / 4 == which ? part[i % 4] : a[i]; });
}
inline __m512 shuffle_ps(__m512 a, __m512 b, int which) {  // in each quarter two of a, then two of b
    return each<__m512>(16, [&](int i) {
        const int place = i % 4, from = i - place + ((which >> (2 * place)) & 3);
        return place < 2 ? a[from] : b[from];
    });
}
inline __m512 shuffle_f32x4(__m512 a, __m512 b, int which) {  // two quarters of a, then two of b
    return each<__m512>(16, [&](int i) {
        const int place = i / 4, from = 4 * ((which >> (2 * place)) & 3) + i % 4;
        return place < 2 ? a[from] : b[from];
    });
}
inline __m512 unpacklo_ps(__m512 a, __m512 b) {
    return each<__m512>(16, [&](int i) { return (i % 2 ? b : a)[i / 4 * 4 + i % 4 / 2]; });
}
inline __m512 unpackhi_ps(__m512 a, __m512 b) {
    return each<__m512>(16, [&](int i) { return (i % 2 ? b : a)[i / 4 * 4 + i % 4 / 2 + 2]; });
}
inline __m512 permutexvar_ps(__m512i index, __m512 a) {
    const Whole at = as<Whole>(index);
    return each<__m512>(16, [&](int i) { return a[at[i] & 15]; });
}
inline __m512 permutex2var_ps(__m512 a, __m512i index, __m512 b) {
    const Whole at = as<Whole>(index);
    return each<__m512>(16, [&](int i) { return (at[i] & 16 ? b : a)[at[i] & 15]; });
}

}  // namespace emulated

#undef _mm512_add_epi32
#define _mm512_add_epi32 emulated::add_epi32
#undef _mm512_and_si512
#define _mm512_and_si512 emulated::and_si512
#undef _mm512_castpd512_pd256
#define _mm512_castpd512_pd256 emulated::castpd512_pd256
#undef _mm512_castps128_ps512
#define _mm512_castps128_ps512 emulated::castps128_ps512
#undef _mm512_castps512_ps128
#define _mm512_castps512_ps128 emulated::castps512_ps128
#undef _mm512_castps512_ps256
#define _mm512_castps512_ps256 emulated::castps512_ps256
#undef _mm512_castps_si512
#define _mm512_castps_si512 emulated::castps_si512
#undef _mm512_castsi256_si512
#define _mm512_castsi256_si512 emulated::castsi256_si512
#undef _mm512_castsi512_ps
#define _mm512_castsi512_ps emulated::castsi512_ps
#undef _mm512_castsi512_si256
#define _mm512_castsi512_si256 emulated::castsi512_si256
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask emulated::cmp_ps_mask
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16 emulated::cvtepi32_epi16
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps emulated::cvtepi32_ps
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32 emulated::cvtepu16_epi32
#undef _mm512_cvtepu8_epi32
#define _mm512_cvtepu8_epi32 emulated::cvtepu8_epi32
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps emulated::cvtph_ps
#undef _mm512_cvtps_pd
#define _mm512_cvtps_pd emulated::cvtps_pd
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph emulated::cvtps_ph
#undef _mm512_cvttps_epi32
#define _mm512_cvttps_epi32 emulated::cvttps_epi32
#undef _mm512_extractf32x4_ps
#define _mm512_extractf32x4_ps emulated::extractf32x4_ps
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps emulated::extractf32x8_ps
#undef _mm512_extractf64x4_pd
#define _mm512_extractf64x4_pd emulated::extractf64x4_pd
#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps emulated::fmadd_ps
#undef _mm512_i32gather_ps
#define _mm512_i32gather_ps emulated::i32gather_ps
#undef _mm512_insertf32x4
#define _mm512_insertf32x4 emulated::insertf32x4
#undef _mm512_loadu_ps
#define _mm512_loadu_ps emulated::loadu_ps
#undef _mm512_mask_mov_epi32
#define _mm512_mask_mov_epi32 emulated::mask_mov_epi32
#undef _mm512_mask_mov_ps
#define _mm512_mask_mov_ps emulated::mask_mov_ps
#undef _mm512_mask_storeu_epi16
#define _mm512_mask_storeu_epi16 emulated::mask_storeu_epi16
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps emulated::mask_storeu_ps
#undef _mm512_maskz_loadu_epi16
#define _mm512_maskz_loadu_epi16 emulated::maskz_loadu_epi16
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps emulated::maskz_loadu_ps
#undef _mm512_maskz_mov_ps
#define _mm512_maskz_mov_ps emulated::maskz_mov_ps
#undef _mm512_max_ps
#define _mm512_max_ps emulated::max_ps
#undef _mm512_min_ps
#define _mm512_min_ps emulated::min_ps
#undef _mm512_movepi32_mask
#define _mm512_movepi32_mask emulated::movepi32_mask
#undef _mm512_permutex2var_ps
#define _mm512_permutex2var_ps emulated::permutex2var_ps
#undef _mm512_permutexvar_ps
#define _mm512_permutexvar_ps emulated::permutexvar_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps emulated::roundscale_ps
#undef _mm512_rsqrt14_ps
#define _mm512_rsqrt14_ps emulated::rsqrt14_ps
#undef _mm512_set1_epi32
#define _mm512_set1_epi32 emulated::set1_epi32
#undef _mm512_set1_ps
#define _mm512_set1_ps emulated::set1_ps
#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4 emulated::shuffle_f32x4
#undef _mm512_shuffle_ps
#define _mm512_shuffle_ps emulated::shuffle_ps
#undef _mm512_slli_epi32
#define _mm512_slli_epi32 emulated::slli_epi32
#undef _mm512_sqrt_ps
#define _mm512_sqrt_ps emulated::sqrt_ps
#undef _mm512_srli_epi32
#define _mm512_srli_epi32 emulated::srli_epi32
#undef _mm512_storeu_ps
#define _mm512_storeu_ps emulated::storeu_ps
#undef _mm512_stream_ps
#define _mm512_stream_ps emulated::stream_ps
#undef _mm512_test_epi32_mask
#define _mm512_test_epi32_mask emulated::test_epi32_mask
#undef _mm512_unpackhi_ps
#define _mm512_unpackhi_ps emulated::unpackhi_ps
#undef _mm512_unpacklo_ps
#define _mm512_unpacklo_ps emulated::unpacklo_ps
