// Handles are numbers, never followed: any value may be handed in.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace emogene_library {

// The lowest two bits of a handle tell what it is of.
enum class Kind : std::uint64_t { kAvatar = 1, kSession = 2, kFrame = 3 };

// What an open handle stands for: one of our objects, or nothing but the fact that it is open.
template <class Object>
class Handles {
 public:
  explicit Handles(Kind kind) : kind_(kind) {}

  // The number the next object will have.
  std::int64_t next() { return static_cast<std::int64_t>((++last_ << 2) | std::uint64_t(kind_)); }

  void add(std::int64_t number, std::shared_ptr<Object> object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.emplace(number, std::move(object));
  }

  // The object, or null.
  std::shared_ptr<Object> find(const void *handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = open_.find(number_of(handle));
    return found == open_.end() ? nullptr : found->second;
  }

  // The same, and the handle is closed.
  std::shared_ptr<Object> take(const void *handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = open_.find(number_of(handle));
    if (found == open_.end()) return nullptr;
    std::shared_ptr<Object> object = std::move(found->second);
    open_.erase(found);
    return object;
  }

  // Takes all objects for which `wanted` holds.
  template <class Wanted>
  std::vector<std::shared_ptr<Object>> take_all(Wanted &&wanted) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::shared_ptr<Object>> taken;
    for (auto at = open_.begin(); at != open_.end();) {
      if (!wanted(*at->second)) {
        ++at;
        continue;
      }
      taken.push_back(std::move(at->second));
      at = open_.erase(at);
    }
    return taken;
  }

  // Whether it was handed out once, open or not.
  bool was_given(const void *handle) const {
    const auto number = static_cast<std::uint64_t>(number_of(handle));
    return (number & 3) == std::uint64_t(kind_) && (number >> 2) >= 1 && (number >> 2) <= last_;
  }

  static std::int64_t number_of(const void *handle) {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(handle));
  }

 private:
  const Kind kind_;
  std::atomic<std::uint64_t> last_{0};
  std::mutex mutex_;
  std::unordered_map<std::int64_t, std::shared_ptr<Object>> open_;
};

struct Avatar {
  std::int64_t number = 0;
  std::mutex busy;  // opening sessions, closing
  bool closed = false;
};

struct Session {
  std::int64_t number = 0;
  std::shared_ptr<Avatar> avatar;
  std::int32_t size = 0;
  std::mutex busy;  // any call on it
  bool closed = false;
};

}  // namespace emogene_library
