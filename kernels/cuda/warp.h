// A warp's tensor-core products, and perceptron layers made of them.
//
// The 32 lanes of a warp hold one sample each. A layer is one product of a 32 x K matrix, the
// samples' inputs as halves, by the K x N weights; sums are float32. Samples lie in rows of shared
// memory, one a lane, where a layer's outputs take its inputs' place: a lane writes its sample's
// features there and reads its results back.
//
// A layer of two terms splits inputs and weights x into the half nearest to x and the half nearest
// to what is left, and adds the three products that matter: 22 bits instead of 11.
#pragma once

#include "fused_plan.h"
#include "halves.h"
#include "lanes.h"
#include "plain.h"

namespace emogene {

struct alignas(16) Words4 {
    uint32_t w[4];
};
struct alignas(8) Words2 {
    uint32_t w[2];
};

EMOGENE_HD constexpr int rounded(int n, int to) { return (n + to - 1) / to * to; }

#if defined(__CUDACC__)
// Two halves in a word, `low` in the lower bits, each the nearest.
__device__ __forceinline__ uint32_t halves(float low, float high) {
    uint32_t pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

// c (16 x 8) += a (16 x 16) b (16 x 8): the operands of mma.m16n8k16, spread over the lanes.
__device__ __forceinline__ void multiply_tile(float* c, const uint32_t* a, Words2 b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.w[0]), "r"(b.w[1]));
}
#endif

// A finite number that a half can hold, so that no product becomes infinite less infinite.
EMOGENE_HD float within_half(float x) { return smaller(larger(x, -65504.0f), 65504.0f); }

// The avatar's model as the threads of a block see it.
struct WarpModel : PlainModel {
    const uint32_t* fragments;  // the layers' weights in global memory
    uint32_t* weights;          // those that stay in shared memory
    uint32_t* slice;            // where pieces of the others come by
    uint32_t* rows;             // this warp's samples, one after the other
    int lane;
};

EMOGENE_HD WarpModel warp_model(const PlainModel& model, const uint32_t* fragments,
                                int resident_words, int slice_words, int row_words) {
    WarpModel made;
    static_cast<PlainModel&>(made) = model;
    made.fragments = fragments;
    made.weights = shared_words();
    made.slice = made.weights + resident_words;
    made.lane = threadIdx.x % kWarp;
    made.rows = made.slice + slice_words + (int)(threadIdx.x / kWarp) * kWarp * row_words;
    return made;
}

EMOGENE_HD void copy_words(uint32_t* to, const uint32_t* from, int words) {
    EMOGENE_ROLLED
    for (int i = 4 * threadIdx.x; i < words; i += 4 * blockDim.x)
        *reinterpret_cast<Words4*>(to + i) = *reinterpret_cast<const Words4*>(from + i);
}

// Writes words of halves: the numbers, and `words` further on what their halves lack.
template <int Terms>
EMOGENE_HD uint32_t split(float a, float b, uint32_t* rest) {
    const float x = within_half(a), y = within_half(b);
    const uint32_t pair = halves(x, y);
    if (Terms == 2) {
        const Floats2 kept = floats(pair);
        *rest = halves(x - kept.f[0], y - kept.f[1]);
    }
    return pair;
}

// Puts a lane's inputs into its row, zeros behind them.
template <int Inputs, int Terms, int RowWords>
EMOGENE_HD void enter_row(const WarpModel& m, const float* in) {
    constexpr int kWords = rounded(Inputs, 16) / 2;
    uint32_t* row = m.rows + m.lane * RowWords;
    __syncwarp();  // others have read the results before
    EMOGENE_UNROLL
    for (int word = 0; word < kWords; word += 4) {
        Words4 first, rest;
        EMOGENE_UNROLL
        for (int i = 0; i < 4; ++i) {
            const int at = 2 * (word + i);
            first.w[i] = split<Terms>(at < Inputs ? in[at < Inputs ? at : 0] : 0.0f,
                                      at + 1 < Inputs ? in[at + 1 < Inputs ? at + 1 : 0] : 0.0f,
                                      &rest.w[i]);
        }
        *reinterpret_cast<Words4*>(row + word) = first;
        if (Terms == 2) *reinterpret_cast<Words4*>(row + kWords + word) = rest;
    }
    __syncwarp();
}

