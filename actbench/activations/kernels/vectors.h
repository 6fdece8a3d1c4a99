// Vectors of LANES floats: 16 with AVX-512, 8 with AVX2; where LANES is 0 there are none and scalar code serves.
//
// What works on part of a vector takes `count`, of which LANES or more are a whole one; the other lanes are read as 0 and
// not written. `greater` and `smaller` give their second argument where either is NaN, as the processor does;
// `select_above` then gives `no`, and `unless_at_most`, which else gives `yes` where a > b and 0, gives `yes`.

#pragma once

#include "rows.h"

#if WIDE
#define LANES 16
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#define LANES 8
#else
#define LANES 0
#endif

namespace {

#if LANES == 16
using Floats = __m512;
using Ints = __m512i;

inline Floats all(float value) { return _mm512_set1_ps(value); }
inline Floats load(const float *from) { return _mm512_loadu_ps(from); }
inline Floats load(const bfloat16 *from) { return load(from, __mmask16(0xffff)); }
inline Floats load(const float16 *from) { return load(from, __mmask16(0xffff)); }
inline void store(float *to, Floats value) { _mm512_storeu_ps(to, value); }
template <class T> Floats load_some(const T *from, int64_t count) { return load(from, first(count)); }
template <class T> void store_some(T *to, Floats value, int64_t count) { store(to, value, first(count)); }

inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats greater(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats round_down(Floats a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
inline Ints to_ints(Floats a) { return _mm512_cvttps_epi32(a); }
inline void store(bfloat16 *to, Floats value) { store(to, value, __mmask16(0xffff)); }
inline void store(float16 *to, Floats value) { store(to, value, __mmask16(0xffff)); }
inline Floats as_floats(Ints a) { return _mm512_castsi512_ps(a); }

inline Floats select_above(Floats a, Floats b, Floats yes, Floats no) {
    return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), yes);
}
inline Floats unless_at_most(Floats a, Floats b, Floats yes) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ), yes);
}
template <int BITS> Ints shift_left(Ints a) { return _mm512_slli_epi32(a, BITS); }
inline Ints as_ints(Floats a) { return _mm512_castps_si512(a); }
inline Floats select_negative(Ints at, Floats yes, Floats no) {
    return _mm512_mask_mov_ps(no, _mm512_movepi32_mask(at), yes);
}

// Past the caches; `to` is a multiple of what is written.
inline void stream(float *to, Floats value) { _mm512_stream_ps(to, value); }
template <class Half> void stream(Half *to, Floats value) {
    alignas(32) Half whole[16];
    store(whole, value);
    _mm256_stream_si256(reinterpret_cast<__m256i *>(to), _mm256_load_si256(reinterpret_cast<__m256i *>(whole)));
}

inline void pair_up(Floats a, Floats b, Floats *low, Floats *high) {
    *low = _mm512_unpacklo_ps(a, b);
    *high = _mm512_unpackhi_ps(a, b);
}
inline void split_pairs(Floats low, Floats high, Floats *first, Floats *second) {
    *first = _mm512_shuffle_ps(low, high, 0x88);
    *second = _mm512_shuffle_ps(low, high, 0xdd);
}
inline Floats from_quarters(const __m128 *quarters, int step) {
    Floats all_four = _mm512_castps128_ps512(quarters[0]);
    all_four = _mm512_insertf32x4(all_four, quarters[step], 1);
    all_four = _mm512_insertf32x4(all_four, quarters[2 * step], 2);
    return _mm512_insertf32x4(all_four, quarters[3 * step], 3);
}
inline __m128 quarter_of(Floats a, int quarter) {
    switch (quarter) {
        case 0: return _mm512_castps512_ps128(a);
        case 1: return _mm512_extractf32x4_ps(a, 1);
        case 2: return _mm512_extractf32x4_ps(a, 2);
        default: return _mm512_extractf32x4_ps(a, 3);
    }
}

