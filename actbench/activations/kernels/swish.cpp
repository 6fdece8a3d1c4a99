// Swish with a slope per channel: s = sigmoid(beta * x), y = x * s, dx = g * (s + beta * x * s * (1 - s)), and per channel
// the sum of g * x^2 * s * (1 - s). Products start from s * (1 - s), which is 0 far out before x^2 could overflow.

#include "rows.h"

namespace {

struct Parts { float s, bell; };  // bell = s * (1 - s) * x

inline Parts parts(float x, float beta) {
    const float s = 1 / (1 + std::exp(-(beta * x)));
    return {s, s * (1 - s) * x};
}

#if WIDE
// exp within 2 ulp: 2^n * p(r), r = a - n ln 2, p the Taylor polynomial of degree 7 on |r| <= ln(2) / 2. Beyond +-104
// the result is inf or 0 all the same; NaN passes.
inline __m512 exponential(__m512 a) {
    a = _mm512_min_ps(_mm512_set1_ps(104), _mm512_max_ps(_mm512_set1_ps(-104), a));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(a, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), a);  // ln 2 in two parts
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
    __m512 p = _mm512_set1_ps(1.f / 5040);
    for (const float factor : {1.f / 720, 1.f / 120, 1.f / 24, 1.f / 6, 1.f / 2, 1.f, 1.f})
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(factor));
    return _mm512_scalef_ps(p, n);
}

struct WideParts { __m512 s, bell; };

inline WideParts parts(__m512 x, __m512 beta) {
    const __m512 one = _mm512_set1_ps(1), z = _mm512_mul_ps(beta, x);
    const __m512 s = _mm512_div_ps(one, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), z))));
    return {s, _mm512_mul_ps(_mm512_mul_ps(s, _mm512_sub_ps(one, s)), x)};
}
#endif

// One row: `beta` holds one slope, or with `across` one per element.
template <class T>
void forward_row(const T *x, T *y, int64_t size, const float *beta, bool across) {
#if WIDE
    for (int64_t i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        const __m512 values = load(x + i, mask);
        const __m512 slopes = across ? load(beta + i, mask) : _mm512_set1_ps(*beta);
        store(y + i, _mm512_mul_ps(values, parts(values, slopes).s), mask);
    }
#else
    for (int64_t i = 0; i < size; ++i) {
        const float value = widen(x[i]);
        narrow(value * parts(value, beta[across ? i : 0]).s, y + i);
    }
#endif
}

// Adds to `sums`, which has an entry per element with `across`, else 16 that together are the row's.
template <class T>
void backward_row(const T *x, const T *g, T *dx, int64_t size, const float *beta, bool across, float *sums) {
#if WIDE
    for (int64_t i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        const __m512 values = load(x + i, mask), grads = load(g + i, mask);
        const __m512 slopes = across ? load(beta + i, mask) : _mm512_set1_ps(*beta);
        const WideParts at = parts(values, slopes);
        store(dx + i, _mm512_mul_ps(grads, _mm512_fmadd_ps(at.bell, slopes, at.s)), mask);
        float *to = across ? sums + i : sums;
        store(to, _mm512_fmadd_ps(grads, _mm512_mul_ps(at.bell, values), load(to, mask)), mask);
    }
#else
    for (int64_t i = 0; i < size; ++i) {
        const float value = widen(x[i]), grad = widen(g[i]), slope = beta[across ? i : 0];
        const Parts at = parts(value, slope);
        narrow(grad * (at.s + at.bell * slope), dx + i);
        sums[across ? i : i % 16] += grad * (at.bell * value);
    }
#endif
}

template <class T>
void forward(const T *x, T *y, const Rows &rows, const float *beta, bool across, int64_t threads) {
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t row = 0; row < rows.count; ++row) {
        const int64_t at = row * rows.length;
        forward_row(x + at, y + at, rows.size(row), across ? beta : beta + row % rows.channels, across);
    }
}

template <class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const float *beta, bool across, int64_t threads,
              float *beta_grad) {
    const int64_t blocks = count_blocks(rows, rows.channels);
    std::vector<double> totals(blocks * rows.channels, 0.0);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t begin = block * rows.count / blocks, end = (block + 1) * rows.count / blocks;
        double *total = totals.data() + block * rows.channels;
        std::vector<float> sums(across ? rows.channels : 16, 0.f);
        for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * rows.length, channel = row % rows.channels;
            backward_row(x + at, g + at, dx + at, rows.size(row), across ? beta : beta + channel, across, sums.data());
            if (!across) {
                for (float &part : sums) { total[channel] += part; part = 0; }
            } else if ((row - begin) % FLUSH_ROWS == FLUSH_ROWS - 1) {
                flush(sums.data(), rows.channels, total);
            }
        }
        if (across) flush(sums.data(), rows.channels, total);
    }
    for (int64_t channel = 0; channel < rows.channels; ++channel) {
        double sum = 0;
        for (int64_t block = 0; block < blocks; ++block) sum += totals[block * rows.channels + channel];
        beta_grad[channel] = float(sum);
    }
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_swish_forward_##NAME(const TYPE *x, TYPE *y, const float *beta, int64_t count,           \
                                                  int64_t length, int64_t last_length, int64_t channels,              \
                                                  int64_t across, int64_t threads) {                                  \
        forward(x, y, Rows{count, length, last_length, channels}, beta, across, threads);                             \
    }                                                                                                                 \
    extern "C" void actbench_swish_backward_##NAME(                                                                   \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *beta, float *beta_grad, int64_t count, int64_t length,   \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads) {                                     \
        backward(x, g, dx, Rows{count, length, last_length, channels}, beta, across, threads, beta_grad);             \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
