// Quotients of two polynomials per channel: y = P(x) / Q(x), P = sum a_i x^i, Q = offset + |S|, S = sum c_j z^j with z = |x|
// or x. With s = sgn(S), sgn(0) = +1, and R = P / Q:
//
//     dx = g * (P' - R s S') / Q        sums per channel of g x^i / Q and -s g R z^j / Q, the gradients of a and c
//
// In float while |x| <= NEAR and coefficients are no larger than TAME: no power overflows there. Elsewhere, one element
// at a time, in double, which holds x^7 of any float. Infinite inputs count as +-FARTHEST, and have an infinite value
// where the one there exceeds ENDLESS; NaN passes.

#include "rows.h"

namespace {

constexpr int ORDER = 7;  // of either polynomial, at most
constexpr float NEAR = 1024, TAME = 4294967296.f;
constexpr double FARTHEST = 1393796574908163946345982392040522594123776.0;  // 2^140
constexpr double ENDLESS = 1267650600228229401496703205376.0;  // 2^100

// Tables are (degree + 1, channels).
struct Curve {
    const float *a, *c;
    int64_t m, n, channels;
    float offset;
    bool of_magnitude;
    float near;  // up to which |x| float serves; negative if it never does
    int64_t terms() const { return m + n + 2; }
};

inline float near_of(const Curve &curve) {
    float largest = 0;
    for (int64_t i = 0; i < (curve.m + 1) * curve.channels; ++i) largest = std::max(largest, std::fabs(curve.a[i]));
    for (int64_t i = 0; i < (curve.n + 1) * curve.channels; ++i) largest = std::max(largest, std::fabs(curve.c[i]));
    return largest <= TAME ? NEAR : -1;
}

template <class V> struct Parts { V inverse, y, slope, fall; };  // fall = -s R / Q

inline double magnitude(double x) { return std::fabs(x); }
inline double flip(double at, double x) { return at < 0 ? -x : x; }  // x * sgn(at)
inline float magnitude(float x) { return std::fabs(x); }
inline float flip(float at, float x) { return at < 0 ? -x : x; }
#if WIDE
inline __m512 magnitude(__m512 x) { return _mm512_abs_ps(x); }
inline __m512 flip(__m512 at, __m512 x) {
    const __mmask16 negative = _mm512_cmp_ps_mask(at, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mask_sub_ps(x, negative, _mm512_setzero_ps(), x);
}
#endif

// `a(i)` and `c(j)` give coefficients as V.
template <class V, class A, class C>
inline V value(V x, const A &a, const C &c, int64_t m, int64_t n, bool of_magnitude, V offset) {
    const V z = of_magnitude ? magnitude(x) : x;
    V p = a(m), s = c(n);
    for (int64_t i = m - 1; i >= 0; --i) p = p * x + a(i);
    for (int64_t j = n - 1; j >= 0; --j) s = s * z + c(j);
    return p / (offset + magnitude(s));
}

template <class V, class A, class C>
inline Parts<V> parts(V x, const A &a, const C &c, int64_t m, int64_t n, bool of_magnitude, V offset, V one) {
    const V z = of_magnitude ? magnitude(x) : x;
    V p = a(m), s = c(n), dp = one - one, ds = dp;
    for (int64_t i = m - 1; i >= 0; --i) { dp = dp * x + p; p = p * x + a(i); }
    for (int64_t j = n - 1; j >= 0; --j) { ds = ds * z + s; s = s * z + c(j); }
    const V inverse = one / (offset + magnitude(s)), y = p * inverse, signed_y = flip(s, y);
    if (of_magnitude) ds = flip(x, ds);
    return {inverse, y, (dp - signed_y * ds) * inverse, -(signed_y * inverse)};
}

// One element in double; k is its column in the tables.
struct Far {
    const Curve &curve;
    int64_t k;
    double a(int64_t i) const { return curve.a[i * curve.channels + k]; }
    double c(int64_t j) const { return curve.c[j * curve.channels + k]; }
    static double cut(float x) { return std::isnan(x) ? x : std::min(FARTHEST, std::max(-FARTHEST, double(x))); }
    float value(float x) const {
        const double y = ::value(
            cut(x), [this](int64_t i) { return a(i); }, [this](int64_t j) { return c(j); }, curve.m, curve.n,
            curve.of_magnitude, double(curve.offset));
        return float(std::isinf(x) && std::fabs(y) > ENDLESS ? std::copysign(HUGE_VAL, y) : y);
    }
    // Returns dx; adds to total[term * channels + k].
    float add(float narrow_x, float g, double *total) const {
        const double x = cut(narrow_x);
        const Parts<double> at = parts(
            x, [this](int64_t i) { return a(i); }, [this](int64_t j) { return c(j); }, curve.m, curve.n,
            curve.of_magnitude, double(curve.offset), 1.0);
        double *to = total + k;
        double term = g * at.inverse;
        for (int64_t i = 0; i <= curve.m; ++i, term *= x, to += curve.channels) *to += term;
        term = g * at.fall;
        const double z = curve.of_magnitude ? std::fabs(x) : x;
        for (int64_t j = 0; j <= curve.n; ++j, term *= z, to += curve.channels) *to += term;
        return float(g * at.slope);
    }
};

// A row's elements belong to column `k`, or with `across` element i to column i. `sums` has `width` floats per term: an
// entry per element with `across`, else 16 that together are the row's.
template <class T>
void forward_row(const T *x, T *y, int64_t size, const Curve &curve, int64_t k, bool across) {
    const int64_t m = curve.m, n = curve.n, K = curve.channels;
#if WIDE
    const __m512 offset = _mm512_set1_ps(curve.offset), near = _mm512_set1_ps(curve.near);
    for (int64_t i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        const __m512 values = load(x + i, mask);
        __m512 found;
        if (across) {
            const auto a = [&](int64_t term) { return load(curve.a + term * K + i, mask); };
            const auto c = [&](int64_t term) { return load(curve.c + term * K + i, mask); };
            found = value(values, a, c, m, n, curve.of_magnitude, offset);
        } else {
            const auto a = [&](int64_t term) { return _mm512_set1_ps(curve.a[term * K + k]); };
            const auto c = [&](int64_t term) { return _mm512_set1_ps(curve.c[term * K + k]); };
            found = value(values, a, c, m, n, curve.of_magnitude, offset);
        }
        const __mmask16 far = _mm512_mask_cmp_ps_mask(mask, _mm512_abs_ps(values), near, _CMP_GT_OQ);
        if (far) {
            alignas(64) float in[16], out[16];
            _mm512_store_ps(in, values);
            _mm512_store_ps(out, found);
            for (int lane = 0; lane < 16; ++lane)
                if (far >> lane & 1) out[lane] = Far{curve, across ? i + lane : k}.value(in[lane]);
            found = _mm512_load_ps(out);
        }
        store(y + i, found, mask);
    }
#else
    for (int64_t i = 0; i < size; ++i) {
        const int64_t column = across ? i : k;
        const float at = widen(x[i]);
        if (std::fabs(at) > curve.near) { narrow(Far{curve, column}.value(at), y + i); continue; }
        const auto a = [&](int64_t term) { return curve.a[term * K + column]; };
        const auto c = [&](int64_t term) { return curve.c[term * K + column]; };
        narrow(value(at, a, c, m, n, curve.of_magnitude, curve.offset), y + i);
    }
#endif
}

template <class T>
void backward_row(const T *x, const T *g, T *dx, int64_t size, const Curve &curve, int64_t k, bool across, float *sums,
                  int64_t width, double *total) {
    const int64_t m = curve.m, n = curve.n, K = curve.channels;
#if WIDE
    const __m512 offset = _mm512_set1_ps(curve.offset), near = _mm512_set1_ps(curve.near), one = _mm512_set1_ps(1);
    for (int64_t i = 0; i < size; i += 16) {
        const __mmask16 mask = first(size - i);
        const __m512 values = load(x + i, mask), grads = load(g + i, mask);
        Parts<__m512> at;
        if (across) {
            const auto a = [&](int64_t term) { return load(curve.a + term * K + i, mask); };
            const auto c = [&](int64_t term) { return load(curve.c + term * K + i, mask); };
            at = parts(values, a, c, m, n, curve.of_magnitude, offset, one);
        } else {
            const auto a = [&](int64_t term) { return _mm512_set1_ps(curve.a[term * K + k]); };
            const auto c = [&](int64_t term) { return _mm512_set1_ps(curve.c[term * K + k]); };
            at = parts(values, a, c, m, n, curve.of_magnitude, offset, one);
        }
        __m512 found = grads * at.slope, share = grads * at.inverse, fall = grads * at.fall, power = values;
        const __mmask16 far = _mm512_mask_cmp_ps_mask(mask, _mm512_abs_ps(values), near, _CMP_GT_OQ);
        if (far) {
            alignas(64) float in[16], grad[16], out[16];
            _mm512_store_ps(in, values);
            _mm512_store_ps(grad, grads);
            _mm512_store_ps(out, found);
            for (int lane = 0; lane < 16; ++lane)
                if (far >> lane & 1) out[lane] = Far{curve, across ? i + lane : k}.add(in[lane], grad[lane], total);
            found = _mm512_load_ps(out);
            share = _mm512_maskz_mov_ps(~far, share);
            fall = _mm512_maskz_mov_ps(~far, fall);
            power = _mm512_maskz_mov_ps(~far, power);
        }
        store(dx + i, found, mask);
        float *to = across ? sums + i : sums;
        for (int64_t term = 0; term <= m; ++term, share *= power, to += width)
            store(to, load(to, mask) + share, mask);
        if (curve.of_magnitude) power = _mm512_abs_ps(power);
        for (int64_t term = 0; term <= n; ++term, fall *= power, to += width)
            store(to, load(to, mask) + fall, mask);
    }
#else
    for (int64_t i = 0; i < size; ++i) {
        const int64_t column = across ? i : k;
        const float at = widen(x[i]), grad = widen(g[i]);
        if (std::fabs(at) > curve.near) { narrow(Far{curve, column}.add(at, grad, total), dx + i); continue; }
        const auto a = [&](int64_t term) { return curve.a[term * K + column]; };
        const auto c = [&](int64_t term) { return curve.c[term * K + column]; };
        const Parts<float> found = parts(at, a, c, m, n, curve.of_magnitude, curve.offset, 1.f);
        narrow(grad * found.slope, dx + i);
        float *to = sums + (across ? i : i % 16), share = grad * found.inverse, fall = grad * found.fall;
        for (int64_t term = 0; term <= m; ++term, share *= at, to += width) *to += share;
        const float z = curve.of_magnitude ? std::fabs(at) : at;
        for (int64_t term = 0; term <= n; ++term, fall *= z, to += width) *to += fall;
    }
#endif
}

template <class T>
void forward(const T *x, T *y, const Rows &rows, const Curve &curve, bool across, int64_t threads) {
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t row = 0; row < rows.count; ++row) {
        const int64_t at = row * rows.length;
        forward_row(x + at, y + at, rows.size(row), curve, row % rows.channels, across);
    }
}

// Gradients of the tables, a's terms before c's.
template <class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const Curve &curve, bool across, int64_t threads,
              float *grads) {
    const int64_t size = curve.terms() * rows.channels, width = across ? rows.channels : 16;
    const int64_t blocks = count_blocks(rows, size);
    std::vector<double> totals(blocks * size, 0.0);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t begin = block * rows.count / blocks, end = (block + 1) * rows.count / blocks;
        double *total = totals.data() + block * size;
        std::vector<float> sums(curve.terms() * width, 0.f);
        for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * rows.length, k = row % rows.channels;
            backward_row(x + at, g + at, dx + at, rows.size(row), curve, k, across, sums.data(), width, total);
            if (!across) {
                for (int64_t i = 0; i < curve.terms() * 16; ++i) {
                    total[i / 16 * rows.channels + k] += sums[i];
                    sums[i] = 0;
                }
            } else if ((row - begin) % FLUSH_ROWS == FLUSH_ROWS - 1) {
                flush(sums.data(), size, total);
            }
        }
        if (across) flush(sums.data(), size, total);
    }
    for (int64_t i = 0; i < size; ++i) {
        double sum = 0;
        for (int64_t block = 0; block < blocks; ++block) sum += totals[block * size + i];
        grads[i] = float(sum);
    }
}

inline Curve curve_of(const float *a, const float *c, const float *offset, int64_t channels, int64_t m, int64_t n,
                      int64_t of_magnitude) {
    Curve curve{a, c, m, n, channels, *offset, of_magnitude != 0, 0};
    curve.near = near_of(curve);
    return curve;
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_rational_forward_##NAME(                                                                 \
        const TYPE *x, TYPE *y, const float *a, const float *c, const float *offset, int64_t count, int64_t length,   \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads, int64_t m, int64_t n,                 \
        int64_t of_magnitude) {                                                                                       \
        forward(x, y, Rows{count, length, last_length, channels},                                                     \
                curve_of(a, c, offset, channels, m, n, of_magnitude), across, threads);                               \
    }                                                                                                                 \
    extern "C" void actbench_rational_backward_##NAME(                                                                \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *a, const float *c, const float *offset, float *grads,    \
        int64_t count, int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads,        \
        int64_t m, int64_t n, int64_t of_magnitude) {                                                                 \
        backward(x, g, dx, Rows{count, length, last_length, channels},                                                \
                 curve_of(a, c, offset, channels, m, n, of_magnitude), across, threads, grads);                       \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
