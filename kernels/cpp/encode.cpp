#include "encode_loops.h"
#include "host.h"
#include "threads.h"

using namespace emogene;

namespace {

// One level of a range of samples.
struct EncodeRange {
    const float* table;
    const float* coordinates;
    int64_t begin, end;
    float* out;  // this level's first feature of sample 0
    int64_t out_stride;

    template <int D, int F, Wrap W>
    void run(const Level<D>& level) const {
        const float* entries = table + level.first * F;
        uint32_t offsets[1 << D];
        for (int corner = 0; corner < 1 << D; ++corner)
            offsets[corner] = corner_offset(level, corner);
        for (int64_t i = begin; i < end; ++i) {
            const float* u = coordinates + i * D;
            float sum[F] = {};
            if (inside_unit<D>(u)) {
                const Corners<D> at = corners_of(level, u);
                for (int corner = 0; corner < 1 << D; ++corner) {
                    const uint32_t index =
                        wrap_index<W>(at.base + offsets[corner], level.size, level.reciprocal);
                    const float weight = corner_weight(at, corner);
                    const float* entry = entries + static_cast<uint64_t>(index) * F;
                    for (int f = 0; f < F; ++f) sum[f] += weight * entry[f];
                }
            }
            float* row = out + i * out_stride;
            for (int f = 0; f < F; ++f) row[f] = sum[f];
        }
    }
};

template <int D>
void encode(const emogene_grid& grid, const float* table, const float* coordinates, int64_t n,
            float* out, int64_t out_stride, emogene_pool* pool) {
    const std::vector<Level<D>> levels = prepared_levels<D>(grid);
    // Few enough samples that their coordinates and rows stay in the first cache over all levels.
    for_ranges(pool, n, 256, [&](int64_t begin, int64_t end) {
        float* first = out;
        for (const Level<D>& level : levels) {
            with_features(level, grid.features,
                          EncodeRange{table, coordinates, begin, end, first, out_stride});
            first += grid.features;
        }
    });
}

}  // namespace

extern "C" void emogene_encode(const emogene_grid* grid, const float* table,
                               const float* coordinates, int64_t n, float* out,
                               int64_t out_stride, emogene_pool* pool) {
    if (grid->dimensions == 2)
        encode<2>(*grid, table, coordinates, n, out, out_stride, pool);
    else
        encode<3>(*grid, table, coordinates, n, out, out_stride, pool);
}

extern "C" void emogene_unit_coordinates(const float* positions, const float* displacement,
                                         int64_t n, const emogene_box* box, float* unit,
                                         emogene_pool* pool) {
    const float* low = box->low;
    const Vec3 scale = cells_per_unit(*box, 1);
    const float per_unit[3] = {scale.x, scale.y, scale.z};
    for_ranges(pool, n, 8192, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            for (int d = 0; d < 3; ++d) {
                const float moved = displacement != nullptr ? displacement[3 * i + d] : 0.0f;
                unit[3 * i + d] = ((positions[3 * i + d] - moved) - low[d]) * per_unit[d];
            }
    });
}
