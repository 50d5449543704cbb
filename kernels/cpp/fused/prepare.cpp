// From the caller's arrays to what an implementation works with.
#include "../host.h"
#include "packing.h"

namespace emogene {

const float* kept_floats(emogene_fused& f, const float* from, size_t count, size_t room) {
    Memory<float> copy = zeroed<float>(room);
    if (count != 0) std::memcpy(copy.get(), from, count * sizeof(float));
    f.floats.push_back(std::move(copy));
    return f.floats.back().get();
}

const uint8_t* kept_bytes(emogene_fused& f, const uint8_t* from, size_t count) {
    Memory<uint8_t> copy = zeroed<uint8_t>(count);
    std::memcpy(copy.get(), from, count);
    f.bytes.push_back(std::move(copy));
    return f.bytes.back().get();
}

namespace {

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
