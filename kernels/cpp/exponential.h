// exp in plain arithmetic, so that loops over it vectorise and every compiler gives the same.
#pragma once

#include "portable.h"

namespace emogene {

// Within 2 units in the last place of e^x where the result is a normal number; 0 below -87.3, where
// it would not be, and infinity above 88.7. NaN stays NaN.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial (degree 7: relative error below
// 1e-8); 2^n is put into the exponent bits in two halves because n reaches 128.
EMOGENE_HD float exponential(float x) {
    const float low = x < -104.0f ? -104.0f : x;  // spelled so that NaN passes
    const float clamped = low > 104.0f ? 104.0f : low;
    const float n = floorf(clamped * 1.44269504f + 0.5f);
    // ln 2 in two parts: the first has few enough bits for n times it to be exact.
    const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const int32_t whole = (int32_t)smaller(larger(n, -151.0f), 151.0f);  // NaN: any number will do
    const int32_t half = whole >> 1;
    const int32_t bits_a = x < -87.3f ? 0 : (half + 127) << 23;  // 0: the float 0
    const int32_t bits_b = (whole - half + 127) << 23;
    float a, b;
    memcpy(&a, &bits_a, 4);
    memcpy(&b, &bits_b, 4);
    return p * a * b;
}

}  // namespace emogene
