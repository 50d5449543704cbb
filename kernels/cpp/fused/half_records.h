// Reading tables of half-precision records. A record holds an entry together with its neighbours
// along y, or along y and z; two records side by side are all the corners of a cell, so a sample
// needs one or two cache lines of a level instead of four, and a quarter of the instructions.
#pragma once

#include <immintrin.h>

#include "lanes_portable.h"

namespace emogene {
namespace {

struct HalfRecords {
    // (lower y, upper y) by (feature 0, feature 1), between x and x + 1.
    EMOGENE_LANES Quad plane(const uint16_t* records, float x) {
        const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(records));
        const __m128 low = _mm_cvtph_ps(both), high = _mm_cvtph_ps(_mm_srli_si128(both, 8));
        return _mm_fmadd_ps(_mm_set1_ps(x), _mm_sub_ps(high, low), low);
    }

    // The same, between z and z + 1 as well.
    EMOGENE_LANES Quad volume(const uint16_t* records, float x, float z) {
        const __m128i* at = reinterpret_cast<const __m128i*>(records);
        const __m256 low = _mm256_cvtph_ps(_mm_loadu_si128(at));
        const __m256 high = _mm256_cvtph_ps(_mm_loadu_si128(at + 1));
        const __m256 along = _mm256_fmadd_ps(_mm256_set1_ps(x), _mm256_sub_ps(high, low), low);
        const __m128 front = _mm256_castps256_ps128(along), back = _mm256_extractf128_ps(along, 1);
        return _mm_fmadd_ps(_mm_set1_ps(z), _mm_sub_ps(back, front), front);
    }
};

}  // namespace
}  // namespace emogene
