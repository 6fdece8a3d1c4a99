// Batch normalisation and a pointwise function f in one: y = f(z), z = (x - mean) * scale + bias, a channel each.
//
// f is the kernel of another library. It is given z as float32, a part of the tensor at a time that lies in the caches,
// so that of tensors as large as x none but x is read and none but y written; the backward makes z again from x. With
// d = g * f'(z), n elements a channel, and c = x - mean:
//
//     dbias = sum d       dweight = rstd * sum d c       dx = scale * (d - dbias / n - c * rstd * dweight / n)
//
// where the last two terms are those of the batch's own mean and deviation. Sums go through float over FLUSH_ROWS terms
// at most, then double, in an order that the number of threads does not change: a channel is one thread's, and in
// channels-last order blocks of pixels are fixed.

#include <utility>

#include "vector_math.h"

namespace {

constexpr int64_t PART = FLUSH_ROWS * LANES;  // elements that are summed in float, LANES sums abreast
constexpr int64_t AHEAD = 1024;                // elements of a channel that are fetched before they are read
constexpr int64_t CHUNK = 1 << 14;            // elements that f is given at once, or FLUSH_ROWS pixels if that is more

// ---- the function -----------------------------------------------------------------------------------------------

template <size_t... AT> void call_with(int64_t function, const int64_t *words, std::index_sequence<AT...>) {
    reinterpret_cast<void (*)(decltype(int64_t(AT))...)>(function)(words[AT]...);
}

// A C function of that many words: pointers and numbers, which are passed alike.
template <size_t COUNT = 9> void call(int64_t function, const int64_t *words, size_t count) {
    if (count == COUNT) call_with(function, words, std::make_index_sequence<COUNT>());
    else if constexpr (COUNT < 20) call<COUNT + 1>(function, words, count);
}

template <class Type> int64_t word(const Type *pointer) { return int64_t(reinterpret_cast<intptr_t>(pointer)); }

// As `kernels/batch_norm.py` writes it: address, how many tables, gradients and numbers; of each table where it is and
// how far it is from one channel's to the next; of each gradient its size for a channel; the numbers, -1 for the columns.
struct Function {
    const int64_t *plan;
    int64_t tables() const { return plan[1]; }
    int64_t gradients() const { return plan[2]; }
    int64_t size(int64_t gradient) const { return plan[4 + 2 * tables() + gradient]; }
    int64_t sizes() const {
        int64_t total = 0;
        for (int64_t i = 0; i < gradients(); ++i) total += size(i);
        return total;
    }

