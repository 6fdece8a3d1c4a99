// Sqish: y = x * (a + (1 - a) * gate), gate = (1 + beta * exp(-2 gamma (1 - a) x))^-p, p = 1/2 or 1. See
// activations/sqish.py.

#include <cfloat>

#include "pointwise.h"

struct Sqish {
    static constexpr int PARAMETERS = 3;
    V a, beta, keep, steepness, by_beta, by_gamma, swinging;
    float p;
    // beta stays a normal number, as its root's inverse needs.
    INLINE Sqish(const V *parameters, const float *constants)
        : a(parameters[0]), beta(smallest(all(FLT_MAX), largest(all(FLT_MIN), parameters[1]))), keep(1 - parameters[0]),
          steepness(parameters[2] * keep), by_beta(constants[0] * keep), by_gamma(2 * beta * keep * by_beta),
          swinging(2 * constants[0] * beta * steepness), p(constants[0]) {}

    // With h = exp(-|gamma (1 - a) x|) no power overflows, and no root of a vanished one is taken:
    // 1 + beta * exp(..) is 1 + beta h^2 on one side, (beta + h^2) / h^2 on the other.
    INLINE V early(V x) const { return exponential(below(steepness * x)).value; }
    struct Parts { V gate, fall; };  // fall = (1 - gate^(1/p)) / beta
    INLINE Parts parts(V x, V h) const {
        const V v = steepness * x, e = h * h, sum = by_sign(v, beta + e, 1 + beta * e);
        const V outer = p == 1 ? 1 / sum : inverse_root(sum), inner = p == 1 ? e : h;
        const V inverse = p == 1 ? outer : outer * outer;
        return {by_sign(v, inner * outer, outer), by_sign(v, inverse, e * inverse)};
    }
    INLINE V value(V x, V h) const { return x * (a + keep * parts(x, h).gate); }
    INLINE V pull(V x, V h, V g, V *sums) const {
        const Parts at = parts(x, h);
        // fall * gate * x is bounded, so it is formed before the second factor x.
        const V bell = at.fall * at.gate * x, swing = swinging * bell;
        sums[0] += g * (x * (1 - at.gate - swing));
        sums[1] -= g * (by_beta * bell);
        sums[2] += g * (by_gamma * bell * x);
        return g * (a + keep * (at.gate + swing));
    }
};

POINTWISE(sqish, Sqish)
