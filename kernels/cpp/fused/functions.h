// exp and what is made of it, and spherical harmonics, for vectors.
#pragma once

#include "../portable.h"

namespace emogene {
namespace {

// e^x within 2 units in the last place for x from -87 to 88; beyond, the value at that end. NaN
// gives the value at the lower end.
template <class S>
inline __attribute__((always_inline)) typename S::F exponential_of(typename S::F x) {
    using F = typename S::F;
    using I = typename S::I;
    x = S::smaller(S::larger(x, S::set(-87.0f)), S::set(88.0f));
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const F magic = S::set(12582912.0f);
    const F n = S::multiply_add(x, S::set(1.44269504f), magic) - magic;
    const F r = S::multiply_add(n, S::set(2.12194440e-4f),
                                S::multiply_add(n, S::set(-0.693359375f), x));
    F p = S::set(1.0f / 720.0f);
    p = S::multiply_add(p, r, S::set(1.0f / 120.0f));
    p = S::multiply_add(p, r, S::set(1.0f / 24.0f));
    p = S::multiply_add(p, r, S::set(1.0f / 6.0f));
    p = S::multiply_add(p, r, S::set(0.5f));
    p = S::multiply_add(p, r, S::set(1.0f));
    p = S::multiply_add(p, r, S::set(1.0f));
    const I exponent = (S::truncate(n) + 127) << 23;
    return p * (F)exponent;
}

template <class S>
inline __attribute__((always_inline)) typename S::F sigmoid_of(typename S::F x) {
    return 1.0f / (1.0f + exponential_of<S>(-x));
}

template <class S>
inline __attribute__((always_inline)) typename S::F tanh_of(typename S::F x) {
    return 1.0f - 2.0f / (1.0f + exponential_of<S>(x + x));
}

// As `spherical_harmonics` of harmonics.h; coefficient i goes to out + i * stride.
template <class S>
inline __attribute__((always_inline)) void harmonics_of(typename S::F x, typename S::F y,
                                                        typename S::F z, int degree, float* out,
                                                        int stride) {
    using F = typename S::F;
    const auto put = [&](int i, F v) { S::store(out + i * stride, v); };
    put(0, S::set(0.28209479177387814f));
    if (degree < 2) return;
    put(1, -0.48860251190291987f * y);
    put(2, 0.48860251190291987f * z);
    put(3, -0.48860251190291987f * x);
    if (degree < 3) return;
    const F xx = x * x, yy = y * y, zz = z * z;
    put(4, 1.0925484305920792f * (x * y));
    put(5, -1.0925484305920792f * (y * z));
    put(6, 0.94617469575755997f * zz - 0.31539156525251999f);
    put(7, -1.0925484305920792f * (x * z));
    put(8, 0.54627421529603959f * (xx - yy));
    if (degree < 4) return;
    put(9, 0.59004358992664352f * y * (yy - 3.0f * xx));
    put(10, 2.8906114426405538f * (x * y) * z);
    put(11, 0.45704579946446572f * y * (1.0f - 5.0f * zz));
    put(12, 0.3731763325901154f * z * (5.0f * zz - 3.0f));
    put(13, 0.45704579946446572f * x * (1.0f - 5.0f * zz));
    put(14, 1.4453057213202769f * z * (xx - yy));
    put(15, 0.59004358992664352f * x * (3.0f * yy - xx));
}

}  // namespace
}  // namespace emogene