    // Tensors are z and what goes with it; `columns` of the tables from `channel` on.
    void run(std::initializer_list<int64_t> tensors, const Rows &rows, bool across, int64_t channel,
             float *grads = nullptr) const {
        int64_t words[20], count = 0;
        for (const int64_t tensor : tensors) words[count++] = tensor;
        for (int64_t i = 0; i < tables(); ++i)
            words[count++] = plan[4 + 2 * i] + channel * plan[5 + 2 * i] * int64_t(sizeof(float));
        for (int64_t i = 0; i < gradients(); grads += size(i++) * rows.channels) words[count++] = word(grads);
        for (const int64_t number : {rows.count, rows.length, rows.last_length, rows.channels, int64_t(across), int64_t(1)})
            words[count++] = number;
        const int64_t *numbers = plan + 4 + 2 * tables() + gradients();
        for (int64_t i = 0; i < plan[3]; ++i) words[count++] = numbers[i] < 0 ? rows.channels : numbers[i];
        call(plan[0], words, count);
    }
};

// ---- numbers of a channel -----------------------------------------------------------------------------------------

// Count, sum, and sum of squares about the mean, of parts taken one after the other (Chan's rule).
struct Moments {
    double count = 0, sum = 0, squares = 0;
    // `near` is a number near the part's mean, about which its sums are.
    void add(double size, float near, double first, double second) {
        const double mean = first == first ? near + first / size : near;  // infinite ones have no distance
        const double away = mean - sum / count;
        if (count) squares += away * away * (count * size / (count + size));
        squares += second - first * first / size;
        sum += mean * size;
        count += size;
    }
    void add(const Moments &other) {
        if (!other.count) return;
        const double away = other.sum / other.count - sum / count;
        if (count) squares += away * away * (count * other.count / (count + other.count));
        squares += other.squares;
        sum += other.sum;
        count += other.count;
    }
};

struct Affine { float mean, scale, bias; };

// z = (x - mean) * scale + bias; what rounding the mean costs is made good by the bias.
struct Norm {
    const double *mean, *rstd;
    const float *weight, *bias;  // null for 1 and 0
    Affine of(int64_t c) const {
        const double scale = rstd[c] * (weight ? weight[c] : 1);
        return {float(mean[c]), float(scale), float((bias ? bias[c] : 0) + (float(mean[c]) - mean[c]) * scale)};
    }
};

// dx = d * by_d + (x - mean) * by_x + rest
struct Pull { float by_d, by_x, rest; };

// From the sums of d and d * (x - float(mean)); leaves the gradients of bias and weight.
inline Pull pull_of(const Norm &norm, int64_t c, double count, bool own, double first, double second, float *grads) {
    const double away = float(norm.mean[c]) - norm.mean[c], rstd = norm.rstd[c];
    const double dweight = rstd * (second + away * first), scale = rstd * (norm.weight ? norm.weight[c] : 1);
    grads[0] = float(first);
    grads[1] = float(dweight);
    if (!own) return {float(scale), 0, 0};
    const double by_x = -scale * rstd * dweight / count;
    return {float(scale), float(by_x), float(by_x * away - scale * first / count)};
}

// ---- along rows of one channel ------------------------------------------------------------------------------------

// As floats. What is `ahead` elements further on is fetched: no processor foresees where the next run begins.
template <class T> INLINE void widen_all(const T *from, float *to, int64_t size, int64_t ahead) {
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
        __builtin_prefetch(from + i + ahead);
        store(to + i, load(from + i));
    }
    for (; i < size; ++i) to[i] = widen(from[i]);
}
template <class T> INLINE void narrow_all(const float *from, T *to, int64_t size, bool past_caches) {
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) store(to + i, load(from + i), past_caches);
    for (; i < size; ++i) narrow(from[i], to + i);
}

// The elements of one channel, image after image.
struct Channel {
    int64_t images, channels, inner, channel;
    int64_t size() const { return images * inner; }

    // Calls visit(in the tensor, in the part, elements) for the runs of memory that make a part.
    template <class Visit> INLINE void each_run(int64_t from, int64_t size, const Visit &visit) const {
        int64_t image = from / inner, at = from % inner;
        for (int64_t place = 0; place < size; ++image, at = 0) {
            const int64_t run = std::min(inner - at, size - place);
            visit((image * channels + channel) * inner + at, place, run);
            place += run;
        }
    }
    int64_t ahead() const { return std::max<int64_t>(1, AHEAD / inner) * channels * inner; }
    template <class T> void gather(const T *x, int64_t from, int64_t size, float *to) const {
        each_run(from, size, [&](int64_t at, int64_t place, int64_t run) { widen_all(x + at, to + place, run, ahead()); });
    }
    template <class T> void scatter(const float *from, T *y, int64_t begin, int64_t size, bool past_caches) const {
        each_run(begin, size, [&](int64_t at, int64_t place, int64_t run) {
            narrow_all(from + place, y + at, run, past_caches);
        });
    }
    template <class Visit> void each_chunk(int64_t most, const Visit &visit) const {
        for (int64_t from = 0; from < size(); from += most) visit(from, std::min(most, size() - from));
    }
};

// Of a part: FLUSH_ROWS vectors at most. Whoever fills it leaves zeros, or what counts as them, up to a whole vector.
INLINE double sum_of(const float *x, int64_t size) {
    V sums[4] = {};
    int64_t i = 0;
    for (; i + 4 * LANES <= size; i += 4 * LANES)
        for (int k = 0; k < 4; ++k) sums[k] += load(x + i + k * LANES);
    for (; i < size; i += LANES) sums[0] += load(x + i);
    return lane_sum(sums[0] + sums[1] + (sums[2] + sums[3]));
}

