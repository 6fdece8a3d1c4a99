// Rotation, shear and translation of one image: affine.py, value by value.

#pragma once

#include "augment.h"

namespace {

constexpr float FILL = 128.0f;

// From output to input coordinates: x' = a x + b y + c, y' = d x + e y + f.
struct Affine {
    float a, b, c, d, e, f;
};

#if defined(__FMA__)

// LANES floats at a time. What lanes beyond the channels hold is never read.
inline void frame_pixel(const Byte* from, float* to) {
    int32_t bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    const __m128 values = _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
    _mm_storeu_ps(to, _mm_sub_ps(values, _mm_set1_ps(FILL)));
}

// Writes LANES bytes, of which those beyond the channels are overwritten by the next pixel or lie in the slack.
inline void mix_pixel(const float* at, int64_t line, float nw, float ne, float sw, float se, Byte* out, int64_t) {
    __m128 sum = _mm_mul_ps(_mm_loadu_ps(at), _mm_set1_ps(nw));
    sum = _mm_fmadd_ps(_mm_loadu_ps(at + LANES), _mm_set1_ps(ne), sum);
    sum = _mm_fmadd_ps(_mm_loadu_ps(at + line), _mm_set1_ps(sw), sum);
    sum = _mm_fmadd_ps(_mm_loadu_ps(at + line + LANES), _mm_set1_ps(se), sum);
    const __m128i rounded = _mm_cvtps_epi32(_mm_add_ps(sum, _mm_set1_ps(FILL)));  // halves to even
    const __m128i words = _mm_packs_epi32(rounded, rounded);
    const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(out, &bytes, sizeof bytes);
}

#else

inline void frame_pixel(const Byte* from, float* to) {
    for (int64_t c = 0; c < LANES; ++c) to[c] = from[c] - FILL;
}

inline void mix_pixel(
    const float* at, int64_t line, float nw, float ne, float sw, float se, Byte* out, int64_t channels) {
    for (int64_t c = 0; c < channels; ++c) {
        const float upper = std::fma(at[LANES + c], ne, at[c] * nw);
        const float sum = std::fma(at[line + LANES + c], se, std::fma(at[line + c], sw, upper));
        out[c] = static_cast<Byte>(static_cast<int32_t>(std::min(std::max(std::rint(sum + FILL), 0.0f), 255.0f)));
    }
}

#endif

// Where the pixels of a row are read: the weights of their four neighbours and the place of the first in the frame.
struct Places {
    float *__restrict nw, *__restrict ne, *__restrict sw, *__restrict se;
    int32_t* __restrict corner;
};

// std::floor keeps compilers from vectors.
inline int32_t floor_of(float x) {
    const int32_t near = static_cast<int32_t>(x);
    return near - (x < static_cast<float>(near));
}

void find_places(const float* __restrict across, float down, const Work& work, const Affine map, Places places) {
    const float half_width = work.width / 2.0f, half_height = work.height / 2.0f;
    const int32_t height = static_cast<int32_t>(work.height), width = static_cast<int32_t>(work.width);
    const int32_t line = (width + 2 * MARGIN) * LANES;
    for (int32_t i = 0; i < width; ++i) {
        const float x = std::fma(((across[i] * map.a + down * map.b) + map.c) + 1.0f, half_width, -0.5f);
        const float y = std::fma(((across[i] * map.d + down * map.e) + map.f) + 1.0f, half_height, -0.5f);
        const int32_t column = floor_of(x), row = floor_of(y);
        const float west = static_cast<float>(column), north = static_cast<float>(row);
        const float w = x - west, e = 1.0f - w, n = y - north, s = 1.0f - n;
        places.nw[i] = e * s;
        places.ne[i] = w * s;
        places.sw[i] = e * n;
        places.se[i] = w * n;
        // Beyond the margin everything is alike, so the corner may stay at it.
        const int32_t near_x = std::min(std::max(column, -MARGIN), width);
        const int32_t near_y = std::min(std::max(row, -MARGIN), height);
        places.corner[i] = (near_y + MARGIN) * line + (near_x + MARGIN) * LANES;
    }
}

// Linear sampling as grid_sample has it, of an image whose outside is FILL.
void sample(Byte* image, const Work& work, const Affine& map, Scratch& scratch) {
    const int64_t height = work.height, width = work.width, channels = work.channels;
    const int64_t line = (width + 2 * MARGIN) * LANES;
    float* framed = scratch.framed.data();
    std::fill_n(framed, MARGIN * line, 0.0f);
    for (int64_t y = 0; y < height; ++y) {
        const Byte* from = image + y * width * channels;
        float* to = framed + (y + MARGIN) * line;
        std::fill_n(to, MARGIN * LANES, 0.0f);
        for (int64_t x = 0; x < width; ++x) frame_pixel(from + x * channels, to + (x + MARGIN) * LANES);
        std::fill_n(to + line - MARGIN * LANES, MARGIN * LANES, 0.0f);
    }
    std::fill_n(framed + (height + MARGIN) * line, MARGIN * line, 0.0f);
    float* weights = scratch.weights.data();
    const Places at{weights, weights + width, weights + 2 * width, weights + 3 * width, scratch.corner.data()};
    for (int64_t row = 0; row < height; ++row) {
        find_places(work.across, work.down[row], work, map, at);
        Byte* out = image + row * width * channels;
        for (int64_t x = 0; x < width; ++x)
            mix_pixel(framed + at.corner[x], line, at.nw[x], at.ne[x], at.sw[x], at.se[x], out + x * channels, channels);
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

}  // namespace
