// ReLU squared: y = max(x, 0)^2. See activations/relu2.py.

#include "pointwise.h"

struct Relu2 {
    static constexpr int PARAMETERS = 0;
    INLINE Relu2(const V *, const float *) {}
    INLINE V value(V x) const { return above(x) * above(x); }
    // Doubled last: 2x may overflow where its product with a small gradient does not.
    INLINE V pull(V x, V g, V *) const { return g * above(x) * 2; }
};

POINTWISE(relu2, Relu2)
