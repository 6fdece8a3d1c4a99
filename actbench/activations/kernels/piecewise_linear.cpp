// Uniform piecewise-linear functions with a table per channel: forward, backward, and look-up in deploy form.
//
// With u = (x - low) * inv_step there are `pieces` pieces: left of u = 0, [0, 1), [1, 2), ..., and right of
// u = pieces - 2. Piece j has its origin at o_j = max(j - 1, 0) and computes
//
//     y = base[j] + rise[j] * (u - o_j)        dx = g * rise[j] * inv_step
//
// The backward sums, per channel and piece, g and g * (u - o_j): the gradients of base and rise, from which those of
// low and inv_step follow. A rise of 0 gives base[j] for infinite x too; NaN stays NaN and falls on piece 0.
//
// Along a row of one channel, vectors look their pieces up in tables that lie in registers; across channels they take
// them from memory, lane by lane. The sums of g and g * (u - o_j) are pairs side by side, and every lane of a vector has
// its own, so that no two of its elements meet.

#include <cfloat>

#include "pwlu.h"
#include "vectors.h"

namespace {

struct Tables {
    const float *base, *rise, *low, *inv_step;
    int64_t pieces;
    float last() const { return float(pieces - 1); }
};

#if !LANES
// ---- one element at a time, for any processor --------------------------------------------------------------------

struct Place { int64_t piece; float offset; };

inline Place find(float x, float low, float inv_step, float last) {
    const float u = (x - low) * inv_step;
    float piece = std::floor(u) + 1;
    piece = piece > 0 ? piece : 0;  // NaN too
    piece = piece < last ? piece : last;
    return {int64_t(piece), u - std::max(piece - 1, 0.f)};
}

template <bool direct, class T> void forward_one(const T *x, T *y, const Tables &t, int64_t channel) {
    const float value = widen(*x);
    const Place at = find(value, t.low[channel], t.inv_step[channel], t.last());
    const float base = t.base[channel * t.pieces + at.piece], rise = t.rise[channel * t.pieces + at.piece];
    const bool stays = rise == 0 && value == value;
    narrow(stays ? base : base + rise * (direct ? value : at.offset), y);
}

// `sums` holds g and g * offset of every piece, channel by channel.
template <class T> void backward_one(const T *x, const T *g, T *dx, const Tables &t, int64_t channel, float *sums) {
    const float grad = widen(*g);
    const Place at = find(widen(*x), t.low[channel], t.inv_step[channel], t.last());
    const int64_t entry = channel * t.pieces + at.piece;
    narrow(grad * (t.rise[entry] * t.inv_step[channel]), dx);
    sums[2 * entry] += grad;
    sums[2 * entry + 1] += grad * at.offset;
}

// A block of rows; `total` as `sums`.
template <class T>
void backward_block(const T *x, const T *g, T *dx, const Rows &rows, int64_t begin, int64_t end, const Tables &t,
                    bool across, double *total) {
    const int64_t own = 2 * t.pieces;
    std::vector<float> sums(own * rows.channels, 0.f);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row * rows.length, size = rows.size(row), channel = row % rows.channels;
        for (int64_t i = 0; i < size; ++i) {
            backward_one(x + at + i, g + at + i, dx + at + i, t, across ? i : channel, sums.data());
            if (!across && (i + 1 == size || i % FLUSH_ROWS == FLUSH_ROWS - 1))
                flush(&sums[own * channel], own, total + own * channel);
        }
        if (across && (row + 1 == end || (row - begin) % FLUSH_ROWS == FLUSH_ROWS - 1))
            flush(sums.data(), sums.size(), total);
    }
}

#else
// ---- vectors ----------------------------------------------------------------------------------------------------

// A piece as its index in vectors, one less than its number: so that it is the rounded u, kept in its range.
struct Places { Ints index; Floats offset; };

inline Places find(Floats u, Floats last) {
    const Floats piece = smaller(greater(round_down(u), all(-1.f)), last);  // -1 for NaN
    return {to_ints(piece), u - greater(piece, all(0.f))};
}

