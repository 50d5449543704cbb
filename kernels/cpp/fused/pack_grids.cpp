// Tables of grids, in half precision where that is exact.
#include <cmath>

#include "../encode_loops.h"
#include "packing.h"

namespace emogene {
namespace {

// The half-precision number that is exactly `value`; false if there is none.
bool half_of(float value, uint16_t* half) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size < 0x38800000u) {   // below 2^-14: whole multiples of 2^-24
        const float scaled = std::fabs(value) * 16777216.0f;
        const uint32_t whole = static_cast<uint32_t>(scaled);
        *half = static_cast<uint16_t>(sign | whole);
        return static_cast<float>(whole) == scaled;
    }
    *half = static_cast<uint16_t>(sign | (size - 0x38000000u) >> 13);
    return size < 0x47800000u && (size & 0x1fffu) == 0;   // below 2^16
}

// Keeps a level of two features in half precision, if that is exact.
bool pack_halves(emogene_fused& f, const float* source, size_t count, PackedLevel& to) {
    Memory<uint32_t> packed = zeroed<uint32_t>(count / 2 + 1);
    uint16_t* halves = reinterpret_cast<uint16_t*>(packed.get());
    for (size_t i = 0; i < count + 2; ++i)
        if (!half_of(source[i < count ? i : i - count], halves + i)) return false;
    to.halves = halves;
    f.words.push_back(std::move(packed));
    return true;
}

template <int D>
void pack_levels(emogene_fused& f, const emogene_read_grid& from, PackedGrid& grid) {
    const std::vector<Level<D>> levels = prepared_levels<D>(from.grid);
    const size_t width = static_cast<size_t>(grid.features);
    for (size_t i = 0; i < levels.size(); ++i) {
        const Level<D>& level = levels[i];
        PackedLevel& to = grid.level[i];
        to.scale = level.scale;
        double largest = 0.0;
        for (int d = 0; d < D; ++d) {
            to.strides[d] = level.strides[d];
            largest += (std::floor(level.scale + 0.5f) + 1.0) * level.strides[d];
        }
        to.size = level.size;
        to.wrap = level.wrap;
        to.reciprocal = level.reciprocal;
        // Beyond 2^32 an index may wrap between an entry and its neighbour.
        to.pairs = grid.features == 2 && level.strides[0] == 1 && largest < 4294967295.0;
        const size_t count = level.size * width;
        const float* source = from.table + level.first * width;
        if (to.pairs && f.run->halves && pack_halves(f, source, count, to)) {
            // A gather's indices are signed.
            to.gathered = f.model.head.gathers && largest < 2147483647.0;
            continue;
        }
        Memory<float> entries = zeroed<float>(count + width);
        std::memcpy(entries.get(), source, count * sizeof(float));
        std::memcpy(entries.get() + count, entries.get(), width * sizeof(float));
        to.entries = entries.get();
        f.floats.push_back(std::move(entries));
    }
}

}  // namespace

PackedGrid packed_grid(emogene_fused& f, const emogene_read_grid& from) {
    require(from.grid.levels >= 1 && from.grid.levels <= kMostLevels, "levels of a grid");
    PackedGrid grid = {};
    grid.dimensions = from.grid.dimensions;
    grid.features = from.grid.features;
    grid.levels = from.grid.levels;
    grid.read_at = static_cast<ReadAt>(from.read_at);
    if (grid.dimensions == 2)
        pack_levels<2>(f, from, grid);
    else
        pack_levels<3>(f, from, grid);
    return grid;
}

}  // namespace emogene
