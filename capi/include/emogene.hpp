// EmoGene from C++17: emogene.h with ownership, views and exceptions. Header only.
//
//     emogene::avatar avatar;                                     // the built-in one
//     emogene::session session = avatar.open_session({.size = 256});   // C++20; or set the fields
//     session.push(samples);                                      // std::vector<std::int16_t>, …
//     session.flush();
//     while (std::optional<emogene::frame> frame = session.next()) show(frame->pixels());
//
// Lifetimes and threads are those of emogene.h. Objects close what they own when they end, also
// while another thread pulls: that thread's next call throws emogene::closed. A frame outlives its
// session and its avatar. What throws changes nothing.
#ifndef EMOGENE_HPP
#define EMOGENE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "emogene.h"

namespace emogene {

// ---- Errors ---------------------------------------------------------------------------------

// What every call throws that fails; its text is emogene_last_error's.
class error : public std::runtime_error {
 public:
  error(emogene_status status, const std::string &text)
      : std::runtime_error(text), status_(status) {}
  emogene_status status() const noexcept { return status_; }

 private:
  emogene_status status_;
};

// Something handed in is at fault; changing it helps.
class bad_input : public error {
  using error::error;
};

// This machine or installation lacks something.
class unavailable : public error {
  using error::error;
};

// EmoGene failed; the text says what to report.
class failure : public error {
  using error::error;
};

// The session or its avatar was closed.
class closed : public error {
  using error::error;
};

// Throws what a status stands for; EMOGENE_OK and EMOGENE_NO_FRAME pass.
inline emogene_status check(emogene_status status) {
  switch (status) {
    case EMOGENE_OK:
    case EMOGENE_NO_FRAME: return status;
    case EMOGENE_BAD_INPUT: throw bad_input(status, emogene_last_error());
    case EMOGENE_UNAVAILABLE: throw unavailable(status, emogene_last_error());
    case EMOGENE_CLOSED: throw closed(status, emogene_last_error());
    case EMOGENE_NO_MEMORY: throw std::bad_alloc();
    case EMOGENE_FAILURE: break;
  }
  throw failure(status, emogene_last_error());
}

// ---- Views ----------------------------------------------------------------------------------

// A run of elements that somebody else owns, as C++20's std::span.
template <class Element>
class view {
 public:
  constexpr view() noexcept = default;
  constexpr view(Element *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t Size>
  constexpr view(Element (&array)[Size]) noexcept : data_(array), size_(Size) {}
  // Anything with data() and size(): std::vector, std::array, std::span, another view.
  template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                 decltype(std::declval<Container &>().data()), Element *>>>
  constexpr view(Container &&container) noexcept
      : data_(container.data()), size_(container.size()) {}

  constexpr Element *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr Element *begin() const noexcept { return data_; }
  constexpr Element *end() const noexcept { return data_ + size_; }
  constexpr Element &operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  Element *data_ = nullptr;
  std::size_t size_ = 0;
};

// ---- Frames ---------------------------------------------------------------------------------

// A picture on loan: RGB rows without gaps, and what belongs to it. Move-only.
class frame {
 public:
  frame(frame &&other) noexcept { swap(other); }
  frame &operator=(frame &&other) noexcept {
    frame(std::move(other)).swap(*this);
    return *this;
  }
  ~frame() { emogene_frame_release(handle_); }

  // size() rows of size() pixels of three bytes.
  view<const std::uint8_t> pixels() const noexcept {
    return {pixels_, 3 * std::size_t(info_.size) * std::size_t(info_.size)};
  }
  // 640 samples, played while it is shown.
  view<const float> audio() const noexcept { return {info_.audio, EMOGENE_SAMPLES_PER_FRAME}; }
  int size() const noexcept { return info_.size; }
  std::int64_t index() const noexcept { return info_.index; }
  std::chrono::duration<double> time() const noexcept {
    return std::chrono::duration<double>(info_.time);
  }
  bool idle() const noexcept { return info_.idle != 0; }
  emogene_emotion emotion() const noexcept { return static_cast<emogene_emotion>(info_.emotion); }
  const emogene_frame_info &info() const noexcept { return info_; }

 private:
  friend class session;
  frame() = default;
  void swap(frame &other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(pixels_, other.pixels_);
    std::swap(info_, other.info_);
  }