// Every channel's table as a Table<PARTS> reads it at such an index, filled up with 0.
struct Padded {
    int64_t width;
    std::vector<float> entries;
    template <class Entry> Padded(const Tables &t, int64_t channels, int parts, Entry entry)
        : width(parts ? parts * LANES + 2 : t.pieces), entries(channels * width, 0.f) {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = 0; j < t.pieces; ++j) entries[c * width + j] = entry(c, c * t.pieces + j);
    }
    const float *of(int64_t channel) const { return entries.data() + channel * width + 1; }
};

// A level piece at an end must not meet infinity, for 0 * inf is no number: what is multiplied stays within these.
inline float lower_limit(const Tables &t, int64_t channel) { return t.rise[channel * t.pieces] ? -INFINITY : -FLT_MAX; }
inline float upper_limit(const Tables &t, int64_t channel) {
    return t.rise[(channel + 1) * t.pieces - 1] ? INFINITY : FLT_MAX;
}

// One channel's function, as `direct` has it in `forward`.
template <int PARTS> struct Direct {
    Table<PARTS> base, rise;
    Floats low, inv_step, last, least, most;
    Direct(const Padded &bases, const Padded &rises, const Tables &t, int64_t channel)
        : base(bases.of(channel)), rise(rises.of(channel)), low(all(t.low[channel])),
          inv_step(all(t.inv_step[channel])), last(all(t.last() - 1)) {
        least = all(lower_limit(t, channel));
        most = all(upper_limit(t, channel));
    }
    Floats operator()(Floats x) const {
        x = smaller(most, greater(least, x));  // NaN passes
        const Ints index = find((x - low) * inv_step, last).index;
        return fma(rise(index), x, base(index));
    }
};

// One channel's function: that of u within the bounds, where pieces are looked up, and a slope for what lies beyond.
template <int PARTS> struct Line {
    Within<PARTS> base, rise;
    Floats low, inv_step, end, last, at_end, left, right, least, most;
    bool is_level;  // on a side, where what lies beyond must be limited, and the height there is the bound's to the bit
    Line(const Padded &bases, const Padded &rises, const Tables &t, int64_t channel)
        : base(bases.of(channel)), rise(rises.of(channel)), low(all(t.low[channel])),
          inv_step(all(t.inv_step[channel])), end(all(t.last() - 1)), last(all(t.last() - 2)) {
        const int64_t first = channel * t.pieces, after = first + t.pieces - 1;
        at_end = all(t.base[after]);
        left = all(t.rise[first]);
        right = all(t.rise[after]);
        least = all(lower_limit(t, channel));
        most = all(upper_limit(t, channel));
        is_level = t.rise[first] == 0 || t.rise[after] == 0;
    }
    template <bool LEVEL> Floats at(Floats x) const {
        const Floats u = (x - low) * inv_step;
        const Floats within = smaller(greater(u, all(0.f)), end);  // 0 for NaN
        const Floats piece = smaller(round_down(within), last);
        const Ints index = to_ints(piece);
        Floats beyond = u - within, inside = fma(rise(index), within - piece, base(index));
        if (LEVEL) {
            beyond = smaller(most, greater(least, beyond));  // NaN passes
            inside = select_above(u, end, at_end, inside);
        }
        return fma(select_negative(as_ints(beyond), left, right), beyond, inside);
    }
};

constexpr int64_t AHEAD = 1024;  // elements; the processor itself foresees no further than a page of memory

template <class Function, class T> void map(const T *x, T *y, int64_t size, const Function function, bool past_caches) {
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
        fetch(x + i + AHEAD);
        put(y + i, function(load(x + i)), past_caches);
    }
    if (i < size) store_some(y + i, function(load_some(x + i, size - i)), size - i);
}

// Tables of all channels, piece by piece, LANES channels abreast and filled up with 0.
struct Abreast {
    int64_t pieces, groups;
    std::vector<float> entries, low, inv_step, least, most;  // of each piece `numbers` for each lane
    template <class Entry> Abreast(const Tables &t, int64_t channels, int64_t numbers, Entry entry)
        : pieces(t.pieces), groups((channels + LANES - 1) / LANES), entries(groups * pieces * LANES * numbers),
          low(groups * LANES), inv_step(low), least(low), most(low) {
        for (int64_t c = 0; c < channels; ++c) {
            low[c] = t.low[c], inv_step[c] = t.inv_step[c];
            least[c] = lower_limit(t, c), most[c] = upper_limit(t, c);
            for (int64_t j = 0; j < pieces; ++j)
                for (int64_t n = 0; n < numbers; ++n)
                    entries[((c / LANES * pieces + j) * LANES + c % LANES) * numbers + n] = entry(n, c, c * pieces + j);
        }
    }
};

