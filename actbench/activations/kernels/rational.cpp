// Quotients of two polynomials per channel: y = P(x) / Q(x), P = sum a_i x^i, Q = offset + |S|, S = sum c_j z^j with z = |x|
// or x. With s = sgn(S), sgn(0) = +1, and R = P / Q:
//
//     dx = g * (P' - R s S') / Q        sums per channel of g x^i / Q and -s g R z^j / Q, the gradients of a and c
//
// In float while |x| <= NEAR and coefficients are no larger than TAME: no power overflows there. Elsewhere, one element
// at a time, in double, which holds x^7 of any float. Infinite inputs count as +-FARTHEST, and have an infinite value
// where the one there exceeds ENDLESS; NaN passes.
//
// Vectors of elements go through a core whose orders are known when it is compiled: 5/4, which covers all below, or 7/7;
// coefficients above a curve's own orders are 0. The backward core takes vectors a stride apart that share coefficients
// and sums: a row of one channel, or LANES channels of successive pixels.

#include "lanes.h"

namespace {

constexpr int ORDER = 7;  // of either polynomial, at most
constexpr float NEAR = 1024, TAME = 4294967296.f;
constexpr double FARTHEST = 1393796574908163946345982392040522594123776.0;  // 2^140
constexpr double ENDLESS = 1267650600228229401496703205376.0;  // 2^100
constexpr int64_t CHUNK = FLUSH_ROWS;  // vectors whose sums stay in float
constexpr int64_t BLOCK = 4096;        // elements of whole pixels whose vectors of one column follow each other

// `groups` functions, each for as many neighbouring channels; tables are (degree + 1, groups).
struct Curve {
    const float *a, *c;
    int64_t m, n, groups;
    float offset;
    bool of_magnitude;
    float near;  // up to which |x| float serves; negative if it never does, as where S of magnitudes can be negative
    int64_t terms() const { return m + n + 2; }
};

inline float near_of(const Curve &curve) {
    float largest = 0;
    for (int64_t i = 0; i < (curve.m + 1) * curve.groups; ++i) largest = std::max(largest, std::fabs(curve.a[i]));
    for (int64_t i = 0; i < (curve.n + 1) * curve.groups; ++i) {
        largest = std::max(largest, std::fabs(curve.c[i]));
        if (curve.of_magnitude && curve.c[i] < 0) return -1;
    }
    return largest <= TAME ? NEAR : -1;
}

// ---- one element in double ----------------------------------------------------------------------------------------

// k is its column in the tables.
struct Far {
    const Curve &curve;
    int64_t k;
    double x, z, p, dp, s, ds, q;
    Far(const Curve &curve, int64_t k, float narrow_x) : curve(curve), k(k), dp(0), ds(0) {
        x = std::isnan(narrow_x) ? narrow_x : std::min(FARTHEST, std::max(-FARTHEST, double(narrow_x)));
        z = curve.of_magnitude ? std::fabs(x) : x;
        p = a(curve.m);
        s = c(curve.n);
        for (int64_t i = curve.m - 1; i >= 0; --i) { dp = dp * x + p; p = p * x + a(i); }
        for (int64_t j = curve.n - 1; j >= 0; --j) { ds = ds * z + s; s = s * z + c(j); }
        q = double(curve.offset) + std::fabs(s);
        if (curve.of_magnitude && x < 0) ds = -ds;
    }
    double a(int64_t i) const { return curve.a[i * curve.groups + k]; }
    double c(int64_t j) const { return curve.c[j * curve.groups + k]; }
    float value(float narrow_x) const {
        const double y = p / q;
        return float(std::isinf(narrow_x) && std::fabs(y) > ENDLESS ? std::copysign(HUGE_VAL, y) : y);
    }
    // Returns dx; adds to total[0], total[stride], ..., a term each.
    float add(float g, double *total, int64_t stride) const {
        const double inverse = 1 / q, y = p * inverse, fall = s < 0 ? y : -y;
        double term = g * inverse;
        for (int64_t i = 0; i <= curve.m; ++i, term *= x, total += stride) *total += term;
        term = g * (fall * inverse);
        for (int64_t j = 0; j <= curve.n; ++j, term *= z, total += stride) *total += term;
        return float(g * ((dp + fall * ds) * inverse));
    }
};

// ---- vectors ------------------------------------------------------------------------------------------------------

template <int M, int N> struct Sums { floats a[M + 1], c[N + 1]; };

// `entry(term)` gives coefficients, a's before c's. Of magnitudes S has no sign.
template <int M, int N, bool of_magnitude, class Entry>
INLINE floats value_of(floats x, floats offset, const Entry &entry) {
    const floats z = of_magnitude ? magnitude(x) : x;
    floats p = entry(M), s = entry(M + 1 + N);
#pragma GCC unroll 8
    for (int i = M - 1; i >= 0; --i) p = p * x + entry(i);
#pragma GCC unroll 8
    for (int j = N - 1; j >= 0; --j) s = s * z + entry(M + 1 + j);
    return p / (offset + (of_magnitude ? s : magnitude(s)));
}

template <int M, int N, bool of_magnitude> struct Quotient {
    floats a[M + 1], c[N + 1], offset;

    // A column of tables that have a row per term of these orders.
    Quotient(const float *table, int64_t width, int64_t column, bool across, float offset) : offset(all(offset)) {
        const float *at = table + column;
        for (floats &entry : a) { entry = across ? read(at) : all(*at); at += width; }
        for (floats &entry : c) { entry = across ? read(at) : all(*at); at += width; }
    }

    // Returns dx; adds to the sums, c's with the other sign.
    INLINE floats add(floats x, floats g, Sums<M, N> &sums) const {
        x += 0.f;  // -0 becomes 0, whose sign flips nothing
        const floats z = of_magnitude ? magnitude(x) : x;
        floats p = a[M - 1] + a[M] * x, dp = a[M], s = c[N - 1] + c[N] * z, ds = c[N];
#pragma GCC unroll 8
        for (int i = M - 2; i >= 0; --i) { dp = dp * x + p; p = p * x + a[i]; }
#pragma GCC unroll 8
        for (int j = N - 2; j >= 0; --j) { ds = ds * z + s; s = s * z + c[j]; }
        const floats inverse = 1.f / (offset + (of_magnitude ? s : magnitude(s))), share = g * inverse;
        const floats y = of_magnitude ? p * inverse : flip(s, p * inverse);
        if (of_magnitude) ds = flip(x, ds);
        const floats fall = share * y;
        sums.a[0] += share;
        sums.c[0] += fall;
        floats powers[(M > N ? M : N) + 1];
        powers[1] = x;
#pragma GCC unroll 8
        for (int i = 2; i <= M || i <= N; ++i) powers[i] = powers[i / 2] * powers[i - i / 2];
#pragma GCC unroll 8
        for (int i = 1; i <= M; ++i) sums.a[i] += share * powers[i];
#pragma GCC unroll 8
        for (int j = 1; j <= N; ++j) sums.c[j] += fall * (of_magnitude && j % 2 ? magnitude(powers[j]) : powers[j]);
        return share * (dp - y * ds);
    }
};

// The cores take `count` vectors `stride` apart and tell whether an element is too far out, when they must be done again
// in double. The value's coefficients go from one vector to the next by `step`: 0, or LANES across channels.
template <int M, int N, bool of_magnitude>
__attribute__((noinline)) bool value_core(const float *__restrict table, int64_t width, floats offset,
                                          const float *__restrict x, float *__restrict y, int64_t count, int64_t step,
                                          float near, bool streams) {
    const floats limit = all(near);
    ints far = {};
    for (int64_t i = 0; i < count; ++i, x += LANES, y += LANES, table += step) {
        const floats at = read(x);
        far |= magnitude(at) > limit;
        const floats found = value_of<M, N, of_magnitude>(at, offset, [&](int term) { return read(table + term * width); });
        if (streams) stream(y, found);
        else write(y, found);
    }
    return any(far);
}

template <int M, int N, bool of_magnitude>
__attribute__((noinline)) bool slope_core(const Quotient<M, N, of_magnitude> &q, const float *__restrict x,
                                          const float *__restrict g, float *__restrict dx, int64_t count, int64_t stride,
                                          float near, bool streams, Sums<M, N> &sums) {
    const floats limit = all(near);
    Sums<M, N> here = {};
    ints far = {};
    for (int64_t i = 0; i < count; ++i, x += stride, g += stride, dx += stride) {
        const floats at = read(x);
        far |= magnitude(at) > limit;
        const floats found = q.add(at, read(g), here);
        if (streams) stream(dx, found);
        else write(dx, found);
    }
    sums = here;
    return any(far);
}

// ---- rows ---------------------------------------------------------------------------------------------------------

// The curve for every column of a row, or with `across` for every channel, with terms of these orders.
template <int M, int N> std::vector<float> table_of(const Curve &curve, int64_t width, int64_t channels, bool across) {
    std::vector<float> table((M + N + 2) * width, 0.f);
    for (int64_t k = 0; k < (across ? channels : curve.groups); ++k) {
        const int64_t group = across ? k * curve.groups / channels : k;
        for (int64_t i = 0; i <= curve.m; ++i) table[i * width + k] = curve.a[i * curve.groups + group];
        for (int64_t j = 0; j <= curve.n; ++j)
            table[(M + 1 + j) * width + k] = curve.c[j * curve.groups + group] + 0.f;  // -0 becomes 0
    }
    return table;
}

template <int M, int N, bool of_magnitude> struct Work {
    using Q = Quotient<M, N, of_magnitude>;
    const Curve &curve;
    Rows rows;
    bool across;
    int64_t width;
    std::vector<float> table;

    Work(const Curve &curve, const Rows &rows, bool across)
        : curve(curve), rows(rows), across(across),
          width(across ? (rows.channels + LANES - 1) / LANES * LANES : curve.groups),
          table(table_of<M, N>(curve, width, rows.channels, across)) {}

    Q quotient(int64_t column) const { return Q(table.data(), width, column, across, curve.offset); }
    int64_t group_of(int64_t column) const { return across ? column * curve.groups / rows.channels : column; }

    // `size` elements of a row with coefficients at `entries`, each term `apart` from the next.
    template <class T>
    void forward_part(const float *entries, int64_t apart, const T *x, T *y, int64_t size, int64_t column,
                      bool streams) const {
        const int64_t vectors = size / LANES, step = across ? LANES : 0;
        const floats offset = all(curve.offset);
        bool far = false;
        if constexpr (std::is_same_v<T, float>) {
            if (vectors)
                far = value_core<M, N, of_magnitude>(entries, apart, offset, x, y, vectors, step, curve.near, streams);
        }
        for (int64_t i = std::is_same_v<T, float> ? vectors * LANES : 0; i < size; i += CHUNK * LANES) {
            const int64_t count = std::min(CHUNK * LANES, size - i);
            Staged in(x + i, count, 1, count), out;
            far |= value_core<M, N, of_magnitude>(entries + (across ? i : 0), apart, offset, in.values, out.values,
                                                  (count + LANES - 1) / LANES, step, curve.near, false);
            out.leave(y + i, count, 1, count);
        }
        for (int64_t i = 0; far && i < size; ++i) {
            const float at = widen(x[i]);
            if (std::fabs(at) > curve.near) narrow(Far(curve, group_of(column + (across ? i : 0)), at).value(at), y + i);
        }
    }

    // Adds to `total`, which has a row of rows.channels per term of the curve.
    template <class T>
    void backward_part(const Q &q, const T *x, const T *g, T *dx, int64_t count, int64_t stride, int64_t lanes,
                       int64_t column, bool streams, double *total) const {
        Sums<M, N> sums;
        bool far;
        if (std::is_same_v<T, float> && lanes == LANES) {
            far = slope_core(q, (const float *)x, (const float *)g, (float *)dx, count, stride, curve.near, streams, sums);
        } else {
            const Staged in(x, lanes, stride, count * lanes), grads(g, lanes, stride, count * lanes);
            Staged out;
            far = slope_core(q, in.values, grads.values, out.values, count, LANES, curve.near, false, sums);
            out.leave(dx, lanes, stride, count * lanes);
        }
        if (far && count > 1) {
            for (int64_t i = 0; i < count; ++i)
                backward_part(q, x + i * stride, g + i * stride, dx + i * stride, 1, stride, lanes, column, false, total);
            return;
        }
        if (far) {
            for (int64_t lane = 0; lane < lanes; ++lane) {
                const int64_t own = across ? column + lane : column;
                const Far at(curve, group_of(own), widen(x[lane]));
                narrow(at.add(widen(g[lane]), total + own, rows.channels), dx + lane);
            }
            return;
        }
        for (int64_t i = 0; i <= curve.m; ++i) add(sums.a[i], 1, lanes, total + i * rows.channels + column);
        total += (curve.m + 1) * rows.channels + column;
        for (int64_t j = 0; j <= curve.n; ++j) add(sums.c[j], -1, lanes, total + j * rows.channels);
    }

    void add(floats part, double sign, int64_t lanes, double *total) const {
        if (!across) *total += sign * sum(part);
        else if (lanes == LANES) for (int lane = 0; lane < LANES; ++lane) total[lane] += sign * part[lane];
        else for (int64_t lane = 0; lane < lanes; ++lane) total[lane] += sign * part[lane];
    }

    template <class T> void forward(const T *x, T *y, int64_t threads) const {
        const bool streams = may_stream(y, rows);
#pragma omp parallel num_threads(int(threads))
        {
            std::vector<float> own(across ? 0 : (M + N + 2) * LANES);  // a row's coefficients, in every lane
            int64_t column = -1;
#pragma omp for schedule(static)
            for (int64_t row = 0; row < rows.count; ++row) {
                if (!across && row % rows.channels != column) {
                    column = row % rows.channels;
                    for (int term = 0; term < M + N + 2; ++term) write(&own[term * LANES], all(table[term * width + column]));
                }
                const int64_t at = row * rows.length;
                forward_part(across ? table.data() : own.data(), across ? width : LANES, x + at, y + at, rows.size(row),
                             across ? 0 : column, streams);
            }
            if (streams) end_of_stream();
        }
    }

    // Calls part(place, vectors, stride, lanes, column) for the elements of the rows from `begin` to `end`.
    template <class Part> void go_through(int64_t begin, int64_t end, const Part &part) const {
        if (across) {
            const int64_t pixels = std::max<int64_t>(16, std::min(FLUSH_ROWS, BLOCK / rows.channels));
            for (int64_t row = begin; row < end; row += pixels)
                for (int64_t column = 0; column < rows.channels; column += LANES)
                    part(row * rows.length + column, std::min(pixels, end - row), rows.length,
                         std::min<int64_t>(LANES, rows.channels - column), column);
            return;
        }
        for (int64_t row = begin; row < end; ++row) {
            const int64_t column = row % rows.channels, size = rows.size(row), vectors = size / LANES;
            for (int64_t i = 0; i < vectors; i += CHUNK)
                part(row * rows.length + i * LANES, std::min(CHUNK, vectors - i), LANES, LANES, column);
            if (size % LANES) part(row * rows.length + vectors * LANES, 1, LANES, size % LANES, column);
        }
    }

    // Gradients of the tables, a's terms before c's.
    template <class T> void backward(const T *x, const T *g, T *dx, int64_t threads, float *grads) const {
        const bool streams = !across && may_stream(dx, rows);  // across, lines are written in parts
        const int64_t size = curve.terms() * rows.channels, blocks = count_blocks(rows, size);
        std::vector<double> totals(blocks * size, 0.0);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
        for (int64_t block = 0; block < blocks; ++block) {
            double *total = totals.data() + block * size;
            go_through(block * rows.count / blocks, (block + 1) * rows.count / blocks,
                       [&](int64_t at, int64_t count, int64_t stride, int64_t lanes, int64_t column) {
                           backward_part(quotient(column), x + at, g + at, dx + at, count, stride, lanes, column,
                                         streams, total);
                       });
            if (streams) end_of_stream();
        }
        const int64_t each = rows.channels / curve.groups;
        for (int64_t i = 0; i < curve.terms() * curve.groups; ++i) {
            double sum = 0;
            for (int64_t block = 0; block < blocks; ++block)
                for (int64_t k = i * each; k < (i + 1) * each; ++k) sum += totals[block * size + k];
            grads[i] = float(sum);
        }
    }
};

template <int M, int N, class Task> void with_form(const Curve &curve, const Rows &rows, bool across, const Task &task) {
    if (curve.of_magnitude) task(Work<M, N, true>(curve, rows, across));
    else task(Work<M, N, false>(curve, rows, across));
}

template <class Task> void with_orders(const Curve &curve, const Rows &rows, bool across, const Task &task) {
    if (curve.m <= 5 && curve.n <= 4) with_form<5, 4>(curve, rows, across, task);
    else with_form<ORDER, ORDER>(curve, rows, across, task);
}

inline Curve curve_of(const float *a, const float *c, const float *offset, int64_t groups, int64_t m, int64_t n,
                      int64_t of_magnitude) {
    Curve curve{a, c, m, n, groups, *offset, of_magnitude != 0, 0};
    curve.near = near_of(curve);
    return curve;
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_rational_forward_##NAME(                                                                 \
        const TYPE *x, TYPE *y, const float *a, const float *c, const float *offset, int64_t count, int64_t length,   \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads, int64_t m, int64_t n,                 \
        int64_t of_magnitude, int64_t groups) {                                                                       \
        with_orders(curve_of(a, c, offset, groups, m, n, of_magnitude), Rows{count, length, last_length, channels},   \
                    across, [&](const auto &work) { work.forward(x, y, threads); });                                  \
    }                                                                                                                 \
    extern "C" void actbench_rational_backward_##NAME(                                                                \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *a, const float *c, const float *offset, float *grads,    \
        int64_t count, int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads,        \
        int64_t m, int64_t n, int64_t of_magnitude, int64_t groups) {                                                 \
        with_orders(curve_of(a, c, offset, groups, m, n, of_magnitude), Rows{count, length, last_length, channels},   \
                    across, [&](const auto &work) { work.backward(x, g, dx, threads, grads); });                      \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
