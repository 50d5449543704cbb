// What a handle owns.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "../emogene_fused.h"
#include "model.h"

namespace emogene {

struct Free {
    void operator()(void* p) const { std::free(p); }
};

template <class T>
using Memory = std::unique_ptr<T[], Free>;

// Zeroed memory that begins on a cache line.
template <class T>
Memory<T> zeroed(size_t count) {
    const size_t bytes = (count * sizeof(T) + 63) / 64 * 64 + 64;
    void* p = std::aligned_alloc(64, bytes);
    if (p == nullptr) throw std::bad_alloc();
    std::memset(p, 0, bytes);
    return Memory<T>(static_cast<T*>(p));
}

// Memory that threads borrow for as long as they work at a frame; it is kept for the next.
class Loans {
   public:
    explicit Loans(size_t floats) : floats_(floats) {}

    Memory<float> borrow() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (!free_.empty()) {
                Memory<float> taken = std::move(free_.back());
                free_.pop_back();
                return taken;
            }
        }
        return zeroed<float>(floats_);
    }

    void give_back(Memory<float> memory) {
        const std::lock_guard<std::mutex> lock(mutex_);
        free_.push_back(std::move(memory));
    }

   private:
    const size_t floats_;
    std::mutex mutex_;
    std::vector<Memory<float>> free_;
};

const Instructions* instructions_at(int32_t index);

// Whether this processor's gathers are quicker than as many loads. They give the same bits.
bool gathers_pay();

}  // namespace emogene

struct emogene_fused {
    emogene::Model model = {};
    const emogene::Instructions* run = nullptr;
    std::vector<emogene::Memory<float>> floats;   // what the model points at
    std::vector<emogene::Memory<uint32_t>> words;
    std::vector<emogene::Memory<uint8_t>> bytes;
    std::unique_ptr<emogene::Loans> scratch;
};

namespace emogene {

// Fills the handle; throws std::bad_alloc, or std::length_error beyond the limits.
void prepare(emogene_fused& fused, const emogene_head& head, const emogene_torso* torso);

// For each subtile (row by row) the depths between which occupied boxes cover it; begin > end where
// none does.
void project_boxes(const HeadModel& head, const float* pose, Pinhole camera, int32_t size,
                   int32_t subtiles, float* begin, float* end);

}  // namespace emogene
