// Linear combination of ReLU, sigmoid, tanh and the identity. See activations/linear_combination.py.

#include "pointwise.h"

struct LinearCombination {
    static constexpr int PARAMETERS = 4;
    V relu, sigmoid, tanh, line;
    INLINE LinearCombination(const V *p, const float *) : relu(p[0]), sigmoid(p[1]), tanh(p[2]), line(p[3]) {}

    struct Curves { V s, t; };
    // One exponential for both: with e = exp(-|x|) and m = e - 1, tanh(|x|) = -m (1 + e) / (1 + e^2).
    INLINE static Curves curves(V x) {
        const Exponential e = exponential(-magnitude(x));
        const V more = 1 / (1 + e.value), t = -e.minus_one * (1 + e.value) / (1 + e.value * e.value);
        return {x < 0 ? e.value * more : more, x < 0 ? -t : t};
    }
    INLINE V value(V x) const {
        const Curves at = curves(x);
        return relu * above(x) + sigmoid * at.s + tanh * at.t + line * x;
    }
    INLINE V pull(V x, V g, V *sums) const {
        const Curves at = curves(x);
        sums[0] += g * above(x);
        sums[1] += g * at.s;
        sums[2] += g * at.t;
        sums[3] += g * x;
        return g * (line + (x > 0 ? relu : V{}) + sigmoid * (at.s * (1 - at.s)) + tanh * (1 - at.t * at.t));
    }
};

POINTWISE(linear_combination, LinearCombination)
