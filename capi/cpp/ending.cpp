#include "ending.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace emogene_library {
namespace {

constexpr std::chrono::seconds kPatience{10};

struct Door {
  std::mutex busy;
  std::condition_variable left;
  int inside = 0;
  bool closed = false;
  std::thread::id closer;  // the thread that ends Python, whose lock it has
};

// Never destroyed: threads may still come while the process ends.
Door &door = *new Door;

}  // namespace

Stay::Stay() {
  const std::lock_guard<std::mutex> lock(door.busy);
  granted_ = !door.closed || door.closer == std::this_thread::get_id();
  door.inside += granted_;
}

Stay::~Stay() {
  if (!granted_) return;
  const std::lock_guard<std::mutex> lock(door.busy);
  --door.inside;
  door.left.notify_all();
}

void close_python() {
  std::unique_lock<std::mutex> lock(door.busy);
  door.closed = true;
  door.closer = std::this_thread::get_id();
  door.left.wait_for(lock, kPatience, [] { return door.inside == 0; });
}

}  // namespace emogene_library
