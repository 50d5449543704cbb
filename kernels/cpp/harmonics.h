// Real spherical harmonics of a unit direction.
#pragma once

#include "portable.h"

namespace emogene {

// Writes degree^2 coefficients, degree 1 to 4: bands 0 to degree - 1, orders -l to l within a band,
// with the Condon-Shortley sign, as instant-ngp and the published head fields have them.
EMOGENE_HD void spherical_harmonics(Vec3 d, int degree, float* out) {
    const float x = d.x, y = d.y, z = d.z;
    out[0] = 0.28209479177387814f;  // 1/2 sqrt(1 / pi)
    if (degree < 2) return;
    out[1] = -0.48860251190291987f * y;  // sqrt(3 / 4 pi)
    out[2] = 0.48860251190291987f * z;
    out[3] = -0.48860251190291987f * x;
    if (degree < 3) return;
    const float xx = x * x, yy = y * y, zz = z * z;
    out[4] = 1.0925484305920792f * (x * y);  // 1/2 sqrt(15 / pi)
    out[5] = -1.0925484305920792f * (y * z);
    out[6] = 0.94617469575755997f * zz - 0.31539156525251999f;  // 1/4 sqrt(5 / pi) (3 zz - 1)
    out[7] = -1.0925484305920792f * (x * z);
    out[8] = 0.54627421529603959f * (xx - yy);  // 1/4 sqrt(15 / pi)
    if (degree < 4) return;
    out[9] = 0.59004358992664352f * y * (yy - 3.0f * xx);  // 1/4 sqrt(35 / 2 pi)
    out[10] = 2.8906114426405538f * (x * y) * z;           // 1/2 sqrt(105 / pi)
    out[11] = 0.45704579946446572f * y * (1.0f - 5.0f * zz);  // 1/4 sqrt(21 / 2 pi)
    out[12] = 0.3731763325901154f * z * (5.0f * zz - 3.0f);   // 1/4 sqrt(7 / pi)
    out[13] = 0.45704579946446572f * x * (1.0f - 5.0f * zz);
    out[14] = 1.4453057213202769f * z * (xx - yy);            // 1/4 sqrt(105 / pi)
    out[15] = 0.59004358992664352f * x * (3.0f * yy - xx);
}

}  // namespace emogene