template <bool direct, class T>
void forward_across(const T *x, T *y, int64_t channels, const Abreast &tables, bool past_caches) {
    // Pointers of its own, or each store to y might change them.
    const float *entries = tables.entries.data(), *low = tables.low.data(), *inv_step = tables.inv_step.data();
    const float *least = tables.least.data(), *most = tables.most.data();
    const int64_t width = 2 * tables.pieces;
    const Floats last = all(float(tables.pieces - 2));
    const auto group = [=](Floats values, int64_t c) {
        const auto bounded = [=](Floats a) { return smaller(load(most + c), greater(load(least + c), a)); };
        if (direct) values = bounded(values);
        const Floats u = (values - load(low + c)) * load(inv_step + c);
        const Places at = find(direct ? u : bounded(u), last);
        Floats base, rise;
        Lanes(at.index).pairs(entries + c * width, &base, &rise);
        return fma(rise, direct ? values : at.offset, base);
    };
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES) put(y + c, group(load(x + c), c), past_caches);
    if (c < channels) store_some(y + c, group(load_some(x + c, channels - c), c), channels - c);
}

template <int PARTS, bool direct, class T>
void forward_vectors(const T *x, T *y, const Rows &rows, const Tables &t, bool across, int64_t threads) {
    const bool past_caches = streams(y, rows);
    const Padded base(t, rows.channels, PARTS, [&](int64_t, int64_t at) { return t.base[at]; });
    const Padded rise(t, rows.channels, PARTS, [&](int64_t, int64_t at) { return t.rise[at]; });
    const auto along = [&](const T *from, T *to, int64_t size, int64_t channel) {
        if constexpr (direct) {
            map(from, to, size, Direct<PARTS>(base, rise, t, channel), past_caches);
        } else {
            const Line<PARTS> line(base, rise, t, channel);
            if (line.is_level) map(from, to, size, [=](Floats u) { return line.template at<true>(u); }, past_caches);
            else map(from, to, size, [=](Floats u) { return line.template at<false>(u); }, past_caches);
        }
    };
    const Abreast abreast(t, across ? rows.channels : 0, 2,
                          [&](int64_t number, int64_t, int64_t at) { return (number ? t.rise : t.base)[at]; });
#pragma omp parallel num_threads(int(threads))
    {
#pragma omp for schedule(static) nowait
        for (int64_t row = 0; row < rows.count; ++row) {
            const int64_t at = row * rows.length;
            if (across) forward_across<direct>(x + at, y + at, rows.channels, abreast, past_caches);
            else along(x + at, y + at, rows.size(row), row % rows.channels);
        }
        finish_streams();
    }
}

constexpr int64_t PIECE = 2 * LANES;  // floats of a piece's sums: a pair for each lane

template <int PARTS, class T>
void backward_along(const T *x, const T *g, T *dx, int64_t size, const Tables &t, int64_t channel,
                    const Padded &slopes, bool past_caches, float *sums) {
    const Table<PARTS> slope(slopes.of(channel));
    const Floats low = all(t.low[channel]), inv_step = all(t.inv_step[channel]), last = all(t.last() - 1);
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
        const Places at = find((load(x + i) - low) * inv_step, last);
        const Floats grads = load(g + i);
        put(dx + i, grads * slope(at.index), past_caches);
        Lanes(at.index).add(grads, grads * at.offset, sums);
    }
    if (i < size) {
        const Places at = find((load_some(x + i, size - i) - low) * inv_step, last);
        const Floats grads = load_some(g + i, size - i);
        store_some(dx + i, grads * slope(at.index), size - i);
        Lanes(at.index).add(grads, grads * at.offset, sums);
    }
}

