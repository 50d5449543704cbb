// Where a ray enters and leaves an axis-parallel box.
#pragma once

#include "portable.h"

namespace emogene {

struct Interval {
    float near, far;  // far < near: the ray misses
};

// Narrows the interval to the slab [low, high] of one axis. A ray parallel to the slab is either
// inside for good or misses; dividing by its zero would give NaN where it runs on the boundary.
EMOGENE_HD Interval clip_slab(Interval in, float origin, float direction, float low, float high) {
    if (direction == 0.0f) {
        if (origin < low || origin > high) in.far = -1.0f;
        return in;
    }
    const float a = (low - origin) / direction;
    const float b = (high - origin) / direction;
    return {larger(in.near, smaller(a, b)), smaller(in.far, larger(a, b))};
}

EMOGENE_HD Interval box_interval(Vec3 origin, Vec3 direction, Vec3 low, Vec3 high, float min_near) {
    Interval i = {min_near, 3.0e38f};
    i = clip_slab(i, origin.x, direction.x, low.x, high.x);
    i = clip_slab(i, origin.y, direction.y, low.y, high.y);
    return clip_slab(i, origin.z, direction.z, low.z, high.z);
}

}  // namespace emogene
