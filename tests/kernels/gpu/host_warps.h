// Launches CUDA kernels on the host with their warps: every thread is a fiber, and what warps and
// blocks do together waits for all of its threads. A few blocks run side by side, threads in turn,
// so that queues are shared as they are on a GPU. Half-precision products follow the layout of
// mma.m16n8k16's operands in the PTX manual.
//
// It is strict where the real thing is undefined: lanes that meet at different operations, a warp
// or block that one of its threads has left, and shared memory nobody wrote (it is filled with NaN).
#pragma once

#include "host_launch.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace host {

constexpr int kLanes = 32, kSideBySide = 4, kStack = 512 << 10;

enum Operation {
    kNothing, kShuffle, kBallot, kSum, kWarpSync, kProduct, kBlockSync, kBlockAny
};

// A meeting of threads: each leaves something, and goes on when all have.
struct Meeting {
    int members = 0, come = 0;
    long turn = 0;
    Operation operation = kNothing;
    struct Left {
        uint64_t number;
        uint32_t a[4], b[2];
        float c[4];
    };
    std::vector<Left> left[2];

    void prepare(int count) {
        members = count;
        left[0].resize(count);
        left[1].resize(count);
    }
};

struct Block {
    Index index;
    Meeting all;
    std::vector<Meeting> warps;
    std::vector<uint32_t> shared;
};

struct Fiber {
    ucontext_t start;
    jmp_buf place;
    bool started = false, ended = false;
    Index thread;
    int number;
    Block* block;
    const Meeting* awaited = nullptr;  // it goes on when that has come to another turn
    long turn = 0;
};

static std::vector<Fiber> fibers;
static std::vector<std::unique_ptr<char[]>> stacks;  // one a fiber, kept from launch to launch
static Fiber* running;
static ucontext_t scheduler_start;
static jmp_buf scheduler;
static void (*body)();
static bool gone_on;  // somebody has, since the last round through all threads

[[noreturn]] inline void refuse(const char* why) {
    fprintf(stderr, "model of warps: %s\n", why);
    abort();
}

inline void yield() {
    if (_setjmp(running->place) == 0) _longjmp(scheduler, 1);
}

inline void enter() {
    body();
    running->ended = true;
    _longjmp(scheduler, 1);
}

// Threads that sleep may wait this many rounds for what others are to do.
constexpr long kPatience = 1000;

inline void run_all() {
    volatile long idle = 0;
    for (volatile size_t going = 1; going != 0;) {
        going = 0;
        gone_on = false;
        for (volatile size_t i = 0; i < fibers.size(); ++i) {
            running = &fibers[i];
            if (running->ended) continue;
            going = going + 1;
            if (running->awaited != nullptr) {
                if (running->awaited->turn == running->turn) continue;
                running->awaited = nullptr;
                gone_on = true;
            }
            threadIdx = running->thread;
            blockIdx = running->block->index;
            if (_setjmp(scheduler) != 0) {
                if (running->ended) gone_on = true;
                continue;
            }
            if (running->started) _longjmp(running->place, 1);
            running->started = gone_on = true;
            setcontext(&running->start);
        }
        idle = gone_on ? 0 : idle + 1;
        if (idle > kPatience) refuse("threads wait for some that never come");
    }
}

inline Fiber& self() {
    if (running == nullptr) refuse("threads of a kernel that was said to need none other meet");
    return *running;
}

inline int thread_in_block() { return self().number; }
inline int lane() { return self().number % kLanes; }
inline Meeting& warp() { return self().block->warps[self().number / kLanes]; }

using Everybody = std::vector<Meeting::Left>;

// What everybody left, once all have and the last to come has done what there is to do.
inline const Everybody& meet(Meeting& meeting, int who, Operation operation,
                             const Meeting::Left& mine, void (*last)(Everybody&) = nullptr) {
    if (meeting.come == 0) meeting.operation = operation;
    if (meeting.operation != operation) refuse("threads meet at different operations");
    const long turn = meeting.turn;
    auto& left = meeting.left[turn & 1];
    left[who] = mine;
    if (++meeting.come == meeting.members) {
        if (last != nullptr) last(left);
        meeting.come = 0;
        ++meeting.turn;
    } else {
        running->awaited = &meeting;
        running->turn = turn;
        yield();
    }
    return left;
}