APART void add_part(float *x, int64_t size, Moments &moments) {
    const int64_t padded = (size + LANES - 1) / LANES * LANES;
    std::fill(x + size, x + padded, 0.f);
    const float near = float(sum_of(x, padded) / double(size));
    std::fill(x + size, x + padded, near);
    V first[2] = {}, second[2] = {};
    int64_t i = 0;
    for (; i + 2 * LANES <= padded; i += 2 * LANES)
        for (int k = 0; k < 2; ++k) {
            const V away = load(x + i + k * LANES) - near;
            first[k] += away;
            second[k] += away * away;
        }
    if (i < padded) {
        const V away = load(x + i) - near;
        first[0] += away;
        second[0] += away * away;
    }
    moments.add(double(size), near, lane_sum(first[0] + first[1]), lane_sum(second[0] + second[1]));
}

template <class T> Moments moments_of(const T *x, const Channel &channel) {
    alignas(64) float part[PART + LANES];
    Moments moments;
    channel.each_chunk(PART, [&](int64_t from, int64_t size) {
        channel.gather(x, from, size, part);
        add_part(part, size, moments);
    });
    return moments;
}

// Leaves a part's z, and with `raw` x as floats.
template <bool raw, class T>
APART void normalise(const T *x, const Channel &channel, int64_t begin, int64_t size, Affine by, float *z, float *wide) {
    const int64_t ahead = channel.ahead();
    channel.each_run(begin, size, [&](int64_t at, int64_t place, int64_t run) {
        const T *from = x + at;
        int64_t i = 0;
        for (; i + LANES <= run; i += LANES) {
            __builtin_prefetch(from + i + ahead);
            const V value = load(from + i);
            if (raw) store(wide + place + i, value);
            store(z + place + i, (value - by.mean) * by.scale + by.bias);
        }
        for (; i < run; ++i) {
            const float value = widen(from[i]);
            if (raw) wide[place + i] = value;
            z[place + i] = (value - by.mean) * by.scale + by.bias;
        }
    });
}

struct Sums {
    double first = 0, second = 0;
    void add(double one, double other) { first += one, second += other; }
};

// Of d and d * (x - mean); whole vectors, d filled up with zeros.
APART void add_products(const float *d, const float *x, int64_t size, float mean, Sums &sums) {
    for (int64_t from = 0; from < size; from += PART) {
        V first = {}, second = {};
        for (int64_t i = from; i < std::min(size, from + PART); i += LANES) {
            const V part = load(d + i);
            first += part;
            second += part * (load(x + i) - mean);
        }
        sums.add(lane_sum(first), lane_sum(second));
    }
}

template <class T>
APART void pull_back(const float *d, const T *x, T *dx, const Channel &channel, float mean, Pull by, bool past_caches) {
    const int64_t ahead = channel.ahead();
    channel.each_run(0, channel.size(), [&](int64_t at, int64_t place, int64_t run) {
        int64_t i = 0;
        for (; i + LANES <= run; i += LANES) {
            __builtin_prefetch(x + at + i + ahead);
            const V away = load(x + at + i) - mean;
            store(dx + at + i, load(d + place + i) * by.by_d + (away * by.by_x + by.rest), past_caches);
        }
        for (; i < run; ++i)
            narrow(d[place + i] * by.by_d + ((widen(x[at + i]) - mean) * by.by_x + by.rest), dx + at + i);
    });
}

inline int64_t whole(int64_t size) { return (size + LANES - 1) / LANES * LANES; }

template <class T>
void forward_along(const T *x, T *y, const Channel &channel, const Norm &norm, const Function &f, bool past_caches) {
    alignas(64) float z[CHUNK], value[CHUNK];
    const Affine by = norm.of(channel.channel);
    channel.each_chunk(CHUNK, [&](int64_t from, int64_t size) {
        normalise<false>(x, channel, from, size, by, z, nullptr);
        f.run({word(z), word(value)}, Rows{1, size, size, 1}, false, channel.channel);
        channel.scatter(value, y, from, size, past_caches);
    });
}

