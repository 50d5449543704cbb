// Networks as an instruction set multiplies them.
#include <cmath>

#include "packing.h"

namespace emogene {
namespace {

uint32_t bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if (std::isnan(value)) return bits >> 16 | 64u;   // stays NaN
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;   // to the nearest, ties to even
}

float from_bfloat16(uint32_t half) {
    const uint32_t bits = half << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

// Tiles of 16 neurons x 32 inputs, the high halves and the low ones; `weight(neuron, input)`.
template <class Weight>
void pack_tiles(emogene_fused& f, int32_t inputs, int32_t outputs, const Weight& weight,
                PackedLayer& layer) {
    const int32_t columns = (inputs + 31) / 32, rows = (outputs + 15) / 16;
    Memory<uint32_t> packed = zeroed<uint32_t>(static_cast<size_t>(rows) * columns * 512);
    uint32_t* to = packed.get();
    const auto halves = [&](size_t neuron, int32_t input, int low) {
        const float value = weight(neuron, input);
        const uint32_t high = bfloat16(value);
        return low != 0 ? bfloat16(value - from_bfloat16(high)) : high;
    };
    for (int32_t first = 0; first < outputs; first += 16)
        for (int32_t k = 0; k < inputs; k += 32)
            for (int low = 0; low < 2; ++low)
                for (size_t j = static_cast<size_t>(first); j < static_cast<size_t>(first) + 16; ++j)
                    for (int32_t i = k; i < k + 32; i += 2)
                        *to++ = halves(j, i, low) | halves(j, i + 1, low) << 16;
    layer.pairs = packed.get();
    f.words.push_back(std::move(packed));
}

// `bias` is NULL for zeros; the first layer's is a frame's.
PackedLayer packed_layer(emogene_fused& f, int32_t inputs, int32_t outputs, const float* weights,
                         const float* bias, bool first) {
    const int32_t n = f.run->neurons;
    const size_t blocks = static_cast<size_t>((outputs + n - 1) / n);
    const auto weight = [&](size_t neuron, int32_t input) {
        const bool there = neuron < static_cast<size_t>(outputs) && input < inputs;
        return there ? weights[neuron * static_cast<size_t>(inputs) + input] : 0.0f;
    };
    PackedLayer layer = {inputs, outputs, nullptr, nullptr, nullptr};
    if (f.run->products == Products::kTiles) {
        pack_tiles(f, inputs, outputs, weight, layer);
    } else if (f.run->products == Products::kPairs) {
        const int32_t pairs = (inputs + 1) / 2;
        Memory<uint32_t> packed = zeroed<uint32_t>(blocks * n * pairs);
        uint32_t* to = packed.get();
        for (size_t b = 0; b < blocks; ++b)
            for (int32_t k = 0; k < pairs; ++k)
                for (int32_t j = 0; j < n; ++j)
                    *to++ = bfloat16(weight(b * n + j, 2 * k)) |
                            bfloat16(weight(b * n + j, 2 * k + 1)) << 16;
        layer.pairs = packed.get();
        f.words.push_back(std::move(packed));
    } else {
        Memory<float> packed = zeroed<float>(static_cast<size_t>(outputs) * inputs);
        float* to = packed.get();
        for (int32_t first = 0, width; first < outputs; first += width) {
            const int32_t remain = outputs - first;
            width = remain > f.run->widest ? n : remain;
            for (int32_t k = 0; k < inputs; ++k)
                for (int32_t j = 0; j < width; ++j) *to++ = weight(first + j, k);
        }
        layer.weights = packed.get();
        f.floats.push_back(std::move(packed));
    }
    if (!first)
        layer.bias = kept_floats(f, bias, bias != nullptr ? static_cast<size_t>(outputs) : 0,
                                 blocks * n);
    return layer;
}

}  // namespace

PackedMlp packed_mlp(emogene_fused& f, const emogene_mlp& from) {
    require(from.layers >= 1 && from.layers <= kMostLayers, "layers of a network");
    PackedMlp mlp = {};
    mlp.layers = from.layers;
    for (int32_t i = 0; i <= from.layers; ++i)
        require(from.widths[i] >= 1 && from.widths[i] <= kMostWidth, "width of a layer");
    for (int32_t i = 0; i < from.layers; ++i)
        mlp.layer[i] = packed_layer(f, from.widths[i], from.widths[i + 1], from.weights[i],
                                    from.biases[i], i == 0);
    return mlp;
}

}  // namespace emogene
