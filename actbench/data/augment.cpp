// A training batch in one pass over its bytes: crop with padding, flip, RandAugment, normalisation, cutout.
//
// Every image goes through all stages while its bytes lie in the first-level cache. Each operation rounds where
// the plain PyTorch form in geometry.py, photometric.py, affine.py and pipeline.py does, so that values are bitwise
// the same: sums and products round one by one unless fma() is written, which stands where PyTorch's kernels fuse.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

namespace {

using Byte = uint8_t;

// As fused.py fills it; pointers may be null where a stage is left out. Random values are (count,) each.
struct Work {
    const Byte* images;        // (images, height, width, channels)
    const int64_t* index;      // which of them; null: the first `count`
    const int64_t* top;        // of the crop in the padded image; null: no crop
    const int64_t* left;
    const Byte* mirrored;
    const int64_t* operation;  // (layers, count); -1: none
    const float* level;
    const float* sign;
    const float* cosine;       // of the angle that each image would be turned by
    const float* sine;
    const float* across;       // (width): x of the pixels' centres, from -1 to 1 between the outer edges
    const float* down;         // (height): y
    const int64_t* hole_top;   // of the square painted over; null: none
    const int64_t* hole_left;
    const float* scale;        // (channels): value = byte * scale + shift
    const float* shift;
    float* pixels;             // (count, channels, height, width), or (count, height, width, channels)
    int64_t count, height, width, channels, padding, layers, hole_side, channels_last, threads;
};

// The order of OPERATIONS in rand_augment.py.
enum Operation {
    AUTOCONTRAST, EQUALIZE, INVERT, ROTATE, POSTERIZE, SOLARIZE, SOLARIZE_ADD, COLOR, CONTRAST, BRIGHTNESS,
    SHARPNESS, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y
};

constexpr float FILL = 128.0f;
constexpr int64_t MARGIN = 2;  // of an image that is sampled: further out everything is FILL
constexpr int64_t LANES = 4;   // floats of a pixel in it

// What one thread writes to.
struct Scratch {
    std::vector<Byte> image, other;
    std::vector<float> grey, row, framed;
    std::vector<int64_t> corner;