// `grads` are those of bias and weight, `table_grads` those of the function's tables.
template <class T>
void backward_along(const T *x, const T *g, T *dx, const Channel &channel, const Norm &norm, const Function &f, bool own,
                    bool past_caches, float *grads, float *table_grads) {
    alignas(64) float raw[CHUNK + LANES], z[CHUNK], grad[CHUNK];
    std::vector<float> kept(channel.size() + LANES), part(f.sizes());
    std::vector<double> totals(f.sizes());
    const Affine by = norm.of(channel.channel);
    Sums sums;
    channel.each_chunk(CHUNK, [&](int64_t from, int64_t size) {
        float *d = kept.data() + from;
        normalise<true>(x, channel, from, size, by, z, raw);
        channel.gather(g, from, size, grad);
        f.run({word(z), word(grad), word(d)}, Rows{1, size, size, 1}, false, channel.channel, part.data());
        for (size_t i = 0; i < part.size(); ++i) totals[i] += part[i];
        std::fill(d + size, d + whole(size), 0.f);
        std::fill(raw + size, raw + whole(size), 0.f);
        add_products(d, raw, whole(size), by.mean, sums);
    });
    const Pull pull = pull_of(norm, channel.channel, double(channel.size()), own, sums.first, sums.second, grads);
    pull_back(kept.data(), x, dx, channel, by.mean, pull, past_caches);
    for (size_t i = 0; i < totals.size(); ++i) table_grads[i] = float(totals[i]);
}

// ---- across channels: a row is a pixel -----------------------------------------------------------------------------

// Numbers of the channels, a table for each.
struct Tables {
    std::vector<float> mean, scale, bias;
    Tables(const Norm &norm, int64_t channels) : mean(channels), scale(channels), bias(channels) {
        for (int64_t c = 0; c < channels; ++c) {
            const Affine by = norm.of(c);
            mean[c] = by.mean, scale[c] = by.scale, bias[c] = by.bias;
        }
    }
};

struct Pixels {
    int64_t count, channels;
    int64_t chunk() const { return std::max<int64_t>(FLUSH_ROWS, CHUNK / channels); }
    int64_t blocks(int64_t sums) const { return count_blocks(Rows{count, channels, channels, channels}, sums); }

    // Calls work(block, first pixel, one behind the last) for blocks that depend on sizes alone.
    template <class Work> void each_block(int64_t blocks, int64_t threads, const Work &work) const {
#pragma omp parallel for num_threads(int(threads)) schedule(static)
        for (int64_t block = 0; block < blocks; ++block)
            work(block, block * count / blocks, (block + 1) * count / blocks);
    }
};

// Calls on_vectors(first channel, how many vectors as a constant): several abreast need not wait for each other.
template <class OnVectors, class OnOne>
INLINE void each_sum(int64_t channels, const OnVectors &on_vectors, const OnOne &on_one) {
    int64_t c = 0;
    for (; c + 4 * LANES <= channels; c += 4 * LANES) on_vectors(c, std::integral_constant<int, 4>());
    for (; c + LANES <= channels; c += LANES) on_vectors(c, std::integral_constant<int, 1>());
    for (; c < channels; ++c) on_one(c);
}

template <class OnVector, class OnOne>
INLINE void each_column(int64_t channels, const OnVector &on_vector, const OnOne &on_one) {
    int64_t c = 0;
    for (; c + LANES <= channels; c += LANES) on_vector(c);
    for (; c < channels; ++c) on_one(c);
}

