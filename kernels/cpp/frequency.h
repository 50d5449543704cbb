// Position encoding by sines and cosines of octaves.
#pragma once

#include "portable.h"

namespace emogene {

// Writes p, then sin(2^k f p) and cos(2^k f p) for k < octaves: 2 + 4 octaves values.
EMOGENE_HD void frequency_encode(float x, float y, int octaves, float* out,
                                 float frequency = 3.14159265358979f) {
    out[0] = x;
    out[1] = y;
    for (int k = 0; k < octaves; ++k, frequency *= 2.0f) {
        float* at = out + 2 + 4 * k;
        at[0] = sinf(frequency * x);
        at[1] = sinf(frequency * y);
        at[2] = cosf(frequency * x);
        at[3] = cosf(frequency * y);
    }
}

}  // namespace emogene
