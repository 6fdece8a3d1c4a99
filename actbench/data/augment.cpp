// A training batch in one pass over its bytes: crop with padding, flip, RandAugment, normalisation, cutout.
//
// Every image goes through all stages while its bytes lie in the first-level cache. Each operation rounds where
// the plain PyTorch form in geometry.py, photometric.py, affine.py and pipeline.py does, so that values are bitwise
// the same.

#include "affine.h"
#include "augment.h"
#include "photometric.h"

namespace {

void mirror_row(const Byte* source, Byte* target, int64_t width, int64_t channels) {
    int64_t x = 0;
#if defined(__SSSE3__)
    if (channels == 3) {  // five pixels in a vector of sixteen bytes, so the sixth must exist
        const __m128i order = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
        for (; x + 6 <= width; x += 5) {
            const Byte* from = source + 3 * (width - x) - 16;
            const __m128i pixels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(target + 3 * x), _mm_shuffle_epi8(pixels, order));
        }
    }
#endif
    for (; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c) target[x * channels + c] = source[(width - 1 - x) * channels + c];
}

// Crop and flip. Columns `begin` to `end` of a row come from the image, the others are black.
void move_pixels(const Work& work, int64_t number, Byte* image) {
    const int64_t height = work.height, width = work.width, channels = work.channels, run = width * channels;
    const Byte* source = work.images + (work.index ? work.index[number] : number) * height * run;
    const int64_t lower = work.top ? work.top[number] - work.padding : 0;
    const int64_t right = work.top ? work.left[number] - work.padding : 0;
    const int64_t begin = std::min(width, std::max<int64_t>(0, -right));
    const int64_t end = std::max(begin, std::min(width, width - right));
    const bool mirrored = work.mirrored && work.mirrored[number];
    for (int64_t y = 0; y < height; ++y) {
        Byte* target = image + y * run;
        if (y + lower < 0 || y + lower >= height || begin == end) {
            std::memset(target, 0, run);
            continue;
        }
        const Byte* from = source + (y + lower) * run + (begin + right) * channels;
        const int64_t first = mirrored ? width - end : begin, last = mirrored ? width - begin : end;
        std::memset(target, 0, first * channels);
        std::memset(target + last * channels, 0, (width - last) * channels);
        if (mirrored)
            mirror_row(from, target + first * channels, end - begin, channels);
        else
            std::memcpy(target + first * channels, from, (end - begin) * channels);
    }
}

void change(Byte* image, const Work& work, int64_t place, Scratch& scratch) {
    const int64_t operation = work.operation[place], channels = work.channels;
    const int64_t area = work.height * work.width, size = area * channels;
    const float level = work.level[place];
    const float factor = std::max(1.0f + 0.9f * level * work.sign[place], 0.1f);
    switch (operation) {
        case AUTOCONTRAST: return autocontrast(image, area, channels);
        case EQUALIZE: return equalize(image, area, channels);
        case INVERT:
            for (int64_t i = 0; i < size; ++i) image[i] = static_cast<Byte>(255 - image[i]);
            return;
        case POSTERIZE: {
            const int32_t bits = static_cast<int32_t>(std::max(4.0f - std::floor(level * 4.0f), 1.0f));
            const Byte mask = static_cast<Byte>(256 - (1 << (8 - bits)));
            for (int64_t i = 0; i < size; ++i) image[i] &= mask;
            return;
        }
        case SOLARIZE: {
            const int16_t threshold = static_cast<int16_t>(256.0f - std::floor(level * 256.0f));
            for (int64_t i = 0; i < size; ++i)
                image[i] = image[i] >= threshold ? static_cast<Byte>(255 - image[i]) : image[i];
            return;
        }
        case SOLARIZE_ADD: {
            const int16_t amount = static_cast<int16_t>(std::floor(level * 110.0f));
            for (int64_t i = 0; i < size; ++i) {
                const int16_t raised = std::min<int16_t>(static_cast<int16_t>(image[i] + amount), 255);
                image[i] = image[i] < 128 ? static_cast<Byte>(raised) : image[i];
            }
            return;
        }
        case COLOR: return color(image, area, channels, factor, scratch.grey.data());
        case CONTRAST: return contrast(image, area, channels, factor);
        case BRIGHTNESS: return brightness(image, size, factor);
        case SHARPNESS: return sharpness(image, work, factor, scratch.other.data());
        default: return sample(image, work, affine(work, operation, place), scratch);
    }
}

constexpr int64_t BLOCK = 48;  // bytes: sixteen pixels of three channels

// `count` bytes, `step` apart, as values; the same affine map for all.
inline void to_values(const Byte* bytes, int64_t count, int64_t step, float scale, float shift, float* values) {
    for (int64_t i = 0; i < count; ++i) values[i] = std::fma(static_cast<float>(bytes[step * i]), scale, shift);
}

#if defined(__AVX2__) && defined(__FMA__)

// Sixteen bytes as values.
inline void to_values(__m128i bytes, float scale, float shift, float* values) {
#if defined(__AVX512F__)
    const __m512 wide = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    _mm512_storeu_ps(values, _mm512_fmadd_ps(wide, _mm512_set1_ps(scale), _mm512_set1_ps(shift)));
#else
    for (int half = 0; half < 2; ++half, bytes = _mm_srli_si128(bytes, 8), values += 8) {
        const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        _mm256_storeu_ps(values, _mm256_fmadd_ps(wide, _mm256_set1_ps(scale), _mm256_set1_ps(shift)));
    }
#endif
}

