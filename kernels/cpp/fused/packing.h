// The parts of a model, from the caller's arrays to what an implementation works with. What they
// need lies in the handle from then on.
#pragma once

#include <stdexcept>

#include "handle.h"

namespace emogene {

// Throws std::length_error with `what` unless it fits.
inline void require(bool fits, const char* what) {
    if (!fits) throw std::length_error(what);
}

// A copy of `count` numbers in room for `room`, the rest 0. `from` may be NULL where it has none.
const float* kept_floats(emogene_fused& f, const float* from, size_t count, size_t room);
const uint8_t* kept_bytes(emogene_fused& f, const uint8_t* from, size_t count);

PackedMlp packed_mlp(emogene_fused& f, const emogene_mlp& from);
PackedGrid packed_grid(emogene_fused& f, const emogene_read_grid& from);

// The displacement's nodes that are near something occupied.
void pack_nodes(emogene_fused& f, const emogene_head& from);

// The boxes of kBlock^3 cells that hold an occupied one and are not enclosed by others: a ray into
// an enclosed one meets another first.
void list_boxes(emogene_fused& f);

// Chebyshev distances of all cells from the nearest occupied one, 255 at most.
void pack_clear(emogene_fused& f);

}  // namespace emogene
