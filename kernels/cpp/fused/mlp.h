// Perceptrons on panels of samples: three vectors of samples by a block of neurons stay in
// registers while the inputs go by, so that every weight that is loaded is used on a whole panel.
// Rows are features, columns samples. Activations between layers never leave the first cache.
#pragma once

#include "model.h"

namespace emogene {
namespace {

template <class S>
constexpr int kPanel = 3 * S::kWidth;

// Networks on one instruction set: what they need beside inputs and outputs, what a thread does
// before and after it uses them, and all panels of `count` samples.
template <class S>
struct Perceptron;

template <class S>
using MlpWork = typename Perceptron<S>::Work;

template <class S>
struct PanelWork {
    // Two buffers of a layer's outputs, and one of packed inputs.
    alignas(64) float rows[2][kMostWidth * kPanelMost];
    alignas(64) int32_t pairs[kMostWidth / 2 * kPanelMost];
};

// Sums of a block of N neurons over one panel.
template <class S, int N>
struct Block {
    typename S::F a[N], b[N], c[N];

    EMOGENE_HD void start(const float* bias) {
#pragma GCC unroll 9
        for (int j = 0; j < N; ++j) a[j] = b[j] = c[j] = S::set(bias[j]);
    }

    EMOGENE_HD void rectify() {
        const typename S::F zero = S::set(0.0f);
#pragma GCC unroll 9
        for (int j = 0; j < N; ++j) {
            a[j] = S::larger(a[j], zero);
            b[j] = S::larger(b[j], zero);
            c[j] = S::larger(c[j], zero);
        }
    }

