// APALU: y = a * x * (1 + s), s = sigmoid(1.702 x), where x >= 0; y = b * (exp(x) - 1) elsewhere. See
// activations/apalu.py.

#include "pointwise.h"

struct Apalu {
    static constexpr int PARAMETERS = 2;
    static constexpr float GATE = 1.702f;
    V a, b;
    INLINE Apalu(const V *parameters, const float *) : a(parameters[0]), b(parameters[1]) {}
    // One exponential for both sides: of x below zero, of -1.702 x above.
    INLINE static Exponential power(V x) { return exponential(x < 0 ? x : -GATE * x); }
    INLINE V value(V x) const {
        const Exponential e = power(x);
        return x < 0 ? b * e.minus_one : a * x * (1 + 1 / (1 + e.value));
    }
    INLINE V pull(V x, V g, V *sums) const {
        const Exponential e = power(x);
        const V s = 1 / (1 + e.value), twice = 1 + s;
        // 1 - s = s * e, which is 0 far out, before x could overflow.
        const V slope = twice + GATE * (s * s * e.value * x);
        sums[0] += x < 0 ? V{} : g * (x * twice);
        sums[1] += x < 0 ? g * e.minus_one : V{};
        return g * (x < 0 ? b * e.value : a * slope);
    }
};

POINTWISE(apalu, Apalu)
