#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "host.h"
#include "threads.h"

using namespace emogene;

extern "C" void emogene_pack_cells(const uint8_t* cells, int64_t count, uint8_t* bits) {
    std::memset(bits, 0, static_cast<size_t>((count + 7) / 8));
    for (int64_t i = 0; i < count; ++i)
        bits[i >> 3] = static_cast<uint8_t>(bits[i >> 3] | (cells[i] != 0) << (i & 7));
}

extern "C" void emogene_unpack_cells(const uint8_t* bits, int64_t count, uint8_t* cells) {
    for (int64_t i = 0; i < count; ++i) cells[i] = bits[i >> 3] >> (i & 7) & 1;
}

namespace {

// One pass of the distance: along `stride`, each entry becomes the least over entries q of
// max(distance to q along this axis, q's own value). Three passes give the Chebyshev distance.
void least_along(std::vector<uint8_t>& values, int count, size_t line_start, size_t stride) {
    std::vector<uint8_t> line(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) line[static_cast<size_t>(i)] = values[line_start + i * stride];
    for (int i = 0; i < count; ++i) {
        int least = 255;
        for (int q = 0; q < count; ++q)
            least = std::min(least, std::max<int>(std::abs(i - q), line[static_cast<size_t>(q)]));
        values[line_start + i * stride] = static_cast<uint8_t>(least);
    }
}

// A segment thousands of boxes long may miss cells; it may not take for ever.
constexpr float kMostGaps = 1048576.0f;

}  // namespace

extern "C" void emogene_block_distance(const uint8_t* bits, int32_t resolution,
                                       uint8_t* distance) {
    const int blocks = blocks_along(resolution);
    const size_t b = static_cast<size_t>(blocks);
    std::vector<uint8_t> values(b * b * b, 255);
    for (int z = 0, i = 0; z < resolution; ++z)
        for (int y = 0; y < resolution; ++y)
            for (int x = 0; x < resolution; ++x, ++i)
                if (bits[i >> 3] >> (i & 7) & 1)
                    values[((z / kBlock) * b + y / kBlock) * b + x / kBlock] = 0;
    for (size_t i = 0; i < b; ++i)
        for (size_t j = 0; j < b; ++j) least_along(values, blocks, (i * b + j) * b, 1);
    for (size_t i = 0; i < b; ++i)
        for (size_t j = 0; j < b; ++j) least_along(values, blocks, i * b * b + j, b);
    for (size_t i = 0; i < b; ++i)
        for (size_t j = 0; j < b; ++j) least_along(values, blocks, i * b + j, b * b);
    std::copy(values.begin(), values.end(), distance);
}

extern "C" void emogene_dilate(const uint8_t* cells, int32_t resolution, uint8_t* dilated,
                               emogene_pool* pool) {
    const int64_t g = resolution;
    for_ranges(pool, g * g, 256, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t z = row / g, y = row % g;
            for (int64_t x = 0; x < g; ++x) {
                const int64_t i = row * g + x;
                dilated[i] = cells[i] != 0 || (x > 0 && cells[i - 1]) ||
                             (x + 1 < g && cells[i + 1]) || (y > 0 && cells[i - g]) ||
                             (y + 1 < g && cells[i + g]) || (z > 0 && cells[i - g * g]) ||
                             (z + 1 < g && cells[i + g * g]);
            }
        }
    });
}

extern "C" void emogene_cell_maximum(const float* positions, const float* values, int64_t n,
                                     const emogene_box* box, int32_t resolution, float* largest) {
    const Vec3 low = load(box->low), scale = cells_per_unit(*box, resolution);
    for (int64_t i = 0; i < n; ++i) {
        const Cells c = cell_of(load(positions + 3 * i), low, scale, resolution);
        float& cell = largest[cell_index(c, resolution)];
        cell = larger(values[i], cell);
    }
}

extern "C" void emogene_mark_segments(const float* origins, int64_t origin_stride,
                                      const float* directions, const float* start,
                                      const float* end, int64_t n, const emogene_box* box,
                                      int32_t resolution, uint8_t* cells) {
    const Vec3 low = load(box->low), scale = cells_per_unit(*box, resolution);
    const float per_unit = 2.0f * larger(scale.x, larger(scale.y, scale.z));
    const float side = static_cast<float>(resolution);
    for (int64_t i = 0; i < n; ++i) {
        const Vec3 origin = load(origins + origin_stride * i), direction = load(directions + 3 * i);
        const float length = end[i] - start[i];
        if (!(length >= 0.0f)) continue;
        const float gaps = smaller(larger(ceilf(length * per_unit), 1.0f), kMostGaps);
        for (float k = 0.0f; k <= gaps; k += 1.0f) {
            const Vec3 p = along(origin, direction, start[i] + length * (k / gaps));
            const float x = (p.x - low.x) * scale.x, y = (p.y - low.y) * scale.y,
                        z = (p.z - low.z) * scale.z;
            if (!(x >= 0.0f && y >= 0.0f && z >= 0.0f && x < side && y < side && z < side))
                continue;
            const Cells c = {static_cast<int>(x), static_cast<int>(y), static_cast<int>(z)};
            cells[cell_index(c, resolution)] = 1;
        }
    }
}
