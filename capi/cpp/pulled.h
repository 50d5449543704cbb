// Frames on their way out of Python.
#pragma once

#include <cstdint>

#include "../include/emogene.h"
#include "api.h"

namespace emogene_library {

// A frame that Python holds until this ends.
class Pulled {
 public:
  Pulled() = default;
  ~Pulled();
  Pulled(const Pulled &) = delete;
  Pulled &operator=(const Pulled &) = delete;

  // The session's next frame, into an empty one. This is no function of the table: called by ctypes it
  // would cost several times as much, 25 times a second in every session.
  emogene_status pull(std::int64_t session);

  std::int64_t number = 0;
  std::int64_t index = 0;
  double time = 0, speech_seconds = 0, render_seconds = 0;
  std::int32_t size = 0, idle = 0, emotion = 0;

  // (size, size, 3) RGB.
  const std::uint8_t *image() const noexcept {
    return static_cast<const std::uint8_t *>(image_.data);
  }

  // (640,) float32.
  const float *audio() const noexcept { return static_cast<const float *>(audio_.data); }

 private:
  void *answer_ = nullptr;  // the tuple that holds picture and sound
  Buffer image_{}, audio_{};
};

}  // namespace emogene_library