constexpr int MOST_PARTS = 2;
inline Floats look_up(const Floats *parts, std::integral_constant<int, 1>, Ints index) {
    return _mm512_permutexvar_ps(index, parts[0]);
}
inline Floats look_up(const Floats *parts, std::integral_constant<int, 2>, Ints index) {
    return _mm512_permutex2var_ps(parts[0], index, parts[1]);
}
inline Floats gather(const float *from, Ints index) { return _mm512_i32gather_ps(index, from, 4); }
#endif

#if LANES == 8
using Floats = __m256;
using Ints = __m256i;

inline Floats all(float value) { return _mm256_set1_ps(value); }
inline Ints all(int value) { return _mm256_set1_epi32(value); }
inline Ints as_ints(Floats a) { return _mm256_castps_si256(a); }
inline Floats as_floats(Ints a) { return _mm256_castsi256_ps(a); }
inline Floats load(const float *from) { return _mm256_loadu_ps(from); }
inline __m128i load_bits(const void *from) { return _mm_loadu_si128(static_cast<const __m128i *>(from)); }
inline Floats load(const bfloat16 *from) {
    return as_floats(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_bits(from)), 16));
}
inline Floats load(const float16 *from) { return _mm256_cvtph_ps(load_bits(from)); }
inline __m128i to_bits(Floats value, const bfloat16 *) {
    const Ints bits = as_ints(value);
    const Ints odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), all(1));
    const Ints up = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, all(0x7fff)), odd), 16);
    const Ints is_nan = as_ints(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    const Ints halves = _mm256_blendv_epi8(up, all(0x7fc0), is_nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}
inline __m128i to_bits(Floats value, const float16 *) {
    return _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store(float *to, Floats value) { _mm256_storeu_ps(to, value); }
template <class Half> void store(Half *to, Floats value) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), to_bits(value, to));
}
template <class T> Floats load_some(const T *from, int64_t count) {
    if (count >= LANES) return load(from);
    T whole[LANES] = {};
    for (int64_t i = 0; i < count; ++i) whole[i] = from[i];
    return load(whole);
}
template <class T> void store_some(T *to, Floats value, int64_t count) {
    if (count >= LANES) return store(to, value);
    T whole[LANES];
    store(whole, value);
    for (int64_t i = 0; i < count; ++i) to[i] = whole[i];
}

inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats greater(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats round_down(Floats a) { return _mm256_floor_ps(a); }
inline Ints to_ints(Floats a) { return _mm256_cvttps_epi32(a); }

inline Floats select_above(Floats a, Floats b, Floats yes, Floats no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
inline Floats unless_at_most(Floats a, Floats b, Floats yes) {
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NLE_UQ), yes);
}
template <int BITS> Ints shift_left(Ints a) { return _mm256_slli_epi32(a, BITS); }

inline void stream(float *to, Floats value) { _mm256_stream_ps(to, value); }
template <class Half> void stream(Half *to, Floats value) {
    _mm_stream_si128(reinterpret_cast<__m128i *>(to), to_bits(value, to));
}

inline void pair_up(Floats a, Floats b, Floats *low, Floats *high) {
    *low = _mm256_unpacklo_ps(a, b);
    *high = _mm256_unpackhi_ps(a, b);
}
inline void split_pairs(Floats low, Floats high, Floats *first, Floats *second) {
    *first = _mm256_shuffle_ps(low, high, 0x88);
    *second = _mm256_shuffle_ps(low, high, 0xdd);
}
inline Floats from_quarters(const __m128 *quarters, int step) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(quarters[0]), quarters[step], 1);
}
inline __m128 quarter_of(Floats a, int quarter) {
    return quarter ? _mm256_extractf128_ps(a, 1) : _mm256_castps256_ps128(a);
}

