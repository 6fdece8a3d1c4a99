// The parameters of PWLU as tables of a uniform piecewise-linear function, and back from sums over pieces to their
// gradients: `PWLU._tables` of pwlu.py in one step.

#pragma once

#include "rows.h"

namespace {

// Per unit `intervals` + 1 heights, the bounds and the outer slopes; a range narrower than `least_width` acts as that wide.
struct Units {
    const float *heights, *left, *right, *slope_left, *slope_right;
    int64_t count, intervals;
    float least_width;
};

// Their gradients.
struct UnitGrads { float *heights, *left, *right, *slope_left, *slope_right; };

// Piece by piece as in piecewise_linear.cpp.
struct Acting {
    int64_t pieces;
    std::vector<float> base, rise, low, inv_step, step;
    explicit Acting(const Units &units)
        : pieces(units.intervals + 2), base(units.count * pieces), rise(base.size()), low(units.count),
          inv_step(units.count), step(units.count) {
        for (int64_t c = 0; c < units.count; ++c) {
            const float apart = units.right[c] - units.left[c];
            const float width = apart < units.least_width ? units.least_width : apart;  // NaN stays
            const float missing = (width - apart) / 2;
            low[c] = units.left[c] - missing;
            step[c] = width / float(units.intervals);
            inv_step[c] = 1 / step[c];
            const float *heights = units.heights + c * (units.intervals + 1);
            float *to = &base[c * pieces], *rises = &rise[c * pieces];
            to[0] = heights[0];
            rises[0] = units.slope_left[c] * step[c];
            for (int64_t i = 0; i <= units.intervals; ++i) {
                to[i + 1] = heights[i];
                rises[i + 1] = i < units.intervals ? heights[i + 1] - heights[i] : units.slope_right[c] * step[c];
            }
        }
    }
};

// What a unit's gradients are made of, with u counted in steps from the left bound: sums of g times the steps beyond either
// bound (those to the left negative), of dx, and of dx * u.
struct Moments { double left, right, dx, dx_u; };

inline void leave(const Units &units, const Acting &acting, int64_t unit, const Moments &sums, const UnitGrads &grads) {
    const double step = acting.step[unit];
    const float apart = units.right[unit] - units.left[unit];
    grads.slope_left[unit] = float(sums.left * step);
    grads.slope_right[unit] = float(sums.right * step);
    // low = left - missing, missing = (width - apart) / 2, step = width / N; dy/dlow = -dx, dy/dstep = -dx * u.
    const double of_step = sums.left * units.slope_left[unit] + sums.right * units.slope_right[unit] - sums.dx_u;
    const double of_width = of_step / double(units.intervals) + sums.dx / 2;
    const double of_apart = (apart > units.least_width || of_width < 0 ? of_width : 0) - sums.dx / 2;
    grads.right[unit] = float(of_apart);
    grads.left[unit] = float(-sums.dx - of_apart);
}

// From the sums of g and g * (u - o_j) over the pieces.
inline void leave_pieces(const Units &units, const Acting &acting, const float *g_sums, const float *moments,
                         const UnitGrads &grads) {
    const int64_t pieces = acting.pieces;
    for (int64_t unit = 0; unit < units.count; ++unit, g_sums += pieces, moments += pieces) {
        float *heights = grads.heights + unit * (units.intervals + 1);
        Moments sums{moments[0], moments[pieces - 1], 0, 0};
        for (int64_t j = 0; j < pieces; ++j) {
            const double rise = acting.rise[unit * pieces + j] * double(acting.inv_step[unit]);
            sums.dx += rise * g_sums[j];
            if (rise != 0) sums.dx_u += rise * (moments[j] + double(std::max<int64_t>(j - 1, 0)) * g_sums[j]);
        }
        heights[0] = float(double(g_sums[0]) + g_sums[1] - moments[1]);
        for (int64_t i = 1; i < units.intervals; ++i)
            heights[i] = float(double(moments[i]) + g_sums[i + 1] - moments[i + 1]);
        heights[units.intervals] = float(double(moments[units.intervals]) + g_sums[pieces - 1]);
        leave(units, acting, unit, sums, grads);
    }
}

}  // namespace
