// A frame by tensor cores, in one launch of any number of blocks. Warps bake displacements, then take
// rays from a queue, a lane each, and evaluate 32 samples of 32 rays at a time. When all rays have
// ended, what they gathered is turned into pixels, again 32 at a time.
#include "fused_rays.h"

using namespace emogene;

namespace {

// The displacement of every node of the grid.
EMOGENE_HD void bake_nodes(const PlainModel& model, const PlainFrame& frame,
                           FusedCounters& counters) {
    const int lane = threadIdx.x % kWarp;
    for (;;) {
        const uint32_t first = take(counters.nodes_given, kWarp, lane);
        if (first >= kNodes) return;
        if (first + lane < kNodes) bake_node(model, frame, (int)first + lane);
        tell(counters.nodes_done, kNodes - first < kWarp ? kNodes - first : kWarp, lane);
    }
}

// Colours once a ray, torso and background, for the pixels of one number a thread.
EMOGENE_HD void finish_pixels(const FusedModel& warp, const PlainFrame& frame,
                              const PlainPicture& picture, const float* gathered, int number) {
    const int size = frame.size, pixels = size * size;
    const bool counted = number < pixel_numbers(size);
    Pixel pixel = pixel_at(counted ? number : 0, size);
    pixel.inside = pixel.inside && counted;
    const float left = pixel.inside ? gathered[pixel.index] : 1.0f;
    const bool hit = left != 1.0f;
    float head[4] = {0.0f, 0.0f, 0.0f, 1.0f - left};
    if (any_of<kFinishStreamed>(hit)) {
        float channels[kChannels], shown[4] = {0.0f, 0.0f, 0.0f, head[3]};
        const float* mine = gathered + pixels + (long long)pixel.index * kChannels;
        for (int c = 0; c < kChannels; ++c) channels[c] = hit ? mine[c] : 0.0f;
        const Vec3 direction = ray_direction(frame.pose, frame.camera,
                                             (float)pixel.column + 0.5f, (float)pixel.row + 0.5f);
        shade(warp, frame, camera_centre(frame.pose), direction, channels, shown);
        for (int c = 0; c < 3; ++c) head[c] = hit ? shown[c] : 0.0f;
    }
    if (picture.head != nullptr && pixel.inside)
        for (int c = 0; c < 4; ++c) picture.head[4 * pixel.index + c] = head[c];
    if (!is_whole(picture)) return;
    float torso[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const bool behind = kTorso && pixel.inside && !(1.0f - head[3] < frame.torso_threshold) &&
                        in_mask(warp.torso_mask, size, pixel.row, pixel.column);
    if (any_of<kFinishStreamed>(behind)) {
        float shown[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        torso_at(warp, frame, pixel.row, pixel.column, head, shown);
        for (int c = 0; c < 4; ++c) torso[c] = behind ? shown[c] : 0.0f;
    }
    if (pixel.inside) put_whole(picture, size, pixel.index, head, torso);
}

}  // namespace

// Grid: any number of blocks of kThreads.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
    paint_frame(PlainModel model, const PlainFrame* at, PlainPicture picture, FusedMemory memory) {
    const PlainFrame& frame = *at;
    FusedCounters& counters = *memory.counters;
    {
        const FusedModel warp =
            fused_model(model, memory, kGatherResident, kGatherSlice, kGatherRow);
        copy_words(warp.weights, memory.fragments + kGatherFirst, kGatherResident);
        if (kMoves) {
            bake_nodes(model, frame, counters);
            wait_for(counters.nodes_done, kNodes);
        }
        __syncthreads();  // the weights are there
        gather_rays(warp, frame, memory);
    }
    __syncthreads();  // nobody needs them any more
    const FusedModel warp =
        fused_model(model, memory, kFinishResident, kFinishSlice, kFinishRow);
    copy_words(warp.weights, memory.fragments + kFinishFirst, kFinishResident);
    const int numbers = pixel_numbers(frame.size);
    wait_for(counters.pixels_done, numbers);
    EMOGENE_ROLLED
    for (int first = blockIdx.x * blockDim.x; first < numbers; first += gridDim.x * blockDim.x)
        finish_pixels(warp, frame, picture, memory.gathered, first + (int)threadIdx.x);
    leave(counters, picture.counts);
}
