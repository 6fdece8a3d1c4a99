// The largest of K lines, slopes and offsets per sample and channel: y = max_k (a_k x + b_k) * place.
//
// With `chosen` the largest line, of equal ones the last, and h = g * place:
//
//     dx = h * a_chosen        per sample and channel, sums of h x and h over the elements of each line
//     dplace = g * (y / place) summed over channels
//
// A NaN among the lines is the largest, as with torch.maximum; lines that differ by NaN (inf - inf) leave the gradient
// to the earlier one. Every sum belongs to one sample, and a sample to one thread: first in float over FLUSH_ROWS terms
// at most, then in double.

#include "staged.h"

namespace {

constexpr int64_t PIXELS = 64;  // across channels: whole pixels that one thread takes at a time
constexpr int64_t FEW = 4;      // of them, that lines and sums stay in registers for

// `units` slopes per sample: one for all its elements, or one for each channel. Tables are (K, samples, units).
struct Lines {
    const float *a, *b, *place;  // place: (samples, places), or null
    int64_t samples, units, places;
};

// `columns` vectors with lines of their own side by side, `count` times, `stride` elements apart.
struct Span {
    int64_t columns, count, stride;
    bool across;  // `place` has one entry for a row of vectors, else one for each element
    bool past_caches;
};

INLINE V larger(V one, V other) {
    const V found = one > other ? one : other;
    return one == one ? found : one;
}

// `lines` has for each column K slopes and K offsets, LANES floats each, and `sums` likewise their gradients.
template <int K, bool placed>
APART void values(const Span &span, const float *__restrict lines, const float *__restrict x, float *__restrict y,
                  const float *__restrict place) {
    const int64_t count = span.count, stride = span.stride;
    const bool across = span.across, past_caches = span.past_caches;
    for (int64_t column = 0; column < span.columns; ++column, lines += 2 * K * LANES, x += LANES, y += LANES) {
        V a[K], b[K];
        for (int k = 0; k < K; ++k) { a[k] = load(lines + k * LANES); b[k] = load(lines + (K + k) * LANES); }
        for (int64_t i = 0; i < count; ++i) {
            const V at = load(x + i * stride);
            V found = a[0] * at + b[0];
#pragma GCC unroll 4
            for (int k = 1; k < K; ++k) found = larger(found, a[k] * at + b[k]);
            if (placed) found *= across ? all(place[i]) : load(place + i * LANES);
            store(y + i * stride, found, past_caches);
        }
    }
}

// Adds to the sums, and to `dplace`, which has a vector for each place across channels.
template <int K, bool placed>
APART void slopes(const Span &span, const float *__restrict lines, const float *__restrict x,
                  const float *__restrict g, float *__restrict dx, const float *__restrict place,
                  float *__restrict dplace, float *__restrict sums) {
    const int64_t count = span.count, stride = span.stride;
    const bool across = span.across, past_caches = span.past_caches;
    for (int64_t column = 0; column < span.columns; ++column, x += LANES, g += LANES, dx += LANES) {
        V a[K], b[K], of_a[K], of_b[K];
        for (int k = 0; k < K; ++k) {
            a[k] = load(lines + k * LANES);
            b[k] = load(lines + (K + k) * LANES);
            of_a[k] = load(sums + k * LANES);
            of_b[k] = load(sums + (K + k) * LANES);
        }
        for (int64_t i = 0; i < count; ++i) {
            const V at = load(x + i * stride), grad = load(g + i * stride);
            V parts[K], largest = a[0] * at + b[0];
            parts[0] = placed ? grad * (across ? all(place[i]) : load(place + i * LANES)) : grad;
            const V whole = parts[0];
#pragma GCC unroll 4
            for (int k = 1; k < K; ++k) {
                const V line = a[k] * at + b[k];
                const I later = largest - line <= 0.f;
                parts[k] = (V)((I)whole & later);
#pragma GCC unroll 4
                for (int j = 0; j < k; ++j) parts[j] = (V)((I)parts[j] & ~later);
                largest = larger(largest, line);
            }
            V found = parts[0] * a[0];
#pragma GCC unroll 4
            for (int k = 1; k < K; ++k) found += parts[k] * a[k];
#pragma GCC unroll 4
            for (int k = 0; k < K; ++k) {
                of_a[k] += parts[k] * at;
                of_b[k] += parts[k];
            }
            if (placed) store(dplace + i * LANES, load(dplace + i * LANES) + grad * largest);
            store(dx + i * stride, found, past_caches);
        }
        for (int k = 0; k < K; ++k) {
            store(sums + k * LANES, of_a[k]);
            store(sums + (K + k) * LANES, of_b[k]);
        }
        lines += 2 * K * LANES;
        sums += 2 * K * LANES;
    }
}

struct Passes {
    int64_t lines;
    void (*values)(const Span &, const float *, const float *, float *, const float *);
    void (*slopes)(const Span &, const float *, const float *, const float *, float *, const float *, float *, float *);
};

template <bool placed> Passes passes_for(int64_t lines) {
    if (lines == 1) return {1, values<1, placed>, slopes<1, placed>};
    if (lines == 2) return {2, values<2, placed>, slopes<2, placed>};
    return {3, values<3, placed>, slopes<3, placed>};
}

// What a thread works in: lines and sums as the passes have them, and a part's elements, places and moments.
struct Room {
    Scratch scratch;
    float *table, *sums, *x, *g, *to, *places, *moments;
    std::vector<double> totals;
    Room(int64_t table_size, int64_t part, int64_t moments_size, int64_t totals_size)
        : table(scratch.take(table_size)), sums(scratch.zeros(table_size)), x(scratch.take(part)),
          g(scratch.take(part)), to(scratch.take(part)), places(scratch.take(part)),
          moments(scratch.zeros(moments_size)), totals(totals_size) {}
};

struct Work {
    Lines lines;
    Rows rows;  // across: a pixel each; else a channel of a sample each, or a sample if all its channels have one unit
    bool across;
    Passes passes;
    int64_t columns;  // vectors with lines of their own

