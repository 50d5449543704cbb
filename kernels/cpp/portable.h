// What g++ and NVRTC need to compile the same arithmetic. The headers named after operations hold
// all of it and include nothing else.
#pragma once

#if defined(__CUDACC__)
#define EMOGENE_HD __host__ __device__ __forceinline__
#else
#define EMOGENE_HD inline __attribute__((always_inline))
#endif

#if defined(__CUDACC_RTC__)
using uint8_t = unsigned char;
using int32_t = int;
using uint32_t = unsigned int;
using uint64_t = unsigned long long;
#else
#include <math.h>
#include <stdint.h>
#include <string.h>
#endif

namespace emogene {

// Spelled out because fminf and fmaxf treat NaN otherwise than the comparisons of the reference do.
EMOGENE_HD float smaller(float a, float b) { return a < b ? a : b; }
EMOGENE_HD float larger(float a, float b) { return a > b ? a : b; }

struct Vec3 {
    float x, y, z;
};

EMOGENE_HD Vec3 load(const float* p) { return {p[0], p[1], p[2]}; }

EMOGENE_HD void store(float* p, Vec3 v) {
    p[0] = v.x;
    p[1] = v.y;
    p[2] = v.z;
}

// The point at distance t along a ray.
EMOGENE_HD Vec3 along(Vec3 origin, Vec3 direction, float t) {
    return {origin.x + t * direction.x, origin.y + t * direction.y, origin.z + t * direction.z};
}

}  // namespace emogene
