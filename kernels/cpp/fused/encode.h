// Reading tiled grids: level after level, so that a level's table stays in the cache, for a chunk
// of samples. Indices and weights are made for a vector of samples at once. The entries are loaded
// sample by sample: with two features, an entry and its neighbour along x are four floats side by
// side, one load, which is then multiplied by one weight for all four.
#pragma once

#include "functions.h"
#include "model.h"

namespace emogene {
namespace {

// Coordinates of a chunk: row d has those along axis d; all inside [0, 1], with what was not inside
// marked, whose features must become 0.
struct Coordinates {
    alignas(64) float u[3][kChunk + 16];
    alignas(64) float inside[kChunk + 16];
    bool all_inside;
};

template <class S>
void clamp_coordinates(Coordinates& c, int dimensions, int count) {
    using F = typename S::F;
    using M = typename S::M;
    const F zero = S::set(0.0f), one = S::set(1.0f);
    uint32_t any_outside = 0;
    for (int i = 0; i < count; i += S::kWidth) {
        M outside = S::none();
        for (int d = 0; d < dimensions; ++d) {
            const F u = S::load(c.u[d] + i);
            const F clamped = S::smaller(S::larger(u, zero), one);   // NaN to 0
            // What clamping leaves as it is lies inside; NaN is equal to nothing.
            outside = M(outside | ~S::equal(u, clamped));
            S::store(c.u[d] + i, clamped);
        }
        S::store(c.inside + i, S::select(outside, zero, one));
        any_outside |= S::bits(outside) & S::bits(S::first(count - i));
    }
    c.all_inside = any_outside == 0;
}

// Two floats of four samples to rows: a has [x f0, x f1, x+1 f0, x+1 f1] of a sample.
struct FourReadings {
    Quad low0, low1, high0, high1;   // feature 0 and 1 at x, and at x + 1, of four samples
};

EMOGENE_HD FourReadings transposed(Quad a, Quad b, Quad c, Quad d) {
    typedef int32_t Order __attribute__((vector_size(16)));
    const Quad ab_low = __builtin_shuffle(a, b, (Order){0, 4, 1, 5});
    const Quad ab_high = __builtin_shuffle(a, b, (Order){2, 6, 3, 7});
    const Quad cd_low = __builtin_shuffle(c, d, (Order){0, 4, 1, 5});
    const Quad cd_high = __builtin_shuffle(c, d, (Order){2, 6, 3, 7});
    return {__builtin_shuffle(ab_low, cd_low, (Order){0, 1, 4, 5}),
            __builtin_shuffle(ab_low, cd_low, (Order){2, 3, 6, 7}),
            __builtin_shuffle(ab_high, cd_high, (Order){0, 1, 4, 5}),
            __builtin_shuffle(ab_high, cd_high, (Order){2, 3, 6, 7})};
}

EMOGENE_HD Quad load_quad(const float* p) {
    Quad v;
    memcpy(&v, p, sizeof v);
    return v;
}

// Entry `index` and the one behind it.
template <class S, bool Halves>
EMOGENE_HD Quad load_pair(const PackedLevel& level, uint64_t index) {
    if constexpr (Halves)
        return S::load_halves(level.halves + 2 * index);
    else
        return load_quad(level.entries + 2 * index);
}

// `corners_of` for a vector of samples; corners but for x: two or four.
template <class S, int D>
struct VectorCorners {
    using F = typename S::F;
    using I = typename S::I;
    using U = typename S::U;
    F fraction[D];
    U base;

    EMOGENE_HD static VectorCorners of(const PackedLevel& level, const Coordinates& c, int i) {
        VectorCorners v = {};
        for (int d = 0; d < D; ++d) {
            const F at = S::multiply_add(S::load(c.u[d] + i), S::set(level.scale), S::set(0.5f));
            const I cell = S::truncate(at);   // at >= 0
            v.fraction[d] = at - S::to_float(cell);
            v.base += (U)cell * level.strides[d];
        }
        return v;
    }

