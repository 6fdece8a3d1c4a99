// The depthwise (2n+1)x(2n+1) convolution with zero padding n, and both of its gradients; perhaps of a ramp of x.
//
//     y[c,i,j] = bias[c] + sum over a, b of w[c,a,b] * u[c, i+a-n, j+b-n],   u = x, or p + q * clip(x, t0, t1)
//
// One vector holds one pixel of LANES channels. A band of rows of such a vector's plane is unpacked from either layout
// and any number format into a tile of float vectors that stays in the cache, and all arithmetic happens on tiles. A
// map up to 8 wide has no margins: which taps meet it is known while compiling, so none is multiplied by padding, and
// of a kernel larger than the map only the middle is used. A wider one has n columns of zeros on each side.
// Gradients of parameters are summed over fixed parts of the batch, first in float over about a thousand terms, then
// in double, parts in order: the same whatever the number of threads.

#include "rows.h"

#include <limits>

#if !WIDE && defined(__AVX2__) && defined(__F16C__)
#include <immintrin.h>
#endif

namespace {

#ifdef ACTBENCH_LANES  // a test takes sixteen on any processor
constexpr int LANES = ACTBENCH_LANES;
#elif WIDE
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
#if defined(__AVX2__) && defined(__F16C__)
#define EIGHT 1
#else
#define EIGHT 0
#endif

typedef float Pixel __attribute__((vector_size(LANES * 4)));  // one pixel of LANES channels

constexpr int64_t NARROW = 8;      // the widest map without margins, and the pixels computed at once in a wider one
constexpr int64_t TERMS = 1024;    // float sums of about that many terms go into the double ones
constexpr int64_t GRAIN = 1 << 15; // elements worth a part of the batch with sums of its own

inline Pixel all(float value) {
    Pixel pixel = {};
    for (int lane = 0; lane < LANES; ++lane) pixel[lane] = value;
    return pixel;
}

struct Ramp {
    float t0, t1, p, q;
    float highest() const { return q == 0 ? std::min(t1, std::numeric_limits<float>::max()) : t1; }  // else 0 * inf
    float end() const { return std::isinf(t1) ? std::nanf("") : t1; }  // no x >= NaN: infinite x is inside
};

struct Maps {
    int64_t batch, channels, height, width, n;  // n of the part of the kernel that meets the map
    bool last;                                  // channels-last
    int64_t margin() const { return width > NARROW ? n : 0; }
    int64_t pitch() const { return width + 2 * margin(); }
    int64_t area() const { return height * width; }
    int64_t blocks() const { return (channels + LANES - 1) / LANES; }
    int64_t lanes(int64_t block) const { return std::min<int64_t>(LANES, channels - block * LANES); }
    int64_t start(int64_t image, int64_t block) const {
        return image * channels * area() + block * LANES * (last ? 1 : area());
    }
    int64_t band_rows() const { return std::min(height, std::max<int64_t>(1, TERMS / width)); }
    int64_t tile_size() const { return std::min(height, band_rows() + 2 * n) * pitch(); }
};

struct Band {
    int64_t begin, end, first, last;  // output rows, and the input rows that they see
    Band(const Maps &maps, int64_t at)
        : begin(at), end(std::min(at + maps.band_rows(), maps.height)), first(std::max<int64_t>(begin - maps.n, 0)),
          last(std::min(end + maps.n, maps.height)) {}
};

// ---- between memory and tiles

#if EIGHT
inline __m256 eight(const float *from) { return _mm256_loadu_ps(from); }
inline __m256 eight(const bfloat16 *from) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
inline __m256 eight(const float16 *from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from)));
}
inline void put_eight(float *to, __m256 value) { _mm256_storeu_ps(to, value); }
inline void put_eight(bfloat16 *to, __m256 value) {
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    up = _mm256_srli_epi32(up, 16);
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    up = _mm256_blendv_epi8(up, _mm256_set1_epi32(0x7fc0), is_nan);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(up, up), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm256_castsi256_si128(packed));
}
inline void put_eight(float16 *to, __m256 value) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
}

