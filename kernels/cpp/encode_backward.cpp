#include "encode_loops.h"
#include "threads.h"

using namespace emogene;

namespace {

// Adds one level's share to its part of the table's gradient. A level belongs to one thread, which
// goes through the samples in order: sums are the same for any number of threads.
struct ScatterLevel {
    const float* coordinates;
    const float* gradient;  // this level's first feature of sample 0
    int64_t stride;
    int64_t n;
    float* grad_table;

    template <int D, int F, Wrap W>
    void run(const Level<D>& level) const {
        float* entries = grad_table + level.first * F;
        for (int64_t i = 0; i < n; ++i) {
            const float* u = coordinates + i * D;
            if (!inside_unit<D>(u)) continue;
            const float* upstream = gradient + i * stride;
            const Corners<D> at = corners_of(level, u);
            for (int corner = 0; corner < 1 << D; ++corner) {
                const uint32_t index = wrap_index<W>(at.base + corner_offset(level, corner),
                                                     level.size, level.reciprocal);
                const float weight = corner_weight(at, corner);
                float* entry = entries + static_cast<uint64_t>(index) * F;
                for (int f = 0; f < F; ++f) entry[f] += weight * upstream[f];
            }
        }
    }
};

// Adds one level's share to the coordinates' gradient of a range of samples.
struct SlopeRange {
    const float* table;
    const float* coordinates;
    const float* gradient;
    int64_t stride;
    int64_t begin, end;
    float* grad_coordinates;

    template <int D, int F, Wrap W>
    void run(const Level<D>& level) const {
        const float* entries = table + level.first * F;
        for (int64_t i = begin; i < end; ++i) {
            const float* u = coordinates + i * D;
            if (!inside_unit<D>(u)) continue;
            const float* upstream = gradient + i * stride;
            const Corners<D> at = corners_of(level, u);
            float sum[D] = {};
            for (int corner = 0; corner < 1 << D; ++corner) {
                const uint32_t index = wrap_index<W>(at.base + corner_offset(level, corner),
                                                     level.size, level.reciprocal);
                const float* entry = entries + static_cast<uint64_t>(index) * F;
                float pull = 0.0f;
                for (int f = 0; f < F; ++f) pull += entry[f] * upstream[f];
                for (int d = 0; d < D; ++d) sum[d] += corner_slope(level, at, corner, d) * pull;
            }
            for (int d = 0; d < D; ++d) grad_coordinates[i * D + d] += sum[d];
        }
    }
};

template <int D>
void backward(const emogene_grid& grid, const float* table, const float* coordinates,
              const float* gradient, int64_t n, float* grad_table, float* grad_coordinates,
              emogene_pool* pool) {
    const std::vector<Level<D>> levels = prepared_levels<D>(grid);
    const int64_t stride = static_cast<int64_t>(grid.features) * grid.levels;
    for_ranges(pool, grid.levels, 1, [&](int64_t level, int64_t) {
        with_features(levels[static_cast<size_t>(level)], grid.features,
                      ScatterLevel{coordinates, gradient + level * grid.features, stride, n,
                                   grad_table});
    });
    if (grad_coordinates == nullptr) return;
    for_ranges(pool, n, 256, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * D; i < end * D; ++i) grad_coordinates[i] = 0.0f;
        const float* first = gradient;
        for (const Level<D>& level : levels) {
            with_features(level, grid.features,
                          SlopeRange{table, coordinates, first, stride, begin, end,
                                     grad_coordinates});
            first += grid.features;
        }
    });
}

}  // namespace

extern "C" void emogene_encode_backward(const emogene_grid* grid, const float* table,
                                        const float* coordinates, const float* gradient,
                                        int64_t n, float* grad_table, float* grad_coordinates,
                                        emogene_pool* pool) {
    if (grid->dimensions == 2)
        backward<2>(*grid, table, coordinates, gradient, n, grad_table, grad_coordinates, pool);
    else
        backward<3>(*grid, table, coordinates, gradient, n, grad_table, grad_coordinates, pool);
}
