// TaLU: y = x where x >= 0, y = alpha * tanh(max(x, clamp)) elsewhere. See activations/talu.py.

#include "pointwise.h"

struct Talu {
    static constexpr int PARAMETERS = 0;
    V alpha, clamp;
    INLINE Talu(const V *, const float *constants) : alpha(all(constants[0])), clamp(all(constants[1])) {}
    // With m = exp(2t) - 1: tanh(t) = m / (m + 2) and 1 - tanh(t)^2 = 4 (m + 1) / (m + 2)^2.
    INLINE V value(V x) const {
        const V m = exponential(2 * largest(x, clamp)).minus_one;
        return x < 0 ? alpha * (m / (m + 2)) : x;
    }
    INLINE V pull(V x, V g, V *) const {
        const Exponential e = exponential(2 * x);
        const V inverse = 1 / (e.value + 1), slope = 4 * (e.value * inverse * inverse);
        const V below = x > clamp ? alpha * slope : V{};
        return g * (x < 0 ? below : x >= 0 ? V{} + 1 : x);  // the last for NaN
    }
};

POINTWISE(talu, Talu)