inline void transpose(__m256 (&r)[8]) {
    __m256 s[8], t[8];
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; ++j) {
            t[i + 2 * j] = _mm256_shuffle_ps(s[i + j], s[i + j + 2], 0x44);
            t[i + 2 * j + 1] = _mm256_shuffle_ps(s[i + j], s[i + j + 2], 0xee);
        }
    for (int i = 0; i < 4; ++i) {
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}
#endif

template <class T>
inline Pixel load_lanes(const T *from, int64_t lanes) {
#if WIDE
    return Pixel(load(from, first(lanes)));
#else
    Pixel pixel = {};
#if EIGHT
    if (lanes == LANES) {
        for (int half = 0; half < LANES; half += 8)
            _mm256_storeu_ps(reinterpret_cast<float *>(&pixel) + half, eight(from + half));
        return pixel;
    }
#endif
    for (int64_t lane = 0; lane < lanes; ++lane) pixel[lane] = widen(from[lane]);
    return pixel;
#endif
}

template <class T>
inline void store_lanes(T *to, const Pixel &pixel, int64_t lanes) {
#if WIDE
    store(to, __m512(pixel), first(lanes));
#else
#if EIGHT
    if (lanes == LANES) {
        for (int half = 0; half < LANES; half += 8)
            put_eight(to + half, _mm256_loadu_ps(reinterpret_cast<const float *>(&pixel) + half));
        return;
    }
#endif
    for (int64_t lane = 0; lane < lanes; ++lane) narrow(pixel[lane], to + lane);
#endif
}

// `count` neighbouring pixels of a plane per channel, planes `area` apart.
template <class T>
inline void gather(const T *from, int64_t area, int64_t count, int64_t lanes, Pixel *to) {
    float *values = reinterpret_cast<float *>(to);
#if EIGHT
    if (lanes == LANES && count >= 8) {
        for (int64_t i = 0; i < count; i += 8) {
            const int64_t at = std::min(i, count - 8);
            for (int half = 0; half < LANES; half += 8) {
                __m256 r[8];
                for (int k = 0; k < 8; ++k) r[k] = eight(from + (half + k) * area + at);
                transpose(r);
                for (int k = 0; k < 8; ++k) _mm256_storeu_ps(values + (at + k) * LANES + half, r[k]);
            }
        }
        return;
    }
#endif
    for (int64_t i = 0; i < count; ++i)
        for (int64_t lane = 0; lane < LANES; ++lane)
            values[i * LANES + lane] = lane < lanes ? widen(from[lane * area + i]) : 0.f;
}

template <class T>
inline void scatter(const Pixel *from, int64_t area, int64_t count, int64_t lanes, T *to) {
    const float *values = reinterpret_cast<const float *>(from);
#if EIGHT
    if (lanes == LANES && count >= 8) {
        for (int64_t i = 0; i < count; i += 8) {
            const int64_t at = std::min(i, count - 8);
            for (int half = 0; half < LANES; half += 8) {
                __m256 r[8];
                for (int k = 0; k < 8; ++k) r[k] = _mm256_loadu_ps(values + (at + k) * LANES + half);
                transpose(r);
                for (int k = 0; k < 8; ++k) put_eight(to + (half + k) * area + at, r[k]);
            }
        }
        return;
    }
#endif
    for (int64_t lane = 0; lane < lanes; ++lane)
        for (int64_t i = 0; i < count; ++i) narrow(values[i * LANES + lane], to + lane * area + i);
}

// Rows first to last of one block's plane, `plane` being where its first row starts.
template <class T>
void fill(const T *plane, const Maps &maps, int64_t lanes, int64_t first, int64_t last, Pixel *tile) {
    const int64_t margin = maps.margin(), width = maps.width, pitch = maps.pitch();
    if (!margin && !maps.last) return gather(plane + first * width, maps.area(), (last - first) * width, lanes, tile);
    for (int64_t row = first; row < last; ++row, tile += pitch) {
        for (int64_t j = 0; j < margin; ++j) tile[j] = tile[pitch - 1 - j] = Pixel{};
        if (maps.last) {
            const T *from = plane + row * width * maps.channels;
            for (int64_t j = 0; j < width; ++j) tile[margin + j] = load_lanes(from + j * maps.channels, lanes);
        } else {
            gather(plane + row * width, maps.area(), width, lanes, tile + margin);
        }
    }
}

