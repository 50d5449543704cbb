// One tile of the torso, and the finished pixels: head over torso over background.
#pragma once

#include "../image.h"
#include "encode.h"
#include "functions.h"
#include "head.h"
#include "mlp.h"
#include "model.h"

namespace emogene {
namespace {

// Pixels of the tile whose mask is set, side by side.
struct TorsoRows {
    float* inputs;      // rows of kTorsoStride: features, encoded position, head
    float* outputs;     // rows of kChunkStride: the block that a network leaves
    int32_t* pixel;     // of the tile
};

constexpr int kTorsoStride = kTilePixels + kChunk + 16;

// Fills encoded positions and the head of the tile's pixels that need a torso; returns how many.
template <class S>
int gather_pixels(const TorsoModel& torso, const Frame& frame, int tile, const float* head,
                  const TorsoRows& s) {
    using I = typename S::I;
    using M = typename S::M;
    const int left = tile % frame.tiles * kTile, top = tile / frame.tiles * kTile;
    const int planes = 1 + 2 * torso.octaves;
    float* position = s.inputs + torso.features * kTorsoStride;
    float* of_head = position + torso.position * kTorsoStride;
    I lane = {};
    for (int i = 0; i < S::kWidth; ++i) lane[i] = i;
    int count = 0;
    for (int row = 0; row < kTile && top + row < frame.size; ++row) {
        const int32_t mask_row = frame.mask_cell[top + row] * torso.mask_resolution;
        uint32_t wanted = 0;
        for (int column = 0; column < kTile && left + column < frame.size; ++column) {
            const int32_t cell = mask_row + frame.mask_cell[left + column];
            wanted |= uint32_t(torso.mask[cell >> 3] >> (cell & 7) & 1) << column;
        }
        for (int column = 0; column < kTile; column += S::kWidth) {
            M lanes = S::from_bits(wanted >> column & ((1u << S::kWidth) - 1u));
            const int pixel = row * kTile + column;
            if (head != nullptr) {
                const auto behind = 1.0f - S::load(head + 3 * kTilePixels + pixel);
                lanes = M(lanes & ~S::less(behind, S::set(frame.torso_threshold)));
            }
            if (S::bits(lanes) == 0) continue;
            for (int plane = 0; plane < planes; ++plane) {
                const float* axis = frame.axis + plane * frame.axis_stride;
                float* x = position + 2 * plane * kTorsoStride + count;
                S::compress(x, lanes, S::load(axis + left + column));
                S::store(x + kTorsoStride, S::set(axis[top + row]));
            }
            for (int c = 0; c < 4; ++c)
                S::compress(of_head + c * kTorsoStride + count, lanes,
                            head != nullptr ? S::load(head + c * kTilePixels + pixel)
                                            : typename S::F(S::set(0.0f)));
            S::compress(s.pixel + count, lanes, lane + pixel);
            count += __builtin_popcount(S::bits(lanes));
        }
    }
    return count;
}

// Renders the torso of one tile into four planes (red, green, blue not premultiplied; alpha).
// `head` are the head's planes, or NULL where there is no head. Returns whether there is any.
template <class S>
bool torso_tile(const TorsoModel& torso, const Frame& frame, int tile, const float* head,
                const TorsoRows& s, Coordinates& at_grid, MlpWork<S>& work, float* planes) {
    using F = typename S::F;
    const int count = gather_pixels<S>(torso, frame, tile, head, s);
    if (count == 0) return false;
    float* position = s.inputs + torso.features * kTorsoStride;
    for (int i = 0; i < 4 * kTilePixels; i += S::kWidth) S::store(planes + i, S::set(0.0f));
    for (int at = 0; at < count; at += kChunk) {
        const int n = count - at < kChunk ? count - at : kChunk;
        run_network<S>(torso.deform, frame.biases->torso_deform, position + at, kTorsoStride, n,
                       s.outputs, kChunkStride, work);
        for (int d = 0; d < 2; ++d)
            for (int i = 0; i < n; i += S::kWidth) {
                const F moved = tanh_of<S>(S::load(s.outputs + d * kChunkStride + i));
                const F p = S::load(position + d * kTorsoStride + at + i);
                S::store(at_grid.u[d] + i, (p + moved * torso.deform_range + 1.0f) * 0.5f);
            }
        encode_grid<S>(torso.grid, at_grid, n, s.inputs + at, kTorsoStride);
        run_network<S>(torso.colour, frame.biases->torso_colour, s.inputs + at, kTorsoStride, n,
                       s.outputs, kChunkStride, work);
        for (int i = 0; i < n; i += S::kWidth) {
            alignas(64) float out[4][S::kWidth];
            for (int c = 0; c < 4; ++c)
                S::store(out[c], sigmoid_of<S>(S::load(s.outputs + c * kChunkStride + i)));
            const int lanes = n - i < S::kWidth ? n - i : S::kWidth;
            for (int lane = 0; lane < lanes; ++lane)
                for (int c = 0; c < 4; ++c)
                    planes[c * kTilePixels + s.pixel[at + i + lane]] = out[c][lane];
        }
    }
    return true;
}

// The tile's bytes, as `blend`. Planes are NULL where there is no head or no torso.
template <class S>
void finish_tile(const Frame& frame, int tile, const float* head, const float* torso) {
    using F = typename S::F;
    const int left = tile % frame.tiles * kTile, top = tile / frame.tiles * kTile;
    const int width = frame.size - left < kTile ? frame.size - left : kTile;
    const F zero = S::set(0.0f);
    for (int row = 0; row < kTile && top + row < frame.size; ++row) {
        const int64_t first = ((int64_t)(top + row) * frame.size + left) * 3;
        if (head == nullptr && torso == nullptr) {
            memcpy(frame.image + first, frame.background + first, (size_t)width * 3);
            continue;
        }
        alignas(64) int32_t out[3][kTile];
        for (int c = 0; c < 3; ++c) {
            alignas(64) int32_t under[kTile] = {};
            for (int i = 0; i < width; ++i) under[i] = frame.background[first + 3 * i + c];
            for (int i = 0; i < kTile; i += S::kWidth) {
                const int pixel = row * kTile + i;
                F value = S::to_float(S::load(under + i)) / 255.0f;
                if (torso != nullptr) {
                    const F alpha = S::load(torso + 3 * kTilePixels + pixel);
                    value = S::load(torso + c * kTilePixels + pixel) * alpha +
                            (1.0f - alpha) * value;
                }
                if (head != nullptr)
                    value = S::load(head + c * kTilePixels + pixel) +
                            (1.0f - S::load(head + 3 * kTilePixels + pixel)) * value;
                const F scaled = value * 255.0f + 0.5f;   // NaN becomes 0 below
                S::store(out[c] + i,
                         S::truncate(S::smaller(S::larger(scaled, zero), S::set(255.0f))));
            }
        }
        for (int i = 0; i < width; ++i)
            for (int c = 0; c < 3; ++c) frame.image[first + 3 * i + c] = (uint8_t)out[c][i];
    }
}

}  // namespace
}  // namespace emogene