// Of a block's three vectors, the bytes of channel c.
template <int c>
__m128i channel(__m128i first, __m128i second, __m128i third) {
    Byte order[3][16];
    for (int i = 0; i < 16; ++i)
        for (int part = 0; part < 3; ++part)
            order[part][i] = (3 * i + c) / 16 == part ? static_cast<Byte>((3 * i + c) % 16) : 0x80;
    const auto* orders = reinterpret_cast<const __m128i*>(order);
    const __m128i start = _mm_or_si128(
        _mm_shuffle_epi8(first, _mm_loadu_si128(orders)), _mm_shuffle_epi8(second, _mm_loadu_si128(orders + 1)));
    return _mm_or_si128(start, _mm_shuffle_epi8(third, _mm_loadu_si128(orders + 2)));
}

inline void normalize_block(const Byte* image, const Work& work, float* pixels, int64_t area) {
    const auto* from = reinterpret_cast<const __m128i*>(image);
    const __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1), c = _mm_loadu_si128(from + 2);
    to_values(channel<0>(a, b, c), work.scale[0], work.shift[0], pixels);
    to_values(channel<1>(a, b, c), work.scale[1], work.shift[1], pixels + area);
    to_values(channel<2>(a, b, c), work.scale[2], work.shift[2], pixels + 2 * area);
}

#else

inline void normalize_block(const Byte* image, const Work& work, float* pixels, int64_t area) {
    for (int64_t c = 0; c < 3; ++c) to_values(image + c, 16, 3, work.scale[c], work.shift[c], pixels + c * area);
}

#endif

void normalize_planes(const Byte* image, const Work& work, float* pixels) {
    const int64_t area = work.height * work.width;
    int64_t done = 0;
    for (; done + 16 <= area; done += 16) normalize_block(image + 3 * done, work, pixels + done, area);
    for (int64_t c = 0; c < 3; ++c)
        to_values(image + 3 * done + c, area - done, 3, work.scale[c], work.shift[c], pixels + c * area + done);
}

void normalize_pixels(const Byte* image, const Work& work, float* pixels) {
    const int64_t size = 3 * work.height * work.width;
    float scale[BLOCK], shift[BLOCK];
    for (int64_t i = 0; i < BLOCK; ++i) {
        scale[i] = work.scale[i % 3];
        shift[i] = work.shift[i % 3];
    }
    int64_t done = 0;
    for (; done + BLOCK <= size; done += BLOCK)
        for (int64_t i = 0; i < BLOCK; ++i)
            pixels[done + i] = std::fma(static_cast<float>(image[done + i]), scale[i], shift[i]);
    for (; done < size; ++done)
        pixels[done] = std::fma(static_cast<float>(image[done]), work.scale[done % 3], work.shift[done % 3]);
}

void normalize(const Byte* image, const Work& work, float* pixels) {
    if (work.channels == 1)
        to_values(image, work.height * work.width, 1, work.scale[0], work.shift[0], pixels);
    else if (work.channels_last)
        normalize_pixels(image, work, pixels);
    else
        normalize_planes(image, work, pixels);
}

// Images are taken from all over memory, where no processor would look ahead.
void prefetch(const Work& work, int64_t number) {
    const int64_t size = work.height * work.width * work.channels, line = 64;
    const Byte* image = work.images + (work.index ? work.index[number] : number) * size;
    for (int64_t at = 0; at < size; at += line) __builtin_prefetch(image + at);
}

// Sets the square to 0, the mean.
void paint_over(const Work& work, int64_t number, float* pixels) {
    const int64_t height = work.height, width = work.width, channels = work.channels;
    const int64_t top = std::max<int64_t>(work.hole_top[number], 0), left = std::max<int64_t>(work.hole_left[number], 0);
    const int64_t bottom = std::min(work.hole_top[number] + work.hole_side, height);
    const int64_t right = std::min(work.hole_left[number] + work.hole_side, width);
    if (right <= left) return;
    for (int64_t y = top; y < bottom; ++y) {
        if (work.channels_last)
            std::fill_n(pixels + (y * width + left) * channels, (right - left) * channels, 0.0f);
        else
            for (int64_t c = 0; c < channels; ++c)
                std::fill_n(pixels + (c * height + y) * width + left, right - left, 0.0f);
    }
}

}  // namespace

extern "C" void actbench_augment(const Work* given) {
    const Work& work = *given;
    const int64_t size = work.height * work.width * work.channels;
#pragma omp parallel num_threads(static_cast<int>(work.threads))
    {
        Scratch scratch(work);
#pragma omp for schedule(dynamic, 8)
        for (int64_t number = 0; number < work.count; ++number) {
            Byte* image = scratch.image.data();
            if (number + 1 < work.count) prefetch(work, number + 1);
            move_pixels(work, number, image);
            for (int64_t layer = 0; layer < work.layers; ++layer) {
                const int64_t place = layer * work.count + number;
                if (work.operation[place] >= 0) change(image, work, place, scratch);
            }
            float* pixels = work.pixels + number * size;
            normalize(image, work, pixels);
            if (work.hole_top) paint_over(work, number, pixels);
        }
    }
}
