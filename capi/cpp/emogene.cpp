// The functions of emogene.h: checks, locks, and calls into Python through the table.
#include "../include/emogene.h"

#include <cmath>
#include <cstring>

#include "ending.h"
#include "errors.h"
#include "handles.h"
#include "options.h"
#include "pixels.h"
#include "pulled.h"
#include "python.h"

using namespace emogene_library;

namespace {

constexpr const char *kEmotions[] = {"angry", "contempt", "disgust", "fear",
                                     "happy", "neutral",  "sad",     "surprise"};

// Never destroyed: threads may still call while the process ends.
Handles<Avatar> &avatars = *new Handles<Avatar>(Kind::kAvatar);
Handles<Session> &sessions = *new Handles<Session>(Kind::kSession);
Handles<Pulled> &frames = *new Handles<Pulled>(Kind::kFrame);

// Calls a function of the table; its message becomes the thread's.
template <class Function, class... Arguments>
emogene_status in_python(Function function, Arguments... arguments) {
  const Stay stay;
  if (!stay) return python_has_ended();
  introduce_thread();
  char message[kMessage] = "";
  const auto status = static_cast<emogene_status>(function(arguments..., message));
  return status <= EMOGENE_NO_FRAME ? status : fail(status, message);
}

template <class Object>
emogene_status not_open(const char *what, Handles<Object> &handles, const void *handle) {
  if (handle == nullptr) return refuse(what, "an open one", "NULL", "open one first");
  if (handles.was_given(handle))
    return refuse(what, "an open one", "a closed one", "open another", EMOGENE_CLOSED);
  return refuse(what, "a handle this library gave", "another value", "hand in what was opened");
}

emogene_status missing(const char *argument) {
  return refuse(argument, "an address", "NULL", "say where the result belongs");
}

// Runs `body(session)` while nothing else runs on it.
template <class Body>
emogene_status with_session(emogene_session *handle, Body &&body) {
  return guarded([&]() -> emogene_status {
    const WithoutPythonsLock free;
    const std::shared_ptr<Session> session = sessions.find(handle);
    if (!session) return not_open("session", sessions, handle);
    const std::lock_guard<std::mutex> lock(session->busy);
    if (session->closed) return not_open("session", sessions, handle);
    return body(*session);
  });
}

emogene_status end(Session &session) {
  const std::lock_guard<std::mutex> lock(session.busy);
  session.closed = true;
  return in_python(table().end, session.number);
}

void describe(const Pulled &held, emogene_frame_info *info) {
  if (info == nullptr) return;
  emogene_frame_info known EMOGENE_FRAME_INFO_INIT;
  known.size = held.size;
  known.index = held.index;
  known.time = held.time;
  known.idle = held.idle;
  known.emotion = held.emotion;
  known.speech_seconds = held.speech_seconds;
  known.render_seconds = held.render_seconds;
  std::memcpy(known.audio, held.audio(), sizeof known.audio);
  hand_out(known, info);
}

emogene_status push(emogene_session *handle, const void *samples, std::size_t count, Samples kind) {
  return with_session(handle, [&](Session &session) -> emogene_status {
    if (count == 0) return EMOGENE_OK;
    if (samples == nullptr) return missing("samples");
    if (count > std::size_t{1} << 40)
      return refuse("count", "as many samples as there are", std::to_string(count),
                    "it counts samples, not bytes, and is not negative");
    return in_python(table().push, session.number, samples, static_cast<std::int64_t>(count),
                     static_cast<std::int32_t>(kind));
  });
}

emogene_status check_room(const Session &session, emogene_format format, const void *pixels,
                          std::size_t capacity, std::size_t stride) {
  if (pixels == nullptr) return missing("pixels");
  if (row_bytes(format, session.size) == 0)
    return refuse("format", "EMOGENE_RGB, EMOGENE_RGBA or EMOGENE_NV12", std::to_string(format),
                  "choose one of them");
  if (format == EMOGENE_NV12 && session.size % 2)
    return refuse("format", "an even size for EMOGENE_NV12", std::to_string(session.size),
                  "open the session with an even size");
  if (stride != 0 && stride < row_bytes(format, session.size))
    return refuse("stride", std::to_string(row_bytes(format, session.size)) + " bytes or more",
                  std::to_string(stride), "0 stands for rows without gaps");
  const std::size_t needed = image_bytes(format, session.size, stride);
  if (needed == 0 || capacity < needed)
    return refuse("capacity", std::to_string(needed) + " bytes or more", std::to_string(capacity),
                  "ask emogene_image_bytes");
  return EMOGENE_OK;
}

}  // namespace

