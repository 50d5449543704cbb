// The most a GPU can do of four things, each in a kernel that does nothing else. Results are written
// under a condition that never holds, so that nothing is left out.

// 16 bytes read and 16 written by each thread.
extern "C" __global__ void copy_bytes(const uint4* from, uint4* to, int count) {
    const int stride = gridDim.x * blockDim.x;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) to[i] = from[i];
}

// 8 bytes at a place that a linear congruence picks; four independent chains a thread.
extern "C" __global__ void random_loads(const uint2* table, unsigned mask, int loops, unsigned* out) {
    unsigned at[4], sum = 0;
    for (int k = 0; k < 4; ++k) at[k] = (blockIdx.x * blockDim.x + threadIdx.x) * 4u + k;
    for (int i = 0; i < loops; ++i) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            at[k] = at[k] * 1664525u + 1013904223u;
            const uint2 found = table[(at[k] >> 8) & mask];
            sum += found.x ^ found.y;
        }
    }
    if (sum == 0x5eed5eedu) out[0] = sum;
}

// 16 independent fused multiply-adds a round and thread.
extern "C" __global__ void multiply_adds(float factor, int loops, float* out) {
    float sum[16];
#pragma unroll
    for (int k = 0; k < 16; ++k) sum[k] = threadIdx.x + k;
    for (int i = 0; i < loops; ++i) {
#pragma unroll
        for (int k = 0; k < 16; ++k) sum[k] = __fmaf_rn(sum[k], factor, 1.0f);
    }
    float total = 0.0f;
#pragma unroll
    for (int k = 0; k < 16; ++k) total += sum[k];
    if (total == -1.0f) out[0] = total;
}

// Eight independent 16×8×16 products of halves with float32 sums a round and warp.
extern "C" __global__ void half_products(unsigned value, int loops, float* out) {
    float sum[8][4];
#pragma unroll
    for (int k = 0; k < 8; ++k)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[k][j] = 0.0f;
    const unsigned a = value + threadIdx.x, b = value;
    for (int i = 0; i < loops; ++i) {
#pragma unroll
        for (int k = 0; k < 8; ++k)
            asm volatile(
                "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                "{%8,%9}, {%0,%1,%2,%3};"
                : "+f"(sum[k][0]), "+f"(sum[k][1]), "+f"(sum[k][2]), "+f"(sum[k][3])
                : "r"(a), "r"(b), "r"(a), "r"(b), "r"(a), "r"(b));
    }
    float total = 0.0f;
#pragma unroll
    for (int k = 0; k < 8; ++k)
#pragma unroll
        for (int j = 0; j < 4; ++j) total += sum[k][j];
    if (total == -1.0f) out[0] = total;
}