    Work(int64_t pieces, const Lines &lines, const Rows &rows, bool across)
        : lines(lines), rows(rows), across(across),
          passes(lines.place ? passes_for<true>(pieces) : passes_for<false>(pieces)),
          columns(across ? (rows.length + LANES - 1) / LANES : 1) {}

    Room make_room() const {
        const int64_t part = across ? FEW * columns * LANES : FLUSH_ROWS * LANES;
        const int64_t moments = !lines.place ? 0 : across ? FEW * LANES : lines.places + LANES;
        return {2 * passes.lines * columns * LANES, part, moments, 2 * passes.lines * lines.units};
    }

    // The lines of all channels of a sample, or of one unit, as the passes read them.
    void tabulate(int64_t unit, float *to) const {
        const int64_t row = lines.samples * lines.units, pieces = passes.lines;
        for (int64_t column = 0; column < columns; ++column, unit += LANES, to += 2 * pieces * LANES) {
            const int64_t lanes = std::min<int64_t>(LANES, rows.length - column * LANES);
            for (int64_t k = 0; k < pieces; ++k) {
                float *slope = to + k * LANES, *offset = slope + pieces * LANES;
                const float *a = lines.a + k * row + unit, *b = lines.b + k * row + unit;
                if (across) { stage(a, lanes, lanes, slope); stage(b, lanes, lanes, offset); }
                else { store(slope, all(*a)); store(offset, all(*b)); }
            }
        }
    }

    // Calls part(first element, size) for what one call of a pass takes of `size` elements.
    template <class Part> void each_part(int64_t size, const Part &part) const {
        const int64_t most = across ? FEW * rows.length : FLUSH_ROWS * LANES;
        for (int64_t from = 0; from < size; from += most) part(from, std::min(most, size - from));
    }

