// The thread pool and the loop that every kernel runs on it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

struct emogene_pool {
   public:
    explicit emogene_pool(int threads);
    ~emogene_pool();
    emogene_pool(const emogene_pool&) = delete;
    emogene_pool& operator=(const emogene_pool&) = delete;

    // Calls task(0) ... task(count - 1), each once, on the pool's threads and this one. Tasks must
    // not throw and must write apart from each other.
    void run(int64_t count, const std::function<void(int64_t)>& task);

    // How many threads work at a job, its caller being one of them.
    int32_t threads() const { return static_cast<int32_t>(workers_.size()) + 1; }

   private:
    void work();
    void take_tasks();
    void stop();

    std::vector<std::thread> workers_;
    std::mutex one_job_;  // held while a job runs: callers take turns
    std::mutex mutex_;    // guards what follows
    std::condition_variable job_posted_, job_left_;
    const std::function<void(int64_t)>* task_ = nullptr;
    int64_t count_ = 0;
    std::atomic<int64_t> next_{0};
    uint64_t job_ = 0;
    int busy_ = 0;
    bool stopping_ = false;
};

namespace emogene {

// body(begin, end) over [0, count) in pieces of `grain`. Pieces do not depend on the number of
// threads, so neither do results.
template <class Body>
void for_ranges(emogene_pool* pool, int64_t count, int64_t grain, const Body& body) {
    const int64_t pieces = (count + grain - 1) / grain;
    const auto piece = [&](int64_t i) {
        const int64_t begin = i * grain;
        body(begin, begin + grain < count ? begin + grain : count);
    };
    if (pool == nullptr || pieces <= 1) {
        for (int64_t i = 0; i < pieces; ++i) piece(i);
    } else {
        pool->run(pieces, piece);
    }
}

}  // namespace emogene