template <class T>
void drain(const Pixel *pixels, const Maps &maps, int64_t lanes, int64_t first, int64_t last, T *plane) {
    const int64_t width = maps.width, count = (last - first) * width;
    if (!maps.last) return scatter(pixels, maps.area(), count, lanes, plane + first * width);
    T *to = plane + first * width * maps.channels;
    for (int64_t i = 0; i < count; ++i) store_lanes(to + i * maps.channels, pixels[i], lanes);
}

// ---- on tiles

// B outputs side by side: sums over `rows` rows of the kernel.
template <int N, int B, bool MARGINS>
inline void outputs(const Pixel *in, int64_t pitch, int64_t rows, const Pixel *taps, const Pixel &start, Pixel *out) {
    constexpr int K = 2 * N + 1;
    Pixel sums[B];
#pragma GCC unroll 8
    for (int i = 0; i < B; ++i) sums[i] = start;
    for (int64_t row = 0; row < rows; ++row, in += pitch, taps += K) {
#pragma GCC unroll 16
        for (int k = 0; k < K; ++k) {
            const Pixel tap = taps[k];
#pragma GCC unroll 8
            for (int i = 0; i < B; ++i) {
                const int at = MARGINS ? i + k : i + k - N;
                if (MARGINS || (at >= 0 && at < B)) sums[i] += tap * in[at];
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < B; ++i) out[i] = sums[i];
}

// The gradient of one row of taps: sums over B columns of `rows` rows.
template <int N, int B, bool MARGINS>
inline void moments(const Pixel *in, const Pixel *grad, int64_t pitch, int64_t rows, Pixel *to) {
    constexpr int K = 2 * N + 1;
    Pixel sums[K];
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) sums[k] = to[k];
    for (int64_t row = 0; row < rows; ++row, in += pitch, grad += pitch) {
#pragma GCC unroll 8
        for (int i = 0; i < B; ++i) {
            const Pixel g = grad[i];
#pragma GCC unroll 16
            for (int k = 0; k < K; ++k) {
                const int at = MARGINS ? i + k : i + k - N;
                if (MARGINS || (at >= 0 && at < B)) sums[k] += g * in[at];
            }
        }
    }
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) to[k] = sums[k];
}

// Calls DO(B, MARGINS, column) for groups of columns that together are the row.
#define ACROSS(WIDTH, DO)                                                                                             \
    switch (WIDTH) {                                                                                                  \
    case 1: DO(1, false, 0); break;                                                                                   \
    case 2: DO(2, false, 0); break;                                                                                   \
    case 3: DO(3, false, 0); break;                                                                                   \
    case 4: DO(4, false, 0); break;                                                                                   \
    case 5: DO(5, false, 0); break;                                                                                   \
    case 6: DO(6, false, 0); break;                                                                                   \
    case 7: DO(7, false, 0); break;                                                                                   \
    case 8: DO(8, false, 0); break;                                                                                   \
    default:                                                                                                          \
        int64_t column = 0;                                                                                           \
        for (; column + 8 <= WIDTH; column += 8) DO(8, true, column);                                                 \
        if (WIDTH & 4) { DO(4, true, column); column += 4; }                                                          \
        if (WIDTH & 2) { DO(2, true, column); column += 2; }                                                          \
        if (WIDTH & 1) { DO(1, true, column); }                                                                       \
    }

// Output rows of a band, without margins, from a tile that starts at row band.first.
template <int N>
void convolve(const Pixel *tile, const Maps &maps, const Band &band, const Pixel *taps, const Pixel &start, Pixel *out) {
    const int64_t pitch = maps.pitch();
    for (int64_t row = band.begin; row < band.end; ++row, out += maps.width) {
        const int64_t top = std::max<int64_t>(row - N, 0), rows = std::min(row + N + 1, maps.height) - top;
        const Pixel *in = tile + (top - band.first) * pitch, *from = taps + (top - row + N) * (2 * N + 1);
#define DO(B, MARGINS, COLUMN) outputs<N, B, MARGINS>(in + COLUMN, pitch, rows, from, start, out + COLUMN)
        ACROSS(maps.width, DO)
#undef DO
    }
}

