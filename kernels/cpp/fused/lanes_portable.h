// Vectors of four floats in the compiler's own notation: SSE on x86, NEON on ARM, and something
// that works everywhere else. The other `lanes_*.h` give the same names for wider vectors.
//
// F, I and U are floats, signed and unsigned integers; M is a mask. Arithmetic is written with the
// ordinary operators. Everything is in an unnamed namespace so that what one instruction set needs
// can never be linked into another.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "products.h"

#define EMOGENE_LANES static inline __attribute__((always_inline))

namespace emogene {
namespace {

template <int N>
struct VectorTypes {
    typedef float F __attribute__((vector_size(4 * N)));
    typedef int32_t I __attribute__((vector_size(4 * N)));
    typedef uint32_t U __attribute__((vector_size(4 * N)));
};

typedef float Quad __attribute__((vector_size(16)));

template <int N>
struct CommonLanes : VectorTypes<N> {
    static constexpr int kWidth = N;
    using typename VectorTypes<N>::F;
    using typename VectorTypes<N>::I;

    EMOGENE_LANES F load(const float* p) {
        F v;
        memcpy(&v, p, sizeof v);
        return v;
    }
    EMOGENE_LANES I load(const int32_t* p) {
        I v;
        memcpy(&v, p, sizeof v);
        return v;
    }
    EMOGENE_LANES void store(float* p, F v) { memcpy(p, &v, sizeof v); }
    EMOGENE_LANES void store(int32_t* p, I v) { memcpy(p, &v, sizeof v); }
    EMOGENE_LANES F set(float x) { return x - F{}; }
    EMOGENE_LANES I set(int32_t x) { return x - I{}; }
    EMOGENE_LANES F to_float(I v) { return __builtin_convertvector(v, F); }
    EMOGENE_LANES I truncate(F v) { return __builtin_convertvector(v, I); }

    // Whether there are instructions that load from as many places as there are lanes. Whether they
    // are also quick is another matter (`gathers_pay`).
    static constexpr bool kGathers = false;

    // bytes[index[i]] for every lane, by scalar loads.
    EMOGENE_LANES I pick(const uint8_t* bytes, I index) {
        int32_t at[N], out[N];
        store(at, index);
        for (int i = 0; i < N; ++i) out[i] = bytes[at[i]];
        return load(out);
    }
};

// What masks are where the processor has no registers for them: lanes of all ones or zeros.
template <int N>
struct WideMaskLanes : CommonLanes<N> {
    using typename CommonLanes<N>::F;
    using typename CommonLanes<N>::I;
    using M = I;

    EMOGENE_LANES M none() { return M{}; }
    EMOGENE_LANES M less(F a, F b) { return (M)(a < b); }
    EMOGENE_LANES M less(I a, I b) { return (M)(a < b); }
    EMOGENE_LANES M equal(I a, I b) { return (M)(a == b); }
    EMOGENE_LANES M equal(F a, F b) { return (M)(a == b); }
    EMOGENE_LANES F select(M m, F a, F b) { return m ? a : b; }
    EMOGENE_LANES I select(M m, I a, I b) { return m ? a : b; }
};

struct Portable : WideMaskLanes<4> {
    static constexpr int kNeurons = 4, kWidest = 4;   // of a block, and of a layer's last one
    static constexpr Products kProducts = Products::kFloats;
    static constexpr bool kHalves = false;

    EMOGENE_LANES M first(int n) { return (M)((I){0, 1, 2, 3} < set(int32_t(n))); }
    EMOGENE_LANES M from_bits(uint32_t b) {
        const I one = {1, 2, 4, 8};
        return (M)((set(int32_t(b)) & one) == one);
    }
    EMOGENE_LANES uint32_t bits(M m) {
        const I kept = m & (I){1, 2, 4, 8};
        return static_cast<uint32_t>(kept[0] | kept[1] | kept[2] | kept[3]);
    }
    EMOGENE_LANES F multiply_add(F a, F b, F c) { return a * b + c; }
    EMOGENE_LANES Quad multiply_add_quad(Quad a, Quad b, Quad c) { return a * b + c; }
    EMOGENE_LANES F smaller(F a, F b) { return a < b ? a : b; }
    EMOGENE_LANES F larger(F a, F b) { return a > b ? a : b; }
    EMOGENE_LANES F root(F a) { return F{sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
    EMOGENE_LANES F about_reciprocal(F a) { return 1.0f / a; }

    // Writes the lanes of the mask side by side; what lies behind them, up to a whole vector, is
    // overwritten too.
    EMOGENE_LANES void compress(float* p, M m, F v) {
        for (int i = 0; i < kWidth; ++i) {
            *p = v[i];
            p += m[i] & 1;
        }
    }
    EMOGENE_LANES void compress(int32_t* p, M m, I v) {
        for (int i = 0; i < kWidth; ++i) {
            *p = v[i];
            p += m[i] & 1;
        }
    }
    // Values that lie side by side to the lanes of the mask; the others become 0.
    EMOGENE_LANES F expand(const float* p, M m) {
        F v = {};
        for (int i = 0; i < kWidth; ++i) {
            v[i] = m[i] ? *p : 0.0f;
            p += m[i] & 1;
        }
        return v;
    }
};

}  // namespace
}  // namespace emogene