    // Whether the passes take a part as it is in memory.
    template <class T> bool is_direct(const T *, int64_t size) const {
        return std::is_same_v<T, float> && (across ? rows.length : size) % LANES == 0;
    }
    Span span_of(int64_t size, bool past_caches) const {
        if (across) return {columns, size / rows.length, columns * LANES, true, past_caches};
        return {1, (size + LANES - 1) / LANES, LANES, false, past_caches};
    }
    int64_t run_of(int64_t size) const { return across ? rows.length : size; }

    // The places of a part that begins `from` elements after its sample, or its row.
    const float *places_of(int64_t sample, int64_t from, int64_t size, float *staged) const {
        if (!lines.place) return nullptr;
        const float *places = lines.place + sample * lines.places + (across ? from / rows.length : from);
        if (across || size % LANES == 0) return places;
        stage(places, size, size, staged);
        return staged;
    }

    template <class T>
    void forward_part(const T *x, T *y, const float *places, int64_t size, bool past_caches, const Room &room) const {
        if (is_direct(x, size))
            return passes.values(span_of(size, past_caches), room.table, (const float *)x, (float *)y, places);
        stage(x, size, run_of(size), room.x);
        passes.values(span_of(size, false), room.table, room.x, room.to, places);
        leave(room.to, size, run_of(size), y);
    }

    // Adds to the room's sums, and to its moments from `moments` on.
    template <class T>
    void backward_part(const T *x, const T *g, T *dx, const float *places, int64_t size, bool past_caches,
                       const Room &room, float *moments) const {
        if (is_direct(x, size))
            return passes.slopes(span_of(size, past_caches), room.table, (const float *)x, (const float *)g,
                                 (float *)dx, places, moments, room.sums);
        stage(x, size, run_of(size), room.x);
        stage(g, size, run_of(size), room.g);
        passes.slopes(span_of(size, false), room.table, room.x, room.g, room.to, places, moments, room.sums);
        leave(room.to, size, run_of(size), dx);
    }

    // Into the double sums, from those of a unit or of all on; starts again at 0.
    void flush(float *sums, double *total) const {
        for (int64_t column = 0; column < columns; ++column)
            for (int64_t term = 0; term < 2 * passes.lines; ++term, sums += LANES) {
                double *to = total + term * lines.units + column * LANES;
                const int64_t lanes = std::min<int64_t>(LANES, rows.length - column * LANES);
                if (!across) *to += lane_sum(load(sums));
                for (int64_t lane = 0; across && lane < lanes; ++lane) to[lane] += sums[lane];
                store(sums, V{});
            }
    }

    template <class T> void forward(const T *x, T *y, int64_t threads) const {
        const bool past_caches = leaves_caches(y, rows);
        const int64_t each = across ? (lines.places + PIXELS - 1) / PIXELS : lines.units;
#pragma omp parallel num_threads(int(threads))
        {
            const Room room = make_room();
#pragma omp for schedule(static)
            for (int64_t item = 0; item < lines.samples * each; ++item) {
                const int64_t sample = item / each, first = across ? item % each * PIXELS : 0;
                const int64_t row = across ? sample * lines.places + first : item;
                const int64_t count = across ? std::min(PIXELS, lines.places - first) : 1;
                tabulate(across ? sample * lines.units : item, room.table);
                each_part(count * rows.length, [&](int64_t from, int64_t size) {
                    const float *places = places_of(sample, first * rows.length + from, size, room.places);
                    const int64_t at = row * rows.length + from;
                    forward_part(x + at, y + at, places, size, past_caches, room);
                });
            }
            end_of_stream();
        }
    }