// Reads a lane's results from its row.
template <int Outputs, int RowWords>
EMOGENE_HD void leave_row(const WarpModel& m, float* out) {
    const uint32_t* row = m.rows + m.lane * RowWords;
    EMOGENE_UNROLL
    for (int word = 0; word < Outputs; word += 4) {
        const Words4 words = *reinterpret_cast<const Words4*>(row + word);
        EMOGENE_UNROLL
        for (int i = 0; i < 4; ++i)
            if (word + i < Outputs) memcpy(out + word + i, &words.w[i], 4);
    }
}

// One layer on the warp's rows. Every warp of the block must come here where L streams.
//
// L: kInputs, kOutputs, kTerms, kHidden (halves at or above 0 come out, or else float32 results),
// kFirst (its first word among the fragments), kShared (its first word among those that stay, or
// -1), kSlice (tiles of 8 neurons that fit the slice), kRowWords (of a sample's row).
template <class L>
EMOGENE_HD void tensor_layer(const WarpModel& m, const float* bias) {
    constexpr int K = rounded(L::kInputs, 16) / 16, kTerms = L::kTerms;
    constexpr int N = rounded(L::kOutputs, L::kHidden ? 16 : 8) / 8;
    constexpr int kTileWords = K * kTerms * 2 * kWarp;  // of the weights of 8 neurons
    constexpr int kNext = rounded(L::kOutputs, 16) / 2;
    const int group = m.lane / 4, pair = m.lane % 4;
    uint32_t a[2][kTerms][K][4];
    EMOGENE_UNROLL
    for (int t = 0; t < 2; ++t) {
        EMOGENE_UNROLL
        for (int term = 0; term < kTerms; ++term) {
            EMOGENE_UNROLL
            for (int k = 0; k < K; ++k) {
                EMOGENE_UNROLL
                for (int i = 0; i < 4; ++i)
                    a[t][term][k][i] = m.rows[(16 * t + group + 8 * (i & 1)) * L::kRowWords +
                                              8 * (term * K + k) + pair + 4 * (i >> 1)];
            }
        }
    }
    __syncwarp();
    const uint32_t* weights = m.weights + (L::kShared < 0 ? 0 : L::kShared);
    EMOGENE_ROLLED
    for (int n = 0; n < N; ++n) {
        if (L::kShared < 0) {
            const int within = n % L::kSlice;
            if (within == 0) {
                const int tiles = N - n < L::kSlice ? N - n : L::kSlice;
                __syncthreads();  // all have read the slice before
                copy_words(m.slice, m.fragments + L::kFirst + n * kTileWords, tiles * kTileWords);
                __syncthreads();
            }
            weights = m.slice + within * kTileWords;
        }
        float c[2][4];
        EMOGENE_UNROLL
        for (int i = 0; i < 2; ++i) {
            const int neuron = 8 * n + 2 * pair + i;
            const float b = bias != nullptr && neuron < L::kOutputs ? bias[neuron] : 0.0f;
            c[0][i] = c[0][2 + i] = c[1][i] = c[1][2 + i] = b;
        }
        const uint32_t* b = weights + 2 * m.lane;
        EMOGENE_UNROLL
        for (int k = 0; k < K; ++k) {
            Words2 w[kTerms];
            EMOGENE_UNROLL
            for (int term = 0; term < kTerms; ++term)
                w[term] = *reinterpret_cast<const Words2*>(b + (k * kTerms + term) * 2 * kWarp);
            EMOGENE_UNROLL
            for (int t = 0; t < 2; ++t) {
                if (kTerms == 2) {
                    multiply_tile(c[t], a[t][kTerms - 1][k], w[0]);
                    multiply_tile(c[t], a[t][0][k], w[kTerms - 1]);
                }
                multiply_tile(c[t], a[t][0][k], w[0]);
            }
        }
        EMOGENE_UNROLL
        for (int t = 0; t < 2; ++t) {
            EMOGENE_UNROLL
            for (int half = 0; half < 2; ++half) {
                uint32_t* row = m.rows + (16 * t + group + 8 * half) * L::kRowWords;
                const float x = c[t][2 * half], y = c[t][2 * half + 1];
                if (L::kHidden) {
                    uint32_t rest;
                    row[4 * n + pair] = split<kTerms>(larger(x, 0.0f), larger(y, 0.0f), &rest);
                    if (kTerms == 2) row[kNext + 4 * n + pair] = rest;
                } else {
                    *reinterpret_cast<Floats2*>(row + 8 * n + 2 * pair) = {x, y};
                }
            }
        }
        weights += kTileWords;
    }
    __syncwarp();
}

}  // namespace emogene
