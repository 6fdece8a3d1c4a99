// Uniform piecewise-linear functions with a table per channel: forward, backward, and look-up in deploy form.
//
// With u = (x - low) * inv_step there are `pieces` pieces: left of u = 0, [0, 1), [1, 2), ..., and right of
// u = pieces - 2. Piece j has its origin at o_j = max(j - 1, 0) and computes
//
//     y = base[j] + rise[j] * (u - o_j)        dx = g * rise[j] * inv_step
//
// The backward sums, per channel and piece, g and g * (u - o_j): the gradients of base and rise, from which those of
// low and inv_step follow. A rise of 0 gives base[j] for infinite x too; NaN stays NaN and falls on piece 0.

#include "rows.h"

namespace {

struct Tables {
    const float *base, *rise, *low, *inv_step;
    int64_t pieces;
    float last() const { return float(pieces - 1); }
};

struct Place { int64_t piece; float offset; };

inline Place find(float x, float low, float inv_step, float last) {
    const float u = (x - low) * inv_step;
    float piece = std::floor(u) + 1;
    piece = piece > 0 ? piece : 0;  // NaN too
    piece = piece < last ? piece : last;
    return {int64_t(piece), u - std::max(piece - 1, 0.f)};
}

inline float value_at(float base, float rise, float offset, bool is_nan) {
    return rise == 0 && !is_nan ? base : base + rise * offset;
}

#if WIDE
struct WidePlace { __m512i piece; __m512 offset; };

inline WidePlace find(__m512 x, __m512 low, __m512 inv_step, __m512 last) {
    const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1);
    const __m512 u = _mm512_mul_ps(_mm512_sub_ps(x, low), inv_step);
    __m512 piece = _mm512_roundscale_ps(u, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    piece = _mm512_min_ps(_mm512_max_ps(_mm512_add_ps(piece, one), zero), last);  // max gives 0 for NaN
    const __m512 origin = _mm512_max_ps(_mm512_sub_ps(piece, one), zero);
    return {_mm512_cvttps_epi32(piece), _mm512_sub_ps(u, origin)};
}

inline __m512 value_at(__m512 base, __m512 rise, __m512 offset, __m512 x) {
    const __mmask16 moves = _mm512_cmp_ps_mask(rise, _mm512_setzero_ps(), _CMP_NEQ_UQ) |
                            _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask3_fmadd_ps(rise, offset, base, moves);
}

// The table of one channel in registers while it has at most 32 entries, else in memory.
struct Table {
    __m512 low, high;
    const float *memory;
    Table(const float *from, int64_t pieces) : memory(pieces > 32 ? from : nullptr) {
        low = load(from, first(std::min<int64_t>(pieces, 16)));
        high = pieces > 16 ? load(from + 16, first(std::min<int64_t>(pieces - 16, 16))) : _mm512_setzero_ps();
    }
    __m512 operator()(__m512i piece) const {
        return memory ? _mm512_i32gather_ps(piece, memory, 4) : _mm512_permutex2var_ps(low, piece, high);
    }
};

inline void add_pair(float *to, const float *pair) {
    const __m128 sum = _mm_add_ps(_mm_castpd_ps(_mm_load_sd(reinterpret_cast<const double *>(to))),
                                  _mm_castpd_ps(_mm_load_sd(reinterpret_cast<const double *>(pair))));
    _mm_store_sd(reinterpret_cast<double *>(to), _mm_castps_pd(sum));
}

// g and g * offset of 16 elements as 16 neighbouring pairs, in element order.
inline void to_pairs(__m512 g, __m512 moment, float *pairs) {
    const __m512i front = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i back = _mm512_add_epi32(front, _mm512_set1_epi32(8));
    _mm512_store_ps(pairs, _mm512_permutex2var_ps(g, front, moment));
    _mm512_store_ps(pairs + 16, _mm512_permutex2var_ps(g, back, moment));
}
#endif

// ---- forward ----------------------------------------------------------------------------------------------------

// One channel's elements. With `direct` the tables hold offset and slope, and y = base[j] + rise[j] * x.
template <bool direct, class T>
void forward_along(const T *x, T *y, int64_t size, const Tables &t, int64_t channel) {
    const float *base = t.base + channel * t.pieces, *rise = t.rise + channel * t.pieces;
    const float low = t.low[channel], inv_step = t.inv_step[channel];
#if WIDE
    const Table base_table(base, t.pieces), rise_table(rise, t.pieces);
    const __m512 lows = _mm512_set1_ps(low), steps = _mm512_set1_ps(inv_step), last = _mm512_set1_ps(t.last());
    for (int64_t i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        const __m512 values = load(x + i, mask);
        const WidePlace at = find(values, lows, steps, last);
        store(y + i, value_at(base_table(at.piece), rise_table(at.piece), direct ? values : at.offset, values), mask);
    }
#else
    for (int64_t i = 0; i < size; ++i) {
        const float value = widen(x[i]);
        const Place at = find(value, low, inv_step, t.last());
        narrow(value_at(base[at.piece], rise[at.piece], direct ? value : at.offset, value != value), y + i);
    }
#endif
}

// One pixel in channels-last order. `pairs` holds base and rise of every piece side by side: one access finds both.
template <bool direct, class T>
void forward_across(const T *x, T *y, const Tables &t, int64_t channels, const float *pairs) {
#if WIDE
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i step = _mm512_set1_epi32(int(t.pieces));
    const __m512i even = _mm512_slli_epi32(lane, 1), odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512 last = _mm512_set1_ps(t.last());
    for (int64_t c = 0; c < channels; c += 16) {
        const __mmask16 mask = first(channels - c);
        const __m512 values = load(x + c, mask);
        const WidePlace at = find(values, load(t.low + c, mask), load(t.inv_step + c, mask), last);
        const __m512i index = _mm512_add_epi32(at.piece, _mm512_mullo_epi32(lane, step));
        const float *here = pairs + 2 * c * t.pieces;
        const __m512d zero = _mm512_setzero_pd();
        const __m512 front = _mm512_castpd_ps(
            _mm512_mask_i32gather_pd(zero, __mmask8(mask), _mm512_castsi512_si256(index), here, 8));
        const __m512 back = _mm512_castpd_ps(
            _mm512_mask_i32gather_pd(zero, __mmask8(mask >> 8), _mm512_extracti64x4_epi64(index, 1), here, 8));
        const __m512 base = _mm512_permutex2var_ps(front, even, back);
        const __m512 rise = _mm512_permutex2var_ps(front, odd, back);
        store(y + c, value_at(base, rise, direct ? values : at.offset, values), mask);
    }
#else
    (void)pairs;
    for (int64_t c = 0; c < channels; ++c) forward_along<direct>(x + c, y + c, 1, t, c);
#endif
}

template <bool direct, class T>
void forward(const T *x, T *y, const Rows &rows, const Tables &tables, bool across, int64_t threads) {
    std::vector<float> pairs(across ? 2 * rows.channels * tables.pieces : 0);
    for (size_t i = 0; i < pairs.size() / 2; ++i) {
        pairs[2 * i] = tables.base[i];
        pairs[2 * i + 1] = tables.rise[i];
    }
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t row = 0; row < rows.count; ++row) {
        const int64_t at = row * rows.length;
        if (across) forward_across<direct>(x + at, y + at, tables, rows.channels, pairs.data());
        else forward_along<direct>(x + at, y + at, rows.size(row), tables, row % rows.channels);
    }
}