constexpr int MOST_PARTS = 4;
inline Floats select_negative(Ints at, Floats yes, Floats no) {
    Floats chosen;  // not by the intrinsic, before which gcc compares with 0 what a blend takes by its sign
    asm("vblendvps %3, %2, %1, %0" : "=x"(chosen) : "x"(no), "x"(yes), "x"(at));
    return chosen;
}
inline Floats look_up(const Floats *parts, std::integral_constant<int, 1>, Ints index) {
    return _mm256_permutevar8x32_ps(parts[0], index);
}
inline Floats look_up(const Floats *parts, std::integral_constant<int, 2>, Ints index) {
    return select_negative(shift_left<28>(index), _mm256_permutevar8x32_ps(parts[1], index),
                           _mm256_permutevar8x32_ps(parts[0], index));
}
inline Floats look_up(const Floats *parts, std::integral_constant<int, 4>, Ints index) {
    constexpr std::integral_constant<int, 2> half;
    return select_negative(shift_left<27>(index), look_up(parts + 2, half, index), look_up(parts, half, index));
}
inline Floats gather(const float *from, Ints index) { return _mm256_i32gather_ps(from, index, 4); }
#endif

#if LANES
// A table in registers whose first entry is before `from`, for index -1; with PARTS = 0 of any length, in memory.
#if LANES == 16
constexpr int OUTSIDE = 0;
template <int PARTS> struct Table {
    Floats parts[PARTS];
    explicit Table(const float *from) {
        for (int part = 0; part < PARTS; ++part) parts[part] = load(from + part * LANES);
        parts[PARTS - 1] = _mm512_mask_mov_ps(parts[PARTS - 1], 0x8000, all(from[-1]));  // where -1 finds it
    }
    Floats operator()(Ints index) const { return look_up(parts, std::integral_constant<int, PARTS>(), index); }
};
#else
constexpr int OUTSIDE = 2;  // entries that lie beside the parts: a blend each is less than one more permutation
template <int PARTS> struct Table {
    Floats before, parts[PARTS], after;
    explicit Table(const float *from) : before(all(from[-1])), after(all(from[PARTS * LANES])) {
        for (int part = 0; part < PARTS; ++part) parts[part] = load(from + part * LANES);
    }
    Floats operator()(Ints index) const {
        constexpr int SIGN = 31, LAST = 3 + PARTS / 2;  // the bit that the index of `after` alone has
        const Floats inside = look_up(parts, std::integral_constant<int, PARTS>(), index);
        return select_negative(index, before, select_negative(shift_left<SIGN - LAST>(index), after, inside));
    }
};
#endif

template <> struct Table<0> {
    const float *from;
    explicit Table(const float *from) : from(from) {}
    Floats operator()(Ints index) const { return gather(from, index); }
};

// The same table for indices that lie within its parts.
template <int PARTS> struct Within {
    Floats parts[PARTS];
    explicit Within(const float *from) {
        for (int part = 0; part < PARTS; ++part) parts[part] = load(from + part * LANES);
    }
    Floats operator()(Ints index) const { return look_up(parts, std::integral_constant<int, PARTS>(), index); }
};

template <> struct Within<0> : Table<0> { using Table<0>::Table; };

// Calls with the number of parts, as a constant, that tables of so many entries need.
template <class Call> void with_parts(int64_t entries, Call call) {
    if (entries <= LANES + OUTSIDE) call(std::integral_constant<int, 1>());
    else if (entries <= 2 * LANES + OUTSIDE) call(std::integral_constant<int, 2>());
    else if (entries <= MOST_PARTS * LANES + OUTSIDE) call(std::integral_constant<int, MOST_PARTS>());
    else call(std::integral_constant<int, 0>());
}

inline __m256 quarters_added(const float *from) {  // eight pairs as four, or sixteen
#if LANES == 16
    const __m512 pairs = load(from) + load(from + LANES);
    return _mm512_castps512_ps256(pairs) + _mm512_castps512_ps256(_mm512_shuffle_f32x4(pairs, pairs, 0x4e));
#else
    return load(from) + load(from + LANES);
#endif
}

