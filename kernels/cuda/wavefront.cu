// A frame in rounds; see waves.h. Which kernels follow each other, gpu/wavefront.py says.
//
// Every kernel goes through its items in steps of the whole grid, so any number of blocks is right.
#define EMOGENE_WEIGHTS_BY_FOUR true

#include "bake.h"
#include "pixels.h"
#include "waves.h"

#include "networks.h"

using namespace emogene;

// Rays of a chunk enter the box.
extern "C" __global__ void start_rays(const PlainFrame* frame, WaveMemory m, WaveChunk chunk) {
    const Vec3 origin = camera_centre(frame->pose);
    for (int i = this_thread(); i - this_lane() < chunk.rays; i += all_threads()) {
        bool enters = false;
        if (i < chunk.rays) {
            const Pixel pixel = pixel_at(chunk.first + i, frame->size);
            const Vec3 direction = ray_direction(
                frame->pose, frame->camera, (float)pixel.column + 0.5f, (float)pixel.row + 0.5f);
            const Interval span =
                box_interval(origin, direction, entry_low(), entry_high(), kMinNear);
            enters = pixel.inside && span.far > span.near;
            m.directions[i] = direction.x;
            m.directions[m.rays + i] = direction.y;
            m.directions[2 * m.rays + i] = direction.z;
            m.spans[i] = span.near;
            m.spans[m.rays + i] = span.far;
            m.cursors[i] = 0;
            m.taken[i] = 0;
            m.transmittances[i] = 1.0f;
            for (int c = 0; c < kChannels; ++c) m.channels[c * m.rays + i] = 0.0f;
        }
        mark(m, i, chunk.rays, enters);
    }
}

// What scan_tiles counts.
enum Counted { kEntering, kSamplesTaken, kGoingOn, kChosen };

// Sums over all tiles before each, and the count they belong to. One block of kScanThreads.
extern "C" __global__ void __launch_bounds__(kScanThreads)
    scan_tiles(WaveMemory m, int counted, int turn, int rays) {
    int32_t* sums = reinterpret_cast<int32_t*>(shared_words());
    const bool of_live = counted == kSamplesTaken || counted == kGoingOn;
    const int items = of_live ? m.counts->live[turn] : rays, thread = threadIdx.x;
    const int tiles = (items + kWarp - 1) / kWarp;
    const int run = (tiles + kScanThreads - 1) / kScanThreads;
    const int first = thread * run, last = first + run < tiles ? first + run : tiles;
    int sum = 0;
    for (int t = first; t < last; ++t) sum += m.tiles[t];
    sums[thread] = sum;
    __syncthreads();
    for (int reach = 1; reach < kScanThreads; reach *= 2) {
        const int before = thread >= reach ? sums[thread - reach] : 0;
        __syncthreads();
        sums[thread] += before;
        __syncthreads();
    }
    int before = sums[thread] - sum;
    for (int t = first; t < last; ++t) {
        const int number = m.tiles[t];
        m.tiles[t] = before;
        before += number;
    }
    if (thread != kScanThreads - 1) return;
    WaveCounts& counts = *m.counts;
    const int total = before, next = 1 - turn;
    if (counted == kSamplesTaken) counts.samples = total;
    if (counted == kChosen) counts.chosen = total;
    if (counted == kEntering) {
        counts.budget = kLeastEach * total;
        counts.given[turn] = 0;
        counts.live[turn] = total;
        counts.each[turn] = given_each(counts.budget, total, kMaxSamples);
    }
    if (counted == kGoingOn) {
        const int given = counts.given[turn] + counts.each[turn];
        counts.given[next] = given;
        counts.live[next] = given < kMaxSamples ? total : 0;
        counts.each[next] = given_each(counts.budget, total, kMaxSamples - given);
    }
}

// The marked ones of `*count` items, or of all of a chunk, side by side; `source` names them.
extern "C" __global__ void choose_items(WaveMemory m, const int32_t* count, int rays,
                                        const int32_t* source, int32_t* list) {
    const int items = count != nullptr ? *count : rays;
    for (int i = this_thread(); i - this_lane() < items; i += all_threads()) {
        const Placed at = placed(m, i, items);
        if (i >= items) continue;
        m.places[i] = at.number != 0 ? at.before : -1;
        if (at.number != 0) list[at.before] = source != nullptr ? source[i] : i;
    }
}

