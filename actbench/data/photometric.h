// Changes of brightness and colour of one image: photometric.py, value by value.

#pragma once

#include "augment.h"

namespace {

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

}  // namespace
