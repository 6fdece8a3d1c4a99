// A clipped line for a whole tensor: y = p + q * clip(x, t0, t1), 0 <= t0 <= t1 <= inf; and backward dx = q * g strictly
// between the bounds, with four sums: of g and of g * x between them, of g at or left of t0, of g at or right of t1.
// `numbers` are t0, t1, p, q. Where q is 0, y is p for infinite x too; NaN stays NaN and counts as between the bounds.

#include <cfloat>

#include "vectors.h"

namespace {

struct Ramp {
    float t0, t1, p, q, top;  // top: t1, but finite where it would meet a q of 0
    explicit Ramp(const float *numbers)
        : t0(numbers[0]), t1(numbers[1]), p(numbers[2]), q(numbers[3]), top(q ? t1 : std::min(t1, FLT_MAX)) {}
};

constexpr int SUMS = 4;  // g and g * x between the bounds, g left of them, g right of them
constexpr int64_t PARTS = LANES ? LANES : 16;  // of each sum
constexpr int64_t FLUSH = FLUSH_ROWS * PARTS;  // elements whose parts are summed in float

#if LANES
struct Lines {
    Floats t0, t1, p, q, top;
    explicit Lines(const Ramp &r) : t0(all(r.t0)), t1(all(r.t1)), p(all(r.p)), q(all(r.q)), top(all(r.top)) {}
    Floats clip(Floats x) const { return smaller(top, greater(t0, x)); }
    Floats value(Floats x) const { return fma(q, clip(x), p); }
    Floats gradient(Floats x, Floats g, Floats *sums) const {
        const Floats right_of_t0 = unless_at_most(x - t0, all(0.f), g);
        const Floats inside = unless_at_most(t1 - x, all(0.f), right_of_t0);
        sums[0] = sums[0] + inside;
        sums[1] = fma(inside, clip(x), sums[1]);
        sums[2] = sums[2] + (g - right_of_t0);
        sums[3] = sums[3] + (right_of_t0 - inside);
        return inside * q;
    }
};

template <class T> void forward_row(const T *x, T *y, int64_t size, const Ramp &ramp, bool past_caches) {
    const Lines lines(ramp);
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) put(y + i, lines.value(load(x + i)), past_caches);
    if (i < size) store_some(y + i, lines.value(load_some(x + i, size - i)), size - i);
}

template <class T>
void backward_row(const T *x, const T *g, T *dx, int64_t size, const Ramp &ramp, bool past_caches, float *parts) {
    const Lines lines(ramp);
    Floats sums[SUMS];
    for (int k = 0; k < SUMS; ++k) sums[k] = all(0.f);
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) put(dx + i, lines.gradient(load(x + i), load(g + i), sums), past_caches);
    if (i < size) {
        const Floats values = load_some(x + i, size - i), grads = load_some(g + i, size - i);
        store_some(dx + i, lines.gradient(values, grads, sums), size - i);
    }
    for (int k = 0; k < SUMS; ++k) store(parts + k * PARTS, sums[k]);
}
#else
inline float clip(float x, const Ramp &r) { return x != x ? x : std::min(std::max(x, r.t0), r.top); }

template <class T> void forward_row(const T *x, T *y, int64_t size, const Ramp &r, bool) {
    for (int64_t i = 0; i < size; ++i) narrow(r.p + r.q * clip(widen(x[i]), r), y + i);
}

template <class T>
void backward_row(const T *x, const T *g, T *dx, int64_t size, const Ramp &r, bool, float *parts) {
    for (int64_t i = 0; i < SUMS * PARTS; ++i) parts[i] = 0;
    for (int64_t i = 0; i < size; ++i) {
        const float value = widen(x[i]), grad = widen(g[i]);
        const int kind = value - r.t0 <= 0 ? 2 : r.t1 - value <= 0 ? 3 : 0;
        float *part = parts + i % PARTS;
        part[kind * PARTS] += grad;
        if (!kind) part[PARTS] += grad * clip(value, r);
        narrow(kind ? 0.f : grad * r.q, dx + i);
    }
}
template <class T> bool streams(const T *, const Rows &) { return false; }
inline void finish_streams() {}
#endif

template <class T> void forward(const T *x, T *y, const Rows &rows, const Ramp &ramp, int64_t threads) {
    const bool past_caches = streams(y, rows);
#pragma omp parallel num_threads(int(threads))
    {
#pragma omp for schedule(static) nowait
        for (int64_t row = 0; row < rows.count; ++row) {
            const int64_t at = row * rows.length;
            forward_row(x + at, y + at, rows.size(row), ramp, past_caches);
        }
        finish_streams();
    }
}

template <class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const Ramp &ramp, int64_t threads, float *grads) {
    const int64_t blocks = count_blocks(rows, SUMS);
    const bool past_caches = streams(dx, rows);
    std::vector<double> totals(blocks * SUMS, 0.0);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        float parts[SUMS * PARTS];
        for (int64_t row = block * rows.count / blocks; row < (block + 1) * rows.count / blocks; ++row) {
            for (int64_t i = 0; i < rows.size(row); i += FLUSH) {
                const int64_t from = row * rows.length + i;
                backward_row(x + from, g + from, dx + from, std::min(rows.size(row) - i, FLUSH), ramp, past_caches,
                             parts);
                for (int64_t k = 0; k < SUMS * PARTS; ++k) totals[block * SUMS + k / PARTS] += parts[k];
            }
        }
        finish_streams();
    }
    for (int64_t k = 0; k < SUMS; ++k) {
        double sum = 0;
        for (int64_t block = 0; block < blocks; ++block) sum += totals[block * SUMS + k];
        grads[k] = float(sum);
    }
}

}  // namespace

// One function for the whole tensor: rows are its memory in order, `channels` and `across` say nothing.
#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_ramp_forward_##NAME(const TYPE *x, TYPE *y, const float *numbers, int64_t count,         \
                                                 int64_t length, int64_t last_length, int64_t, int64_t,               \
                                                 int64_t threads) {                                                   \
        forward(x, y, Rows{count, length, last_length, 1}, Ramp(numbers), threads);                                   \
    }                                                                                                                 \
    extern "C" void actbench_ramp_backward_##NAME(const TYPE *x, const TYPE *g, TYPE *dx, const float *numbers,       \
                                                  float *grads, int64_t count, int64_t length, int64_t last_length,   \
                                                  int64_t, int64_t, int64_t threads) {                                \
        backward(x, g, dx, Rows{count, length, last_length, 1}, Ramp(numbers), threads, grads);                       \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
