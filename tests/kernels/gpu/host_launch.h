// Launches CUDA kernels on the host: their sources are compiled by g++ with what stands here, and a
// launch runs its threads one after the other. Enough for kernels whose threads share nothing but
// atomic sums; barriers and warps are not modelled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

struct Index {
    unsigned x, y, z;
};
static thread_local Index threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define __launch_bounds__(...)

template <class Number>
static Number atomicAdd(Number* sum, Number value) {
    const Number before = *sum;
    *sum += value;
    return before;
}

// The argument at the next aligned place of a launch's parameters.
template <class T>
T take(const char* parameters, size_t& at) {
    at = (at + alignof(T) - 1) / alignof(T) * alignof(T);
    T value;
    std::memcpy(&value, parameters + at, sizeof(T));
    at += sizeof(T);
    return value;
}

template <class... A>
void launch(void (*kernel)(A...), const unsigned* shape, const char* parameters) {
    gridDim = {shape[0], shape[1], shape[2]};
    blockDim = {shape[3], shape[4], shape[5]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) {
                            size_t at = 0;
                            // Braces, so that the arguments are taken in order.
                            struct Call {
                                Call(void (*f)(A...), A... values) { f(values...); }
                            } call{kernel, take<A>(parameters, at)...};
                            (void)call;
                        }
}

#define LAUNCHABLE(kernel)                                                              \
    extern "C" void launch_##kernel(const unsigned* shape, const char* parameters) {   \
        launch(kernel, shape, parameters);                                              \
    }
