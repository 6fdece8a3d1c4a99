// What a batch is made from, and where one thread works on an image.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Sums and products round one by one, as PyTorch's do, unless fma() is written, where PyTorch's kernels fuse.
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

constexpr int32_t MARGIN = 2;  // of an image that is sampled: further out everything is alike
constexpr int32_t LANES = 4;   // floats of a pixel in it
constexpr int32_t SLACK = 16;  // bytes behind an image that vectors may touch

// What one thread writes to.
struct Scratch {
    std::vector<Byte> image, other;
    std::vector<float> grey, framed, weights;
    std::vector<int32_t> corner;

    explicit Scratch(const Work& work) {
        const int64_t size = work.height * work.width * work.channels;
        image.resize(size + SLACK);
        if (work.layers == 0) return;
        other.resize(size);
        grey.resize(size);
        weights.resize(4 * work.width);
        corner.resize(work.width);
        framed.resize((work.height + 2 * MARGIN) * (work.width + 2 * MARGIN) * LANES);
    }
};

}  // namespace
