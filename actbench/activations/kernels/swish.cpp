// Swish: y = x * s, s = sigmoid(beta * x). See activations/swish.py.

#include "pointwise.h"

struct Swish {
    static constexpr int PARAMETERS = 1;
    V beta;
    INLINE Swish(const V *parameters, const float *) : beta(parameters[0]) {}
    INLINE V value(V x) const { return x * gate(beta * x).open; }
    INLINE V pull(V x, V g, V *sums) const {
        const Gate s = gate(beta * x);
        // From the left: s * (1 - s) is 0 far out, before x^2 could overflow.
        const V bell = s.open * s.shut * x;
        sums[0] += g * (bell * x);
        return g * (s.open + beta * bell);
    }
};

POINTWISE(swish, Swish)