// ---- backward ---------------------------------------------------------------------------------------------------

constexpr int64_t COPIES = 8;          // of a row's sums, so that neighbours on one piece do not wait for each other
constexpr int64_t SHORT_ROW = 128;     // shorter rows are not worth the copies
constexpr int64_t FLUSH_ALONG = FLUSH_ROWS * COPIES;  // as with rows: along a row terms fall on COPIES sums

template <class T>
void backward_along(const T *x, const T *g, T *dx, int64_t size, const Tables &t, int64_t channel, double *total,
                    float *copies) {
    const float *rise = t.rise + channel * t.pieces;
    const float low = t.low[channel], inv_step = t.inv_step[channel];
    const int64_t width = 2 * t.pieces;
    const int64_t used = size < SHORT_ROW ? 1 : COPIES;
#if WIDE
    const Table rise_table(rise, t.pieces);
    const __m512 lows = _mm512_set1_ps(low), steps = _mm512_set1_ps(inv_step), last = _mm512_set1_ps(t.last());
    alignas(64) float pairs[32];
    alignas(64) int32_t place[16];
    const int64_t stride = used == 1 ? 0 : width;
    for (int64_t i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        const __m512 grads = load(g + i, mask);
        const WidePlace at = find(load(x + i, mask), lows, steps, last);
        store(dx + i, _mm512_mul_ps(grads, _mm512_mul_ps(rise_table(at.piece), steps)), mask);
        to_pairs(grads, _mm512_mul_ps(grads, at.offset), pairs);
        _mm512_store_si512(place, _mm512_slli_epi32(at.piece, 1));
        const int64_t here = std::min<int64_t>(size - i, 16);
        if (here == 16) {
            for (int k = 0; k < 16; ++k) add_pair(copies + (k % COPIES) * stride + place[k], pairs + 2 * k);
        } else {
            for (int k = 0; k < here; ++k) add_pair(copies + place[k], pairs + 2 * k);
        }
    }
#else
    for (int64_t i = 0; i < size; ++i) {
        const float grad = widen(g[i]);
        const Place at = find(widen(x[i]), low, inv_step, t.last());
        narrow(grad * (rise[at.piece] * inv_step), dx + i);
        float *sums = copies + (i % used) * width + 2 * at.piece;
        sums[0] += grad;
        sums[1] += grad * at.offset;
    }
#endif
    for (int64_t copy = 0; copy < used; ++copy) flush(copies + copy * width, width, total);
}