    // Entry of a corner, wrapped but by kFastModulo.
    template <Wrap W>
    EMOGENE_HD I index(const PackedLevel& level, int corner) const {
        U at = base;
        for (int d = 1; d < D; ++d)
            if (corner >> (d - 1) & 1) at += level.strides[d];
        if (W == Wrap::kMask) at &= level.size - 1u;
        return (I)at;
    }

    EMOGENE_HD F weight(int corner) const {
        F w = corner & 1 ? fraction[1] : 1.0f - fraction[1];
        if (D == 3) w *= corner & 2 ? fraction[D - 1] : 1.0f - fraction[D - 1];
        return w;
    }
};

// As `encode_pairs`, bit for bit, with instructions that load from many places.
template <class S, int D, Wrap W>
__attribute__((noinline)) void encode_gathered(const PackedLevel& level, const Coordinates& c,
                                               int count, float* row0, float* row1) {
    using F = typename S::F;
    const auto corners_at = [&](int i) {
        auto corners = VectorCorners<S, D>::of(level, c, i);
        corners.base = (typename S::U)S::gather_order((typename S::I)corners.base);
        return corners;
    };
    // One vector ahead, so that no gather waits for its indices.
    auto next = corners_at(0);
    for (int i = 0; i < count; i += S::kWidth) {
        const auto corners = next;
        next = corners_at(i + S::kWidth);
        F sum[4] = {};   // four samples each: [x f0, x f1, x+1 f0, x+1 f1]
#pragma GCC unroll 4
        for (int corner = 0; corner < 1 << (D - 1); ++corner) {
            F read[4];
            S::gather_pairs(level.halves, corners.template index<W>(level, corner), read);
            const F w = corners.weight(corner);
            sum[0] = S::multiply_add(S::template spread<0>(w), read[0], sum[0]);
            sum[1] = S::multiply_add(S::template spread<1>(w), read[1], sum[1]);
            sum[2] = S::multiply_add(S::template spread<2>(w), read[2], sum[2]);
            sum[3] = S::multiply_add(S::template spread<3>(w), read[3], sum[3]);
        }
        S::transpose_groups(sum);
        const F x = corners.fraction[0];
        S::store(row0 + i, S::multiply_add(x, sum[2] - sum[0], sum[0]));
        S::store(row1 + i, S::multiply_add(x, sum[3] - sum[1], sum[1]));
    }
}

// Two features, and neighbours along x side by side: the loop nearly all samples take.
template <class S, int D, Wrap W, bool Halves>
__attribute__((noinline)) void encode_pairs(const PackedLevel& level, const Coordinates& c,
                                            int count, float* row0, float* row1) {
    constexpr int kCorners = 1 << (D - 1);   // but for x
    for (int i = 0; i < count; i += S::kWidth) {
        const auto corners = VectorCorners<S, D>::of(level, c, i);
        alignas(64) int32_t index[kCorners][S::kWidth];
        alignas(64) float weight[kCorners][S::kWidth];
        for (int corner = 0; corner < kCorners; ++corner) {
            S::store(index[corner], corners.template index<W>(level, corner));
            S::store(weight[corner], corners.weight(corner));
        }
        if (W == Wrap::kFastModulo)
            for (int corner = 0; corner < kCorners; ++corner)
                for (int lane = 0; lane < S::kWidth; ++lane)
                    index[corner][lane] = (int32_t)wrap_index<W>((uint32_t)index[corner][lane],
                                                                 level.size, level.reciprocal);
        alignas(64) float x[S::kWidth];
        S::store(x, corners.fraction[0]);
        // Indices and weights are taken from memory one by one, which costs a load each; kept in
        // registers each would cost two shuffles.
        asm volatile("" : : "r"(index), "r"(weight) : "memory");
#pragma GCC unroll 4
        for (int lane = 0; lane < S::kWidth; lane += 4) {
            Quad sum[4];
#pragma GCC unroll 4
            for (int s = 0; s < 4; ++s) {
                sum[s] = Quad{};
#pragma GCC unroll 4
                for (int corner = 0; corner < kCorners; ++corner) {
                    const float w = weight[corner][lane + s];
                    const uint64_t at = (uint32_t)index[corner][lane + s];
                    sum[s] = S::multiply_add_quad(Quad{w, w, w, w},
                                                  load_pair<S, Halves>(level, at), sum[s]);
                }
            }
            const FourReadings r = transposed(sum[0], sum[1], sum[2], sum[3]);
            const Quad along = load_quad(x + lane);
            const Quad f0 = S::multiply_add_quad(along, r.high0 - r.low0, r.low0);
            const Quad f1 = S::multiply_add_quad(along, r.high1 - r.low1, r.low1);
            memcpy(row0 + i + lane, &f0, sizeof f0);
            memcpy(row1 + i + lane, &f1, sizeof f1);
        }
    }
}

// Any grid, sample by sample.
template <int D>
__attribute__((noinline)) void encode_any(const PackedLevel& level, int features,
                                          const Coordinates& c, int count, float* rows,
                                          int stride) {
    Level<D> plain = {};
    plain.scale = level.scale;
    plain.size = level.size;
    for (int d = 0; d < D; ++d) plain.strides[d] = level.strides[d];
    for (int i = 0; i < count; ++i) {
        float u[D];
        for (int d = 0; d < D; ++d) u[d] = c.u[d][i];
        const Corners<D> at = corners_of(plain, u);
        float sum[kNeuronsMost] = {};
        for (int corner = 0; corner < 1 << D; ++corner) {
            const uint64_t index = wrap_index<Wrap::kFastModulo>(
                at.base + corner_offset(plain, corner), level.size, level.reciprocal);
            const float weight = corner_weight(at, corner);
            for (int f = 0; f < features; ++f)
                sum[f] += weight * level.entries[index * (uint64_t)features + f];
        }
        for (int f = 0; f < features; ++f) rows[f * stride + i] = sum[f];
    }
}

template <class S, int D, Wrap W>
EMOGENE_HD void encode_wrapped(const PackedLevel& level, const Coordinates& c, int count,
                               float* rows, int stride) {
    if constexpr (S::kGathers && W != Wrap::kFastModulo)
        if (level.gathered)
            return encode_gathered<S, D, W>(level, c, count, rows, rows + stride);
    if (S::kHalves && level.halves != nullptr)
        encode_pairs<S, D, W, S::kHalves>(level, c, count, rows, rows + stride);
    else
        encode_pairs<S, D, W, false>(level, c, count, rows, rows + stride);
}

template <class S, int D>
void encode_level(const PackedLevel& level, int features, const Coordinates& c, int count,
                  float* rows, int stride) {
    if (!level.pairs)
        encode_any<D>(level, features, c, count, rows, stride);
    else if (level.wrap == Wrap::kNone)
        encode_wrapped<S, D, Wrap::kNone>(level, c, count, rows, stride);
    else if (level.wrap == Wrap::kMask)
        encode_wrapped<S, D, Wrap::kMask>(level, c, count, rows, stride);
    else
        encode_wrapped<S, D, Wrap::kFastModulo>(level, c, count, rows, stride);
}

// Features of `count` samples to rows from `rows` on. Coordinates are clamped first.
template <class S>
void encode_grid(const PackedGrid& grid, Coordinates& c, int count, float* rows, int stride) {
    clamp_coordinates<S>(c, grid.dimensions, count);
    float* row = rows;
    for (int l = 0; l < grid.levels; ++l, row += grid.features * stride) {
        if (grid.dimensions == 2)
            encode_level<S, 2>(grid.level[l], grid.features, c, count, row, stride);
        else
            encode_level<S, 3>(grid.level[l], grid.features, c, count, row, stride);
    }
    if (c.all_inside) return;
    const typename S::F zero = S::set(0.0f);
    for (float* at = rows; at < row; at += stride)
        for (int i = 0; i < count; i += S::kWidth) {
            const auto outside = S::less(S::load(c.inside + i), S::set(0.5f));
            S::store(at + i, S::select(outside, zero, S::load(at + i)));
        }
}

}  // namespace
}  // namespace emogene
