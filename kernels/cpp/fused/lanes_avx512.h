// Vectors of sixteen floats: AVX-512 (F, BW, DQ, VL), and with bfloat16 products.
#pragma once

#include <immintrin.h>

#include "lanes_portable.h"

namespace emogene {
namespace {

struct Avx512 : CommonLanes<16> {
    static constexpr int kNeurons = 8, kWidest = 9;
    static constexpr Products kProducts = Products::kFloats;
    static constexpr bool kHalves = true, kGathers = true;
    using M = __mmask16;

    EMOGENE_LANES I set(int32_t x) { return (I)_mm512_set1_epi32(x); }
    EMOGENE_LANES F set(float x) { return _mm512_set1_ps(x); }
    EMOGENE_LANES M none() { return 0; }
    EMOGENE_LANES M first(int n) { return n >= 16 ? M(0xffff) : M((1u << n) - 1u); }
    EMOGENE_LANES M from_bits(uint32_t b) { return M(b); }
    EMOGENE_LANES uint32_t bits(M m) { return m; }
    EMOGENE_LANES M less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
    EMOGENE_LANES M less(I a, I b) { return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b); }
    EMOGENE_LANES M equal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
    EMOGENE_LANES M equal(I a, I b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
    EMOGENE_LANES F select(M m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }
    EMOGENE_LANES I select(M m, I a, I b) {
        return (I)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
    }
    EMOGENE_LANES F multiply_add(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
    EMOGENE_LANES Quad load_halves(const uint16_t* p) {
        return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
    EMOGENE_LANES Quad multiply_add_quad(Quad a, Quad b, Quad c) { return _mm_fmadd_ps(a, b, c); }
    EMOGENE_LANES F smaller(F a, F b) { return _mm512_min_ps(a, b); }
    EMOGENE_LANES F larger(F a, F b) { return _mm512_max_ps(a, b); }
    EMOGENE_LANES F root(F a) { return _mm512_sqrt_ps(a); }
    EMOGENE_LANES F about_reciprocal(F a) { return _mm512_rcp14_ps(a); }
    // Compressed in the register and stored whole: a compressing store is slow on AMD.
    EMOGENE_LANES void compress(float* p, M m, F v) { store(p, _mm512_maskz_compress_ps(m, v)); }
    EMOGENE_LANES void compress(int32_t* p, M m, I v) {
        store(p, (I)_mm512_maskz_compress_epi32(m, (__m512i)v));
    }
    EMOGENE_LANES F expand(const float* p, M m) { return _mm512_maskz_expand_ps(m, load(p)); }

    // As `pick`, in one instruction, which reads three bytes more.
    EMOGENE_LANES I gather(const uint8_t* bytes, I index) {
        return (I)_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, (__m512i)index, bytes,
                                              1) & 0xff;
    }
    // Eight words of eight bytes at `halves + 2 * index`. A gather keeps the lanes it does not load, so
    // it waits for what its register held before; for zeros, it need not wait.
    EMOGENE_LANES __m512i gather_words(const uint16_t* halves, __m256i index) {
        return _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff, index, halves, 4);
    }
    // The order that `gather_pairs` wants its indices in.
    EMOGENE_LANES I gather_order(I index) {
        const __m512i order =
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        return (I)_mm512_permutexvar_epi32(order, (__m512i)index);
    }
    // Sixteen pairs of entries at `halves + 2 * index`, four values each, widened: those of sample
    // 4 g + v come to group g (of four lanes) of vector v.
    EMOGENE_LANES void gather_pairs(const uint16_t* halves, I ordered, F (&out)[4]) {
        const __m512i at = (__m512i)ordered;
        const __m512i a = gather_words(halves, _mm512_castsi512_si256(at));
        const __m512i b = gather_words(halves, _mm512_extracti64x4_epi64(at, 1));
        out[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(a));
        out[1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(a, 1));
        out[2] = _mm512_cvtph_ps(_mm512_castsi512_si256(b));
        out[3] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(b, 1));
    }
    // Lane `V` of each group of four to the whole group.
    template <int V>
    EMOGENE_LANES F spread(F v) {
        return _mm512_permute_ps(v, V * 0x55);
    }
    // Transposes the 4 x 4 values of every group: value v of group g of vector s to lane 4 g + s of
    // vector v.
    EMOGENE_LANES void transpose_groups(F (&v)[4]) {
        const __m512d ab = (__m512d)_mm512_unpacklo_ps(v[0], v[1]);
        const __m512d cd = (__m512d)_mm512_unpacklo_ps(v[2], v[3]);
        const __m512d ab_high = (__m512d)_mm512_unpackhi_ps(v[0], v[1]);
        const __m512d cd_high = (__m512d)_mm512_unpackhi_ps(v[2], v[3]);
        v[0] = (F)_mm512_unpacklo_pd(ab, cd);
        v[1] = (F)_mm512_unpackhi_pd(ab, cd);
        v[2] = (F)_mm512_unpacklo_pd(ab_high, cd_high);
        v[3] = (F)_mm512_unpackhi_pd(ab_high, cd_high);
    }
};

#if defined(__AVX512BF16__)

struct Avx512Bf16 : Avx512 {
    // Used where AMD made the processor, whose gathers are slow.
    static constexpr Products kProducts = Products::kPairs;
    static constexpr bool kGathers = false;

    // Lane i holds bfloat16 of low[i] in its lower and of high[i] in its upper half.
    EMOGENE_LANES I pair(F low, F high) {
        const __m512i order = _mm512_set_epi16(
            31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
            4, 19, 3, 18, 2, 17, 1, 16, 0);
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        return (I)_mm512_permutexvar_epi16(order, both);
    }
    EMOGENE_LANES F multiply_add_pairs(I a, I b, F c) {
        return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
    }
};

#endif

}  // namespace
}  // namespace emogene
