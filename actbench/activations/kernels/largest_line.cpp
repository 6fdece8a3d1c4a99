// The largest of K lines, slopes and offsets per sample and channel: y = max_k (a_k x + b_k) * place.
//
// With `chosen` the largest line, of equal ones the last, and h = g * place:
//
//     dx = h * a_chosen        per sample and channel, sums of h x and h over the elements of each line
//     dplace = g * (y / place) summed over channels
//
// A NaN among the lines is the largest, as with torch.maximum; lines that differ by NaN (inf - inf) leave the gradient to
// the earlier one. Every sum belongs to one sample, and a sample to one thread: first in float over FLUSH_ROWS terms at
// most, then in double.

#include "lanes.h"

namespace {

constexpr int64_t CHUNK = FLUSH_ROWS;  // vectors of a row whose sums stay in float
constexpr int64_t PIXELS = 64;         // the same across channels: whole pixels that stay in the cache

// `units` slopes per sample: one for all its elements, or one for each channel. Tables are (K, samples, units).
struct Lines {
    const float *a, *b, *place;  // place: (samples, places), or null
    int64_t samples, units, places;
};

template <int K> struct Sums { floats a[K], b[K]; };

inline floats larger(floats one, floats other) {
    const floats found = one > other ? one : other;
    return one == one ? found : one;
}

template <int K> struct Bundle {
    floats a[K], b[K];

    // The lines of `lanes` neighbouring units, or of one for all lanes.
    Bundle(const Lines &lines, int64_t unit, bool across, int64_t lanes) {
        const int64_t row = lines.samples * lines.units;
        for (int k = 0; k < K; ++k) {
            const float *slope = lines.a + k * row + unit, *offset = lines.b + k * row + unit;
            a[k] = !across ? all(*slope) : lanes == LANES ? read(slope) : read(slope, lanes);
            b[k] = !across ? all(*offset) : lanes == LANES ? read(offset) : read(offset, lanes);
        }
    }

    INLINE floats largest(floats x) const {
        floats found = a[0] * x + b[0];
#pragma GCC unroll 4
        for (int k = 1; k < K; ++k) found = larger(found, a[k] * x + b[k]);
        return found;
    }

    // dx for the gradient g and place's share, which is 1 if there is none; adds to the sums, leaves the largest line.
    INLINE floats add(floats x, floats g, floats share, Sums<K> &sums, floats &largest) const {
        floats parts[K], dx = {};
        parts[0] = g * share;
        largest = a[0] * x + b[0];
#pragma GCC unroll 4
        for (int k = 1; k < K; ++k) {
            const floats line = a[k] * x + b[k];
            const ints later = largest - line <= 0.f;
            parts[k] = (floats)((ints)(g * share) & later);
#pragma GCC unroll 4
            for (int j = 0; j < k; ++j) parts[j] = (floats)((ints)parts[j] & ~later);
            largest = larger(largest, line);
        }
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
            dx += parts[k] * a[k];
            sums.a[k] += parts[k] * x;
            sums.b[k] += parts[k];
        }
        return dx;
    }
};

// `place` has one entry per element of a row, or per row across channels; `dplace` as much, a vector per row across.
template <bool whole, bool placed, int K, class T>
__attribute__((noinline)) void value_core(const Bundle<K> &bundle, const T *__restrict x, T *__restrict y,
                                          const float *__restrict place, int64_t count, int64_t stride, int64_t lanes,
                                          bool across, bool streams) {
    for (int64_t i = 0; i < count; ++i, x += stride, y += stride) {
        floats found = bundle.largest(whole ? read(x) : read(x, lanes));
        if (placed) found *= across ? all(place[i]) : whole ? read(place + i * LANES) : read(place, lanes);
        if (!whole) write(y, found, lanes);
        else if (streams) stream(y, found);
        else write(y, found);
    }
}

