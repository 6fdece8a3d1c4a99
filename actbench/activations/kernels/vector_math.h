// The functions that activations are made of, lane by lane.

#pragma once

#include "lanes.h"

namespace {

struct Exponential { V value, minus_one; };  // exp(a) and exp(a) - 1, each within 2 ulp

// For a <= 20: 2^n * exp(r) with r = a - n ln 2, |r| <= ln(2) / 2, and exp(r) = 1 + r + r^2 q(r), q fitted by least
// relative error, which is 2^-27 of exp(r). Below -87.33, where exp(a) is no longer a normal number, it is taken as 0.
INLINE Exponential exponential(V a) {
    const V least = all(-87.33f), magic = all(12582912.f);  // 1.5 * 2^23: what is added to it becomes a whole number
    const V shifted = a * 1.44269504f + magic, n = shifted - magic;
    V r = a - n * 0.693145752f;  // ln 2 in two parts
    r = r - n * 1.42860677e-6f;
    V q = r * 0.00139013061f + 0.0083632003516f;
    q = q * r + 0.041666854173f;
    q = q * r + 0.16666576266f;
    q = q * r + 0.5f;
    const V p = r * r * q + r, scale = (V)(((I)shifted << 23) + 0x3f800000);
    const I vanishes = a < least;
    return {(V)((I)(p * scale + scale) & ~vanishes), vanishes ? all(-1) : p * scale + (scale - 1)};
}

struct Gate { V open, shut; };  // sigmoid(z) and sigmoid(-z), both to a few ulp

INLINE Gate gate(V z) {
    const V e = exponential(-magnitude(z)).value, more = 1 / (1 + e), less = e * more;
    return {z < 0 ? less : more, z < 0 ? more : less};
}

struct Tails { V below, bell; };  // 1 + erf(z), which has all its digits below zero too, and exp(-z^2)

// 1 - erf(|z|) = t * exp(-z^2) * q(t) with t = 1 / (1 + 0.45 |z|); q by least relative error, which is 2^-24.
INLINE Tails tails(V z) {
    const V bell = exponential(-(z * z)).value, t = 1 / (1 + 0.45f * magnitude(z));
    V q = t * -0.0414000116f + 0.190726608f;
    q = q * t - 0.300652802f;
    q = q * t + 0.142470181f;
    q = q * t - 0.022398036f;
    q = q * t + 0.119964309f;
    q = q * t + 0.175249338f;
    q = q * t + 0.228271946f;
    q = q * t + 0.253883153f;
    q = q * t + 0.253885329f;
    const V beyond = t * bell * q;
    return {z < 0 ? beyond : 2 - beyond, bell};
}

}  // namespace
