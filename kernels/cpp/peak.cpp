// The most a processor can do, for benchmarks: multiply-adds in registers, loads of grid entries at
// random places, and widening of numbers in half precision. Each function does a known amount of work; the caller takes the time.
#include "peak.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace emogene {
namespace {

// All loops over sums are unrolled, or GCC keeps the sums in memory. The empty assembler text keeps
// it from folding the rounds: it must believe that a register changed.
#define EMOGENE_KEEP(v) __asm__ volatile("" : "+v"(v))

typedef float Four __attribute__((vector_size(16)));

float plain_multiply_adds(int64_t rounds) {
    constexpr int kSums = 12;   // enough to hide the latency of each
    Four sum[kSums], factor = {0.5f, 0.5f, 0.5f, 0.5f};
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) sum[j] = factor;
    for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int j = 0; j < kSums; ++j) sum[j] = sum[j] * factor + factor;
    float total = 0.0f;
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) total += sum[j][0];
    return total;
}

#if defined(EMOGENE_HAS_AVX2)
__attribute__((target("avx2,fma"))) float avx2_multiply_adds(int64_t rounds) {
    __m256 sum[12], factor = _mm256_set1_ps(0.5f);
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) sum[j] = factor;
    for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int j = 0; j < 12; ++j) {
            sum[j] = _mm256_fmadd_ps(sum[j], factor, factor);
            EMOGENE_KEEP(sum[j]);
        }
    float total = 0.0f;
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) total += sum[j][0];
    return total;
}
#endif

#if defined(EMOGENE_HAS_AVX512)
__attribute__((target("avx512f"))) float avx512_multiply_adds(int64_t rounds) {
    __m512 sum[12], factor = _mm512_set1_ps(0.5f);
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) sum[j] = factor;
    for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int j = 0; j < 12; ++j) {
            sum[j] = _mm512_fmadd_ps(sum[j], factor, factor);
            EMOGENE_KEEP(sum[j]);
        }
    float total = 0.0f;
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) total += sum[j][0];
    return total;
}
#endif

#if defined(EMOGENE_HAS_AVX512BF16)
__attribute__((target("avx512f,avx512bf16"))) float avx512bf16_multiply_adds(int64_t rounds) {
    __m512 sum[24];
#pragma GCC unroll 24
    for (int j = 0; j < 24; ++j) sum[j] = _mm512_set1_ps(0.5f);
    const __m512bh factor = (__m512bh)_mm512_set1_epi16(0x3c00);
    for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 24
        for (int j = 0; j < 24; ++j) {
            sum[j] = _mm512_dpbf16_ps(sum[j], factor, factor);
            EMOGENE_KEEP(sum[j]);
        }
    float total = 0.0f;
#pragma GCC unroll 24
    for (int j = 0; j < 24; ++j) total += sum[j][0];
    return total;
}
#endif

#if defined(EMOGENE_HAS_AMX)
__attribute__((target("amx-tile,amx-bf16"))) float amx_multiply_adds(int64_t rounds) {
    alignas(64) uint8_t configuration[64] = {1};   // the palette
    for (int tile = 0; tile < 8; ++tile) {
        configuration[16 + 2 * tile] = 64;   // bytes of a row
        configuration[48 + tile] = 16;       // rows
    }
    _tile_loadconfig(configuration);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (int64_t r = 0; r < rounds; ++r) {
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 5);
        _tile_dpbf16ps(2, 4, 5);
        _tile_dpbf16ps(3, 4, 5);
    }
    alignas(64) float sums[256];
    _tile_stored(0, sums, 64);
    _tile_release();
    return sums[0];
}
#endif

#if defined(EMOGENE_HAS_AVX2)
__attribute__((target("avx2"))) uint64_t avx2_gathers(const uint64_t* table, const uint32_t* places,
                                                      int64_t count) {
    __m256i sum = _mm256_setzero_si256();
    const auto* words = reinterpret_cast<const long long*>(table);
    for (int64_t i = 0; i + 4 <= count; i += 4) {
        const __m128i at = _mm_loadu_si128(reinterpret_cast<const __m128i*>(places + i));
        // For zeros, as the renderer gathers: so that one does not wait for another.
        sum = _mm256_add_epi64(sum, _mm256_mask_i32gather_epi64(_mm256_setzero_si256(), words, at,
                                                                _mm256_set1_epi64x(-1), 8));
    }
    return static_cast<uint64_t>(_mm256_extract_epi64(sum, 0));
}

