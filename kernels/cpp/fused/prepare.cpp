// From the caller's arrays to what an implementation works with.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "../encode_loops.h"
#include "../host.h"
#include "handle.h"

namespace emogene {
namespace {

void require(bool fits, const char* what) {
    if (!fits) throw std::length_error(what);
}

const float* kept_floats(emogene_fused& f, const float* from, size_t count, size_t room) {
    Memory<float> copy = zeroed<float>(room);
    if (count != 0) std::memcpy(copy.get(), from, count * sizeof(float));   // `from` may be NULL
    f.floats.push_back(std::move(copy));
    return f.floats.back().get();
}

const uint8_t* kept_bytes(emogene_fused& f, const uint8_t* from, size_t count) {
    Memory<uint8_t> copy = zeroed<uint8_t>(count);
    std::memcpy(copy.get(), from, count);
    f.bytes.push_back(std::move(copy));
    return f.bytes.back().get();
}

uint32_t bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if (std::isnan(value)) return bits >> 16 | 64u;   // stays NaN
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;   // to the nearest, ties to even
}

float from_bfloat16(uint32_t half) {
    const uint32_t bits = half << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

// Tiles of 16 neurons x 32 inputs, the high halves and the low ones; `weight(neuron, input)`.
template <class Weight>
void pack_tiles(emogene_fused& f, int32_t inputs, int32_t outputs, const Weight& weight,
                PackedLayer& layer) {
    const int32_t columns = (inputs + 31) / 32, rows = (outputs + 15) / 16;
    Memory<uint32_t> packed = zeroed<uint32_t>(static_cast<size_t>(rows) * columns * 512);
    uint32_t* to = packed.get();
    const auto halves = [&](size_t neuron, int32_t input, int low) {
        const float value = weight(neuron, input);
        const uint32_t high = bfloat16(value);
        return low != 0 ? bfloat16(value - from_bfloat16(high)) : high;
    };
    for (int32_t first = 0; first < outputs; first += 16)
        for (int32_t k = 0; k < inputs; k += 32)
            for (int low = 0; low < 2; ++low)
                for (size_t j = static_cast<size_t>(first); j < static_cast<size_t>(first) + 16; ++j)
                    for (int32_t i = k; i < k + 32; i += 2)
                        *to++ = halves(j, i, low) | halves(j, i + 1, low) << 16;
    layer.pairs = packed.get();
    f.words.push_back(std::move(packed));
}

// `bias` is NULL for zeros; the first layer's is a frame's.
PackedLayer packed_layer(emogene_fused& f, int32_t inputs, int32_t outputs, const float* weights,
                         const float* bias, bool first) {
    const int32_t n = f.run->neurons;
    const size_t blocks = static_cast<size_t>((outputs + n - 1) / n);
    const auto weight = [&](size_t neuron, int32_t input) {
        const bool there = neuron < static_cast<size_t>(outputs) && input < inputs;
        return there ? weights[neuron * static_cast<size_t>(inputs) + input] : 0.0f;
    };
    PackedLayer layer = {inputs, outputs, nullptr, nullptr, nullptr};
    if (f.run->products == Products::kTiles) {
        pack_tiles(f, inputs, outputs, weight, layer);
    } else if (f.run->products == Products::kPairs) {
        const int32_t pairs = (inputs + 1) / 2;
        Memory<uint32_t> packed = zeroed<uint32_t>(blocks * n * pairs);
        uint32_t* to = packed.get();
        for (size_t b = 0; b < blocks; ++b)
            for (int32_t k = 0; k < pairs; ++k)
                for (int32_t j = 0; j < n; ++j)
                    *to++ = bfloat16(weight(b * n + j, 2 * k)) |
                            bfloat16(weight(b * n + j, 2 * k + 1)) << 16;
        layer.pairs = packed.get();
        f.words.push_back(std::move(packed));
    } else {
        Memory<float> packed = zeroed<float>(static_cast<size_t>(outputs) * inputs);
        float* to = packed.get();
        for (int32_t first = 0, width; first < outputs; first += width) {
            const int32_t remain = outputs - first;
            width = remain > f.run->widest ? n : remain;
            for (int32_t k = 0; k < inputs; ++k)
                for (int32_t j = 0; j < width; ++j) *to++ = weight(first + j, k);
        }
        layer.weights = packed.get();
        f.floats.push_back(std::move(packed));
    }
    if (!first)
        layer.bias = kept_floats(f, bias, bias != nullptr ? static_cast<size_t>(outputs) : 0,
                                 blocks * n);
    return layer;
}

PackedMlp packed_mlp(emogene_fused& f, const emogene_mlp& from) {
    require(from.layers >= 1 && from.layers <= kMostLayers, "layers of a network");
    PackedMlp mlp = {};
    mlp.layers = from.layers;
    for (int32_t i = 0; i <= from.layers; ++i)
        require(from.widths[i] >= 1 && from.widths[i] <= kMostWidth, "width of a layer");
    for (int32_t i = 0; i < from.layers; ++i)
        mlp.layer[i] = packed_layer(f, from.widths[i], from.widths[i + 1], from.weights[i],
                                    from.biases[i], i == 0);
    return mlp;
}

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

void pack_nodes(emogene_fused& f, const emogene_head& from) {
    PackedNodes& n = f.model.head.nodes;
    n.grid = node_grid(*from.nodes);
    n.landmarks = from.landmarks;
    n.regulariser = from.regulariser;
    const size_t landmarks = static_cast<size_t>(from.landmarks);
    n.rest = kept_floats(f, from.rest, 3 * landmarks, 3 * landmarks);
    n.falloff = kept_floats(f, from.falloff, landmarks, landmarks);
    const int32_t nx = n.grid.nodes[0], ny = n.grid.nodes[1], nz = n.grid.nodes[2];
    std::vector<uint8_t> active(static_cast<size_t>(nx) * ny * nz);
    emogene_active_nodes(from.nodes, from.occupancy.bits, from.occupancy.resolution, active.data());
    std::vector<int32_t> list;
    for (size_t i = 0; i < active.size(); ++i)
        if (active[i] != 0) list.push_back(static_cast<int32_t>(i));
    const size_t lanes = static_cast<size_t>(f.run->lanes);
    while (!list.empty() && list.size() % lanes != 0) list.push_back(list.back());
    n.active = static_cast<int64_t>(list.size());
    Memory<uint32_t> index = zeroed<uint32_t>(list.size());
    Memory<float> places[3];
    for (Memory<float>& place : places) place = zeroed<float>(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
        const Vec3 p =
            node_position(n.grid, list[i] % nx, list[i] / nx % ny, list[i] / nx / ny);
        index[i] = static_cast<uint32_t>(list[i]);
        places[0][i] = p.x, places[1][i] = p.y, places[2][i] = p.z;
    }
    n.index = reinterpret_cast<const int32_t*>(index.get());
    n.x = places[0].get(), n.y = places[1].get(), n.z = places[2].get();
    f.words.push_back(std::move(index));
    for (Memory<float>& place : places) f.floats.push_back(std::move(place));
}

// The boxes of kBlock^3 cells that hold an occupied one and are not enclosed by others: a ray into
// an enclosed one meets another first.
void list_boxes(emogene_fused& f) {
    HeadModel& head = f.model.head;
    const OccupancyGrid& g = head.occupancy;
    const int b = g.blocks;
    const auto filled = [&](int x, int y, int z) {
        const bool inside = x >= 0 && y >= 0 && z >= 0 && x < b && y < b && z < b;
        return inside && g.distance[(z * b + y) * b + x] == 0;
    };
    std::vector<float> low;
    const Vec3 side = {kBlock * g.units_per_cell.x, kBlock * g.units_per_cell.y,
                       kBlock * g.units_per_cell.z};
    for (int z = 0; z < b; ++z)
        for (int y = 0; y < b; ++y)
            for (int x = 0; x < b; ++x) {
                const bool enclosed = filled(x - 1, y, z) && filled(x + 1, y, z) &&
                                      filled(x, y - 1, z) && filled(x, y + 1, z) &&
                                      filled(x, y, z - 1) && filled(x, y, z + 1);
                if (!filled(x, y, z) || enclosed) continue;
                low.push_back(g.low.x + side.x * static_cast<float>(x));
                low.push_back(g.low.y + side.y * static_cast<float>(y));
                low.push_back(g.low.z + side.z * static_cast<float>(z));
            }
    head.boxes = static_cast<int64_t>(low.size() / 3);
    head.box_side = side;
    head.box_low = kept_floats(f, low.data(), low.size(), low.size());
}

// Chebyshev distances of all cells from the nearest occupied one, 255 at most. Forth and back, each
// cell is at most one farther than any of the 26 around it that were passed before.
void pack_clear(emogene_fused& f) {
    const OccupancyGrid& g = f.model.head.occupancy;
    const int64_t n = g.resolution, all = n * n * n;
    Memory<uint8_t> clear = zeroed<uint8_t>(static_cast<size_t>(all));
    uint8_t* at = clear.get();
    for (int64_t i = 0; i < all; ++i) at[i] = (g.bits[i >> 3] >> (i & 7) & 1) != 0 ? 0 : 255;
    const auto pass = [&](int64_t x, int64_t y, int64_t z, int way) {
        const int64_t i = (z * n + y) * n + x;
        int least = at[i];
        for (int dz = -1; dz <= 0; ++dz)
            for (int dy = -1; dy <= (dz == 0 ? 0 : 1); ++dy)
                for (int dx = -1; dx <= (dz == 0 && dy == 0 ? -1 : 1); ++dx) {
                    const int64_t u = x + way * dx, v = y + way * dy, w = z + way * dz;
                    if (u < 0 || v < 0 || w < 0 || u >= n || v >= n || w >= n) continue;
                    least = std::min(least, at[(w * n + v) * n + u] + 1);
                }
        at[i] = static_cast<uint8_t>(least);
    };
    for (int64_t z = 0; z < n; ++z)
        for (int64_t y = 0; y < n; ++y)
            for (int64_t x = 0; x < n; ++x) pass(x, y, z, 1);
    for (int64_t z = n - 1; z >= 0; --z)
        for (int64_t y = n - 1; y >= 0; --y)
            for (int64_t x = n - 1; x >= 0; --x) pass(x, y, z, -1);
    const int64_t blocks = g.blocks;
    Memory<uint8_t> in_blocks = zeroed<uint8_t>(static_cast<size_t>(blocks * blocks * blocks) * 64);
    for (int64_t z = 0; z < n; ++z)
        for (int64_t y = 0; y < n; ++y)
            for (int64_t x = 0; x < n; ++x) {
                const int64_t block = (z / kBlock * blocks + y / kBlock) * blocks + x / kBlock;
                const int64_t cell = (z % kBlock * kBlock + y % kBlock) * kBlock + x % kBlock;
                in_blocks[static_cast<size_t>(block * 64 + cell)] = at[(z * n + y) * n + x];
            }
    f.model.head.clear = in_blocks.get();
    f.bytes.push_back(std::move(in_blocks));
}

int32_t grid_width(const PackedGrid& grid) { return grid.features * grid.levels; }

void pack_head(emogene_fused& f, const emogene_head& from) {
    HeadModel& head = f.model.head;
    head.gathers = f.run->gathers && gathers_pay();
    head.low = load(from.box.low);
    head.high = load(from.box.high);
    head.per_unit = cells_per_unit(from.box, 1);
    require(from.grids >= 1 && from.grids <= kMostGrids, "grids of a field");
    head.grids = from.grids;
    for (int32_t i = 0; i < from.grids; ++i) {
        head.grid[i] = packed_grid(f, from.grid[i]);
        head.features += grid_width(head.grid[i]);
    }
    require(from.surfaces >= 0 && from.surfaces <= kMostGrids, "surface grids of a field");
    head.surfaces = from.surfaces;
    int32_t colour_inputs = from.directions * from.directions;
    for (int32_t i = 0; i < from.surfaces; ++i) {
        head.surface[i] = packed_grid(f, from.surface[i]);
        colour_inputs += grid_width(head.surface[i]);
    }
    head.displaced = from.nodes != nullptr;
    head.displacement_gain = head.displaced ? from.displacement_gain : 0.0f;
    if (head.displacement_gain != 0.0f) head.features += 3;
    if (head.displaced) pack_nodes(f, from);
    head.ambient = from.ambient != nullptr;
    if (head.ambient) head.ambient_mlp = packed_mlp(f, *from.ambient);
    head.density = packed_mlp(f, from.density);
    head.colour = packed_mlp(f, from.colour);
    head.geometry = from.density.widths[from.density.layers] - 1;
    head.density_shift = from.density_shift;
    head.directions = from.directions;
    head.ray_colour = from.colour_once_a_ray != 0;
    require(head.features == from.density.widths[0], "features of a field");
    require(colour_inputs + head.geometry == from.colour.widths[0],
            "inputs of the colour network");
    require(head.surfaces == 0 || head.ray_colour, "surface grids without a colour once a ray");
    head.occupancy = occupancy_grid(from.occupancy);
    head.entry_low = load(from.entry.low);
    head.entry_high = load(from.entry.high);
    head.step = from.step;
    head.phase = from.phase;
    head.min_near = from.min_near;
    head.max_samples = from.max_samples;
    list_boxes(f);
    pack_clear(f);
    head.occupancy.bits = head.occupancy.distance = nullptr;   // the caller's
}

void pack_torso(emogene_fused& f, const emogene_torso& from) {
    TorsoModel& torso = f.model.torso;
    torso.there = true;
    torso.grid = packed_grid(f, from.grid);
    torso.octaves = from.octaves;
    torso.features = grid_width(torso.grid);
    torso.position = 2 + 4 * from.octaves;
    torso.deform = packed_mlp(f, from.deform);
    torso.colour = packed_mlp(f, from.colour);
    torso.deform_range = from.deform_range;
    require(torso.position == from.deform.widths[0] &&
                torso.features + torso.position + 4 == from.colour.widths[0],
            "inputs of the torso's networks");
    const size_t side = static_cast<size_t>(from.mask_resolution);
    torso.mask = kept_bytes(f, from.mask, (side * side + 7) / 8);
    torso.mask_resolution = from.mask_resolution;
}

}  // namespace

void prepare(emogene_fused& fused, const emogene_head& head, const emogene_torso* torso) {
    pack_head(fused, head);
    if (torso != nullptr) pack_torso(fused, *torso);
    const int64_t floats = fused.run->scratch(fused.model);
    fused.scratch = std::make_unique<Loans>(static_cast<size_t>(floats));
}

}  // namespace emogene
