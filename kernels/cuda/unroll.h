// Whether a loop is unrolled; g++ decides for itself.
#pragma once

#if defined(__CUDACC__)
#define EMOGENE_UNROLL _Pragma("unroll")
#define EMOGENE_ROLLED _Pragma("unroll 1")
#else
#define EMOGENE_UNROLL
#define EMOGENE_ROLLED
#endif
