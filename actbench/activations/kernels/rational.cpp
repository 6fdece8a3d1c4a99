// Quotients of two polynomials per channel: y = P(x) / Q(x), P = sum a_i x^i, Q = offset + |S|, S = sum c_j z^j with
// z = |x| or x. With s = sgn(S), sgn(0) = +1, and R = P / Q:
//
//     dx = g * (P' - R s S') / Q        sums per channel of g x^i / Q and -s g R z^j / Q, the gradients of a and c
//
// In float while |x| <= NEAR and coefficients are no larger than TAME: no power overflows there. Elsewhere, one element
// at a time, in double, which holds x^7 of any float. Infinite inputs count as +-FARTHEST, and have an infinite value
// where the one there exceeds ENDLESS; NaN passes.
//
// Elements go through the passes block by block, as whole vectors of float: one pass for the values; for gradients one
// that finds dx and the two factors g / Q and -s g R / Q of every element, and one that sums these times powers. As one
// pass they would wait for each other's results more than they compute. Orders are known when the passes are compiled:
// 5/4, which covers all below, or 7/7; coefficients above a curve's own orders are 0.

#include "pass.h"
#include "staged.h"

namespace {

constexpr int ORDER = 7;  // of either polynomial, at most
constexpr float NEAR = 1024, TAME = 4294967296.f;
constexpr double FARTHEST = 1393796574908163946345982392040522594123776.0;  // 2^140
constexpr double ENDLESS = 1267650600228229401496703205376.0;  // 2^100
constexpr int64_t BLOCK = 1024;     // elements between the passes, which stay in the first cache
constexpr int64_t FEWEST_ROWS = 8;  // of a block of long rows, which share a load of their sums

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

// ---- passes over whole vectors ------------------------------------------------------------------------------------

// Coefficients for `vectors` vectors, after which they start again: of each vector the terms, a's before c's, LANES
// floats each. Sums have the same order.
struct Table {
    const float *from;
    int64_t vectors;
    float offset, near;
};

// These tell whether an element is too far out, when it must be done again in double.
template <int M, int N, bool of_magnitude>
APART bool values(const Table &table, const float *__restrict x, float *__restrict y, int64_t size, bool past_caches) {
    constexpr int64_t STEP = (M + N + 2) * LANES;
    const float *const end = table.from + table.vectors * STEP, *a = table.from;
    const V offset = all(table.offset), limit = all(table.near);
    I far = {};
    for (int64_t i = 0; i < size; i += LANES) {
        const float *c = a + (M + 1) * LANES;
        fetch(x + i);
        const V at = load(x + i), z = of_magnitude ? magnitude(at) : at;
        far |= magnitude(at) > limit;
        V s = load(c + N * LANES), p = load(a + M * LANES);
#pragma GCC unroll 8
        for (int j = N - 1; j >= 0; --j) s = s * z + load(c + j * LANES);
#pragma GCC unroll 8
        for (int k = M - 1; k >= 0; --k) p = p * at + load(a + k * LANES);
        store(y + i, p / (offset + (of_magnitude ? s : magnitude(s))), past_caches);
        a += STEP;
        if (a == end) a = table.from;
    }
    return any(far);
}

template <int M, int N, bool of_magnitude>
APART bool slopes(const Table &table, const float *__restrict x, const float *__restrict g, float *__restrict dx,
                  float *__restrict shares, float *__restrict falls, int64_t size, bool past_caches) {
    constexpr int64_t STEP = (M + N + 2) * LANES;
    const float *const end = table.from + table.vectors * STEP, *a = table.from;
    const V offset = all(table.offset), limit = all(table.near);
    I far = {};
    for (int64_t i = 0; i < size; i += LANES) {
        const float *c = a + (M + 1) * LANES;
        fetch(x + i);
        fetch(g + i);
        const V at = load(x + i) + 0.f;  // -0 becomes 0, whose sign flips nothing
        const V z = of_magnitude ? magnitude(at) : at;
        far |= magnitude(at) > limit;
        V ds = load(c + N * LANES), s = load(c + (N - 1) * LANES) + ds * z;
#pragma GCC unroll 8
        for (int j = N - 2; j >= 0; --j) { ds = ds * z + s; s = s * z + load(c + j * LANES); }
        V dp = load(a + M * LANES), p = load(a + (M - 1) * LANES) + dp * at;
#pragma GCC unroll 8
        for (int k = M - 2; k >= 0; --k) { dp = dp * at + p; p = p * at + load(a + k * LANES); }
        const V inverse = 1.f / (offset + (of_magnitude ? s : magnitude(s))), share = load(g + i) * inverse;
        const V y = of_magnitude ? p * inverse : flip(s, p * inverse);
        if (of_magnitude) ds = flip(at, ds);
        store(shares + i, share);
        store(falls + i, share * y);
        store(dx + i, share * (dp - y * ds), past_caches);
        a += STEP;
        if (a == end) a = table.from;
    }
    return any(far);
}

// Adds `rows` rows of `vectors` vectors to the sums, c's with the other sign.
template <int M, int N, bool of_magnitude>
APART void moments(const float *__restrict x, const float *__restrict shares, const float *__restrict falls,
                   int64_t rows, int64_t vectors, float *__restrict sums) {
    for (int64_t column = 0; column < vectors * LANES; column += LANES, sums += (M + N + 2) * LANES) {
        V a[M + 1], c[N + 1];
        for (int k = 0; k <= M; ++k) a[k] = load(sums + k * LANES);
        for (int j = 0; j <= N; ++j) c[j] = load(sums + (M + 1 + j) * LANES);
        for (int64_t row = 0, i = column; row < rows; ++row, i += vectors * LANES) {
            const V at = load(x + i), z = of_magnitude ? magnitude(at) : at;
            const V square = at * at;
            V share = load(shares + i), fall = load(falls + i);
#pragma GCC unroll 8
            for (int k = 0; k <= M; k += 2) {
                a[k] += share;
                if (k + 1 <= M) a[k + 1] += share * at;
                if (k + 2 <= M) share *= square;
            }
#pragma GCC unroll 8
            for (int j = 0; j <= N; j += 2) {
                c[j] += fall;
                if (j + 1 <= N) c[j + 1] += fall * z;
                if (j + 2 <= N) fall *= square;
            }
        }
        for (int k = 0; k <= M; ++k) store(sums + k * LANES, a[k]);
        for (int j = 0; j <= N; ++j) store(sums + (M + 1 + j) * LANES, c[j]);
    }
}

// The passes for some orders.
struct Passes {
    int64_t m, n;
    bool (*values)(const Table &, const float *, float *, int64_t, bool);
    bool (*slopes)(const Table &, const float *, const float *, float *, float *, float *, int64_t, bool);
    void (*moments)(const float *, const float *, const float *, int64_t, int64_t, float *);
    int64_t terms() const { return m + n + 2; }
};

template <int M, int N, bool of_magnitude> constexpr Passes compiled() {
    return {M, N, values<M, N, of_magnitude>, slopes<M, N, of_magnitude>, moments<M, N, of_magnitude>};
}

inline Passes passes_for(const Curve &curve) {
    if (curve.m <= 5 && curve.n <= 4) return curve.of_magnitude ? compiled<5, 4, true>() : compiled<5, 4, false>();
    return curve.of_magnitude ? compiled<ORDER, ORDER, true>() : compiled<ORDER, ORDER, false>();
}

// ---- tensors ------------------------------------------------------------------------------------------------------

// What a thread works in: a block's elements and factors, and its sums.
struct Room {
    Scratch scratch;
    float *x, *g, *to, *shares, *falls, *sums;
    Room(int64_t block, int64_t sums_size)
        : x(scratch.take(block)), g(scratch.take(block)), to(scratch.take(block)), shares(scratch.take(block)),
          falls(scratch.take(block)), sums(scratch.zeros(sums_size)) {}
};

// Rows are of one group each, or across whole vectors of all channels; `vectors` is how many have coefficients of their
// own in a row.
struct Work {
    const Curve &curve;
    Passes passes;
    Pass pass;
    int64_t channels, vectors;
    std::vector<float> tables;