extern "C" {

int32_t emogene_abi(void) { return EMOGENE_ABI; }

const char *emogene_version(void) { return EMOGENE_PACKAGE_VERSION; }

const char *emogene_last_error(void) { return last_error(); }

const char *emogene_emotion_name(int32_t emotion) {
  constexpr int32_t kCount = sizeof kEmotions / sizeof *kEmotions;
  return emotion >= 0 && emotion < kCount ? kEmotions[emotion] : nullptr;
}

size_t emogene_image_bytes(emogene_format format, int32_t size, size_t stride) {
  return image_bytes(format, size, stride);
}

emogene_status emogene_start(const emogene_start_options *options) {
  return guarded([&]() -> emogene_status {
    emogene_start_options known EMOGENE_START_OPTIONS_INIT;
    if (const emogene_status bad = read_options("start options", options, known)) return bad;
    return start(options ? &known : nullptr);
  });
}

emogene_status emogene_open(const char *path, const emogene_open_options *options,
                            emogene_avatar **avatar) {
  return guarded([&]() -> emogene_status {
    emogene_open_options known EMOGENE_OPEN_OPTIONS_INIT;
    if (avatar == nullptr) return missing("avatar");
    if (const emogene_status bad = read_options("open options", options, known)) return bad;
    if (const emogene_status bad = start(nullptr)) return bad;
    const WithoutPythonsLock free;
    const auto opened = std::make_shared<Avatar>();
    opened->number = avatars.next();
    if (const auto bad = in_python(table().open, opened->number, path, &known)) return bad;
    avatars.add(opened->number, opened);
    *avatar = reinterpret_cast<emogene_avatar *>(opened->number);
    return EMOGENE_OK;
  });
}

emogene_status emogene_close(emogene_avatar *avatar) {
  return guarded([&]() -> emogene_status {
    if (avatar == nullptr) return EMOGENE_OK;
    const WithoutPythonsLock free;
    const std::shared_ptr<Avatar> closing = avatars.take(avatar);
    if (!closing) return avatars.was_given(avatar) ? EMOGENE_OK : not_open("avatar", avatars, avatar);
    const std::lock_guard<std::mutex> lock(closing->busy);
    closing->closed = true;
    emogene_status worst = EMOGENE_OK;
    const auto its = [&](const Session &s) { return s.avatar == closing; };
    for (const auto &session : sessions.take_all(its))
      if (const emogene_status bad = end(*session)) worst = bad;
    if (const emogene_status bad = in_python(table().close, closing->number)) worst = bad;
    return worst;
  });
}

emogene_status emogene_session_open(emogene_avatar *avatar, const emogene_session_options *options,
                                    emogene_session **session) {
  return guarded([&]() -> emogene_status {
    emogene_session_options known EMOGENE_SESSION_OPTIONS_INIT;
    if (session == nullptr) return missing("session");
    if (const emogene_status bad = read_options("session options", options, known)) return bad;
    const WithoutPythonsLock free;
    const std::shared_ptr<Avatar> owner = avatars.find(avatar);
    if (!owner) return not_open("avatar", avatars, avatar);
    const std::lock_guard<std::mutex> lock(owner->busy);
    if (owner->closed) return not_open("avatar", avatars, avatar);
    const auto opened = std::make_shared<Session>();
    opened->number = sessions.next();
    opened->avatar = owner;
    if (const auto bad =
            in_python(table().begin, owner->number, opened->number, &known, &opened->size))
      return bad;
    sessions.add(opened->number, opened);
    *session = reinterpret_cast<emogene_session *>(opened->number);
    return EMOGENE_OK;
  });
}

emogene_status emogene_session_close(emogene_session *session) {
  return guarded([&]() -> emogene_status {
    if (session == nullptr) return EMOGENE_OK;
    const WithoutPythonsLock free;
    const std::shared_ptr<Session> closing = sessions.take(session);
    if (closing) return end(*closing);
    return sessions.was_given(session) ? EMOGENE_OK : not_open("session", sessions, session);
  });
}

emogene_status emogene_session_size(emogene_session *session, int32_t *size) {
  return with_session(session, [&](Session &open) -> emogene_status {
    if (size == nullptr) return missing("size");
    *size = open.size;
    return EMOGENE_OK;
  });
}

emogene_status emogene_push_s16(emogene_session *session, const int16_t *samples, size_t count) {
  return push(session, samples, count, kS16);
}

emogene_status emogene_push_f32(emogene_session *session, const float *samples, size_t count) {
  return push(session, samples, count, kF32);
}

emogene_status emogene_flush(emogene_session *session) {
  return with_session(session,
                      [](Session &open) { return in_python(table().flush, open.number); });
}

emogene_status emogene_interrupt(emogene_session *session, double *seconds) {
  return with_session(session, [&](Session &open) {
    double dropped = 0;
    const emogene_status status = in_python(table().interrupt, open.number, &dropped);
    if (status == EMOGENE_OK && seconds != nullptr) *seconds = dropped;
    return status;
  });
}

emogene_status emogene_set_emotion(emogene_session *session, const char *emotion, double intensity,
                                   double over) {
  return with_session(session, [&](Session &open) -> emogene_status {
    if (emotion == nullptr)
      return refuse("emotion", "the name of one", "NULL", "ask emogene_emotion_name");
    return in_python(table().set_emotion, open.number, emotion, intensity, over);
  });
}

emogene_status emogene_session_stats(emogene_session *session, emogene_stats *stats) {
  return with_session(session, [&](Session &open) -> emogene_status {
    if (stats == nullptr) return missing("stats");
    if (const emogene_status bad = check_result("stats", stats)) return bad;
    emogene_stats known EMOGENE_STATS_INIT;
    if (const emogene_status bad = in_python(table().stats, open.number, &known)) return bad;
    hand_out(known, stats);
    return EMOGENE_OK;
  });
}

emogene_status emogene_pull(emogene_session *session, emogene_format format, void *pixels,
                            size_t capacity, size_t stride, emogene_frame_info *info) {
  return with_session(session, [&](Session &open) -> emogene_status {
    if (const emogene_status bad = check_room(open, format, pixels, capacity, stride)) return bad;
    if (const emogene_status bad = check_result("frame info", info)) return bad;
    Pulled held;
    if (const emogene_status status = held.pull(open.number)) return status;
    convert(held.image(), held.size, format, static_cast<std::uint8_t *>(pixels), stride);
    describe(held, info);
    return EMOGENE_OK;
  });
}

emogene_status emogene_borrow(emogene_session *session, const uint8_t **pixels,
                              emogene_frame_info *info, emogene_frame **frame) {
  return with_session(session, [&](Session &open) -> emogene_status {
    if (pixels == nullptr) return missing("pixels");
    if (frame == nullptr) return missing("frame");
    if (const emogene_status bad = check_result("frame info", info)) return bad;
    const auto borrowed = std::make_shared<Pulled>();
    if (const emogene_status status = borrowed->pull(open.number)) return status;
    borrowed->number = frames.next();
    frames.add(borrowed->number, borrowed);
    describe(*borrowed, info);
    *pixels = borrowed->image();
    *frame = reinterpret_cast<emogene_frame *>(borrowed->number);
    return EMOGENE_OK;
  });
}

emogene_status emogene_frame_release(emogene_frame *frame) {
  return guarded([&]() -> emogene_status {
    if (frame == nullptr) return EMOGENE_OK;
    const WithoutPythonsLock free;
    if (frames.take(frame)) return EMOGENE_OK;
    return frames.was_given(frame) ? EMOGENE_OK : not_open("frame", frames, frame);
  });
}

}  // extern "C"
