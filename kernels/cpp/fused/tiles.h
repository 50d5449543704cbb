// Perceptrons by tiles (AMX): 16 neurons x 32 inputs times 32 inputs x 16 samples in one
// instruction, on bfloat16 numbers with float32 sums.
//
// A number is split into two of bfloat16, high + low, which together hold 16 of its 24 bits. Of the
// four products three are kept: what the fourth would add is smaller than what the split loses. That
// is as good as float32 for pictures, and still several times as quick. Frames that can do with
// `coarse` products drop the low halves.
#pragma once

#if defined(__AMX_BF16__)

#include <immintrin.h>

#include "lanes_avx512.h"
#include "model.h"

namespace emogene {
namespace {

constexpr int kTilePanel = 64;   // samples that go through a network together: four tiles

constexpr int kInFlight = 4;     // blocks whose sums are there at once

// What networks need beside their inputs and outputs.
struct TileWork {
    // Pairs of inputs, [input / 2][sample], of two layers in turns: the high halves and the low.
    alignas(64) uint32_t pairs[2][2][kMostWidth / 2 * kTilePanel];
    alignas(64) float sums[kInFlight][16 * kTilePanel];   // [neuron][sample] of blocks in turns
    bool coarse;
};

// Every tile has 16 rows of 64 bytes. Held by a thread from `begin` to `end`.
struct TileConfiguration {
    alignas(64) uint8_t bytes[64];

    static void begin() {
        TileConfiguration c = {};
        c.bytes[0] = 1;   // the palette
        for (int tile = 0; tile < 8; ++tile) {
            c.bytes[16 + 2 * tile] = 64;   // bytes of a row
            c.bytes[48 + tile] = 16;       // rows
        }
        _tile_loadconfig(&c);
    }
    static void end() { _tile_release(); }
};

// Rounded to bfloat16, halves away from zero, and what that leaves.
template <class S>
struct Halves {
    typename S::U high;   // in the upper half of a lane
    typename S::F rest;

