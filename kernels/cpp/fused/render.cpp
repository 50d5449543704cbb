// The calls of the C ABI: a frame's constants are worked out, then its tiles are taken from a queue.
#include <atomic>
#include <cmath>
#include <new>
#include <stdexcept>

#include "../frequency.h"
#include "../threads.h"
#include "handle.h"

using namespace emogene;

namespace {

constexpr int32_t kAxisPadding = kTile;   // rows of the axis are read in whole vectors

void copy_bias(float* to, const float* from, const PackedMlp& mlp) {
    if (from != nullptr)
        std::memcpy(to, from, static_cast<size_t>(mlp.layer[0].outputs) * sizeof(float));
}

// Everything that is constant over a frame, and the memory it lies in.
class FrameData {
   public:
    FrameData(const emogene_fused& fused, const emogene_frame& from)
        : fused_(fused), biases_(zeroed<FrameBiases>(1)) {
        frame.pose = from.pose;
        frame.origin = camera_centre(from.pose);
        frame.camera = {from.camera.focal, from.camera.cx, from.camera.cy};
        frame.size = from.camera.size;
        frame.tiles = (frame.size + kTile - 1) / kTile;
        frame.subtiles = (frame.size + kSubtile - 1) / kSubtile;
        frame.threshold = from.threshold;
        frame.coarse = from.coarse != 0;
        frame.torso_threshold = from.torso_threshold;
        frame.landmarks = from.landmarks;
        frame.background = from.background;
        frame.head = from.head;
        frame.image = from.image;
        copy_biases(from);
        project();
        if (frame.image != nullptr && fused.model.torso.there) lay_out_torso();
    }

    // Bakes the displacement, if the field has one.
    void bake(emogene_pool* pool) {
        const PackedNodes& nodes = fused_.model.head.nodes;
        if (!fused_.model.head.displaced) return;
        const int32_t* n = nodes.grid.nodes;
        nodes_ = zeroed<float>(4 * static_cast<size_t>(n[0]) * n[1] * n[2]);
        frame.nodes = nodes_.get();
        for_ranges(pool, nodes.active / fused_.run->lanes, 32, [&](int64_t begin, int64_t end) {
            fused_.run->bake(fused_.model, frame, begin, end);
        });
    }

    Frame frame = {};

   private:
    void copy_biases(const emogene_frame& from) {
        const Model& m = fused_.model;
        FrameBiases& to = biases_[0];
        if (m.head.ambient) copy_bias(to.ambient, from.ambient_bias, m.head.ambient_mlp);
        copy_bias(to.density, from.density_bias, m.head.density);
        copy_bias(to.colour, from.colour_bias, m.head.colour);
        if (m.torso.there) {
            copy_bias(to.torso_deform, from.torso_deform_bias, m.torso.deform);
            copy_bias(to.torso_colour, from.torso_colour_bias, m.torso.colour);
        }
        frame.biases = &to;
    }

    void project() {
        const size_t all = static_cast<size_t>(frame.subtiles) * frame.subtiles;
        depths_ = zeroed<float>(2 * all);
        project_boxes(fused_.model.head, frame.pose, frame.camera, frame.size, frame.subtiles,
                      depths_.get(), depths_.get() + all);
        frame.depth_begin = depths_.get();
        frame.depth_end = depths_.get() + all;
    }