// One pixel's channels from `begin` to `end`.
template <class T>
void backward_across(const T *x, const T *g, T *dx, int64_t begin, int64_t end, const Abreast &slopes, bool past_caches,
                     float *sums) {
    const float *entries = slopes.entries.data(), *low = slopes.low.data(), *inv_step = slopes.inv_step.data();
    const int64_t pieces = slopes.pieces;
    const Floats last = all(float(pieces - 2));
    const auto group = [=](Floats values, Floats grads, int64_t c) {
        const Places at = find((values - load(low + c)) * load(inv_step + c), last);
        const Lanes lanes(at.index);
        lanes.add(grads, grads * at.offset, sums + 2 * c * pieces);
        return grads * lanes.numbers(entries + c * pieces);
    };
    int64_t c = begin;
    for (; c + LANES <= end; c += LANES) put(dx + c, group(load(x + c), load(g + c), c), past_caches);
    if (c < end)
        store_some(dx + c, group(load_some(x + c, end - c), load_some(g + c, end - c), c), end - c);
}
#endif

// ---- all rows ---------------------------------------------------------------------------------------------------

template <bool direct, class T>
void forward(const T *x, T *y, const Rows &rows, const Tables &tables, bool across, int64_t threads) {
#if LANES
    with_parts(tables.pieces, [&](auto parts) {
        forward_vectors<parts, direct>(x, y, rows, tables, across, threads);
    });
#else
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t row = 0; row < rows.count; ++row) {
        const int64_t at = row * rows.length, size = rows.size(row);
        for (int64_t i = 0; i < size; ++i)
            forward_one<direct>(x + at + i, y + at + i, tables, across ? i : row % rows.channels);
    }
#endif
}

#if LANES
constexpr int64_t FLUSH_ALONG = FLUSH_ROWS * LANES;  // each lane has its own sums
constexpr int64_t TOGETHER = 256;  // elements of a channel, in several rows if need be, before lanes are summed up

template <int PARTS, class T>
void backward_rows(const T *x, const T *g, T *dx, const Rows &rows, int64_t begin, int64_t end, const Tables &t,
                   const Padded &slopes, bool past_caches, double *total) {
    std::vector<float> sums(t.pieces * PIECE, 0.f);
    const int64_t together = std::max<int64_t>(1, TOGETHER / rows.length) * rows.channels;
    for (int64_t from = begin; from < end; from += together) {
        const int64_t to = std::min(end, from + together);
        for (int64_t first = from; first < std::min(to, from + rows.channels); ++first) {
            const int64_t channel = first % rows.channels;
            const auto leave = [&] {
                for (int64_t piece = 0; piece < t.pieces; ++piece)
                    add_and_clear(&sums[piece * PIECE], total + 2 * (channel * t.pieces + piece));
            };
            for (int64_t row = first; row < to; row += rows.channels) {
                const int64_t at = row * rows.length, size = rows.size(row);
                for (int64_t i = 0; i < size; i += FLUSH_ALONG) {
                    if (i) leave();
                    backward_along<PARTS>(x + at + i, g + at + i, dx + at + i, std::min(size - i, FLUSH_ALONG), t,
                                          channel, slopes, past_caches, sums.data());
                }
            }
            leave();
        }
    }
    finish_streams();
}

template <class T>
void backward_pixels(const T *x, const T *g, T *dx, const Rows &rows, int64_t begin, int64_t end, const Abreast &slopes,
                     bool past_caches, double *total) {
    constexpr int64_t ABREAST = 64;  // channels whose sums stay in the first cache
    const int64_t channels = rows.channels, pieces = slopes.pieces;
    std::vector<float> sums(slopes.groups * pieces * PIECE, 0.f);
    for (int64_t from = begin; from < end; from += FLUSH_ROWS) {
        const int64_t to = std::min(end, from + FLUSH_ROWS);
        for (int64_t c = 0; c < channels; c += ABREAST)
            for (int64_t at = from * channels; at < to * channels; at += channels)
                backward_across(x + at, g + at, dx + at, c, std::min(channels, c + ABREAST), slopes, past_caches,
                                sums.data());
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t piece = 0; piece < pieces; ++piece)
                flush(sums.data() + (c / LANES * pieces + piece) * PIECE + c % LANES * 2, 2,
                      total + 2 * (c * pieces + piece));
    }
    finish_streams();
}
#endif