    Work(const Curve &curve, const Rows &rows, bool across)
        : curve(curve), passes(passes_for(curve)), pass(rows, across), channels(rows.channels),
          vectors(across ? pass.columns / LANES : 1) {
        const int64_t terms = passes.terms(), columns = across ? pass.columns : channels;
        tables.resize(across ? columns * terms : columns * terms * LANES);
        for (int64_t column = 0; column < columns; ++column) {
            const int64_t group = group_of(column % channels);
            for (int64_t term = 0; term < terms; ++term) {
                const float value = entry(term, group);
                if (across) tables[(column / LANES * terms + term) * LANES + column % LANES] = value;
                else std::fill_n(&tables[(column * terms + term) * LANES], LANES, value);
            }
        }
    }

    int64_t group_of(int64_t channel) const { return channel * curve.groups / channels; }
    float entry(int64_t term, int64_t group) const {
        const int64_t j = term - passes.m - 1;
        if (j < 0) return term <= curve.m ? curve.a[term * curve.groups + group] : 0;
        return j <= curve.n ? curve.c[j * curve.groups + group] + 0.f : 0;  // -0 becomes 0
    }
    Table table(int64_t channel) const {
        const int64_t from = pass.across ? 0 : channel * passes.terms() * LANES;
        return {tables.data() + from, vectors, curve.offset, curve.near};
    }