    explicit Scratch(const Work& work) {
        const int64_t area = work.height * work.width, size = area * work.channels;
        image.resize(size);
        if (work.layers == 0) return;
        other.resize(size);
        grey.resize(size);
        row.resize(4 * work.width);
        corner.resize(work.width);
        framed.resize((work.height + 2 * MARGIN) * (work.width + 2 * MARGIN) * LANES);
    }
};

void mirror_row(const Byte* source, Byte* target, int64_t width, int64_t channels) {
    if (channels == 3) {
        for (int64_t x = 0; x < width; ++x) {
            const Byte* from = source + 3 * (width - 1 - x);
            target[3 * x] = from[0];
            target[3 * x + 1] = from[1];
            target[3 * x + 2] = from[2];
        }
    } else {
        for (int64_t x = 0; x < width; ++x)
            for (int64_t c = 0; c < channels; ++c)
                target[x * channels + c] = source[(width - 1 - x) * channels + c];
    }
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

// torch.lerp(other, value, factor), cut to the range of bytes and truncated.
inline Byte blend(float other, float value, float factor) {
    const float way = value - other;
    const float mixed =
        std::fabs(factor) < 0.5f ? std::fma(factor, way, other) : std::fma(-way, 1.0f - factor, value);
    return static_cast<Byte>(static_cast<int32_t>(std::min(std::max(mixed, 0.0f), 255.0f)));
}

inline float luma(const Byte* pixel) {
    return std::rint((pixel[0] * 0.299f + pixel[1] * 0.587f) + pixel[2] * 0.114f);
}

void brightness(Byte* image, int64_t size, float factor) {
    for (int64_t i = 0; i < size; ++i) image[i] = blend(0.0f, image[i], factor);
}

void color(Byte* image, int64_t area, int64_t channels, float factor, float* grey) {
    if (channels == 1) return;
    for (int64_t i = 0; i < area; ++i) {
        const float value = luma(image + 3 * i);
        grey[3 * i] = grey[3 * i + 1] = grey[3 * i + 2] = value;
    }
    for (int64_t i = 0; i < 3 * area; ++i) image[i] = blend(grey[i], image[i], factor);
}

void contrast(Byte* image, int64_t area, int64_t channels, float factor) {
    int64_t sum = 0;  // of integers, and exact in float32 too for at most 65,536 pixels
    if (channels == 1)
        for (int64_t i = 0; i < area; ++i) sum += image[i];
    else
        for (int64_t i = 0; i < area; ++i) sum += static_cast<int32_t>(luma(image + 3 * i));
    const float mean = std::floor(static_cast<float>(sum) / static_cast<float>(area) + 0.5f);
    for (int64_t i = 0; i < area * channels; ++i) image[i] = blend(mean, image[i], factor);
}

void sharpness(Byte* image, const Work& work, float factor, Byte* smooth) {
    const int64_t height = work.height, width = work.width, step = work.channels, run = width * step;
    if (height < 3 || width < 3) return;
    std::memcpy(smooth, image, height * run);
    for (int64_t y = 1; y < height - 1; ++y)
        for (int64_t i = step; i < run - step; ++i) {
            const Byte* at = image + y * run + i;
            const int32_t sum = at[-run - step] + at[-run] + at[-run + step] + at[-step] + 5 * at[0] + at[step] +
                                at[run - step] + at[run] + at[run + step];
            // The nearest integer of sum / 13, which is never half of an odd number.
            smooth[y * run + i] = static_cast<Byte>((2 * sum + 13) / 26);
        }
    for (int64_t i = 0; i < height * run; ++i) image[i] = blend(smooth[i], image[i], factor);
}

void look_up(Byte* image, int64_t area, int64_t channels, const Byte (*tables)[256]) {
    for (int64_t i = 0; i < area; ++i)
        for (int64_t c = 0; c < channels; ++c) image[i * channels + c] = tables[c][image[i * channels + c]];
}

void autocontrast(Byte* image, int64_t area, int64_t channels) {
    Byte tables[3][256];
    Byte low[3] = {255, 255, 255}, high[3] = {0, 0, 0};
    for (int64_t i = 0; i < area; ++i)
        for (int64_t c = 0; c < channels; ++c) {
            low[c] = std::min(low[c], image[i * channels + c]);
            high[c] = std::max(high[c], image[i * channels + c]);
        }
    for (int64_t c = 0; c < channels; ++c) {
        // PyTorch divides a number by a tensor so: by the reciprocal.
        const float scale = (1.0f / std::max<float>(high[c] - low[c], 1.0f)) * 255.0f;
        for (int32_t value = 0; value < 256; ++value) {
            const float stretched = std::min(std::max((value - low[c]) * scale, 0.0f), 255.0f);
            tables[c][value] = high[c] > low[c] ? static_cast<Byte>(static_cast<int32_t>(stretched))
                                                : static_cast<Byte>(value);
        }
    }
    look_up(image, area, channels, tables);
}

void equalize(Byte* image, int64_t area, int64_t channels) {
    int32_t histogram[3][256] = {};
    Byte tables[3][256];
    for (int64_t i = 0; i < area; ++i)
        for (int64_t c = 0; c < channels; ++c) ++histogram[c][image[i * channels + c]];
    for (int64_t c = 0; c < channels; ++c) {
        int32_t last = 255;
        while (last > 0 && histogram[c][last] == 0) --last;
        const int64_t step = (area - histogram[c][last]) / 255;
        int64_t below = 0;
        for (int32_t value = 0; value < 256; ++value) {
            const int64_t flat = step ? std::min<int64_t>((below + step / 2) / step, 255) : value;
            tables[c][value] = static_cast<Byte>(flat);
            below += histogram[c][value];
        }
    }
    look_up(image, area, channels, tables);
}

// From output to input coordinates: x' = a x + b y + c, y' = d x + e y + f.
struct Affine {
    float a, b, c, d, e, f;
};

// Linear sampling as grid_sample has it, of an image whose outside is FILL.
void sample(Byte* image, const Work& work, const Affine& map, Scratch& scratch) {
    const int64_t height = work.height, width = work.width, channels = work.channels;
    const int64_t line = (width + 2 * MARGIN) * LANES;
    float* framed = scratch.framed.data();
    std::fill(scratch.framed.begin(), scratch.framed.end(), 0.0f);
    for (int64_t y = 0; y < height; ++y) {
        const Byte* from = image + y * width * channels;
        float* to = framed + (y + MARGIN) * line + MARGIN * LANES;
        for (int64_t x = 0; x < width; ++x)
            for (int64_t c = 0; c < channels; ++c) to[x * LANES + c] = from[x * channels + c] - FILL;
    }
    const float half_width = width / 2.0f, half_height = height / 2.0f;
    const float far_right = static_cast<float>(width), far_down = static_cast<float>(height);
    float *nw = scratch.row.data(), *ne = nw + width, *sw = ne + width, *se = sw + width;
    int64_t* corner = scratch.corner.data();
    for (int64_t row = 0; row < height; ++row) {
        for (int64_t column = 0; column < width; ++column) {
            const float across = work.across[column], down = work.down[row];
            const float x = std::fma(((across * map.a + down * map.b) + map.c) + 1.0f, half_width, -0.5f);
            const float y = std::fma(((across * map.d + down * map.e) + map.f) + 1.0f, half_height, -0.5f);
            const float west = std::floor(x), north = std::floor(y);
            const float w = x - west, e = 1.0f - w, n = y - north, s = 1.0f - n;
            nw[column] = e * s;
            ne[column] = w * s;
            sw[column] = e * n;
            se[column] = w * n;
            // Beyond the margin everything is alike, so the corner may stay at it.
            const float near_x = std::min(std::max(west, -2.0f), far_right) + MARGIN;
            const float near_y = std::min(std::max(north, -2.0f), far_down) + MARGIN;
            corner[column] = static_cast<int64_t>(near_y) * line + static_cast<int64_t>(near_x) * LANES;
        }
        Byte* out = image + row * width * channels;
        for (int64_t column = 0; column < width; ++column) {
            const float* at = framed + corner[column];
            float mixed[LANES];
            for (int64_t c = 0; c < LANES; ++c) {
                const float left = std::fma(at[LANES + c], ne[column], at[c] * nw[column]);
                const float sum = std::fma(at[line + LANES + c], se[column], std::fma(at[line + c], sw[column], left));
                mixed[c] = std::min(std::max(std::rint(sum + FILL), 0.0f), 255.0f);
            }
            for (int64_t c = 0; c < channels; ++c)
                out[column * channels + c] = static_cast<Byte>(static_cast<int32_t>(mixed[c]));
        }
    }
}

Affine affine(const Work& work, int64_t operation, int64_t place) {
    const float amount = work.level[place] * work.sign[place];
    const double height = static_cast<double>(work.height), width = static_cast<double>(work.width);
    const float tall = static_cast<float>(height / width), wide = static_cast<float>(width / height);
    const float shear = amount * 0.3f, shift = 2.0f * (amount * 0.45f);
    switch (operation) {
        case SHEAR_X: return {1.0f, shear * tall, shear * tall, 0.0f, 1.0f, 0.0f};
        case SHEAR_Y: return {1.0f, 0.0f, 0.0f, shear * wide, 1.0f, shear * wide};
        case TRANSLATE_X: return {1.0f, 0.0f, shift, 0.0f, 1.0f, 0.0f};
        case TRANSLATE_Y: return {1.0f, 0.0f, 0.0f, 0.0f, 1.0f, shift};
        default: break;
    }
    const float cosine = work.cosine[place], sine = work.sine[place];
    return {cosine, -sine * tall, 0.0f, sine / tall, cosine, 0.0f};
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

void normalize(const Byte* image, const Work& work, float* pixels) {
    const int64_t area = work.height * work.width, channels = work.channels;
    if (work.channels_last && channels == 3) {
        for (int64_t i = 0; i < area; ++i)
            for (int64_t c = 0; c < 3; ++c)
                pixels[3 * i + c] = std::fma(static_cast<float>(image[3 * i + c]), work.scale[c], work.shift[c]);
        return;
    }
    for (int64_t c = 0; c < channels; ++c) {
        const float scale = work.scale[c], shift = work.shift[c];
        float* plane = pixels + (channels == 1 ? 0 : c * area);
        if (channels == 3)
            for (int64_t i = 0; i < area; ++i) plane[i] = std::fma(static_cast<float>(image[3 * i + c]), scale, shift);
        else
            for (int64_t i = 0; i < area; ++i) plane[i] = std::fma(static_cast<float>(image[i]), scale, shift);
    }
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