// Adds the sum of LANES neighbouring pairs to one in double, and clears them.
inline void add_and_clear(float *pairs, double *total) {
    const __m256 four = quarters_added(pairs);
    const __m128 two = _mm256_castps256_ps128(four) + _mm256_extractf128_ps(four, 1);
    const __m128d one = _mm_cvtps_pd(_mm_add_ps(two, _mm_movehl_ps(two, two)));
    _mm_storeu_pd(total, _mm_add_pd(_mm_loadu_pd(total), one));
    store(pairs, all(0.f));
    store(pairs + LANES, all(0.f));
}

// An entry for each lane of a table in memory: entries of LANES numbers or pairs, one for each lane, the first at index -1.
struct Lanes {
    int64_t twos[LANES / 2];  // two lanes' places in the table each
    explicit Lanes(Ints index) {
        const Floats places = as_floats(shift_left<LANES == 16 ? 4 : 3>(index));
        for (int k = 0; k < LANES / 4; ++k) {
            const __m128i four = _mm_castps_si128(quarter_of(places, k));
            twos[2 * k] = _mm_cvtsi128_si64(four);
            twos[2 * k + 1] = _mm_extract_epi64(four, 1);
        }
    }
    int64_t at(int lane) const {
        const int64_t two = twos[lane / 2];
        return LANES + lane + (lane % 2 ? two >> 32 : int64_t(int32_t(two)));
    }

    Floats numbers(const float *table) const {
        __m128 fours[LANES / 4];
#pragma GCC unroll 4
        for (int k = 0; k < LANES; k += 4)
            fours[k / 4] = _mm_setr_ps(table[at(k)], table[at(k + 1)], table[at(k + 2)], table[at(k + 3)]);
        return from_quarters(fours, 1);
    }

    void pairs(const float *table, Floats *first, Floats *second) const {
        __m128 twos[LANES / 2];
#pragma GCC unroll 8
        for (int k = 0; k < LANES; k += 2)
            twos[k / 2] = _mm_loadh_pi(load_pair(table + 2 * at(k)), pair(table + 2 * at(k + 1)));
        split_pairs(from_quarters(twos, 2), from_quarters(twos + 1, 2), first, second);
    }

    // Adds to each lane's pair in the table.
    void add(Floats first, Floats second, float *table) const {
        Floats low, high;
        pair_up(first, second, &low, &high);
#pragma GCC unroll 8
        for (int k = 0; k < LANES; k += 2) {
            const __m128 two = quarter_of(k % 4 ? high : low, k / 4);
            float *to = table + 2 * at(k), *next = table + 2 * at(k + 1);
            _mm_storel_pi(pair(to), _mm_add_ps(load_pair(to), two));
            _mm_storel_pi(pair(next), _mm_add_ps(load_pair(next), _mm_movehl_ps(two, two)));
        }
    }

private:
    static __m64 *pair(float *at) { return reinterpret_cast<__m64 *>(at); }
    static const __m64 *pair(const float *at) { return reinterpret_cast<const __m64 *>(at); }
    static __m128 load_pair(const float *at) {
        return _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(at)));
    }
};

// Whether rows of that length, from `to` on, can be streamed, and are many enough to be worth it.
template <class T> bool streams(const T *to, const Rows &rows) {
    constexpr int64_t LARGE = 8 << 20, VECTOR = LANES * sizeof(T);
    return rows.elements() * int64_t(sizeof(T)) > LARGE && reinterpret_cast<uintptr_t>(to) % VECTOR == 0 &&
           rows.length % LANES == 0;
}

// With `past_caches` past the caches; see `streams`.
template <class T> void put(T *to, Floats value, bool past_caches) {
    if (past_caches) stream(to, value);
    else store(to, value);
}

// Into the caches, if there is such a place.
inline void fetch(const void *at) { _mm_prefetch(static_cast<const char *>(at), _MM_HINT_T0); }

// To be called by the thread that streamed, before others read.
inline void finish_streams() { _mm_sfence(); }
#endif

}  // namespace