// Adds to the sums of all taps what the band's outputs give; both tiles start at row band.first.
template <int N>
void correlate(const Pixel *tile, const Pixel *grads, const Maps &maps, const Band &band, Pixel *sums) {
    const int64_t pitch = maps.pitch();
    for (int64_t k = 0; k <= 2 * N; ++k, sums += 2 * N + 1) {
        const int64_t begin = std::max(band.begin, N - k), rows = std::min(band.end, maps.height + N - k) - begin;
        const Pixel *in = tile + (begin + k - N - band.first) * pitch;
        const Pixel *grad = grads + (begin - band.first) * pitch + maps.margin();
        if (rows <= 0) continue;
#define DO(B, MARGINS, COLUMN) moments<N, B, MARGINS>(in + COLUMN, grad + COLUMN, pitch, rows, sums)
        ACROSS(maps.width, DO)
#undef DO
    }
}

struct Arithmetic {
    decltype(&convolve<1>) convolved;
    decltype(&correlate<1>) correlated;
};

inline Arithmetic arithmetic(int64_t n) {
    switch (n) {
    case 0: return {convolve<0>, correlate<0>};
    case 1: return {convolve<1>, correlate<1>};
    case 2: return {convolve<2>, correlate<2>};
    case 3: return {convolve<3>, correlate<3>};
    default: return {convolve<4>, correlate<4>};
    }
}

// The rows of a tile through the ramp, its margins not. Comparisons are such that NaN passes.
inline void climb(Pixel *tile, const Maps &maps, int64_t rows, const Ramp &ramp) {
    const Pixel t0 = all(ramp.t0), t1 = all(ramp.highest()), p = all(ramp.p), q = all(ramp.q);
    for (int64_t row = 0; row < rows; ++row, tile += maps.pitch())
        for (Pixel *x = tile + maps.margin(), *end = x + maps.width; x < end; ++x) {
            const Pixel above = *x < t0 ? t0 : *x;
            *x = p + q * (above > t1 ? t1 : above);
        }
}

// du of the band's rows turns into dx, strictly inside the ramp's bounds; adds sum du inside, sum du * x inside, and
// the sums left and right of the bounds. `tile` holds x itself, and starts at row band.first.
inline void descend(Pixel *du, const Pixel *tile, const Maps &maps, const Band &band, const Ramp &ramp, Pixel *sums) {
    const Pixel t0 = all(ramp.t0), t1 = all(ramp.end()), q = all(ramp.q), zero = {};
    Pixel inside = sums[0], along = sums[1], left = sums[2], right = sums[3];
    for (int64_t row = band.begin; row < band.end; ++row) {
        const Pixel *x = tile + (row - band.first) * maps.pitch() + maps.margin();
        for (int64_t j = 0; j < maps.width; ++j, ++du) {
            const Pixel above = x[j] <= t0 ? zero : *du, passed = x[j] >= t1 ? zero : above;
            inside += passed;
            along += passed == zero ? zero : passed * x[j];
            left += *du - above;
            right += above - passed;
            *du = passed * q;
        }
    }
    sums[0] = inside, sums[1] = along, sums[2] = left, sums[3] = right;
}

// Taps that meet the map, a vector per tap for each block of channels; `flipped` for the gradient by x.
std::vector<Pixel> arrange(const float *weight, int64_t n, const Maps &maps, bool flipped) {
    const int64_t side = 2 * n + 1, k = 2 * maps.n + 1, from = n - maps.n;
    std::vector<Pixel> taps(maps.blocks() * k * k, Pixel{});
    for (int64_t c = 0; c < maps.channels; ++c)
        for (int64_t i = 0; i < k; ++i)
            for (int64_t j = 0; j < k; ++j) {
                const int64_t to = flipped ? (k - 1 - i) * k + k - 1 - j : i * k + j;
                taps[c / LANES * k * k + to][c % LANES] = weight[(c * side + from + i) * side + from + j];
            }
    return taps;
}