template <class T>
void backward_across(const T *x, const T *g, T *dx, const Tables &t, int64_t channels, float *sums) {
#if WIDE
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i step = _mm512_set1_epi32(int(t.pieces));
    const __m512 last = _mm512_set1_ps(t.last());
    alignas(64) float pairs[32];
    alignas(64) int32_t place[16];
    for (int64_t c = 0; c < channels; c += 16) {
        const __mmask16 mask = first(channels - c);
        const __m512 grads = load(g + c, mask), steps = load(t.inv_step + c, mask);
        const WidePlace at = find(load(x + c, mask), load(t.low + c, mask), steps, last);
        const __m512i index = _mm512_add_epi32(at.piece, _mm512_mullo_epi32(lane, step));
        const __m512 rise = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, index, t.rise + c * t.pieces, 4);
        store(dx + c, _mm512_mul_ps(grads, _mm512_mul_ps(rise, steps)), mask);
        to_pairs(grads, _mm512_mul_ps(grads, at.offset), pairs);
        _mm512_store_si512(place, _mm512_slli_epi32(index, 1));
        float *here = sums + 2 * c * t.pieces;
        const int count = int(std::min<int64_t>(channels - c, 16));
        if (count == 16) {
            for (int k = 0; k < 16; ++k) add_pair(here + place[k], pairs + 2 * k);
        } else {
            for (int k = 0; k < count; ++k) add_pair(here + place[k], pairs + 2 * k);
        }
    }
#else
    for (int64_t c = 0; c < channels; ++c) {
        const float grad = widen(g[c]);
        const Place at = find(widen(x[c]), t.low[c], t.inv_step[c], t.last());
        narrow(grad * (t.rise[c * t.pieces + at.piece] * t.inv_step[c]), dx + c);
        float *pair = sums + 2 * (c * t.pieces + at.piece);
        pair[0] += grad;
        pair[1] += grad * at.offset;
    }
#endif
}

template <class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const Tables &tables, bool across, int64_t threads,
              float *base_grad, float *rise_grad) {
    const int64_t width = 2 * tables.pieces * rows.channels;
    const int64_t blocks = count_blocks(rows, tables.pieces * rows.channels);
    std::vector<double> totals(blocks * width, 0.0);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t begin = block * rows.count / blocks, end = (block + 1) * rows.count / blocks;
        double *total = totals.data() + block * width;
        std::vector<float> sums(across ? width : COPIES * 2 * tables.pieces, 0.f);
        for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * rows.length, channel = row % rows.channels;
            if (across) {
                backward_across(x + at, g + at, dx + at, tables, rows.channels, sums.data());
                if ((row - begin) % FLUSH_ROWS == FLUSH_ROWS - 1) flush(sums.data(), width, total);
            } else {
                const int64_t end_of_row = at + rows.size(row);
                for (int64_t i = at; i < end_of_row; i += FLUSH_ALONG) {
                    const int64_t size = std::min(FLUSH_ALONG, end_of_row - i);
                    backward_along(x + i, g + i, dx + i, size, tables, channel, total + 2 * tables.pieces * channel,
                                   sums.data());
                }
            }
        }
        if (across) flush(sums.data(), width, total);
    }
    for (int64_t i = 0; i < width; i += 2) {
        double g_sum = 0, moment = 0;
        for (int64_t block = 0; block < blocks; ++block) {
            g_sum += totals[block * width + i];
            moment += totals[block * width + i + 1];
        }
        base_grad[i / 2] = float(g_sum);
        rise_grad[i / 2] = float(moment);
    }
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_piecewise_linear_forward_##NAME(                                                         \
        const TYPE *x, TYPE *y, const float *base, const float *rise, const float *low, const float *inv_step,        \
        int64_t count, int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads,        \
        int64_t pieces, int64_t direct) {                                                                             \
        const Rows rows{count, length, last_length, channels};                                                        \
        const Tables tables{base, rise, low, inv_step, pieces};                                                       \
        if (direct) forward<true>(x, y, rows, tables, across, threads);                                               \
        else forward<false>(x, y, rows, tables, across, threads);                                                     \
    }                                                                                                                 \
    extern "C" void actbench_piecewise_linear_backward_##NAME(                                                        \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *base, const float *rise, const float *low,               \
        const float *inv_step, float *base_grad, float *rise_grad, int64_t count, int64_t length,                     \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads, int64_t pieces) {                     \
        const Rows rows{count, length, last_length, channels};                                                        \
        const Tables tables{base, rise, low, inv_step, pieces};                                                       \
        backward(x, g, dx, rows, tables, across, threads, base_grad, rise_grad);                                      \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