template <class T>
void backward(const T *x, const T *g, T *dx, const Rows &rows, const Tables &t, bool across, int64_t threads,
              float *base_grad, float *rise_grad) {
    const int64_t entries = t.pieces * rows.channels;
    const int64_t blocks = count_blocks(rows, entries);
    std::vector<double> totals(blocks * 2 * entries, 0.0);
    const auto over_blocks = [&](auto backward_block_of) {
#pragma omp parallel for num_threads(int(threads)) schedule(static)
        for (int64_t block = 0; block < blocks; ++block)
            backward_block_of(block * rows.count / blocks, (block + 1) * rows.count / blocks,
                              totals.data() + block * 2 * entries);
    };
#if LANES
    const auto slope = [&](int64_t channel, int64_t at) { return t.rise[at] * t.inv_step[channel]; };
    const bool past_caches = streams(dx, rows);
    if (across) {
        const Abreast slopes(t, rows.channels, 1, [&](int64_t, int64_t c, int64_t at) { return slope(c, at); });
        over_blocks([&](int64_t begin, int64_t end, double *total) {
            backward_pixels(x, g, dx, rows, begin, end, slopes, past_caches, total);
        });
    } else {
        with_parts(t.pieces, [&](auto parts) {
            const Padded slopes(t, rows.channels, parts, slope);
            over_blocks([&](int64_t begin, int64_t end, double *total) {
                backward_rows<parts>(x, g, dx, rows, begin, end, t, slopes, past_caches, total);
            });
        });
    }
#else
    over_blocks([&](int64_t begin, int64_t end, double *total) {
        backward_block(x, g, dx, rows, begin, end, t, across, total);
    });
#endif
    for (int64_t i = 0; i < entries; ++i) {
        double g_sum = 0, moment = 0;
        for (int64_t block = 0; block < blocks; ++block) {
            g_sum += totals[2 * (block * entries + i)];
            moment += totals[2 * (block * entries + i) + 1];
        }
        base_grad[i] = float(g_sum);
        rise_grad[i] = float(moment);
    }
}

// ---- PWLU's units ------------------------------------------------------------------------------------------------

template <class T>
void forward_units(const T *x, T *y, const Rows &rows, const Units &units, bool across, int64_t threads) {
    const Acting acting(units);
    const Tables t{acting.base.data(), acting.rise.data(), acting.low.data(), acting.inv_step.data(), acting.pieces};
    forward<false>(x, y, rows, t, across, threads);
}

template <class T>
void backward_units(const T *x, const T *g, T *dx, const Rows &rows, const Units &units, bool across, int64_t threads,
                    const UnitGrads &grads) {
    const Acting acting(units);
    const Tables t{acting.base.data(), acting.rise.data(), acting.low.data(), acting.inv_step.data(), acting.pieces};
    std::vector<float> g_sums(acting.base.size()), moments(acting.base.size());
    backward(x, g, dx, rows, t, across, threads, g_sums.data(), moments.data());
    leave_pieces(units, acting, g_sums.data(), moments.data(), grads);
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
    }                                                                                                                 \
    extern "C" void actbench_piecewise_linear_pwlu_##NAME(                                                            \
        const TYPE *x, TYPE *y, const float *heights, const float *left, const float *right, const float *slope_left, \
        const float *slope_right, const float *least_width, int64_t count, int64_t length, int64_t last_length,       \
        int64_t channels, int64_t across, int64_t threads, int64_t intervals) {                                       \
        const Rows rows{count, length, last_length, channels};                                                        \
        const Units units{heights, left, right, slope_left, slope_right, channels, intervals, *least_width};          \
        forward_units(x, y, rows, units, across, threads);                                                            \
    }                                                                                                                 \
    extern "C" void actbench_piecewise_linear_pwlu_backward_##NAME(                                                   \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *heights, const float *left, const float *right,          \
        const float *slope_left, const float *slope_right, const float *least_width, float *heights_grad,             \
        float *left_grad, float *right_grad, float *slope_left_grad, float *slope_right_grad, int64_t count,          \
        int64_t length, int64_t last_length, int64_t channels, int64_t across, int64_t threads, int64_t intervals) {  \
        const Rows rows{count, length, last_length, channels};                                                        \
        const Units units{heights, left, right, slope_left, slope_right, channels, intervals, *least_width};          \
        const UnitGrads grads{heights_grad, left_grad, right_grad, slope_left_grad, slope_right_grad};                \
        backward_units(x, g, dx, rows, units, across, threads, grads);                                                \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