  emogene_frame *handle_ = nullptr;
  const std::uint8_t *pixels_ = nullptr;
  emogene_frame_info info_ = EMOGENE_FRAME_INFO_INIT;
};

// ---- Sessions -------------------------------------------------------------------------------

// As emogene_session_options; what is empty or 0 is the default.
struct session_options {
  int size = 0;
  std::uint64_t seed = 0;
  std::string emotion = {};
  float intensity = 0;
  int sample_rate = 0;
  std::string profile = {};
  std::string quality = {};
  std::string idle = {};
};

namespace detail {

inline const char *text(const std::string &word) noexcept {
  return word.empty() ? nullptr : word.c_str();
}

}  // namespace detail

// Samples in, frames out. Move-only; made by avatar::open_session.
class session {
 public:
  session(session &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  session &operator=(session &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~session() { emogene_session_close(handle_); }

  // Mono samples; they are copied.
  void push(view<const std::int16_t> samples) {
    check(emogene_push_s16(handle_, samples.data(), samples.size()));
  }
  void push(view<const float> samples) {
    check(emogene_push_f32(handle_, samples.data(), samples.size()));
  }

  // End the utterance.
  void flush() { check(emogene_flush(handle_)); }

  // Drop what was not shown yet; how much that was.
  std::chrono::duration<double> interrupt() {
    double seconds = 0;
    check(emogene_interrupt(handle_, &seconds));
    return std::chrono::duration<double>(seconds);
  }

  // Wear another emotion from the next pushed sample on. Without an intensity the one set last is
  // kept; without a duration the fade is the profile's.
  void set_emotion(const std::string &emotion, std::optional<double> intensity = {},
                   std::optional<std::chrono::duration<double>> over = {}) {
    check(emogene_set_emotion(handle_, emotion.c_str(), intensity.value_or(-1.0),
                              over ? over->count() : -1.0));
  }

  // The next frame without a copy; none if more must be pushed or flushed first.
  std::optional<frame> next() {
    frame borrowed;
    const emogene_status status =
        emogene_borrow(handle_, &borrowed.pixels_, &borrowed.info_, &borrowed.handle_);
    if (check(status) == EMOGENE_NO_FRAME) return std::nullopt;
    return borrowed;
  }

  // The next frame into memory of yours, emogene_image_bytes(format, size(), stride) of it; whether
  // there was one.
  bool pull(emogene_format format, view<std::uint8_t> pixels, std::size_t stride = 0,
            emogene_frame_info *info = nullptr) {
    return check(emogene_pull(handle_, format, pixels.data(), pixels.size(), stride, info)) ==
           EMOGENE_OK;
  }

  int size() const {
    std::int32_t size = 0;
    check(emogene_session_size(handle_, &size));
    return size;
  }

  emogene_stats stats() const {
    emogene_stats stats = EMOGENE_STATS_INIT;
    check(emogene_session_stats(handle_, &stats));
    return stats;
  }

  // Close it now; waits for a call that runs on it in another thread.
  void close() { check(emogene_session_close(handle_)); }

  emogene_session *handle() const noexcept { return handle_; }

 private:
  friend class avatar;
  explicit session(emogene_session *handle) noexcept : handle_(handle) {}

  emogene_session *handle_ = nullptr;
};

// ---- Avatars --------------------------------------------------------------------------------

// As emogene_open_options; what is empty or 0 is the default.
struct open_options {
  int threads = 0;
  std::string backend = {};
  std::string renderer = {};
  bool strict = false;
  int max_sessions = 0;  // EMOGENE_AUTO: as many as 25 FPS allow
  std::string marching = {};
  std::string precisions = {};
};

// Start Python now; `venv` empty: as emogene_start_options says.
inline void start(const std::string &venv = {}, const std::string &libpython = {}) {
  emogene_start_options options = EMOGENE_START_OPTIONS_INIT;
  options.venv = detail::text(venv);
  options.libpython = detail::text(libpython);
  check(emogene_start(&options));
}

// An engine directory, shared by any number of sessions and threads. Move-only.
class avatar {
 public:
  // `path` empty is the built-in avatar. Engines are code: open only directories you trust.
  explicit avatar(const std::string &path = {}, const open_options &wanted = {}) {
    emogene_open_options options = EMOGENE_OPEN_OPTIONS_INIT;
    options.threads = wanted.threads;
    options.backend = detail::text(wanted.backend);
    options.renderer = detail::text(wanted.renderer);
    options.strict = wanted.strict;
    options.max_sessions = wanted.max_sessions;
    options.marching = detail::text(wanted.marching);
    options.precisions = detail::text(wanted.precisions);
    check(emogene_open(detail::text(path), &options, &handle_));
  }
  avatar(avatar &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  avatar &operator=(avatar &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~avatar() { emogene_close(handle_); }

  session open_session(const session_options &wanted = {}) {
    emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
    options.size = wanted.size;
    options.seed = wanted.seed;
    options.emotion = detail::text(wanted.emotion);
    options.intensity = wanted.intensity;
    options.sample_rate = wanted.sample_rate;
    options.profile = detail::text(wanted.profile);
    options.quality = detail::text(wanted.quality);
    options.idle = detail::text(wanted.idle);
    emogene_session *handle = nullptr;
    check(emogene_session_open(handle_, &options, &handle));
    return session(handle);
  }

  // Close it and its sessions now.
  void close() { check(emogene_close(handle_)); }

  emogene_avatar *handle() const noexcept { return handle_; }

 private:
  emogene_avatar *handle_ = nullptr;
};

}  // namespace emogene

#endif