template <class T>
void forward(const T *x, T *y, const float *weight, const float *bias, const Ramp *ramp, int64_t n, const Maps &maps,
             int64_t threads) {
    const std::vector<Pixel> taps = arrange(weight, n, maps, false);
    const int64_t side = 2 * maps.n + 1, blocks = maps.blocks();
    const Arithmetic compute = arithmetic(maps.n);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        std::vector<Pixel> tile(maps.tile_size()), out(maps.band_rows() * maps.width);
#pragma omp for
        for (int64_t unit = 0; unit < maps.batch * blocks; ++unit) {
            const int64_t image = unit / blocks, block = unit % blocks, lanes = maps.lanes(block);
            const int64_t at = maps.start(image, block);
            const Pixel start = bias ? load_lanes(bias + block * LANES, lanes) : Pixel{};
            for (int64_t row = 0; row < maps.height; row += maps.band_rows()) {
                const Band band(maps, row);
                fill(x + at, maps, lanes, band.first, band.last, tile.data());
                if (ramp) climb(tile.data(), maps, band.last - band.first, *ramp);
                compute.convolved(tile.data(), maps, band, taps.data() + block * side * side, start, out.data());
                drain(out.data(), maps, lanes, band.begin, band.end, y + at);
            }
        }
    }
}

// Sums of one part of the batch and one block of channels: in float, then in double.
struct Sums {
    std::vector<Pixel> parts;
    double *total;
    int64_t terms = 0;
    Sums(int64_t count, double *to) : parts(count, Pixel{}), total(to) {}
    void flush() {
        ::flush(reinterpret_cast<float *>(parts.data()), int64_t(parts.size()) * LANES, total);
        terms = 0;
    }
    void count(int64_t more, int64_t next) {
        terms += more;
        if (terms + next > TERMS) flush();
    }
};

template <class T>
struct Backward {
    const T *x, *g;
    T *dx;
    const Maps &maps;
    const Ramp *ramp;
    Arithmetic compute;
    const std::vector<Pixel> &taps;
    bool needs_weight;
    int64_t taps_count;  // and behind the taps' sums the ramp's four

    // Images begin to end of `count` blocks of channels, sums into `total`, block by block.
    void operator()(int64_t block, int64_t count, int64_t begin, int64_t end, double *total) const {
        Buffers buffers(maps);
        std::vector<Sums> sums;
        for (int64_t i = 0; i < count; ++i) sums.emplace_back(taps_count + 4, total + i * (taps_count + 4) * LANES);
        for (int64_t image = begin; image < end; ++image)
            for (int64_t i = 0; i < count; ++i)
                for (int64_t row = 0; row < maps.height; row += maps.band_rows()) {
                    const Band band(maps, row);
                    add(image, block + i, band, buffers, sums[i].parts.data());
                    sums[i].count((band.end - band.begin) * maps.width, maps.band_rows() * maps.width);
                }
        for (Sums &own : sums) own.flush();
    }

    struct Buffers {
        std::vector<Pixel> values, grads, out;
        explicit Buffers(const Maps &maps)
            : values(maps.tile_size()), grads(maps.tile_size()), out(maps.band_rows() * maps.width) {}
    };

    void add(int64_t image, int64_t block, const Band &band, Buffers &buffers, Pixel *sums) const {
        const int64_t at = maps.start(image, block), lanes = maps.lanes(block);
        Pixel *values = buffers.values.data(), *grads = buffers.grads.data(), *out = buffers.out.data();
        fill(g + at, maps, lanes, band.first, band.last, grads);
        fill(x + at, maps, lanes, band.first, band.last, values);
        if (dx) {
            compute.convolved(grads, maps, band, taps.data() + block * taps_count, Pixel{}, out);
            if (ramp) descend(out, values, maps, band, *ramp, sums + taps_count);
            drain(out, maps, lanes, band.begin, band.end, dx + at);
        }
        if (needs_weight) {
            if (ramp) climb(values, maps, band.last - band.first, *ramp);
            compute.correlated(values, grads, maps, band, sums);
        }
    }
};

