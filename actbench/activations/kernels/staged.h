// Elements as whole vectors of floats, for passes that know nothing else: half numbers, and parts of vectors.

#pragma once

#include <memory>

#include "lanes.h"

namespace {

// `size` elements in runs of `run`: each run begins with a new vector, whose other lanes are 0. Returns the end.
template <class T> float *stage(const T *from, int64_t size, int64_t run, float *to) {
    for (int64_t begin = 0; begin < size; begin += run, from += run) {
        int64_t i = 0;
        for (; i + LANES <= run; i += LANES, to += LANES) store(to, load(from + i));
        if (i == run) continue;
        store(to, V{});
        for (; i < run; ++i) to[i % LANES] = widen(from[i]);
        to += LANES;
    }
    return to;
}

// The same the other way.
template <class T> void leave(const float *from, int64_t size, int64_t run, T *to) {
    for (int64_t begin = 0; begin < size; begin += run, to += run) {
        int64_t i = 0;
        for (; i + LANES <= run; i += LANES, from += LANES) store(to + i, load(from));
        if (i == run) continue;
        for (; i < run; ++i) narrow(from[i % LANES], to + i);
        from += LANES;
    }
}

// Parts of a thread's memory, each on a line of its own.
class Scratch {
    std::vector<std::unique_ptr<float[]>> parts;

public:
    float *take(int64_t size) {
        constexpr int64_t LINE = 64;
        parts.emplace_back(new float[size + LINE / sizeof(float)]);
        const uintptr_t at = reinterpret_cast<uintptr_t>(parts.back().get());
        return reinterpret_cast<float *>((at + LINE - 1) / LINE * LINE);
    }
    float *zeros(int64_t size) {
        float *taken = take(size);
        std::fill_n(taken, size, 0.f);
        return taken;
    }
};

}  // namespace
