// Numbers of half precision, two in a word.
#pragma once

#include "../cpp/portable.h"

namespace emogene {

struct alignas(8) Floats2 {
    float f[2];
};

// Both numbers of a word, the one in the lower bits first.
#if defined(__CUDACC__)
__device__ __forceinline__ Floats2 floats(uint32_t pair) {
    Floats2 made;
    asm("{.reg .f16 a, b;\n mov.b32 {a, b}, %2;\n cvt.f32.f16 %0, a;\n cvt.f32.f16 %1, b;}"
        : "=f"(made.f[0]), "=f"(made.f[1])
        : "r"(pair));
    return made;
}
#else
inline Floats2 floats(uint32_t pair) {
    _Float16 two[2];
    memcpy(two, &pair, sizeof(two));
    return {{(float)two[0], (float)two[1]}};
}
#endif

}  // namespace emogene