__attribute__((target("avx2,f16c"))) float avx2_widenings(const uint16_t* halves, int64_t count) {
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    const auto widened = [&](int64_t i) __attribute__((target("avx2,f16c"))) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves + i)));
    };
    for (int64_t i = 0; i + 32 <= count; i += 32) {
        a = _mm256_add_ps(a, widened(i));
        b = _mm256_add_ps(b, widened(i + 8));
        c = _mm256_add_ps(c, widened(i + 16));
        d = _mm256_add_ps(d, widened(i + 24));
    }
    return _mm256_cvtss_f32(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
}
#endif

#if defined(EMOGENE_HAS_AVX512)
__attribute__((target("avx512f"))) uint64_t avx512_gathers(const uint64_t* table,
                                                           const uint32_t* places, int64_t count) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t i = 0; i + 8 <= count; i += 8) {
        const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(places + i));
        sum = _mm512_add_epi64(
            sum, _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff, at, table, 8));
    }
    return static_cast<uint64_t>(_mm512_reduce_add_epi64(sum));
}

__attribute__((target("avx512f"))) float avx512_widenings(const uint16_t* halves, int64_t count) {
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    const auto widened = [&](int64_t i) __attribute__((target("avx512f"))) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves + i)));
    };
    for (int64_t i = 0; i + 64 <= count; i += 64) {
        a = _mm512_add_ps(a, widened(i));
        b = _mm512_add_ps(b, widened(i + 16));
        c = _mm512_add_ps(c, widened(i + 32));
        d = _mm512_add_ps(d, widened(i + 48));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}
#endif

struct Peak {
    const char* name;
    float (*run)(int64_t rounds);
    int64_t multiply_adds;   // a round
    uint64_t (*gather)(const uint64_t* table, const uint32_t* places, int64_t count);
    float (*widen)(const uint16_t* halves, int64_t count);
};

const Peak kPeaks[] = {
    {"baseline", plain_multiply_adds, 12 * 4, nullptr, nullptr},
#if defined(EMOGENE_HAS_AVX2)
    {"avx2", avx2_multiply_adds, 12 * 8, avx2_gathers, avx2_widenings},
#endif
#if defined(EMOGENE_HAS_AVX512)
    {"avx512", avx512_multiply_adds, 12 * 16, avx512_gathers, avx512_widenings},
#endif
#if defined(EMOGENE_HAS_AVX512BF16)
    {"avx512bf16", avx512bf16_multiply_adds, 24 * 32, avx512_gathers, avx512_widenings},
#endif
#if defined(EMOGENE_HAS_AMX)
    {"amx", amx_multiply_adds, 4 * 16 * 16 * 32, avx512_gathers, avx512_widenings},
#endif
};

volatile float kept_sum;
volatile uint64_t kept_word;

const Peak* found(const char* instructions) {
    for (const Peak& peak : kPeaks)
        if (std::strcmp(peak.name, instructions) == 0) return &peak;
    return nullptr;
}

}  // namespace
}  // namespace emogene

extern "C" int64_t emogene_peak_multiply_adds(const char* instructions, int64_t rounds) {
    const emogene::Peak* peak = emogene::found(instructions);
    if (peak == nullptr) return 0;
    emogene::kept_sum = peak->run(rounds);
    return rounds * peak->multiply_adds;
}

extern "C" int64_t emogene_peak_gathers(const char* instructions, const uint64_t* table,
                                        const uint32_t* places, int64_t count, int64_t rounds) {
    const emogene::Peak* peak = emogene::found(instructions);
    if (peak == nullptr || peak->gather == nullptr) return 0;
    for (int64_t r = 0; r < rounds; ++r) emogene::kept_word = peak->gather(table, places, count);
    return rounds * (count / 8 * 8);
}

extern "C" int64_t emogene_peak_widenings(const char* instructions, const uint16_t* halves,
                                          int64_t count, int64_t rounds) {
    const emogene::Peak* peak = emogene::found(instructions);
    if (peak == nullptr || peak->widen == nullptr) return 0;
    for (int64_t r = 0; r < rounds; ++r) emogene::kept_sum = peak->widen(halves, count);
    return rounds * (count / 64 * 64);
}

extern "C" void emogene_peak_loads(const uint64_t* table, const uint32_t* places, int64_t count,
                                   int64_t rounds) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (int64_t r = 0; r < rounds; ++r)
        for (int64_t i = 0; i + 4 <= count; i += 4) {
            a += table[places[i]];
            b += table[places[i + 1]];
            c += table[places[i + 2]];
            d += table[places[i + 3]];
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        }
    emogene::kept_word = a + b + c + d;
}