template <bool whole, bool placed, int K, class T>
__attribute__((noinline)) void slope_core(const Bundle<K> &bundle, const T *__restrict x, const T *__restrict g,
                                          T *__restrict dx, const float *__restrict place, float *__restrict dplace,
                                          int64_t count, int64_t stride, int64_t lanes, bool across, bool streams,
                                          Sums<K> &sums) {
    Sums<K> here = {};
    for (int64_t i = 0; i < count; ++i, x += stride, g += stride, dx += stride) {
        const floats at = whole ? read(x) : read(x, lanes), grad = whole ? read(g) : read(g, lanes);
        floats share = all(1.f), largest;
        if (placed) share = across ? all(place[i]) : whole ? read(place + i * LANES) : read(place, lanes);
        const floats found = bundle.add(at, grad, share, here, largest);
        if (placed && (across || whole)) {
            // Lanes past the last channel hold zeros alone.
            write(dplace + i * LANES, read(dplace + i * LANES) + grad * largest);
        } else if (placed) {
            write(dplace, read(dplace, lanes) + grad * largest, lanes);
        }
        if (!whole) write(dx, found, lanes);
        else if (streams) stream(dx, found);
        else write(dx, found);
    }
    sums = here;
}

template <int K, bool placed> struct Work {
    const Lines &lines;
    Rows rows;  // across: a pixel each; else a channel of a sample each, or a sample if all its channels have one unit
    bool across;

    // Along rows a unit is a row's. Calls part(place of the first element, vectors, stride, lanes, unit, row's place).
    template <class Part> void along(int64_t row, const Part &part) const {
        const int64_t size = rows.length, vectors = size / LANES;
        for (int64_t i = 0; i < vectors; i += CHUNK)
            part(row * size + i * LANES, std::min(CHUNK, vectors - i), LANES, LANES, row, i * LANES);
        if (size % LANES) part(row * size + vectors * LANES, 1, LANES, size % LANES, row, vectors * LANES);
    }

    // Of `count` pixels of one sample.
    template <class Part> void pixels(int64_t row, int64_t count, const Part &part) const {
        const int64_t channels = rows.length, sample = row / lines.places;
        for (int64_t column = 0; column < channels; column += LANES)
            part(row * channels + column, count, channels, std::min<int64_t>(LANES, channels - column),
                 sample * channels + column, 0);
    }

    int64_t per_sample() const { return across ? (lines.places + PIXELS - 1) / PIXELS : lines.units; }

    template <class T> void forward(const T *x, T *y, int64_t threads) const {
        const bool streams = !across && may_stream(y, rows);
        const int64_t each = per_sample();
#pragma omp parallel num_threads(int(threads))
        {
#pragma omp for schedule(static)
            for (int64_t item = 0; item < lines.samples * each; ++item) {
                const int64_t sample = item / each, first = item % each * PIXELS;
                const float *place = placed ? lines.place + sample * lines.places + (across ? first : 0) : nullptr;
                const auto part = [&](int64_t at, int64_t count, int64_t stride, int64_t lanes, int64_t unit, int64_t from) {
                    const Bundle<K> bundle(lines, unit, across, lanes);
                    const float *here = placed ? place + from : nullptr;
                    if (lanes == LANES)
                        value_core<true, placed>(bundle, x + at, y + at, here, count, stride, lanes, across, streams);
                    else
                        value_core<false, placed>(bundle, x + at, y + at, here, count, stride, lanes, across, false);
                };
                if (across) pixels(sample * lines.places + first, std::min(PIXELS, lines.places - first), part);
                else along(item, part);
            }
            if (streams) end_of_stream();
        }
    }

    // a_grad and b_grad as a and b; place_grad as place.
    template <class T>
    void backward(const T *x, const T *g, T *dx, int64_t threads, float *a_grad, float *b_grad, float *place_grad) const {
        const bool streams = !across && may_stream(dx, rows);
        const int64_t units = lines.units, all_units = lines.samples * units;
#pragma omp parallel num_threads(int(threads))
        {
            std::vector<double> totals(2 * K * units);
            std::vector<float> moments(placed ? (across ? PIXELS * LANES : lines.places + LANES) : 0);
#pragma omp for schedule(static)
            for (int64_t sample = 0; sample < lines.samples; ++sample) {
                std::fill(totals.begin(), totals.end(), 0.0);
                std::fill(moments.begin(), moments.end(), 0.f);
                int64_t first = 0;
                const auto part = [&](int64_t at, int64_t count, int64_t stride, int64_t lanes, int64_t unit, int64_t from) {
                    const Bundle<K> bundle(lines, unit, across, lanes);
                    const float *place = placed ? lines.place + sample * lines.places + (across ? first : from) : nullptr;
                    float *moment = placed ? moments.data() + (across ? 0 : from) : nullptr;
                    Sums<K> sums;
                    if (lanes == LANES)
                        slope_core<true, placed>(bundle, x + at, g + at, dx + at, place, moment, count, stride, lanes,
                                                 across, streams, sums);
                    else
                        slope_core<false, placed>(bundle, x + at, g + at, dx + at, place, moment, count, stride, lanes,
                                                  across, false, sums);
                    double *total = totals.data() + (unit - sample * units);
                    for (int k = 0; k < K; ++k) {
                        add(sums.a[k], lanes, total + k * units);
                        add(sums.b[k], lanes, total + (K + k) * units);
                    }
                };
                for (; across && first < lines.places; first += PIXELS) {
                    const int64_t count = std::min(PIXELS, lines.places - first);
                    pixels(sample * lines.places + first, count, part);
                    for (int64_t i = 0; placed && i < count; ++i) {
                        place_grad[sample * lines.places + first + i] = float(sum(read(&moments[i * LANES])));
                        write(&moments[i * LANES], floats{});
                    }
                }
                for (int64_t unit = 0; !across && unit < units; ++unit) along(sample * units + unit, part);
                for (int64_t i = 0; placed && !across && i < lines.places; ++i)
                    place_grad[sample * lines.places + i] = moments[i];
                for (int k = 0; k < K; ++k)
                    for (int64_t unit = 0; unit < units; ++unit) {
                        a_grad[k * all_units + sample * units + unit] = float(totals[k * units + unit]);
                        b_grad[k * all_units + sample * units + unit] = float(totals[(K + k) * units + unit]);
                    }
            }
            if (streams) end_of_stream();
        }
    }

    void add(floats part, int64_t lanes, double *total) const {
        if (!across) *total += sum(part);
        else for (int64_t lane = 0; lane < lanes; ++lane) total[lane] += part[lane];
    }
};

