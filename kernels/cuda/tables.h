// Grid tables in float32 or in halves, which take half the bytes.
#pragma once

#include "halves.h"
#include "unroll.h"

namespace emogene {

// The F features of an entry, whose first is the tables' number `first`.
template <int F>
EMOGENE_HD void load_entry(const float* tables, uint64_t first, float* entry) {
    EMOGENE_UNROLL
    for (int f = 0; f < F; ++f) entry[f] = tables[first + f];
}

// Two numbers a word, the first in the lower bits.
struct HalfTables {
    const uint32_t* words;
};

template <int F>
EMOGENE_HD void load_entry(HalfTables tables, uint64_t first, float* entry) {
    if (F % 2 != 0) {
        EMOGENE_UNROLL
        for (int f = 0; f < F; ++f)
            entry[f] = floats(tables.words[(first + f) / 2]).f[(first + f) % 2];
        return;
    }
    EMOGENE_UNROLL
    for (int f = 0; f < F; f += 2) {
        const Floats2 pair = floats(tables.words[first / 2 + f / 2]);
        entry[f] = pair.f[0], entry[f + 1] = pair.f[1];
    }
}

template <bool Halves>
struct TablesOf {
    using Type = const float*;
};
template <>
struct TablesOf<true> {
    using Type = HalfTables;
};

EMOGENE_HD void point_at(const void* memory, const float*& tables) {
    tables = static_cast<const float*>(memory);
}
EMOGENE_HD void point_at(const void* memory, HalfTables& tables) {
    tables.words = static_cast<const uint32_t*>(memory);
}

}  // namespace emogene
