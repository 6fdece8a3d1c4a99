// The passes over a tensor that every pointwise activation shares; POINTWISE makes its library of them.
//
// F holds the parameters of one channel, or with vectors those of LANES channels:
//     static constexpr int PARAMETERS;
//     F(const V *parameters, const float *constants);
//     V value(V x) const;                     y
//     V pull(V x, V g, V *sums) const;        g * dy/dx; adds g * dy/dparameter to the sums
// One whose formula is a long chain of operations has its first half apart, as `V early(V x) const`, whose result the
// others take after x. Halves are computed for many vectors one after the other: in one loop they would wait for their
// own results longer than a processor looks ahead for other work.
// Tables are (PARAMETERS, channels), and so are their gradients.

#pragma once

#include "pass.h"
#include "vector_math.h"

namespace {

template <class F>
struct Curve {
    const float *tables, *constants;
    int64_t columns;
    bool past_caches;
    template <bool ACROSS>
    INLINE F at(int64_t column) const {
        V parameters[F::PARAMETERS + 1];
        for (int p = 0; p < F::PARAMETERS; ++p) {
            const float *from = tables + p * columns + column;
            parameters[p] = ACROSS ? load(from) : all(*from);
        }
        return F(parameters, constants);
    }
};

template <class F, class = void> constexpr bool HAS_EARLY = false;
template <class F> constexpr bool HAS_EARLY<F, std::void_t<decltype(&F::early)>> = true;
constexpr int64_t EARLY = 32 * LANES;  // elements whose first halves are kept

template <class F> INLINE V value_of(const F &f, V x, const V *early) {
    if constexpr (HAS_EARLY<F>) return f.value(x, *early);
    else return f.value(x);
}
template <class F> INLINE V pull_of(const F &f, V x, const V *early, V g, V *sums) {
    if constexpr (HAS_EARLY<F>) return f.pull(x, *early, g, sums);
    else return f.pull(x, g, sums);
}

// Calls each(i, early) for the vectors' places.
template <bool ACROSS, class F, class T, class Each>
INLINE void go_through(const T *x, int64_t size, const Curve<F> &curve, const F &fixed, int64_t column,
                       const Each &each) {
    if constexpr (HAS_EARLY<F>) {
        V early[EARLY / LANES];
        for (int64_t begin = 0; begin < size; begin += EARLY) {
            const int64_t end = std::min(size, begin + EARLY);
            V *next = early;
            for (int64_t i = begin; i < end; i += LANES)
                *next++ = (ACROSS ? curve.template at<ACROSS>(column + i) : fixed).early(load(x + i));
            next = early;
            for (int64_t i = begin; i < end; i += LANES) each(i, next++);
        }
    } else {
        for (int64_t i = 0; i < size; i += LANES) each(i, nullptr);
    }
}

// Whole vectors.
template <bool ACROSS, class F, class T>
APART void values(const T *x, T *y, int64_t size, const Curve<F> &curve, int64_t column) {
    const F fixed = curve.template at<ACROSS>(column);
    go_through<ACROSS>(x, size, curve, fixed, column, [&](int64_t i, const V *early) {
        const F f = ACROSS ? curve.template at<ACROSS>(column + i) : fixed;
        store(y + i, value_of(f, load(x + i), early), curve.past_caches);
    });
}

// Whole vectors. `sums` has LANES floats per parameter, or with ACROSS a float per parameter and column.
template <bool ACROSS, class F, class T>
APART void gradients(const T *x, const T *g, T *dx, int64_t size, const Curve<F> &curve, int64_t column, float *sums) {
    const F fixed = curve.template at<ACROSS>(column);
    const int64_t width = ACROSS ? curve.columns : LANES;
    V terms[F::PARAMETERS + 1] = {};
    go_through<ACROSS>(x, size, curve, fixed, column, [&](int64_t i, const V *early) {
        const F f = ACROSS ? curve.template at<ACROSS>(column + i) : fixed;
        if (ACROSS)
            for (int p = 0; p < F::PARAMETERS; ++p) terms[p] = load(sums + p * width + column + i);
        store(dx + i, pull_of(f, load(x + i), early, load(g + i), terms), curve.past_caches);
        if (ACROSS)
            for (int p = 0; p < F::PARAMETERS; ++p) store(sums + p * width + column + i, terms[p]);
    });
    if (!ACROSS)
        for (int p = 0; p < F::PARAMETERS; ++p) store(sums + p * width, load(sums + p * width) + terms[p]);
}

// A part of a row by whole vectors: the last of them is padded with zeros, whose gradients are zero.
template <class T, class Run>
INLINE void padded(const T *x, const T *g, T *to, int64_t size, const Run &run) {
    const int64_t rest = size % LANES, whole = size - rest;
    if (whole) run(x, g, to, whole, 0);
    if (!rest) return;
    T some_x[LANES] = {}, some_g[LANES] = {};
    alignas(64) T some[LANES];
    std::copy_n(x + whole, rest, some_x);
    if (g) std::copy_n(g + whole, rest, some_g);
    run(some_x, some_g, some, LANES, whole);
    std::copy_n(some, rest, to + whole);
}

template <bool ACROSS, class F, class T>
void forward(const T *x, T *y, const Pass &pass, const Curve<F> &curve, int64_t threads) {
    const auto no_room = [] { return nullptr; };
    const auto work = [&](std::nullptr_t, int64_t, int64_t begin, int64_t end) {
        const T *none = nullptr;
        for (int64_t row = begin; row < end; ++row)
            pass.each_part(row, [&](int64_t at, int64_t size, int64_t column) {
                padded(x + at, none, y + at, size, [&](const T *from, const T *, T *to, int64_t length, int64_t i) {
                    values<ACROSS>(from, to, length, curve, ACROSS ? column + i : column);
                });
            });
    };
    pass.each_block(count_blocks(pass.rows, 1), threads, no_room, work);
}

template <bool ACROSS, class F, class T>
void backward(const T *x, const T *g, T *dx, const Pass &pass, const Curve<F> &curve, int64_t threads, float *grads) {
    const int64_t C = pass.rows.channels, size = F::PARAMETERS * C, width = ACROSS ? curve.columns : LANES;
    const int64_t blocks = count_blocks(pass.rows, std::max<int64_t>(1, size));
    std::vector<double> totals(blocks * size, 0.0);
    const auto make_sums = [&] { return std::vector<float>(F::PARAMETERS * width, 0.f); };
    const auto work = [&](std::vector<float> &sums, int64_t block, int64_t begin, int64_t end) {
        double *total = totals.data() + block * size;
        const auto flush_columns = [&] {
            for (int64_t i = 0; i < F::PARAMETERS * width; ++i) {
                total[i / width * C + i % width % C] += sums[i];
                sums[i] = 0;
            }
        };
        for (int64_t row = begin; row < end; ++row) {
            pass.each_part(row, [&](int64_t at, int64_t length, int64_t column) {
                padded(x + at, g + at, dx + at, length,
                       [&](const T *from, const T *grad, T *to, int64_t run, int64_t i) {
                           gradients<ACROSS>(from, grad, to, run, curve, ACROSS ? column + i : column, sums.data());
                       });
                for (int p = 0; p < F::PARAMETERS && !ACROSS; ++p) {
                    total[p * C + column] += lane_sum(load(sums.data() + p * width));
                    store(sums.data() + p * width, V{});
                }
            });
            if (ACROSS && (row - begin) % FLUSH_ROWS == FLUSH_ROWS - 1) flush_columns();
        }
        if (ACROSS) flush_columns();
    };
    pass.each_block(blocks, threads, make_sums, work);
    for (int64_t i = 0; i < size; ++i) {
        double sum = 0;
        for (int64_t block = 0; block < blocks; ++block) sum += totals[block * size + i];
        grads[i] = float(sum);
    }
}

template <class F, class T>
void forward(const T *x, T *y, const float *table, const float *constants, const Rows &rows, bool across,
             int64_t threads) {
    const Pass pass(rows, across);
    const std::vector<float> tables = pass.tiled(table, F::PARAMETERS);
    const Curve<F> curve{tables.data(), constants, pass.columns, leaves_caches(y, pass.rows)};
    across ? forward<true>(x, y, pass, curve, threads) : forward<false>(x, y, pass, curve, threads);
}

template <class F, class T>
void backward(const T *x, const T *g, T *dx, const float *table, const float *constants, const Rows &rows, bool across,
              int64_t threads, float *grads) {
    const Pass pass(rows, across);
    const std::vector<float> tables = pass.tiled(table, F::PARAMETERS);
    const Curve<F> curve{tables.data(), constants, pass.columns, leaves_caches(dx, pass.rows)};
    across ? backward<true>(x, g, dx, pass, curve, threads, grads)
           : backward<false>(x, g, dx, pass, curve, threads, grads);
}

}  // namespace

#define POINTWISE_FOR(NAME, F, SUFFIX, T)                                                                              \
    extern "C" void actbench_##NAME##_forward_##SUFFIX(                                                                \
        const T *x, T *y, const float *table, const float *constants, int64_t count, int64_t length,                   \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads) {                                      \
        forward<F>(x, y, table, constants, Rows{count, length, last_length, channels}, across, threads);               \
    }                                                                                                                  \
    extern "C" void actbench_##NAME##_backward_##SUFFIX(                                                               \
        const T *x, const T *g, T *dx, const float *table, const float *constants, float *grads, int64_t count,        \
        int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads) {                      \
        backward<F>(x, g, dx, table, constants, Rows{count, length, last_length, channels}, across, threads, grads);   \
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