    // Of the pixels of a sample; into the room's totals.
    template <class T>
    void backward_across(int64_t sample, const T *x, const T *g, T *dx, bool past_caches, Room &room,
                         float *dplace) const {
        const int64_t pixels = lines.places, first = sample * pixels * rows.length;
        tabulate(sample * lines.units, room.table);
        each_part(pixels * rows.length, [&](int64_t from, int64_t size) {
            const int64_t at = first + from, pixel = from / rows.length, next = pixel + size / rows.length;
            const float *places = places_of(sample, from, size, room.places);
            backward_part(x + at, g + at, dx + at, places, size, past_caches, room, room.moments);
            for (int64_t i = pixel; lines.place && i < next; ++i) {
                float *moment = room.moments + (i - pixel) * LANES;
                dplace[i] = float(lane_sum(load(moment)));
                store(moment, V{});
            }
            if (next == pixels || next % FLUSH_ROWS == 0) flush(room.sums, room.totals.data());
        });
    }

    // Of the rows of a sample, one for each unit.
    template <class T>
    void backward_along(int64_t sample, const T *x, const T *g, T *dx, bool past_caches, Room &room,
                        float *dplace) const {
        for (int64_t unit = 0; unit < lines.units; ++unit) {
            const int64_t row = sample * lines.units + unit;
            tabulate(row, room.table);
            each_part(rows.length, [&](int64_t from, int64_t size) {
                const int64_t at = row * rows.length + from;
                const float *places = places_of(sample, from, size, room.places);
                backward_part(x + at, g + at, dx + at, places, size, past_caches, room, room.moments + from);
                flush(room.sums, &room.totals[unit]);
            });
        }
        if (!lines.place) return;
        std::copy_n(room.moments, lines.places, dplace);
        std::fill_n(room.moments, lines.places + LANES, 0.f);
    }

    // a_grad and b_grad as a and b; place_grad as place.
    template <class T>
    void backward(const T *x, const T *g, T *dx, int64_t threads, float *a_grad, float *b_grad,
                  float *place_grad) const {
        const bool past_caches = leaves_caches(dx, rows);
        const int64_t units = lines.units, row = lines.samples * units;
#pragma omp parallel num_threads(int(threads))
        {
            Room room = make_room();
#pragma omp for schedule(static)
            for (int64_t sample = 0; sample < lines.samples; ++sample) {
                std::fill(room.totals.begin(), room.totals.end(), 0.0);
                float *dplace = lines.place ? place_grad + sample * lines.places : nullptr;
                if (across) backward_across(sample, x, g, dx, past_caches, room, dplace);
                else backward_along(sample, x, g, dx, past_caches, room, dplace);
                const double *total = room.totals.data();
                for (int64_t k = 0; k < passes.lines; ++k)
                    for (int64_t i = k * row + sample * units; i < k * row + (sample + 1) * units; ++i, ++total) {
                        a_grad[i] = float(total[0]);
                        b_grad[i] = float(total[passes.lines * units]);
                    }
            }
            end_of_stream();
        }
    }
};

inline Lines lines_of(const float *a, const float *b, const float *place, int64_t samples, int64_t units,
                      int64_t places, int64_t placed) {
    return {a, b, placed ? place : nullptr, samples, units, places};
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_largest_line_forward_##NAME(                                                             \
        const TYPE *x, TYPE *y, const float *a, const float *b, const float *place, int64_t count, int64_t length,    \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads, int64_t pieces, int64_t samples,      \
        int64_t units, int64_t places, int64_t placed) {                                                              \
        Work(pieces, lines_of(a, b, place, samples, units, places, placed),                                           \
             Rows{count, length, last_length, channels}, across)                                                      \
            .forward(x, y, threads);                                                                                  \
    }                                                                                                                 \
    extern "C" void actbench_largest_line_backward_##NAME(                                                            \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *a, const float *b, const float *place, float *a_grad,    \
        float *b_grad, float *place_grad, int64_t count, int64_t length, int64_t last_length, int64_t channels,       \
        int64_t across, int64_t threads, int64_t pieces, int64_t samples, int64_t units, int64_t places,              \
        int64_t placed) {                                                                                             \
        Work(pieces, lines_of(a, b, place, samples, units, places, placed),                                           \
             Rows{count, length, last_length, channels}, across)                                                      \
            .backward(x, g, dx, threads, a_grad, b_grad, place_grad);                                                 \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