template <int K, class Task> void with_place(const Lines &lines, const Rows &rows, bool across, const Task &task) {
    if (lines.place) task(Work<K, true>{lines, rows, across});
    else task(Work<K, false>{lines, rows, across});
}

template <class Task> void with_lines(int64_t pieces, const Lines &lines, const Rows &rows, bool across, const Task &task) {
    if (pieces == 1) with_place<1>(lines, rows, across, task);
    else if (pieces == 2) with_place<2>(lines, rows, across, task);
    else with_place<3>(lines, rows, across, task);
}

inline Lines lines_of(const float *a, const float *b, const float *place, int64_t samples, int64_t units, int64_t places,
                      int64_t placed) {
    return {a, b, placed ? place : nullptr, samples, units, places};
}

}  // namespace

#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_largest_line_forward_##NAME(                                                             \
        const TYPE *x, TYPE *y, const float *a, const float *b, const float *place, int64_t count, int64_t length,    \
        int64_t last_length, int64_t channels, int64_t across, int64_t threads, int64_t pieces, int64_t samples,      \
        int64_t units, int64_t places, int64_t placed) {                                                              \
        with_lines(pieces, lines_of(a, b, place, samples, units, places, placed),                                     \
                   Rows{count, length, last_length, channels}, across,                                                \
                   [&](const auto &work) { work.forward(x, y, threads); });                                           \
    }                                                                                                                 \
    extern "C" void actbench_largest_line_backward_##NAME(                                                            \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *a, const float *b, const float *place, float *a_grad,    \
        float *b_grad, float *place_grad, int64_t count, int64_t length, int64_t last_length, int64_t channels,       \
        int64_t across, int64_t threads, int64_t pieces, int64_t samples, int64_t units, int64_t places,              \
        int64_t placed) {                                                                                             \
        with_lines(pieces, lines_of(a, b, place, samples, units, places, placed),                                     \
                   Rows{count, length, last_length, channels}, across,                                                \
                   [&](const auto &work) { work.backward(x, g, dx, threads, a_grad, b_grad, place_grad); });          \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