    // The position's encoding is the same along both axes: plane 0 has pixel centres in [-1, 1],
    // planes 1 + 2 k and 2 + 2 k the sine and the cosine of octave k.
    void lay_out_torso() {
        const TorsoModel& torso = fused_.model.torso;
        const int32_t size = frame.size, octaves = torso.octaves;
        frame.axis_stride = size + kAxisPadding;
        axis_ = zeroed<float>(static_cast<size_t>(1 + 2 * octaves) * frame.axis_stride);
        mask_cell_ = zeroed<int32_t>(static_cast<size_t>(size));
        std::vector<float> encoded(static_cast<size_t>(2 + 4 * octaves));
        const float per_pixel = static_cast<float>(2.0 / size);
        for (int32_t i = 0; i < size; ++i) {
            const float at = (static_cast<float>(i) + 0.5f) * per_pixel - 1.0f;
            frequency_encode(at, at, octaves, encoded.data());
            for (int32_t plane = 0; plane <= 2 * octaves; ++plane)
                axis_[static_cast<size_t>(plane) * frame.axis_stride + i] =
                    encoded[static_cast<size_t>(2 * plane)];
            mask_cell_[static_cast<size_t>(i)] =
                static_cast<int32_t>(static_cast<int64_t>(i) * torso.mask_resolution / size);
        }
        frame.axis = axis_.get();
        frame.mask_cell = mask_cell_.get();
    }

    const emogene_fused& fused_;
    Memory<FrameBiases> biases_;
    Memory<float> depths_, axis_, nodes_;
    Memory<int32_t> mask_cell_;
};

// task(tile, scratch) for every tile; each of the pool's threads has its own scratch.
template <class Task>
void for_tiles(emogene_fused& fused, int32_t tiles, emogene_pool* pool, const Task& task) {
    std::atomic<int32_t> next{0};
    // Borrowed before the work begins: a thread of the pool could not report that there is none.
    const int32_t threads = pool != nullptr ? pool->threads() : 1;
    std::vector<Memory<float>> scratch;
    for (int32_t i = 0; i < threads; ++i) scratch.push_back(fused.scratch->borrow());
    const auto work = [&](int64_t worker) {
        float* mine = scratch[static_cast<size_t>(worker)].get();
        for (int32_t tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < tiles;)
            task(tile, mine);
    };
    if (pool != nullptr)
        pool->run(threads, work);
    else
        work(0);
    for (Memory<float>& memory : scratch) fused.scratch->give_back(std::move(memory));
}

}  // namespace

extern "C" emogene_fused* emogene_fused_create(const emogene_head* head, const emogene_torso* torso,
                                               int32_t instructions) {
    const Instructions* run = instructions_at(instructions);
    if (run == nullptr) return nullptr;
    try {
        std::unique_ptr<emogene_fused> fused(new emogene_fused);
        fused->run = run;
        prepare(*fused, *head, torso);
        return fused.release();
    } catch (const std::bad_alloc&) {
        return nullptr;
    } catch (const std::length_error&) {
        return nullptr;
    }
}

extern "C" void emogene_fused_destroy(emogene_fused* fused) { delete fused; }

extern "C" int32_t emogene_fused_render(emogene_fused* fused, emogene_frame* out,
                                        emogene_pool* pool) {
    try {
        FrameData data(*fused, *out);
        data.bake(pool);
        const Frame& frame = data.frame;
        std::atomic<int64_t> samples{0}, rays{0};
        for_tiles(*fused, frame.tiles * frame.tiles, pool, [&](int32_t tile, float* scratch) {
            TileCounts counts = {0, 0};
            fused->run->tile(fused->model, frame, tile, scratch, &counts);
            samples.fetch_add(counts.samples, std::memory_order_relaxed);
            rays.fetch_add(counts.rays, std::memory_order_relaxed);
        });
        out->samples = samples.load();
        out->rays = rays.load();
        return 1;
    } catch (const std::bad_alloc&) {
        return 0;
    }
}

extern "C" int32_t emogene_fused_samples(emogene_fused* fused, const emogene_frame* from,
                                         int32_t most, int32_t* counts, float* distances,
                                         emogene_pool* pool) {
    try {
        const FrameData data(*fused, *from);
        const Frame& frame = data.frame;
        for_tiles(*fused, frame.tiles * frame.tiles, pool, [&](int32_t tile, float* scratch) {
            fused->run->samples(fused->model, frame, tile, scratch, most, counts, distances);
        });
        return 1;
    } catch (const std::bad_alloc&) {
        return 0;
    }
}
