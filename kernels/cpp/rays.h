// Rays through the centres of pixels, in head space.
#pragma once

#include "portable.h"

namespace emogene {

struct Pinhole {
    float focal, cx, cy;  // pixels
};

// The camera's place in head space: -R^T t, for a camera-from-head pose [R | t], row by row.
EMOGENE_HD Vec3 camera_centre(const float* pose) {
    const float* r = pose;
    const float tx = pose[3], ty = pose[7], tz = pose[11];
    return {-(r[0] * tx + r[4] * ty + r[8] * tz), -(r[1] * tx + r[5] * ty + r[9] * tz),
            -(r[2] * tx + r[6] * ty + r[10] * tz)};
}

// Unit direction R^T ((u - cx) / focal, (v - cy) / focal, 1) through image point (u, v).
EMOGENE_HD Vec3 ray_direction(const float* pose, Pinhole camera, float u, float v) {
    const float* r = pose;
    const float x = (u - camera.cx) / camera.focal;
    const float y = (v - camera.cy) / camera.focal;
    const float dx = r[0] * x + r[4] * y + r[8];
    const float dy = r[1] * x + r[5] * y + r[9];
    const float dz = r[2] * x + r[6] * y + r[10];
    const float scale = 1.0f / sqrtf(dx * dx + dy * dy + dz * dz);
    return {dx * scale, dy * scale, dz * scale};
}

}  // namespace emogene