    int64_t block() const {
        return pass.across ? std::max(FEWEST_ROWS, BLOCK / pass.columns) * pass.columns : BLOCK;
    }

    // Calls part(place, size, channel) for the blocks of those rows, and flush(channel) before float sums get too long.
    template <class Part, class Flush>
    void go_through(int64_t begin, int64_t end, const Part &part, const Flush &flush) const {
        const int64_t together = pass.across ? FLUSH_ROWS : 1, length = pass.rows.length;
        const int64_t most = pass.across ? FLUSH_ROWS * length : FLUSH_ROWS * LANES;
        for (int64_t row = begin; row < end; row += together) {
            const int64_t last = std::min(end, row + together) - 1, channel = pass.across ? 0 : row % channels;
            const int64_t size = (last - row) * length + pass.rows.size(last);
            for (int64_t from = 0; from < size; from += most) {
                const int64_t stop = std::min(size, from + most);
                for (int64_t at = from; at < stop; at += block())
                    part(row * length + at, std::min(block(), stop - at), channel);
                flush(channel);
            }
        }
    }

    int64_t channel_at(int64_t i, int64_t channel) const { return pass.across ? i % channels : channel; }
    // With the zeros that make whole rows of it.
    int64_t whole(int64_t size) const {
        const int64_t row = vectors * LANES;
        return (size + row - 1) / row * row;
    }
    template <class T> const float *staged(const T *from, int64_t size, float *to) const {
        std::fill(stage(from, size, size, to), to + whole(size), 0.f);
        return to;
    }

    template <class T>
    void forward_part(const T *x, T *y, int64_t size, int64_t channel, bool past_caches, Room &room) const {
        bool far;
        if (std::is_same_v<T, float> && size % LANES == 0) {
            far = passes.values(table(channel), (const float *)x, (float *)y, size, past_caches);
        } else {
            far = passes.values(table(channel), staged(x, size, room.x), room.to, whole(size), false);
            leave(room.to, size, size, y);
        }
        for (int64_t i = 0; far && i < size; ++i) {
            const float at = widen(x[i]);
            if (std::fabs(at) > curve.near)
                narrow(Far(curve, group_of(channel_at(i, channel)), at).value(at), y + i);
        }
    }