// Blocks of channels done together for each image, so that what is read of it is more than a piece of a cache line.
inline int64_t group_size(const Maps &maps, int64_t bytes) {
    const int64_t small = 4096 / (maps.area() * LANES * bytes), beside = maps.last ? 256 / (LANES * bytes) : 1;
    return std::min(maps.blocks(), std::max<int64_t>(small, beside));
}

template <class T>
void backward(const T *x, const T *g, T *dx, const float *weight, float *weight_grad, const Ramp *ramp,
              float *ramp_grad, int64_t n, const Maps &maps, int64_t threads) {
    const int64_t k = 2 * maps.n + 1, side = 2 * n + 1, size = (k * k + 4) * LANES;
    const int64_t blocks = maps.blocks(), group = group_size(maps, sizeof(T)), groups = (blocks + group - 1) / group;
    const int64_t worth = maps.batch * maps.area() * group * LANES / GRAIN;
    const int64_t parts = std::min(maps.batch, std::max<int64_t>(1, std::min(worth, (64 + groups - 1) / groups)));
    const std::vector<Pixel> taps = arrange(weight, n, maps, true);
    std::vector<double> totals(parts * blocks * size, 0.0);
    const Backward<T> run{x, g, dx, maps, ramp, arithmetic(maps.n), taps, weight_grad != nullptr, k * k};
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t unit = 0; unit < parts * groups; ++unit) {
        const int64_t part = unit / groups, begin = part * maps.batch / parts, end = (part + 1) * maps.batch / parts;
        const int64_t block = unit % groups * group, count = std::min(group, blocks - block);
        run(block, count, begin, end, totals.data() + (part * blocks + block) * size);
    }
    const auto sum = [&](int64_t c, int64_t entry) {
        double total = 0;
        for (int64_t part = 0; part < parts; ++part)
            total += totals[(part * blocks + c / LANES) * size + entry * LANES + c % LANES];
        return total;
    };
    for (int64_t c = 0; weight_grad && c < maps.channels; ++c)
        for (int64_t tap = 0; tap < k * k; ++tap) {
            const int64_t row = n - maps.n + tap / k, column = n - maps.n + tap % k;
            weight_grad[(c * side + row) * side + column] = float(sum(c, tap));
        }
    for (int64_t i = 0; ramp_grad && i < 4; ++i) {
        double total = 0;
        for (int64_t c = 0; c < maps.channels; ++c) total += sum(c, k * k + i);
        ramp_grad[i] = float(total);
    }
}

inline Maps maps_of(int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t n, int64_t last) {
    return {batch, channels, height, width, std::min(n, std::max(height, width) - 1), last != 0};
}

}  // namespace

// Pointers that are null stand for what is not there or not wanted; what of weight_grad no pixel meets stays untouched.
#define EXPORT(NAME, TYPE)                                                                                            \
    extern "C" void actbench_depthwise_forward_##NAME(                                                                \
        const TYPE *x, TYPE *y, const float *weight, const float *bias, const float *ramp, int64_t batch,             \
        int64_t channels, int64_t height, int64_t width, int64_t last, int64_t n, int64_t threads) {                  \
        const Maps maps = maps_of(batch, channels, height, width, n, last);                                           \
        forward(x, y, weight, bias, reinterpret_cast<const Ramp *>(ramp), n, maps, threads);                          \
    }                                                                                                                 \
    extern "C" void actbench_depthwise_backward_##NAME(                                                               \
        const TYPE *x, const TYPE *g, TYPE *dx, const float *weight, float *weight_grad, const float *ramp,           \
        float *ramp_grad, int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t last, int64_t n,    \
        int64_t threads) {                                                                                            \
        const Maps maps = maps_of(batch, channels, height, width, n, last);                                           \
        backward(x, g, dx, weight, weight_grad, reinterpret_cast<const Ramp *>(ramp), ramp_grad, n, maps, threads);   \
    }

EXPORT(f32, float)
EXPORT(bf16, bfloat16)
#ifdef __FLT16_MANT_DIG__
EXPORT(f16, float16)
#endif
