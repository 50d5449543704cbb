// closing ENGINE_DIR: sessions and avatars closed by one thread while others pull frames of them.
#include <emogene.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kSize = 256;

void check(emogene_status status) {
  if (status == EMOGENE_OK) return;
  std::printf("%s\n", emogene_last_error());
  std::exit(1);
}

emogene_session *speaking(emogene_avatar *avatar) {
  static const std::vector<std::int16_t> samples(160000, 100);
  emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
  options.size = kSize;
  emogene_session *session;
  check(emogene_session_open(avatar, &options, &session));
  check(emogene_push_s16(session, samples.data(), samples.size()));
  check(emogene_flush(session));
  return session;
}

// Pulls until something else than a frame comes; what that was.
emogene_status pull_all(emogene_session *session, std::atomic<int> &frames,
                        std::vector<std::uint8_t> &picture) {
  for (;;) {
    const emogene_status status =
        emogene_pull(session, EMOGENE_RGB, picture.data(), picture.size(), 0, nullptr);
    if (status != EMOGENE_OK) return status;
    ++frames;
  }
}

template <class Close>
void race(const char *what, const std::vector<emogene_session *> &sessions, Close &&close) {
  std::atomic<int> frames{0}, closed{0};
  std::vector<std::thread> threads;
  for (emogene_session *session : sessions)
    threads.emplace_back([&, session] {
      std::vector<std::uint8_t> picture(kSize * kSize * 3);
      closed += pull_all(session, frames, picture) == EMOGENE_CLOSED;
    });
  const auto enough = static_cast<int>(2 * sessions.size());
  while (frames < enough) std::this_thread::sleep_for(std::chrono::microseconds(100));
  close();
  for (auto &thread : threads) thread.join();
  std::printf("%s: %d of %zu closed while pulling\n", what, closed.load(), sessions.size());
}

}  // namespace

int main(int, char **arguments) {
  emogene_avatar *avatar;
  check(emogene_open(arguments[1], nullptr, &avatar));
  for (int k = 0; k < 5; ++k) {
    emogene_session *session = speaking(avatar);
    race("session", {session}, [&] { check(emogene_session_close(session)); });
  }
  const std::vector<emogene_session *> sessions{speaking(avatar), speaking(avatar), speaking(avatar)};
  race("avatar", sessions, [&] { check(emogene_close(avatar)); });
}