inline const Everybody& meet_warp(Operation operation, const Meeting::Left& mine,
                                  void (*last)(Everybody&) = nullptr) {
    return meet(warp(), lane(), operation, mine, last);
}

inline float from_half(uint16_t half) {
    static const std::vector<float> table = [] {
        std::vector<float> made(1 << 16);
        for (int i = 0; i < 1 << 16; ++i) {
            const int exponent = i >> 10 & 31, fraction = i & 1023;
            const float size = exponent == 0    ? std::ldexp((float)fraction, -24)
                               : exponent == 31 ? (fraction ? NAN : INFINITY)
                                                : std::ldexp((float)(fraction + 1024), exponent - 25);
            made[i] = i >> 15 ? -size : size;
        }
        return made;
    }();
    return table[half];
}

// The nearest half, to even at ties.
inline uint16_t to_half(float x) {
    const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    if (std::isnan(x)) return 0x7fff;
    const float size = std::fabs(x);
    if (size >= 65520.0f) return sign | 0x7c00;
    int exponent;
    std::frexp(size, &exponent);
    const int last = exponent - 11 < -24 ? -24 : exponent - 11;  // weight of the last bit
    const float units = std::nearbyint(std::ldexp(size, -last));
    const float rounded = std::ldexp(units, last);
    if (rounded < 6.103515625e-05f) return sign | (uint16_t)std::ldexp(rounded, 24);
    std::frexp(rounded, &exponent);
    return sign | (uint16_t)((exponent + 14) << 10) |
           ((uint16_t)std::ldexp(rounded, 11 - exponent) & 1023);
}

}  // namespace host

struct uint4 {
    uint32_t x, y, z, w;
};

inline unsigned __ballot_sync(unsigned mask, bool predicate) {
    if (mask != 0xffffffffu) host::refuse("a warp's operation without some of its lanes");
    const auto& left = host::meet_warp(host::kBallot, {predicate});
    unsigned set = 0;
    for (int i = 0; i < host::kLanes; ++i) set |= (unsigned)left[i].number << i;
    return set;
}

inline unsigned long long __shfl_sync(unsigned mask, unsigned long long value, int from) {
    if (mask != 0xffffffffu) host::refuse("a warp's operation without some of its lanes");
    return host::meet_warp(host::kShuffle, {value})[from % host::kLanes].number;
}

inline unsigned __reduce_add_sync(unsigned mask, unsigned value) {
    if (mask != 0xffffffffu) host::refuse("a warp's operation without some of its lanes");
    unsigned sum = 0;
    for (const auto& one : host::meet_warp(host::kSum, {value})) sum += (unsigned)one.number;
    return sum;
}

// A thread that waits for others in a loop lets them go on.
inline void __nanosleep(unsigned) { host::yield(); }
inline void __threadfence() {}

inline void __syncwarp() { host::meet_warp(host::kWarpSync, {}); }

inline void __syncthreads() {
    host::meet(host::self().block->all, host::thread_in_block(), host::kBlockSync, {});
}

inline int __syncthreads_or(bool predicate) {
    const auto& left = host::meet(host::self().block->all, host::thread_in_block(),
                                  host::kBlockAny, {predicate});
    for (const auto& one : left)
        if (one.number != 0) return 1;
    return 0;
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned bits) { return __builtin_ffs((int)bits); }

