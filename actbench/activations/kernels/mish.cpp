// Mish: y = x * n / (n + 2), n = e * (e + 2), e = exp(x). See activations/mish.py.

#include "pointwise.h"

struct Mish {
    static constexpr int PARAMETERS = 0;
    static constexpr float OPEN = 20;  // from here on the gate is 1
    INLINE Mish(const V *, const float *) {}
    INLINE V value(V x) const {
        const V e = exponential(smallest(all(OPEN), x)).value, n = e * (e + 2);
        return x * (n / (n + 2));
    }
    INLINE V pull(V x, V g, V *) const {
        const V near = smallest(all(OPEN), x), e = exponential(near).value, n = e * (e + 2), inverse = 1 / (n + 2);
        // near * e first: far below zero e is 0, and 4 * near could overflow.
        return g * (n * inverse + near * (e * inverse) * ((1 + e) * inverse) * 4);
    }
};

POINTWISE(mish, Mish)