// Each live ray walks to its next samples.
extern "C" __global__ void march_rays(PlainModel model, const PlainFrame* frame, WaveMemory m,
                                      int turn) {
    const int live = m.counts->live[turn], each = m.counts->each[turn];
    const int32_t* rays = m.live + turn * m.rays;
    const OccupancyGrid occupancy = occupancy_of(model.bits, model.distance);
    const Vec3 origin = camera_centre(frame->pose);
    for (int i = this_thread(); i - this_lane() < live; i += all_threads()) {
        int got = 0;
        if (i < live) {
            const int ray = rays[i];
            const Vec3 direction = direction_of(m, ray);
            const Lattice lattice = {m.spans[ray], m.spans[m.rays + ray], kPhase, kStep};
            int32_t k = m.cursors[ray];
            for (; got < each; ++got, ++k) {
                Vec3 position;
                float distance;
                k = next_sample(occupancy, origin, direction, lattice, k, &position, &distance);
                if (k == kRayDone) break;
                float* slot = m.positions + 4 * (i * each + got);
                store(slot, position);
                slot[3] = distance;
            }
            m.cursors[ray] = k;
        }
        mark(m, i, live, got);
    }
}

// The samples of a round side by side, ray after ray.
extern "C" __global__ void place_samples(WaveMemory m, int turn) {
    const int live = m.counts->live[turn], each = m.counts->each[turn];
    for (int i = this_thread(); i - this_lane() < live; i += all_threads()) {
        const Placed at = placed(m, i, live);
        if (i >= live) continue;
        m.places[i] = at.before;
        for (int j = 0; j < at.number; ++j) m.slots[at.before + j] = i * each + j;
    }
}

// Reads the grids where the samples are.
extern "C" __global__ void encode_samples(PlainModel model, WaveMemory m) {
    const TableModel tables = with_tables(model);
    const int rows = m.counts->samples;
    for (int row = this_thread(); row < rows; row += all_threads()) {
        const Vec3 p = load(m.positions + 4 * m.slots[row]);
        float* features = m.features + row * kFeatures;
        read_features(tables, p, displaced(model.nodes, p), features);
        if (kAmbient > 0) copy_row<kFirstFeatures>(features, m.looks + row * kFirstFeatures);
    }
}

// Reads the grids at the ambient coordinate.
extern "C" __global__ void encode_ambient(PlainModel model, WaveMemory m) {
    const int rows = m.counts->samples;
    for (int row = this_thread(); row < rows; row += all_threads())
        read_ambient(with_tables(model), m.seen + row * kAmbient, m.features + row * kFeatures);
}

// What the colours of samples are asked for.
extern "C" __global__ void look_at_samples(WaveMemory m, int turn) {
    const int rows = m.counts->samples, each = m.counts->each[turn];
    for (int row = this_thread(); row < rows; row += all_threads()) {
        const int ray = m.live[turn * m.rays + m.slots[row] / each];
        sample_looks(direction_of(m, ray), m.raw + row * kDensityOutputs + 1,
                     m.looks + row * kLooks);
    }
}

// Takes a round's samples into their rays, and marks those that go on.
extern "C" __global__ void composite_samples(const PlainFrame* frame, WaveMemory m, int turn) {
    const int live = m.counts->live[turn], each = m.counts->each[turn];
    for (int i = this_thread(); i - this_lane() < live; i += all_threads()) {
        bool goes = false;
        if (i < live) {
            const int ray = m.live[turn * m.rays + i], got = m.marks[i], first = m.places[i];
            float transmittance = m.transmittances[ray], channels[kChannels];
            for (int c = 0; c < kChannels; ++c) channels[c] = m.channels[c * m.rays + ray];
            int used = 0;
            for (; used < got && !(transmittance < frame->threshold); ++used) {
                const float* raw = m.raw + (first + used) * kDensityOutputs;
                const float* seen = m.seen + (first + used) * 3;
                const float weight = absorb(density_of(raw[0]), kStep, &transmittance);
                for (int c = 0; c < kChannels; ++c) {
                    float value;
                    if (!kRayColour) value = seen[c];
                    else if (c < kChannels - 1) value = raw[1 + c];
                    else value = m.positions[4 * (i * each + used) + 3];
                    channels[c] += weight * value;
                }
            }
            goes = got == each && used == got && !(transmittance < frame->threshold);
            m.transmittances[ray] = transmittance;
            for (int c = 0; c < kChannels; ++c) m.channels[c * m.rays + ray] = channels[c];
            m.taken[ray] += used;
        }
        mark(m, i, live, goes);
    }
}

