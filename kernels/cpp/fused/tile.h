// The entries of one instruction set. A translation unit includes this with its lanes and names
// what comes out.
#pragma once

#include "head.h"
#include "torso.h"

namespace emogene {
namespace {

// What lies in front of a thread's rows.
template <class S>
struct TileScratch {
    HeadScratch<S> head;
    TorsoRows torso;
    alignas(64) float head_planes[4 * kTilePixels], torso_planes[4 * kTilePixels];
};

template <class S>
constexpr int64_t kScratchFloats = (int64_t(sizeof(TileScratch<S>)) + 63) / 64 * 16;

// Hands out rows of a thread's memory; without memory it only counts them.
struct RowSource {
    float* next;
    int64_t taken;

    EMOGENE_HD float* take(int64_t floats) {
        float* const at = next;
        floats = (floats + 15) / 16 * 16;   // whole cache lines
        if (next != nullptr) next += floats;
        taken += floats;
        return at;
    }
    EMOGENE_HD int32_t* take_whole(int64_t count) { return reinterpret_cast<int32_t*>(take(count)); }
};

EMOGENE_HD int64_t in_blocks(int64_t rows) {
    return (rows + kNeuronsMost - 1) / kNeuronsMost * kNeuronsMost;
}

inline void lay_out_rays(RayRows& rays, int rows, RowSource& memory) {
    float** const floats[] = {&rays.dx, &rays.dy, &rays.dz, &rays.near, &rays.far, &rays.left};
    for (float** row : floats) *row = memory.take(kRayStride);
    int32_t** const whole[] = {&rays.k, &rays.taken, &rays.pixel};
    for (int32_t** row : whole) *row = memory.take_whole(kRayStride);
    rays.sums = memory.take(int64_t(rows) * kRayStride);
}

inline void lay_out(const Model& model, HeadRows& h, TorsoRows& t, RowSource& memory) {
    const HeadModel& head = model.head;
    const TorsoModel& torso = model.torso;
    lay_out_rays(h.live, composited_rows(head), memory);
    lay_out_rays(h.ended, composited_rows(head), memory);
    float** const positions[] = {&h.samples.x, &h.samples.y, &h.samples.z, &h.samples.t};
    for (float** row : positions) *row = memory.take(kSampleStride);
    h.samples.raw = memory.take(in_blocks(1 + head.geometry) * kSampleStride);
    const int64_t features = head.features + kNeuronsMost;   // and the ambient coordinate's block
    const int64_t colour_inputs = head.colour.layer[0].inputs;
    h.features = memory.take((features > colour_inputs ? features : colour_inputs) * kChunkStride);
    h.colours = memory.take(in_blocks(3) * kSampleStride);
    if (!torso.there) return;
    t.inputs = memory.take(int64_t(torso.features + torso.position + 4) * kTorsoStride);
    t.outputs = memory.take(in_blocks(4) * kChunkStride);
    t.pixel = memory.take_whole(kTorsoStride);
}

template <class S>
int64_t scratch_floats(const Model& model) {
    HeadRows head;
    TorsoRows torso;
    RowSource counter = {nullptr, kScratchFloats<S>};
    lay_out(model, head, torso, counter);
    return counter.taken;
}

template <class S>
TileScratch<S>& prepared_scratch(const Model& model, float* memory) {
    TileScratch<S>& s = *reinterpret_cast<TileScratch<S>*>(memory);
    RowSource rows = {memory + kScratchFloats<S>, 0};
    lay_out(model, s.head, s.torso, rows);
    return s;
}

// Writes the head's planes to where the frame wants them.
inline void keep_head(const Frame& frame, int tile, const float* planes) {
    const int left = tile % frame.tiles * kTile, top = tile / frame.tiles * kTile;
    for (int row = 0; row < kTile && top + row < frame.size; ++row)
        for (int column = 0; column < kTile && left + column < frame.size; ++column) {
            float* out = frame.head + (int64_t(top + row) * frame.size + left + column) * 4;
            for (int c = 0; c < 4; ++c)
                out[c] = planes != nullptr ? planes[c * kTilePixels + row * kTile + column] : 0.0f;
        }
}

template <class S>
void render_tile(const Model& model, const Frame& frame, int32_t tile, float* memory,
                 TileCounts* counts) {
    TileScratch<S>& s = prepared_scratch<S>(model, memory);
    Perceptron<S>::begin(s.head.work, frame.coarse);
    const bool head = head_tile<S>(model, frame, tile, s.head, s.head_planes, counts);
    const float* planes = head ? s.head_planes : nullptr;
    const bool torso = frame.image != nullptr && model.torso.there &&
                       torso_tile<S>(model.torso, frame, tile, planes, s.torso, s.head.at,
                                     s.head.work, s.torso_planes);
    Perceptron<S>::end();
    if (frame.head != nullptr) keep_head(frame, tile, planes);
    if (frame.image != nullptr) finish_tile<S>(frame, tile, planes, torso ? s.torso_planes : nullptr);
}

template <class S>
void list_samples(const Model& model, const Frame& frame, int32_t tile, float* memory,
                  int32_t most, int32_t* counts, float* distances) {
    using I = typename S::I;
    using M = typename S::M;
    TileScratch<S>& s = prepared_scratch<S>(model, memory);
    const int left = tile % frame.tiles * kTile, top = tile / frame.tiles * kTile;
    const int rays = start_rays<S>(model, frame, tile, s.head.live);
    for (int i = 0; i < rays; i += S::kWidth) {
        const M there = S::first(rays - i);
        Search<S> search =
            Search<S>::of(model.head, packet_at<S>(s.head.live, i), there, M(~there));
        int32_t pixel[S::kWidth];
        S::store(pixel, I(S::load(s.head.live.pixel + i)));
        for (int step = 0; step < most && S::bits(M(there & ~search.ended)) != 0; ++step) {
            search.need = M(there & ~search.ended);
            search.found.lanes = S::none();
            while (S::bits(search.need) != 0) search.look(model.head, frame.origin);
            float t[S::kWidth];
            S::store(t, search.found.t);
            const uint32_t found = S::bits(search.found.lanes);
            for (int lane = 0; lane < S::kWidth; ++lane) {
                if (!(found >> lane & 1)) continue;
                const int64_t at = int64_t(top + pixel[lane] / kTile) * frame.size + left +
                                   pixel[lane] % kTile;
                distances[at * most + counts[at]++] = t[lane];
            }
        }
    }
}

template <class S>
constexpr Instructions instructions(const char* name) {
    return {name, S::kWidth, S::kNeurons, S::kWidest, S::kProducts, S::kHalves, S::kGathers,
            scratch_floats<S>, bake_nodes<S>, render_tile<S>, list_samples<S>};
}

}  // namespace
}  // namespace emogene
