// Numbers that two processes look at, in memory that both have mapped: everything written before a
// store is seen by whoever loads what was stored. Python itself makes no such promise.
#include "shared.h"

void emogene_shared_store(uint64_t* at, uint64_t value) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint64_t emogene_shared_load(const uint64_t* at) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    const uint64_t value = __atomic_load_n(at, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return value;
}
