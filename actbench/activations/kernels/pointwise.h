// The passes over a tensor that every pointwise activation shares; POINTWISE makes its library of them.
//
// F holds the parameters of one channel, or with vectors those of LANES channels:
//     static constexpr int PARAMETERS;
//     F(const V *parameters, const float *constants);
//     V value(V x) const;                     y
//     V pull(V x, V g, V *sums) const;        g * dy/dx; adds g * dy/dparameter to the sums
// Tables are (PARAMETERS, channels), and so are their gradients.

#pragma once

#include "vector_math.h"

namespace {

// Vectors of elements that share their parameters, `step` elements apart; the last of them may have fewer lanes.
struct Strip {
    int64_t at, count, step;
    int lanes, last_lanes;
    int size(int64_t i) const { return i + 1 == count ? last_lanes : lanes; }
};

constexpr int64_t TILE = 8192;  // elements that columns of channels-last rows are taken from before going on

// Calls visit(strip, channel): along each row, or with `across` down the columns of a few rows at a time. No strip has
// more than FLUSH_ROWS vectors, so that its sums may be in float.
template <class Visit>
INLINE void each_strip(const Rows &rows, int64_t begin, int64_t end, bool across, const Visit &visit) {
    const int64_t C = rows.channels, tile = std::max<int64_t>(1, std::min(FLUSH_ROWS, TILE / C));
    for (int64_t row = begin; row < end; row += across ? tile : 1) {
        const int64_t at = row * rows.length, size = across ? C : rows.size(row), part = across ? LANES : FLUSH_ROWS * LANES;
        for (int64_t i = 0; i < size; i += part) {
            const int64_t length = std::min(part, size - i), lanes = std::min<int64_t>(LANES, length);
            const int64_t count = across ? std::min(tile, end - row) : (length + LANES - 1) / LANES;
            const int64_t last_lanes = across ? lanes : length - (count - 1) * LANES;
            visit(Strip{at + i, count, across ? rows.length : LANES, int(across ? lanes : LANES), int(last_lanes)},
                  across ? i : row % C);
        }
    }
}

template <class F>
struct Curve {
    const float *table, *constants;
    int64_t channels;
    bool across;
    INLINE F at(int64_t channel, int lanes) const {
        V parameters[F::PARAMETERS + 1];
        for (int p = 0; p < F::PARAMETERS; ++p) {
            const float *from = table + p * channels + channel;
            parameters[p] = across ? load_first(from, lanes) : all(*from);
        }
        return F(parameters, constants);
    }
};

// Calls work(block, begin, end) for blocks of rows, which depend on sizes alone.
template <class Work>
void each_block(const Rows &rows, int64_t blocks, int64_t threads, const Work &work) {
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t block = 0; block < blocks; ++block)
        work(block, block * rows.count / blocks, (block + 1) * rows.count / blocks);
}

template <class F, class T>
void forward(const T *x, T *y, const Rows &rows, const Curve<F> &curve, int64_t threads) {
    each_block(rows, count_blocks(rows, 1), threads, [&](int64_t, int64_t begin, int64_t end) {
        each_strip(rows, begin, end, curve.across, [&](const Strip &strip, int64_t channel) {
            const F f = curve.at(channel, strip.lanes);
            int64_t at = strip.at;
            for (int64_t i = 0; i < strip.count; ++i, at += strip.step)
                store_first(y + at, f.value(load_first(x + at, strip.size(i))), strip.size(i));
        });
    });
}

template <class F, class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const Curve<F> &curve, int64_t threads, float *grads) {
    const int64_t C = rows.channels, size = F::PARAMETERS * C, blocks = count_blocks(rows, std::max<int64_t>(1, size));
    std::vector<double> totals(blocks * size, 0.0);
    each_block(rows, blocks, threads, [&](int64_t block, int64_t begin, int64_t end) {
        each_strip(rows, begin, end, curve.across, [&](const Strip &strip, int64_t channel) {
            const F f = curve.at(channel, strip.lanes);
            V sums[F::PARAMETERS + 1] = {};
            int64_t at = strip.at;
            for (int64_t i = 0; i < strip.count; ++i, at += strip.step) {
                const int lanes = strip.size(i);
                store_first(dx + at, f.pull(load_first(x + at, lanes), load_first(g + at, lanes), sums), lanes);
            }
            double *total = totals.data() + block * size + channel;
            for (int p = 0; p < F::PARAMETERS; ++p, total += C) {
                if (!curve.across) *total += lane_sum(sums[p]);
                else for (int lane = 0; lane < strip.lanes; ++lane) total[lane] += sums[p][lane];
            }
        });
    });
    for (int64_t i = 0; i < size; ++i) {
        double sum = 0;
        for (int64_t block = 0; block < blocks; ++block) sum += totals[block * size + i];
        grads[i] = float(sum);
    }
}

}  // namespace

#define POINTWISE_FOR(NAME, F, SUFFIX, T)                                                                              \
    extern "C" void actbench_##NAME##_forward_##SUFFIX(                                                                \
        const T *x, T *y, const float *table, const float *constants, int64_t count, int64_t length,                   \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads) {                                      \
        forward(x, y, Rows{count, length, last_length, channels}, Curve<F>{table, constants, channels, across != 0},   \
                threads);                                                                                              \
    }                                                                                                                  \
    extern "C" void actbench_##NAME##_backward_##SUFFIX(                                                               \
        const T *x, const T *g, T *dx, const float *table, const float *constants, float *grads, int64_t count,        \
        int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads) {                      \
        backward(x, g, dx, Rows{count, length, last_length, channels},                                                 \
                 Curve<F>{table, constants, channels, across != 0}, threads, grads);                                   \
    }

#ifdef __FLT16_MANT_DIG__
#define POINTWISE_FOR_F16(NAME, F) POINTWISE_FOR(NAME, F, f16, float16)
#else
#define POINTWISE_FOR_F16(NAME, F)
#endif

#define POINTWISE(NAME, F)                                                                                             \
    POINTWISE_FOR(NAME, F, f32, float)                                                                                 \
    POINTWISE_FOR(NAME, F, bf16, bfloat16)                                                                             \
    POINTWISE_FOR_F16(NAME, F)