// At most FLUSH_ROWS pixels.
template <class T> APART void add_pixels(const T *x, int64_t pixels, int64_t channels, Moments *moments) {
    const double size = double(pixels);
    each_sum(channels, [&](int64_t c, auto vectors) {
        V near[vectors] = {}, first[vectors] = {}, second[vectors] = {};
        for (int64_t p = 0; p < pixels; ++p)
            for (int k = 0; k < vectors; ++k) near[k] += load(x + p * channels + c + k * LANES);
        for (int k = 0; k < vectors; ++k) near[k] /= float(size);
        for (int64_t p = 0; p < pixels; ++p)
            for (int k = 0; k < vectors; ++k) {
                const V away = load(x + p * channels + c + k * LANES) - near[k];
                first[k] += away;
                second[k] += away * away;
            }
        for (int k = 0; k < vectors; ++k)
            for (int lane = 0; lane < LANES; ++lane)
                moments[c + k * LANES + lane].add(size, near[k][lane], first[k][lane], second[k][lane]);
    }, [&](int64_t c) {
        float sum = 0, first = 0, second = 0;
        for (int64_t p = 0; p < pixels; ++p) sum += widen(x[p * channels + c]);
        const float near = sum / float(size);
        for (int64_t p = 0; p < pixels; ++p) {
            const float away = widen(x[p * channels + c]) - near;
            first += away;
            second += away * away;
        }
        moments[c].add(size, near, first, second);
    });
}

template <class T> std::vector<Moments> moments_of(const T *x, const Pixels &pixels, int64_t threads) {
    const int64_t C = pixels.channels, blocks = pixels.blocks(C), part = std::min(FLUSH_ROWS, std::max<int64_t>(16, 4096 / C));
    std::vector<Moments> moments(blocks * C);
    pixels.each_block(blocks, threads, [&](int64_t block, int64_t begin, int64_t end) {
        for (int64_t at = begin; at < end; at += part)
            add_pixels(x + at * C, std::min(part, end - at), C, moments.data() + block * C);
    });
    for (int64_t i = C; i < blocks * C; ++i) moments[i % C].add(moments[i]);
    return moments;
}

template <class T> APART void normalise(const T *x, float *z, int64_t pixels, const Tables &by) {
    const int64_t C = int64_t(by.mean.size());
    const float *mean = by.mean.data(), *scale = by.scale.data(), *bias = by.bias.data();
    for (int64_t p = 0; p < pixels; ++p, x += C, z += C)
        each_column(C, [&](int64_t c) {
            store(z + c, (load(x + c) - load(mean + c)) * load(scale + c) + load(bias + c));
        }, [&](int64_t c) { z[c] = (widen(x[c]) - mean[c]) * scale[c] + bias[c]; });
}

template <class T>
APART void add_products(const T *d, const T *x, int64_t pixels, const Tables &by, Sums *sums) {
    const int64_t C = int64_t(by.mean.size());
    for (int64_t from = 0; from < pixels; from += FLUSH_ROWS) {
        const int64_t to = std::min(pixels, from + FLUSH_ROWS);
        each_sum(C, [&](int64_t c, auto vectors) {
            V first[vectors] = {}, second[vectors] = {};
            for (int64_t p = from; p < to; ++p)
                for (int k = 0; k < vectors; ++k) {
                    const V part = load(d + p * C + c + k * LANES);
                    first[k] += part;
                    second[k] += part * (load(x + p * C + c + k * LANES) - load(by.mean.data() + c + k * LANES));
                }
            for (int k = 0; k < vectors; ++k)
                for (int lane = 0; lane < LANES; ++lane)
                    sums[c + k * LANES + lane].add(first[k][lane], second[k][lane]);
        }, [&](int64_t c) {
            float first = 0, second = 0;
            for (int64_t p = from; p < to; ++p) {
                const float part = widen(d[p * C + c]);
                first += part;
                second += part * (widen(x[p * C + c]) - by.mean[c]);
            }
            sums[c].add(first, second);
        });
    }
}

struct Pulls {
    std::vector<float> by_d, by_x, rest;
    explicit Pulls(int64_t channels) : by_d(channels), by_x(channels), rest(channels) {}
};

