// Vectors of eight floats: AVX2 and FMA.
#pragma once

#include <immintrin.h>

#include "lanes_portable.h"

namespace emogene {
namespace {

// For each mask of eight lanes, the lanes it keeps side by side, and the way back.
struct LaneOrders {
    uint8_t compress[256][8], expand[256][8];

    constexpr LaneOrders() : compress(), expand() {
        for (int mask = 0; mask < 256; ++mask) {
            int kept = 0;
            for (int lane = 0; lane < 8; ++lane) {
                if (mask >> lane & 1) {
                    compress[mask][kept] = static_cast<uint8_t>(lane);
                    expand[mask][lane] = static_cast<uint8_t>(kept);
                    ++kept;
                }
            }
        }
    }
};

constexpr LaneOrders kOrders;

struct Avx2 : WideMaskLanes<8> {
    static constexpr int kNeurons = 4, kWidest = 4;
    static constexpr Products kProducts = Products::kFloats;
    static constexpr bool kHalves = true;

    EMOGENE_LANES I set(int32_t x) { return (I)_mm256_set1_epi32(x); }
    EMOGENE_LANES F set(float x) { return _mm256_set1_ps(x); }
    EMOGENE_LANES M first(int n) { return (M)((I){0, 1, 2, 3, 4, 5, 6, 7} < set(int32_t(n))); }
    EMOGENE_LANES M from_bits(uint32_t b) {
        const I one = {1, 2, 4, 8, 16, 32, 64, 128};
        return (M)((set(int32_t(b)) & one) == one);
    }
    EMOGENE_LANES uint32_t bits(M m) {
        return static_cast<uint32_t>(_mm256_movemask_ps((__m256)m));
    }
    EMOGENE_LANES F multiply_add(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
    EMOGENE_LANES Quad load_halves(const uint16_t* p) {
        return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
    EMOGENE_LANES Quad multiply_add_quad(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
    EMOGENE_LANES F smaller(F a, F b) { return _mm256_min_ps(a, b); }
    EMOGENE_LANES F larger(F a, F b) { return _mm256_max_ps(a, b); }
    EMOGENE_LANES F root(F a) { return _mm256_sqrt_ps(a); }
    EMOGENE_LANES F about_reciprocal(F a) { return _mm256_rcp_ps(a); }
    EMOGENE_LANES __m256i order(const uint8_t* lanes) {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(lanes)));
    }
    EMOGENE_LANES void compress(float* p, M m, F v) {
        _mm256_storeu_ps(p, _mm256_permutevar8x32_ps(v, order(kOrders.compress[bits(m)])));
    }
    EMOGENE_LANES void compress(int32_t* p, M m, I v) {
        store(p, (I)_mm256_permutevar8x32_epi32((__m256i)v, order(kOrders.compress[bits(m)])));
    }
    EMOGENE_LANES F expand(const float* p, M m) {
        const F all = _mm256_permutevar8x32_ps(load(p), order(kOrders.expand[bits(m)]));
        return (F)((I)all & m);
    }
};

}  // namespace
}  // namespace emogene