namespace emogene {

struct Words2;
struct Floats2;

inline uint32_t* shared_words() { return host::self().block->shared.data(); }

inline uint32_t halves(float low, float high) {
    return host::to_half(low) | (uint32_t)host::to_half(high) << 16;
}

template <class Pair = Floats2>
Pair floats(uint32_t pair) {
    return {{host::from_half((uint16_t)pair), host::from_half((uint16_t)(pair >> 16))}};
}

// Row r, column k of A lies in lane 4 (r mod 8) + (k mod 8) / 2, word (r / 8) + 2 (k / 8); row k,
// column n of B in lane 4 n + (k mod 8) / 2, word k / 8; row r, column n of C in lane
// 4 (r mod 8) + n / 2, number 2 (r / 8) + n mod 2. An odd k is a word's upper half.
template <class Pair = Words2>
void multiply_tile(float* c, const uint32_t* a, Pair b) {
    host::Meeting::Left mine = {0, {a[0], a[1], a[2], a[3]}, {b.w[0], b.w[1]}};
    std::memcpy(mine.c, c, sizeof(mine.c));
    const auto product = [](host::Everybody& left) {
        const auto half = [](uint32_t word, int k) {
            return host::from_half((uint16_t)(word >> 16 * (k % 2)));
        };
        float rows[16][16], columns[8][16];
        for (int k = 0; k < 16; ++k) {
            for (int r = 0; r < 16; ++r)
                rows[r][k] = half(left[4 * (r % 8) + k % 8 / 2].a[r / 8 + 2 * (k / 8)], k);
            for (int n = 0; n < 8; ++n)
                columns[n][k] = half(left[4 * n + k % 8 / 2].b[k / 8], k);
        }
        for (int lane = 0; lane < host::kLanes; ++lane)
            for (int i = 0; i < 4; ++i) {
                const float* row = rows[lane / 4 + 8 * (i / 2)];
                const float* column = columns[2 * (lane % 4) + i % 2];
                float sum = left[lane].c[i];
                for (int k = 0; k < 16; ++k) sum += row[k] * column[k];
                left[lane].c[i] = sum;
            }
    };
    std::memcpy(c, host::meet_warp(host::kProduct, mine, product)[host::lane()].c, 4 * sizeof(float));
}

}  // namespace emogene

template <class... A>
void launch_warps(void (*kernel)(A...), const unsigned* shape, const char* parameters) {
    gridDim = {shape[0], shape[1], shape[2]};
    blockDim = {shape[3], shape[4], shape[5]};
    static void (*called)(A...);
    static const char* given;
    called = kernel, given = parameters;
    host::body = [] {
        size_t at = 0;
        struct Call {
            Call(void (*f)(A...), A... values) { f(values...); }
        } call{called, take<A>(given, at)...};
        (void)call;
    };
    const int threads = blockDim.x;
    if (threads % host::kLanes != 0 || blockDim.y * blockDim.z * gridDim.y * gridDim.z != 1)
        host::refuse("only whole warps in one dimension");
    for (unsigned first = 0; first < gridDim.x; first += host::kSideBySide) {
        const unsigned left = gridDim.x - first;
        std::vector<host::Block> blocks(left < host::kSideBySide ? left : host::kSideBySide);
        host::fibers = std::vector<host::Fiber>(blocks.size() * threads);
        while (host::stacks.size() < host::fibers.size())
            host::stacks.emplace_back(new char[host::kStack]);
        for (size_t b = 0; b < blocks.size(); ++b) {
            blocks[b].index = {first + (unsigned)b, 0, 0};
            blocks[b].shared.assign(shape[6] / 4 + 4, 0xffffffffu);
            blocks[b].all.prepare(threads);
            blocks[b].warps.resize(threads / host::kLanes);
            for (auto& warp : blocks[b].warps) warp.prepare(host::kLanes);
            for (int t = 0; t < threads; ++t) {
                host::Fiber& fiber = host::fibers[b * threads + t];
                fiber.thread = {(unsigned)t, 0, 0};
                fiber.number = t;
                fiber.block = &blocks[b];
                getcontext(&fiber.start);
                fiber.start.uc_stack.ss_sp = host::stacks[b * threads + t].get();
                fiber.start.uc_stack.ss_size = host::kStack;
                fiber.start.uc_link = nullptr;
                makecontext(&fiber.start, host::enter, 0);
            }
        }
        host::run_all();
    }
    host::running = nullptr;
}

#undef LAUNCHABLE
#define LAUNCHABLE(kernel)                                                            \
    extern "C" void launch_##kernel(const unsigned* shape, const char* parameters) { \
        launch_warps(kernel, shape, parameters);                                      \
    }

// A kernel whose threads share nothing but atomic sums, one after the other: much quicker.
#define LAUNCHABLE_ALONE(kernel)                                                      \
    extern "C" void launch_##kernel(const unsigned* shape, const char* parameters) { \
        launch(kernel, shape, parameters);                                            \
    }