// dx holds d.
template <class T> APART void pull_back(const T *x, T *dx, int64_t pixels, const Tables &tables, const Pulls &by) {
    const int64_t C = int64_t(tables.mean.size());
    const float *mean = tables.mean.data(), *by_d = by.by_d.data(), *by_x = by.by_x.data(), *rest = by.rest.data();
    for (int64_t p = 0; p < pixels; ++p, x += C, dx += C)
        each_column(C, [&](int64_t c) {
            const V away = load(x + c) - load(mean + c);
            store(dx + c, load(dx + c) * load(by_d + c) + (away * load(by_x + c) + load(rest + c)));
        }, [&](int64_t c) {
            narrow(widen(dx[c]) * by_d[c] + ((widen(x[c]) - mean[c]) * by_x[c] + rest[c]), dx + c);
        });
}

inline Rows rows_of(int64_t pixels, int64_t channels, bool shared) {
    const int64_t size = pixels * channels;
    return shared ? Rows{1, size, size, 1} : Rows{pixels, channels, channels, channels};
}

template <class T>
void forward_across(const T *x, T *y, const Pixels &pixels, const Norm &norm, const Function &f, bool shared,
                    int64_t threads) {
    const int64_t C = pixels.channels, chunk = pixels.chunk(), blocks = pixels.blocks(C);
    const Tables by(norm, C);
    pixels.each_block(blocks, threads, [&](int64_t, int64_t begin, int64_t end) {
        std::vector<float> z(std::min(chunk, end - begin) * C), value(std::is_same<T, float>::value ? 0 : z.size());
        for (int64_t from = begin; from < end; from += chunk) {
            const int64_t count = std::min(chunk, end - from);
            T *to = y + from * C;
            normalise(x + from * C, z.data(), count, by);
            const int64_t target = std::is_same<T, float>::value ? word(to) : word(value.data());
            f.run({word(z.data()), target}, rows_of(count, C, shared), !shared, 0);
            if (!std::is_same<T, float>::value) narrow_all(value.data(), to, count * C, false);
        }
    });
}

// As `backward_along`; `columns` of the function's tables: all channels, or 1.
template <class T>
void backward_across(const T *x, const T *g, T *dx, const Pixels &pixels, const Norm &norm, const Function &f, bool own,
                     bool shared, int64_t threads, float *grads, float *table_grads) {
    const int64_t C = pixels.channels, chunk = pixels.chunk(), size = f.sizes() * (shared ? 1 : C);
    const int64_t blocks = pixels.blocks(C + size);
    constexpr bool is_float = std::is_same<T, float>::value;
    const Tables by(norm, C);
    std::vector<Sums> sums(blocks * C);
    std::vector<double> totals(blocks * size);
    pixels.each_block(blocks, threads, [&](int64_t block, int64_t begin, int64_t end) {
        std::vector<float> z(std::min(chunk, end - begin) * C), grad(is_float ? 0 : z.size()), d(grad), part(size);
        for (int64_t from = begin; from < end; from += chunk) {
            const int64_t count = std::min(chunk, end - from), at = from * C;
            normalise(x + at, z.data(), count, by);
            if (!is_float) widen_all(g + at, grad.data(), count * C, AHEAD);
            f.run({word(z.data()), is_float ? word(g + at) : word(grad.data()), is_float ? word(dx + at) : word(d.data())},
                  rows_of(count, C, shared), !shared, 0, part.data());
            if (!is_float) narrow_all(d.data(), dx + at, count * C, false);
            add_products(dx + at, x + at, count, by, sums.data() + block * C);
            for (int64_t i = 0; i < size; ++i) totals[block * size + i] += part[i];
        }
    });
    for (int64_t i = C; i < blocks * C; ++i) sums[i % C].add(sums[i].first, sums[i].second);
    for (int64_t i = size; i < blocks * size; ++i) totals[i % size] += totals[i];
    for (int64_t i = 0; i < size; ++i) table_grads[i] = float(totals[i]);
    Pulls pulls(C);
    for (int64_t c = 0; c < C; ++c) {
        const Pull pull = pull_of(norm, c, double(pixels.count), own, sums[c].first, sums[c].second, grads + 2 * c);
        pulls.by_d[c] = pull.by_d, pulls.by_x[c] = pull.by_x, pulls.rest[c] = pull.rest;
    }
    pixels.each_block(blocks, threads, [&](int64_t, int64_t begin, int64_t end) {
        pull_back(x + begin * C, dx + begin * C, end - begin, by, pulls);
    });
}