    // Adds to the room's sums; what is done in double, to `total`, which has a row of all channels for each of the
    // curve's terms.
    template <class T>
    void backward_part(const T *x, const T *g, T *dx, int64_t size, int64_t channel, bool past_caches, Room &room,
                       double *total) const {
        const int64_t full = whole(size);
        const bool is_direct = std::is_same_v<T, float> && full == size;
        const float *in = is_direct ? (const float *)x : staged(x, size, room.x);
        const float *grads = is_direct ? (const float *)g : staged(g, size, room.g);
        float *to = is_direct ? (float *)dx : room.to;
        const bool far = passes.slopes(table(channel), in, grads, to, room.shares, room.falls, full,
                                       is_direct && past_caches);
        if (!is_direct) leave(to, size, size, dx);
        if (far) {
            in = staged(x, size, room.x);
            for (int64_t i = 0; i < size; ++i) {
                if (!(std::fabs(in[i]) > curve.near)) continue;
                const int64_t own = channel_at(i, channel);
                narrow(Far(curve, group_of(own), in[i]).add(widen(g[i]), total + own, channels), dx + i);
                room.x[i] = room.shares[i] = room.falls[i] = 0;
            }
        }
        passes.moments(in, room.shares, room.falls, full / (vectors * LANES), vectors, room.sums);
    }

    // Into the double sums, from those of a channel or of all on; starts again at 0.
    void flush(float *sums, int64_t channel, double *total) const {
        for (int64_t vector = 0; vector < vectors; ++vector) {
            const int64_t first = pass.across ? vector * LANES % channels : channel;
            for (int64_t term = 0; term < passes.terms(); ++term, sums += LANES) {
                const int64_t j = term - passes.m - 1;
                if (j < 0 ? term <= curve.m : j <= curve.n) {
                    const double sign = j < 0 ? 1 : -1;
                    double *row = total + (j < 0 ? term : curve.m + 1 + j) * channels;
                    if (!pass.across) row[first] += sign * lane_sum(load(sums));
                    for (int64_t lane = 0, own = first; pass.across && lane < LANES; ++lane) {
                        row[own] += sign * sums[lane];
                        if (++own == channels) own = 0;
                    }
                }
                store(sums, V{});
            }
        }
    }

    template <class T> void forward(const T *x, T *y, int64_t threads) const {
        const bool past_caches = leaves_caches(y, pass.rows);
        const auto make_room = [&] { return Room(block(), 0); };
        const auto work = [&](Room &room, int64_t, int64_t begin, int64_t end) {
            const auto part = [&](int64_t at, int64_t size, int64_t channel) {
                forward_part(x + at, y + at, size, channel, past_caches, room);
            };
            go_through(begin, end, part, [](int64_t) {});
        };
        pass.each_block(count_blocks(pass.rows, 1), threads, make_room, work);
    }

    // Gradients of the tables, a's terms before c's.
    template <class T> void backward(const T *x, const T *g, T *dx, int64_t threads, float *grads) const {
        const bool past_caches = leaves_caches(dx, pass.rows);
        const int64_t size = curve.terms() * channels, blocks = count_blocks(pass.rows, size);
        std::vector<double> totals(blocks * size, 0.0);
        const auto make_room = [&] { return Room(block(), vectors * passes.terms() * LANES); };
        pass.each_block(blocks, threads, make_room, [&](Room &room, int64_t number, int64_t begin, int64_t end) {
            double *total = &totals[number * size];
            const auto part = [&](int64_t at, int64_t length, int64_t channel) {
                backward_part(x + at, g + at, dx + at, length, channel, past_caches, room, total);
            };
            go_through(begin, end, part, [&](int64_t channel) { flush(room.sums, channel, total); });
        });
        const int64_t each = channels / curve.groups;
        for (int64_t i = 0; i < curve.terms() * curve.groups; ++i) {
            double sum = 0;
            for (int64_t block = 0; block < blocks; ++block)
                for (int64_t k = i * each; k < (i + 1) * each; ++k) sum += totals[block * size + k];
            grads[i] = float(sum);
        }
    }
};

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
        Work(curve_of(a, c, offset, groups, m, n, of_magnitude), Rows{count, length, last_length, channels}, across)  \
            .forward(x, y, threads);                                                                                  \
    }                                                                                                                 \
    extern "C" void actbench_rational_backward_##NAME(                                                                \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *a, const float *c, const float *offset, float *grads,    \
        int64_t count, int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads,        \
        int64_t m, int64_t n, int64_t of_magnitude, int64_t groups) {                                                 \
        Work(curve_of(a, c, offset, groups, m, n, of_magnitude), Rows{count, length, last_length, channels}, across)  \
            .backward(x, g, dx, threads, grads);                                                                      \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
