// ReLU: y = max(x, 0), for batch normalisation's form of it. See activations/pointwise.py.

#include "pointwise.h"

struct ReLU {
    static constexpr int PARAMETERS = 0;
    INLINE ReLU(const V *, const float *) {}
    INLINE V value(V x) const { return x < 0 ? V{} : x; }  // NaN stays
    INLINE V pull(V x, V g, V *) const { return x > 0 ? g : V{}; }
};

POINTWISE(relu, ReLU)
