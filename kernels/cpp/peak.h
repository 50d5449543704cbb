/* What a processor can do at most; see kernels/peak.py. */
#pragma once

#include "emogene_kernels.h"

extern "C" {

/* Multiply-adds in registers with the named instruction set, which the processor must have; the
   widest and, for avx512bf16 and amx, bfloat16 products with float32 sums. Returns how many were done, 0
   where the library was not compiled for it. */
EMOGENE_API int64_t emogene_peak_multiply_adds(const char* instructions, int64_t rounds);

/* `rounds` times the words of `table` at `count` places, a multiple of 4. */
EMOGENE_API void emogene_peak_loads(const uint64_t* table, const uint32_t* places, int64_t count,
                                    int64_t rounds);

/* The same by the named set's instruction that loads from many places. Returns how many loads were
   done, 0 where the set has none. */
EMOGENE_API int64_t emogene_peak_gathers(const char* instructions, const uint64_t* table,
                                         const uint32_t* places, int64_t count, int64_t rounds);

/* `rounds` times `count` numbers of half precision, a multiple of 64, widened and added up. Returns how
   many there were, 0 where the set has no instruction for it. */
EMOGENE_API int64_t emogene_peak_widenings(const char* instructions, const uint16_t* halves,
                                           int64_t count, int64_t rounds);

}