// ---- whole tensors ------------------------------------------------------------------------------------------------

template <class T> bool streams(const T *to, int64_t elements, int64_t inner) {
    return leaves_caches(to, Rows{elements / inner, inner, inner, 1});
}

// The batch's mean and squared deviation, into `statistics` one after the other.
template <class T>
void measure(const T *x, double *statistics, int64_t images, int64_t channels, int64_t inner, bool across,
             int64_t threads) {
    const auto leave = [=](int64_t c, const Moments &of) {
        statistics[c] = of.sum / of.count;
        statistics[channels + c] = of.squares / of.count;
    };
    if (across) {
        const std::vector<Moments> moments = moments_of(x, Pixels{images * inner, channels}, threads);
        for (int64_t c = 0; c < channels; ++c) leave(c, moments[c]);
        return;
    }
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t c = 0; c < channels; ++c) leave(c, moments_of(x, Channel{images, channels, inner, c}));
}

template <class T>
void forward(const T *x, T *y, const Norm &norm, const Function &f, int64_t images, int64_t channels, int64_t inner,
             bool across, bool shared, int64_t threads) {
    if (across) return forward_across(x, y, Pixels{images * inner, channels}, norm, f, shared, threads);
    const bool past_caches = streams(y, images * channels * inner, inner);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t c = 0; c < channels; ++c) {
        forward_along(x, y, Channel{images, channels, inner, c}, norm, f, past_caches);
        end_of_stream();
    }
}

template <class T>
void backward(const T *x, const T *g, T *dx, const Norm &norm, const Function &f, float *grads, float *table_grads,
              int64_t images, int64_t channels, int64_t inner, bool across, bool shared, int64_t threads, bool own) {
    if (across)
        return backward_across(x, g, dx, Pixels{images * inner, channels}, norm, f, own, shared, threads, grads,
                               table_grads);
    const bool past_caches = streams(dx, images * channels * inner, inner);
#pragma omp parallel for num_threads(int(threads)) schedule(static)
    for (int64_t c = 0; c < channels; ++c) {
        backward_along(x, g, dx, Channel{images, channels, inner, c}, norm, f, own, past_caches, grads + 2 * c,
                       table_grads + c * f.sizes());
        end_of_stream();
    }
}

}  // namespace

#define EXPORT(SUFFIX, T)                                                                                              \
    extern "C" void actbench_batch_norm_measure_##SUFFIX(const T *x, double *statistics, int64_t images,               \
                                                         int64_t channels, int64_t inner, int64_t across,              \
                                                         int64_t threads) {                                            \
        measure(x, statistics, images, channels, inner, across, threads);                                              \
    }                                                                                                                  \
    extern "C" void actbench_batch_norm_forward_##SUFFIX(                                                              \
        const T *x, T *y, const double *mean, const double *rstd, const float *weight, const float *bias,              \
        const int64_t *f, int64_t images, int64_t channels, int64_t inner, int64_t across, int64_t shared,             \
        int64_t threads) {                                                                                             \
        forward(x, y, Norm{mean, rstd, weight, bias}, Function{f}, images, channels, inner, across, shared, threads);  \
    }                                                                                                                  \
    extern "C" void actbench_batch_norm_backward_##SUFFIX(                                                             \
        const T *x, const T *g, T *dx, const double *mean, const double *rstd, const float *weight, const float *bias, \
        const int64_t *f, float *grads, float *table_grads, int64_t images, int64_t channels, int64_t inner,           \
        int64_t across, int64_t shared, int64_t threads, int64_t own) {                                                \
        backward(x, g, dx, Norm{mean, rstd, weight, bias}, Function{f}, grads, table_grads, images, channels, inner,   \
                 across, shared, threads, own);                                                                        \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
