// SMU: y = x * (alpha + (1 - alpha) / 2 * (1 + erf(z))), z = mu * (1 - alpha) * x. See activations/smu.py.

#include "pointwise.h"

struct Smu {
    static constexpr int PARAMETERS = 1;
    V mu;
    float alpha, keep;
    INLINE Smu(const V *parameters, const float *constants)
        : mu(parameters[0]), alpha(constants[0]), keep(1 - constants[0]) {}
    INLINE V value(V x) const { return x * (alpha + keep / 2 * tails(mu * keep * x).below); }
    INLINE V pull(V x, V g, V *sums) const {
        const Tails at = tails(mu * keep * x);
        // bell * x first: bell is 0 far out, before x^2 could overflow.
        const V bell = at.bell * x * (keep * keep * 0.564189584f);  // 1 / sqrt(pi)
        sums[0] += g * (bell * x);
        return g * (alpha + keep / 2 * at.below + mu * bell);
    }
};

POINTWISE(smu, Smu)
