// Sqish: y = x * (a + (1 - a) * gate), gate = (1 + beta * exp(-2 gamma (1 - a) x))^-p, p = 1/2 or 1. See
// activations/sqish.py.

#include "pointwise.h"

struct Sqish {
    static constexpr int PARAMETERS = 3;
    V a, beta, gamma, keep;
    float p;
    INLINE Sqish(const V *parameters, const float *constants)
        : a(parameters[0]), beta(parameters[1]), gamma(parameters[2]), keep(1 - parameters[0]), p(constants[0]) {}

    // With h = exp(-|gamma (1 - a) x|) no power overflows, and no root of a vanished one is taken:
    // 1 + beta * exp(..) is 1 + beta h^2 on one side, (beta + h^2) / h^2 on the other.
    struct Parts { V gate, fall; };  // fall = (1 - gate^(1/p)) / beta
    INLINE Parts parts(V x) const {
        const V v = gamma * keep * x, h = exponential(-magnitude(v)).value, e = h * h;
        const V inverse = 1 / (v < 0 ? beta + e : 1 + beta * e);
        const V outer = p == 1 ? inverse : root(inverse), inner = p == 1 ? e : h;
        return {v < 0 ? inner * outer : outer, v < 0 ? inverse : e * inverse};
    }
    INLINE V value(V x) const { return x * (a + keep * parts(x).gate); }
    INLINE V pull(V x, V g, V *sums) const {
        const Parts at = parts(x);
        // fall * gate * x is bounded, so it is formed before the second factor x.
        const V bell = at.fall * at.gate * x, turn = 2 * p * keep * beta * bell;
        sums[0] += g * (x * (1 - at.gate) - gamma * turn * x);
        sums[1] -= g * (p * keep * bell);
        sums[2] += g * (keep * turn * x);
        return g * (a + keep * at.gate + keep * gamma * turn);
    }
};

POINTWISE(sqish, Sqish)