    EMOGENE_HD static Halves of(typename S::F x) {
        const typename S::U high = ((typename S::U)x + 0x8000u) & 0xffff0000u;
        return {high, x - (typename S::F)high};
    }
};

// Inputs 2 k and 2 k + 1 of a vector of samples.
template <class S, bool Coarse>
EMOGENE_HD void store_pair(typename S::F even, typename S::F odd, uint32_t* high, uint32_t* low) {
    using I = typename S::I;
    using U = typename S::U;
    const auto a = Halves<S>::of(even), b = Halves<S>::of(odd);
    S::store(reinterpret_cast<int32_t*>(high), I(a.high >> 16 | b.high));
    if (Coarse) return;
    const U c = (U)a.rest >> 16, d = (U)b.rest & 0xffff0000u;
    S::store(reinterpret_cast<int32_t*>(low), I(c | d));
}

// Rows of zeros up to a whole tile: whatever lay there may be no number.
template <class S, bool Coarse>
EMOGENE_HD void pad_pairs(int from, int columns, uint32_t* high, uint32_t* low) {
    for (int row = from; row % 16 != 0; ++row)
        for (int c = 0; c < columns; ++c)
            store_pair<S, Coarse>(S::set(0.0f), S::set(0.0f), high + row * kTilePanel + 16 * c,
                                  low + row * kTilePanel + 16 * c);
}

// Sums of 16 neurons over `Columns` tiles of samples. Of tiles, 0 to 3 are sums, 4 and 5 weights, 6
// and 7 inputs. `weights`: [input / 32] of a tile of high halves and one of low ones.
template <int Columns, bool Coarse>
EMOGENE_HD void multiply_tiles(const uint32_t* weights, int blocks, const uint32_t* high,
                               const uint32_t* low, float* sums) {
    constexpr long kRow = kTilePanel * 4;
    // The intrinsics do not tell the compiler that they read memory.
    asm volatile("" : : : "memory");
    if constexpr (Columns == 0) return;
    _tile_zero(0);
    if constexpr (Columns > 1) _tile_zero(1);
    if constexpr (Columns > 2) _tile_zero(2);
    if constexpr (Columns > 3) _tile_zero(3);
#define EMOGENE_COLUMN(c)                                  \
    if constexpr (Columns > c) {                           \
        _tile_loadd(6, high + 16 * c, kRow);               \
        _tile_dpbf16ps(c, 4, 6);                           \
        if constexpr (!Coarse) {                           \
            _tile_dpbf16ps(c, 5, 6);                       \
            _tile_loadd(7, low + 16 * c, kRow);            \
            _tile_dpbf16ps(c, 4, 7);                       \
        }                                                  \
    }
    for (int k = 0; k < blocks; ++k) {
        _tile_loadd(4, weights, 64);
        if constexpr (!Coarse) _tile_loadd(5, weights + 256, 64);
        EMOGENE_COLUMN(0)
        EMOGENE_COLUMN(1)
        EMOGENE_COLUMN(2)
        EMOGENE_COLUMN(3)
        weights += 512;
        high += 16 * kTilePanel;
        low += 16 * kTilePanel;
    }
#undef EMOGENE_COLUMN
    _tile_stored(0, sums, kRow);
    if constexpr (Columns > 1) _tile_stored(1, sums + 16, kRow);
    if constexpr (Columns > 2) _tile_stored(2, sums + 32, kRow);
    if constexpr (Columns > 3) _tile_stored(3, sums + 48, kRow);
}

// What is done with the sums of a block of 16 neurons from `first` on: they become the next layer's
// inputs, or the network's outputs.
template <class S, int Columns, bool Coarse>
EMOGENE_HD void keep_hidden(const float* sums, const float* bias, int first, uint32_t* high,
                            uint32_t* low) {
    using F = typename S::F;
    const F zero = S::set(0.0f);
    for (int j = 0; j < 16; j += 2, sums += 2 * kTilePanel)
        for (int c = 0; c < Columns; ++c) {
            const F even = S::load(sums + 16 * c) + bias[first + j];
            const F odd = S::load(sums + kTilePanel + 16 * c) + bias[first + j + 1];
            const int at = (first + j) / 2 * kTilePanel + 16 * c;
            store_pair<S, Coarse>(S::larger(even, zero), S::larger(odd, zero), high + at,
                                  low + at);
        }
}

template <class S, int Columns>
EMOGENE_HD void keep_outputs(const float* sums, const float* bias, int first, int outputs,
                             float* out, int out_stride) {
    const int end = outputs - first < 16 ? outputs : first + 16;
    for (int j = first; j < end; ++j, sums += kTilePanel)
        for (int c = 0; c < Columns; ++c)
            S::store(out + j * out_stride + 16 * c, S::load(sums + 16 * c) + bias[j]);
}

// One panel of `Columns` vectors of samples through a network.
template <class S, int Columns, bool Coarse>
__attribute__((noinline)) void tile_panel(const PackedMlp& mlp, const float* first_bias,
                                          const float* in, int in_stride, float* out,
                                          int out_stride, TileWork& work) {
    using F = typename S::F;
    uint32_t *high = work.pairs[0][0], *low = work.pairs[0][1];
    const int inputs = mlp.layer[0].inputs;
    int pairs = (inputs + 1) / 2;
    for (int k = 0; k < pairs; ++k, in += 2 * in_stride)
        for (int c = 0; c < Columns; ++c) {
            const F odd = 2 * k + 1 < inputs ? S::load(in + in_stride + 16 * c) : S::set(0.0f);
            const int at = k * kTilePanel + 16 * c;
            store_pair<S, Coarse>(S::load(in + 16 * c), odd, high + at, low + at);
        }
    for (int i = 0; i < mlp.layers; ++i) {
        const PackedLayer& layer = mlp.layer[i];
        const float* bias = i == 0 ? first_bias : layer.bias;
        uint32_t *to_high = work.pairs[(i + 1) & 1][0], *to_low = work.pairs[(i + 1) & 1][1];
        pad_pairs<S, Coarse>(pairs, Columns, high, low);
        const int blocks = (layer.inputs + 31) / 32;
        // What a tile stores cannot be loaded as quickly as what a vector does, nor the other way
        // round. So half of the columns are worked at while the other half's sums are on the way.
        constexpr int kLeft = (Columns + 1) / 2, kRight = Columns - kLeft, kHalves = kRight ? 2 : 1;
        const int parts = (layer.outputs + 15) / 16 * kHalves;
        const auto multiply = [&](int part) {
            if (part >= parts) return;
            const uint32_t* weights = layer.pairs + part / kHalves * blocks * 512;
            float* sums = work.sums[part % kInFlight];
            if (kRight == 0 || part % kHalves == 0)
                multiply_tiles<kLeft, Coarse>(weights, blocks, high, low, sums);
            else
                multiply_tiles<kRight, Coarse>(weights, blocks, high + 16 * kLeft, low + 16 * kLeft,
                                               sums);
        };
        multiply(0);
        multiply(1);
        for (int part = 0; part < parts; ++part) {
            multiply(part + 2);
            const float* sums = work.sums[part % kInFlight];
            const int first = part / kHalves * 16;
            const bool left = kRight == 0 || part % kHalves == 0;
            const int at = left ? 0 : 16 * kLeft;
            if (i + 1 == mlp.layers) {
                if (left)
                    keep_outputs<S, kLeft>(sums, bias, first, layer.outputs, out, out_stride);
                else
                    keep_outputs<S, kRight>(sums, bias, first, layer.outputs, out + at, out_stride);
            } else if (left) {
                keep_hidden<S, kLeft, Coarse>(sums, bias, first, to_high, to_low);
            } else {
                keep_hidden<S, kRight, Coarse>(sums, bias, first, to_high + at, to_low + at);
            }
        }
        pairs = (layer.outputs + 15) / 16 * 8;
        high = to_high;
        low = to_low;
    }
}

template <class S, int Columns>
EMOGENE_HD void tile_panel(const PackedMlp& mlp, const float* first_bias, const float* in,
                           int in_stride, float* out, int out_stride, TileWork& work) {
    if (work.coarse)
        tile_panel<S, Columns, true>(mlp, first_bias, in, in_stride, out, out_stride, work);
    else
        tile_panel<S, Columns, false>(mlp, first_bias, in, in_stride, out, out_stride, work);
}

struct Amx : Avx512 {
    static constexpr int kNeurons = 16, kWidest = 16;
    static constexpr Products kProducts = Products::kTiles;
};

// All panels of `count` samples.
template <>
struct Perceptron<Amx> {
    using Work = TileWork;

    static void begin(Work& work, bool coarse) {
        TileConfiguration::begin();
        work.coarse = coarse;
    }
    static void end() { TileConfiguration::end(); }

    static void run(const PackedMlp& mlp, const float* first_bias, const float* in, int in_stride,
                    int count, float* out, int out_stride, Work& work) {
        for (int at = 0; at < count; at += kTilePanel) {
            const float* x = in + at;
            float* to = out + at;
            if (count - at > 48)
                tile_panel<Amx, 4>(mlp, first_bias, x, in_stride, to, out_stride, work);
            else if (count - at > 32)
                tile_panel<Amx, 3>(mlp, first_bias, x, in_stride, to, out_stride, work);
            else if (count - at > 16)
                tile_panel<Amx, 2>(mlp, first_bias, x, in_stride, to, out_stride, work);
            else
                tile_panel<Amx, 1>(mlp, first_bias, x, in_stride, to, out_stride, work);
        }
    }
};

}  // namespace
}  // namespace emogene

#endif
