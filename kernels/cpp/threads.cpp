#include "threads.h"

#include <new>
#include <system_error>

#include "emogene_kernels.h"

emogene_pool::emogene_pool(int threads) {
    try {
        for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
        stop();  // a std::thread that is destroyed while it runs would end the process
        throw;
    }
}

emogene_pool::~emogene_pool() { stop(); }

void emogene_pool::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    job_posted_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
}

void emogene_pool::run(int64_t count, const std::function<void(int64_t)>& task) {
    const std::lock_guard<std::mutex> turn(one_job_);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        task_ = &task;
        count_ = count;
        next_.store(0, std::memory_order_relaxed);
        busy_ = static_cast<int>(workers_.size());
        ++job_;
    }
    job_posted_.notify_all();
    take_tasks();
    std::unique_lock<std::mutex> lock(mutex_);
    job_left_.wait(lock, [this] { return busy_ == 0; });
}

void emogene_pool::take_tasks() {
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) (*task_)(i);
}

void emogene_pool::work() {
    uint64_t done = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        job_posted_.wait(lock, [&] { return stopping_ || job_ != done; });
        if (stopping_) return;
        done = job_;
        lock.unlock();
        take_tasks();
        lock.lock();
        if (--busy_ == 0) job_left_.notify_one();
    }
}

extern "C" int32_t emogene_kernels_abi(void) { return EMOGENE_KERNELS_ABI; }

extern "C" emogene_pool* emogene_pool_create(int32_t threads) {
    try {
        return new emogene_pool(threads);
    } catch (const std::bad_alloc&) {
        return nullptr;
    } catch (const std::system_error&) {
        return nullptr;
    }
}

extern "C" void emogene_pool_destroy(emogene_pool* pool) { delete pool; }
