// PReLU: y = max(x, 0) + slope * min(x, 0), dx = g where x > 0 and else slope * g, and per channel the sum of
// g * min(x, 0). NaN stays NaN and passes slope * g.

#include "vectors.h"

namespace {

// ---- one element at a time ---------------------------------------------------------------------------------------

template <class T> void forward_one(const T *x, T *y, float slope) {
    const float value = widen(*x);
    narrow(value > 0 ? value + slope * 0 : slope * value, y);
}

template <class T> void backward_one(const T *x, const T *g, T *dx, float slope, float *sum) {
    const float value = widen(*x), grad = widen(*g);
    narrow(value > 0 ? grad : slope * grad, dx);
    *sum += grad * (value > 0 ? 0 : value);
}

#if LANES
// ---- vectors: `slope` is one, or with `across` one for each element ----------------------------------------------

template <bool across> Floats slopes(const float *slope, int64_t i, int64_t count) {
    return across ? load_some(slope + i, count) : all(*slope);
}

inline Floats below(Floats x) { return smaller(all(0.f), x); }

template <bool across, class T>
void forward_row(const T *x, T *y, int64_t size, const float *slope, bool past_caches) {
    const auto value = [](Floats a, Floats s) { return fma(s, below(a), greater(all(0.f), a)); };
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) put(y + i, value(load(x + i), slopes<across>(slope, i, LANES)), past_caches);
    const int64_t rest = size - i;
    if (rest) store_some(y + i, value(load_some(x + i, rest), slopes<across>(slope, i, rest)), rest);
}

// Adds to `sums`, which has an entry for each element with `across`, else LANES that together are the row's.
template <bool across, class T>
void backward_row(const T *x, const T *g, T *dx, int64_t size, const float *slope, bool past_caches, float *sums) {
    const auto gradient = [](Floats a, Floats grads, Floats s) {
        return grads * select_above(a, all(0.f), all(1.f), s);
    };
    Floats sum = across ? all(0.f) : load(sums);
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
        const Floats values = load(x + i), grads = load(g + i);
        put(dx + i, gradient(values, grads, slopes<across>(slope, i, LANES)), past_caches);
        if (across) store(sums + i, fma(grads, below(values), load(sums + i)));
        else sum = fma(grads, below(values), sum);
    }
    if (const int64_t rest = size - i) {
        const Floats values = load_some(x + i, rest), grads = load_some(g + i, rest);
        store_some(dx + i, gradient(values, grads, slopes<across>(slope, i, rest)), rest);
        if (across) store_some(sums + i, fma(grads, below(values), load_some(sums + i, rest)), rest);
        else sum = fma(grads, below(values), sum);
    }
    if (!across) store(sums, sum);
}
#else
constexpr int64_t SUMS = 16;
template <bool across, class T> void forward_row(const T *x, T *y, int64_t size, const float *slope, bool) {
    for (int64_t i = 0; i < size; ++i) forward_one(x + i, y + i, slope[across ? i : 0]);
}
template <bool across, class T>
void backward_row(const T *x, const T *g, T *dx, int64_t size, const float *slope, bool, float *sums) {
    for (int64_t i = 0; i < size; ++i)
        backward_one(x + i, g + i, dx + i, slope[across ? i : 0], sums + (across ? i : i % SUMS));
}
template <class T> bool streams(const T *, const Rows &) { return false; }
inline void finish_streams() {}
#endif

// ---- all rows ---------------------------------------------------------------------------------------------------

template <class T>
void forward(const T *x, T *y, const Rows &rows, const float *slope, bool across, int64_t threads) {
    const bool past_caches = streams(y, rows);
#pragma omp parallel num_threads(int(threads))
    {
#pragma omp for schedule(static) nowait
        for (int64_t row = 0; row < rows.count; ++row) {
            const int64_t at = row * rows.length, size = rows.size(row);
            if (across) forward_row<true>(x + at, y + at, size, slope, past_caches);
            else forward_row<false>(x + at, y + at, size, slope + row % rows.channels, past_caches);
        }
        finish_streams();
    }
}

template <class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const float *slope, bool across, int64_t threads,
              float *slope_grad) {
    constexpr int64_t PARTS = LANES ? LANES : 16;  // sums of a row
    const int64_t blocks = count_blocks(rows, rows.channels);
    const bool past_caches = streams(dx, rows);
    std::vector<double> totals(blocks * rows.channels, 0.0);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t begin = block * rows.count / blocks, end = (block + 1) * rows.count / blocks;
        double *total = totals.data() + block * rows.channels;
        std::vector<float> sums(across ? rows.channels : PARTS, 0.f);
        for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * rows.length, channel = row % rows.channels, size = rows.size(row);
            if (across) {
                backward_row<true>(x + at, g + at, dx + at, size, slope, past_caches, sums.data());
                if ((row - begin) % FLUSH_ROWS == FLUSH_ROWS - 1) flush(sums.data(), rows.channels, total);
                continue;
            }
            for (int64_t i = 0; i < size; i += FLUSH_ROWS * PARTS) {
                const int64_t part = std::min(size - i, FLUSH_ROWS * PARTS), from = at + i;
                backward_row<false>(x + from, g + from, dx + from, part, slope + channel, past_caches, sums.data());
                for (float &sum : sums) { total[channel] += sum; sum = 0; }
            }
        }
        if (across) flush(sums.data(), rows.channels, total);
        finish_streams();
    }
    for (int64_t channel = 0; channel < rows.channels; ++channel) {
        double sum = 0;
        for (int64_t block = 0; block < blocks; ++block) sum += totals[block * rows.channels + channel];
        slope_grad[channel] = float(sum);
    }
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_prelu_forward_##NAME(const TYPE *x, TYPE *y, const float *slope, int64_t count,          \
                                                  int64_t length, int64_t last_length, int64_t channels,              \
                                                  int64_t across, int64_t threads) {                                  \
        forward(x, y, Rows{count, length, last_length, channels}, slope, across, threads);                            \
    }                                                                                                                 \
    extern "C" void actbench_prelu_backward_##NAME(                                                                   \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *slope, float *slope_grad, int64_t count, int64_t length, \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads) {                                     \
        backward(x, g, dx, Rows{count, length, last_length, channels}, slope, across, threads, slope_grad);           \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
