/* Numbers in memory that two processes have mapped; see kernels/shared.py. */
#pragma once

#include "emogene_kernels.h"

extern "C" {

/* Writes `value` at `at`, a multiple of 8, after everything that was written before. */
EMOGENE_API void emogene_shared_store(uint64_t* at, uint64_t value);

/* The number at `at`, before everything that is read afterwards. */
EMOGENE_API uint64_t emogene_shared_load(const uint64_t* at);

}
