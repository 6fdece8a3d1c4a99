// How a pass goes through a tensor by whole vectors.

#pragma once

#include <numeric>

#include "lanes.h"

namespace {

// A tensor as the passes go through it. In channels-last order so many pixels make a row that it is whole vectors, and
// the tables have a column for each of its elements; else a row is of one channel, and they have one for each channel.
struct Pass {
    Rows rows;
    bool across;
    int64_t columns;

    Pass(const Rows &given, bool across) : rows(given), across(across), columns(given.channels) {
        if (!across) return;
        const int64_t pixels = LANES / std::gcd(given.channels, int64_t(LANES));
        columns = pixels * given.channels;
        rows.count = (given.count + pixels - 1) / pixels;
        rows.length = columns;
        rows.last_length = (given.count - (rows.count - 1) * pixels) * given.channels;
    }

    std::vector<float> tiled(const float *table, int64_t parameters) const {
        std::vector<float> tiles(parameters * columns);
        for (int64_t i = 0; i < parameters * columns; ++i)
            tiles[i] = table[i / columns * rows.channels + i % columns % rows.channels];
        return tiles;
    }

    // Calls visit(at, size, column) for parts of the rows that are short enough for sums in float.
    template <class Visit>
    INLINE void each_part(int64_t row, const Visit &visit) const {
        for (int64_t from = 0, size = rows.size(row); from < size; from += FLUSH_ROWS * LANES)
            visit(row * rows.length + from, std::min<int64_t>(FLUSH_ROWS * LANES, size - from),
                  across ? from : row % rows.channels);
    }

    // Calls work(room, block, begin, end) for blocks of rows, which depend on sizes alone; each thread has a room() of
    // its own.
    template <class Room, class Work>
    void each_block(int64_t blocks, int64_t threads, const Room &make_room, const Work &work) const {
#pragma omp parallel num_threads(int(threads))
        {
            auto room = make_room();
#pragma omp for schedule(static)
            for (int64_t block = 0; block < blocks; ++block)
                work(room, block, block * rows.count / blocks, (block + 1) * rows.count / blocks);
            end_of_stream();
        }
    }
};

}  // namespace
