// Which implementations there are, and which of them this processor can run.
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "../emogene_fused.h"
#include "handle.h"

namespace emogene {
namespace {

const Instructions* const kAll[] = {
    &kBaseline,
#if defined(EMOGENE_HAS_AVX2)
    &kAvx2,
#endif
#if defined(EMOGENE_HAS_AVX512)
    &kAvx512,
#endif
#if defined(EMOGENE_HAS_AVX512BF16)
    &kAvx512Bf16,
#endif
#if defined(EMOGENE_HAS_AMX)
    &kAmx,
#endif
};

constexpr int32_t kCount = sizeof(kAll) / sizeof(kAll[0]);

#if defined(__x86_64__)

// Whether processor and system have tiles of bfloat16, and this process may use them: a thread that
// does has 8 KB more to save, so Linux wants to be asked.
bool tiles_work() {
#if defined(__linux__)
    constexpr unsigned kBfloat16 = 1u << 22, kTiles = 1u << 24;
    constexpr long kAsk = 0x1023, kTileData = 18;   // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
    unsigned a, b, c, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    if ((d & kBfloat16) == 0 || (d & kTiles) == 0) return false;
    return syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
#else
    return false;
#endif
}

// The compiler's run-time support asks the processor, and whether the system saves its registers.
bool works(const Instructions* run) {
    __builtin_cpu_init();
    unsigned a, b, c = 0, d;
    const bool f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
    const bool avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    (void)avx512;
#if defined(EMOGENE_HAS_AVX2)
    if (run == &kAvx2) return avx2;
#endif
#if defined(EMOGENE_HAS_AVX512)
    if (run == &kAvx512) return avx512;
#endif
#if defined(EMOGENE_HAS_AVX512BF16)
    if (run == &kAvx512Bf16) return avx512 && __builtin_cpu_supports("avx512bf16");
#endif
#if defined(EMOGENE_HAS_AMX)
    if (run == &kAmx) return avx512 && tiles_work();
#endif
    return true;
}

// Whether its networks run faster than those of the one before. Measured GFLOP/s a core, bfloat16
// against float32: 120 and 246 on an Intel Xeon, 231 and 117 on an AMD EPYC. Told by the maker and
// not by a timing, which could fall out otherwise the next time and give other frames.
bool pays(const Instructions* run) {
    return run->products != Products::kPairs || !__builtin_cpu_is("intel");
}

// AMD's are slow, and so are Intel's up to Ice Lake since microcode closed a leak in them; the
// first without the leak are the first with half-precision arithmetic.
bool quick_gathers() {
    unsigned a, b, c, d = 0;
    const bool halves = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 23 & 1) != 0;
    return __builtin_cpu_is("intel") && halves;
}

#else

bool works(const Instructions*) { return true; }
bool pays(const Instructions*) { return true; }
bool quick_gathers() { return false; }

#endif

}  // namespace

const Instructions* instructions_at(int32_t index) {
    return index >= 0 && index < kCount ? kAll[index] : nullptr;
}

bool gathers_pay() { return quick_gathers(); }

}  // namespace emogene

extern "C" const char* emogene_instructions_name(int32_t index) {
    const emogene::Instructions* run = emogene::instructions_at(index);
    return run != nullptr ? run->name : nullptr;
}

extern "C" int32_t emogene_instructions_work(int32_t index) {
    const emogene::Instructions* run = emogene::instructions_at(index);
    return run != nullptr && emogene::works(run);
}

extern "C" int32_t emogene_instructions_best(void) {
    int32_t best = 0;
    for (int32_t i = 0; i < emogene::kCount; ++i)
        if (emogene::works(emogene::kAll[i]) && emogene::pays(emogene::kAll[i])) best = i;
    return best;
}