    EMOGENE_HD void write(float* out, int stride) const {
#pragma GCC unroll 9
        for (int j = 0; j < N; ++j) {
            float* row = out + j * stride;
            S::store(row, a[j]);
            S::store(row + S::kWidth, b[j]);
            S::store(row + 2 * S::kWidth, c[j]);
        }
    }
};

// Rows of one panel: inputs and outputs of a layer.
struct PanelRows {
    const float* in;
    int in_stride;
    float* out;
    int out_stride;
};

// A block of N neurons from `first` on.
template <class S, int N, bool Rectify>
EMOGENE_HD void block(const PackedLayer& layer, const float* bias, int first, PanelRows rows) {
    constexpr int W = S::kWidth;
    const float *weight = layer.weights + first * layer.inputs, *x = rows.in;
    Block<S, N> sums;
    sums.start(bias + first);
    for (int k = 0; k < layer.inputs; ++k, x += rows.in_stride, weight += N) {
        const typename S::F x0 = S::load(x), x1 = S::load(x + W), x2 = S::load(x + 2 * W);
#pragma GCC unroll 9
        for (int j = 0; j < N; ++j) {
            const typename S::F w = S::set(weight[j]);
            sums.a[j] = S::multiply_add(w, x0, sums.a[j]);
            sums.b[j] = S::multiply_add(w, x1, sums.b[j]);
            sums.c[j] = S::multiply_add(w, x2, sums.c[j]);
        }
    }
    if (Rectify) sums.rectify();
    sums.write(rows.out + first * rows.out_stride, rows.out_stride);
}

// The last block, whose width is known at run time only: at most N.
template <class S, int N, bool Rectify>
EMOGENE_HD void last_block(const PackedLayer& layer, const float* bias, int first,
                           const PanelRows& rows) {
    if constexpr (N > 1)
        if (layer.outputs - first < N)
            return last_block<S, N - 1, Rectify>(layer, bias, first, rows);
    block<S, N, Rectify>(layer, bias, first, rows);
}

// One layer of float32 rows.
template <class S, bool Rectify>
__attribute__((noinline)) void layer(const PackedLayer& layer, const float* bias,
                                     const PanelRows& rows) {
    int first = 0;
    for (; layer.outputs - first > S::kWidest; first += S::kNeurons)
        block<S, S::kNeurons, Rectify>(layer, bias, first, rows);
    last_block<S, S::kWidest, Rectify>(layer, bias, first, rows);
}

template <class S, Products = S::kProducts>
struct Network {
    // One panel: rows `in` of the network's inputs, `out` of its outputs and up to a block more.
    static void run(const PackedMlp& mlp, const float* first_bias, const float* in, int in_stride,
                    float* out, int out_stride, PanelWork<S>& work) {
        const int last = mlp.layers - 1;
        for (int i = 0; i < last; ++i) {
            float* to = work.rows[i & 1];
            layer<S, true>(mlp.layer[i], i == 0 ? first_bias : mlp.layer[i].bias,
                           {in, in_stride, to, kPanel<S>});
            in = to;
            in_stride = kPanel<S>;
        }
        layer<S, false>(mlp.layer[last], mlp.layer[last].bias, {in, in_stride, out, out_stride});
    }
};

// One layer of pairs of bfloat16 inputs; sums are float32. Hidden layers leave pairs again. Writes
// whole blocks of neurons: rows beyond `outputs` become meaningless.
template <class S, bool Hidden>
__attribute__((noinline)) void paired_layer(const PackedLayer& layer, const float* bias,
                                            const int32_t* in, int32_t* hidden, float* out,
                                            int out_stride) {
    constexpr int N = S::kNeurons, W = S::kWidth;
    const int32_t* weight = reinterpret_cast<const int32_t*>(layer.pairs);
    const int pairs = (layer.inputs + 1) / 2;
    for (int first = 0; first < layer.outputs; first += N) {
        Block<S, N> sums;
        sums.start(bias + first);
        const int32_t* x = in;
        for (int k = 0; k < pairs; ++k, x += kPanel<S>, weight += N) {
            const typename S::I x0 = S::load(x), x1 = S::load(x + W), x2 = S::load(x + 2 * W);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) {
                const typename S::I w = S::set(weight[j]);
                sums.a[j] = S::multiply_add_pairs(w, x0, sums.a[j]);
                sums.b[j] = S::multiply_add_pairs(w, x1, sums.b[j]);
                sums.c[j] = S::multiply_add_pairs(w, x2, sums.c[j]);
            }
        }
        if (!Hidden) {
            sums.write(out + first * out_stride, out_stride);
            continue;
        }
        sums.rectify();
        int32_t* row = hidden + first / 2 * kPanel<S>;
#pragma GCC unroll 8
        for (int j = 0; j < N; j += 2, row += kPanel<S>) {
            S::store(row, S::pair(sums.a[j], sums.a[j + 1]));
            S::store(row + W, S::pair(sums.b[j], sums.b[j + 1]));
            S::store(row + 2 * W, S::pair(sums.c[j], sums.c[j + 1]));
        }
    }
}

template <class S>
struct Network<S, Products::kPairs> {
    static void run(const PackedMlp& mlp, const float* first_bias, const float* in, int in_stride,
                    float* out, int out_stride, PanelWork<S>& work) {
        const int inputs = mlp.layer[0].inputs, last = mlp.layers - 1;
        for (int k = 0; k < inputs; k += 2) {
            const float* low = in + k * in_stride;
            const bool odd_end = k + 1 == inputs;
            for (int v = 0; v < kPanel<S>; v += S::kWidth) {
                const typename S::F high = odd_end ? S::set(0.0f) : S::load(low + in_stride + v);
                S::store(work.pairs + k / 2 * kPanel<S> + v, S::pair(S::load(low + v), high));
            }
        }
        const int32_t* x = work.pairs;
        for (int i = 0; i < last; ++i) {
            int32_t* to = reinterpret_cast<int32_t*>(work.rows[i & 1]);
            paired_layer<S, true>(mlp.layer[i], i == 0 ? first_bias : mlp.layer[i].bias, x, to,
                                  nullptr, 0);
            x = to;
        }
        paired_layer<S, false>(mlp.layer[last], mlp.layer[last].bias, x, nullptr, out, out_stride);
    }
};

template <class S>
struct Perceptron {
    using Work = PanelWork<S>;

    static void begin(Work&, bool) {}
    static void end() {}

    static void run(const PackedMlp& mlp, const float* first_bias, const float* in, int in_stride,
                    int count, float* out, int out_stride, Work& work) {
        for (int at = 0; at < count; at += kPanel<S>)
            Network<S>::run(mlp, first_bias, in + at, in_stride, out + at, out_stride, work);
    }
};

// Rows must have room up to the next whole panel.
template <class S>
void run_network(const PackedMlp& mlp, const float* first_bias, const float* in, int in_stride,
                 int count, float* out, int out_stride, MlpWork<S>& work) {
    Perceptron<S>::run(mlp, first_bias, in, in_stride, count, out, out_stride, work);
}

}  // namespace
}  // namespace emogene