// Marks the rays that took a sample, and counts both.
extern "C" __global__ void mark_hits(WaveMemory m, PlainPicture picture, int rays) {
    for (int i = this_thread(); i - this_lane() < rays; i += all_threads()) {
        const int taken = i < rays ? m.taken[i] : 0;
        mark(m, i, rays, taken > 0);
        const unsigned samples = __reduce_add_sync(kAllLanes, (unsigned)taken);
        const int hits = __popc(__ballot_sync(kAllLanes, taken > 0));
        if (this_lane() != 0 || hits == 0) continue;
        atomicAdd(picture.counts, (unsigned long long)samples);
        atomicAdd(picture.counts + 1, (unsigned long long)hits);
    }
}

// What the colours of rays are asked for.
extern "C" __global__ void look_at_rays(PlainModel model, const PlainFrame* frame, WaveMemory m) {
    const int rows = m.counts->chosen;
    const Vec3 origin = camera_centre(frame->pose);
    for (int row = this_thread(); row < rows; row += all_threads()) {
        const int ray = m.chosen[row];
        float channels[kChannels], looks[kLooks];
        for (int c = 0; c < kChannels; ++c) channels[c] = m.channels[c * m.rays + ray];
        ray_looks(with_tables(model), origin, direction_of(m, ray), channels, 1.0f - m.transmittances[ray],
                  looks);
        copy_row<kLooks>(looks, m.looks + row * kLooks);
    }
}

// The head's pixels; marks those that show the torso.
extern "C" __global__ void put_heads(PlainModel model, const PlainFrame* frame, WaveMemory m,
                                     PlainPicture picture, WaveChunk chunk) {
    for (int i = this_thread(); i - this_lane() < chunk.rays; i += all_threads()) {
        bool shows = false;
        if (i < chunk.rays) {
            const Pixel pixel = pixel_at(chunk.first + i, frame->size);
            float* head = m.heads + 4 * i;
            const float opacity = 1.0f - m.transmittances[i];
            const int row = m.places[i];
            for (int c = 0; c < 3; ++c) {
                if (!kRayColour) head[c] = m.channels[c * m.rays + i];
                else head[c] = row < 0 ? 0.0f : m.seen[row * 3 + c] * opacity;
            }
            head[3] = opacity;
            shows = pixel.inside && is_whole(picture) &&
                    shows_torso(model, *frame, pixel.row, pixel.column, opacity);
        }
        mark(m, i, chunk.rays, shows);
    }
}

// Where the torso's pixels lie, and the head's code where there is one.
extern "C" __global__ void place_torso(PlainModel model, const PlainFrame* frame, WaveMemory m,
                                       WaveChunk chunk) {
    const int rows = m.counts->chosen;
    for (int row = this_thread(); row < rows; row += all_threads()) {
        const int ray = m.chosen[row];
        const Pixel pixel = pixel_at(chunk.first + ray, frame->size);
        float* place = m.features + row * (kTorsoPlace + kTorsoCode);
        torso_place(frame->size, pixel.row, pixel.column, place);
        if (kTorsoCode > 0) torso_seen(model, m.heads + 4 * ray, place + kTorsoPlace);
    }
}

// What the torso's colours are asked for.
extern "C" __global__ void look_at_torso(PlainModel model, WaveMemory m) {
    const int rows = m.counts->chosen;
    for (int row = this_thread(); row < rows; row += all_threads()) {
        float* looks = m.looks + row * kTorsoLooks;
        constexpr int kPlaced = kTorsoPlace + kTorsoCode;
        copy_row<kPlaced>(m.features + row * kPlaced, looks + kTorsoFeatures);
        if (kTorsoCode == 0)
            torso_seen(model, m.heads + 4 * m.chosen[row], looks + kTorsoFeatures + kPlaced);
        torso_looks(with_tables(model), m.seen + row * 2, looks);
    }
}

// The chunk's part of the picture.
extern "C" __global__ void put_pixels(const PlainFrame* frame, WaveMemory m, PlainPicture picture,
                                      WaveChunk chunk) {
    for (int i = this_thread(); i < chunk.rays; i += all_threads()) {
        const Pixel pixel = pixel_at(chunk.first + i, frame->size);
        if (!pixel.inside) continue;
        float torso[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        const int row = kTorso && is_whole(picture) ? m.places[i] : -1;
        for (int c = 0; c < 4 && row >= 0; ++c) torso[c] = m.seen[row * 4 + c];
        put_pixel(picture, frame->size, pixel.index, m.heads + 4 * i, torso);
    }
}
