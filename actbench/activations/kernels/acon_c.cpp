// ACON-C: y = x * (p2 + d * s), d = p1 - p2, s = sigmoid(beta * d * x). See activations/acon.py.

#include "pointwise.h"

struct AconC {
    static constexpr int PARAMETERS = 3;
    V p2, d, beta;
    INLINE AconC(const V *parameters, const float *)
        : p2(parameters[1]), d(parameters[0] - parameters[1]), beta(parameters[2]) {}
    INLINE V value(V x) const { return x * (p2 + d * gate(beta * d * x).open); }
    INLINE V pull(V x, V g, V *sums) const {
        const Gate s = gate(beta * d * x);
        // From the left: s * (1 - s) is 0 far out, before x^2 could overflow.
        const V bell = s.open * s.shut * x, square = bell * x;
        sums[0] += g * (x * s.open + beta * d * square);
        sums[1] += g * (x * s.shut - beta * d * square);
        sums[2] += g * (d * d * square);
        return g * (p2 + d * s.open + beta * d * d * bell);
    }
};

POINTWISE(acon_c, AconC)
