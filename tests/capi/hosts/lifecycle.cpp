// lifecycle ENGINE_DIR AVATARS SESSIONS: opens and closes so many, and prints what the process holds
// after the first tenth and at the end: kB resident, threads, file descriptors.
#include <emogene.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr int kSize = 32;

void check(emogene_status status) {
  if (status == EMOGENE_OK) return;
  std::printf("%s\n", emogene_last_error());
  std::exit(1);
}

long status_line(const std::string &name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0) return std::atol(line.c_str() + name.size() + 1);
  return -1;
}

void report() {
  const auto files = std::filesystem::directory_iterator("/proc/self/fd");
  const long descriptors = std::distance(begin(files), end(files));
  std::printf("%ld %ld %ld\n", status_line("VmRSS"), status_line("Threads"), descriptors);
}

emogene_avatar *opened(const char *path) {
  emogene_avatar *avatar;
  emogene_open_options options = EMOGENE_OPEN_OPTIONS_INIT;
  options.threads = 2;
  check(emogene_open(path, &options, &avatar));
  return avatar;
}

// A frame is pulled of every fourth, half an utterance is left in every other.
void session(emogene_avatar *avatar, int k) {
  static const std::vector<std::int16_t> samples(3200, 100);
  emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
  options.size = kSize;
  options.seed = static_cast<std::uint64_t>(k);
  emogene_session *opened;
  check(emogene_session_open(avatar, &options, &opened));
  check(emogene_push_s16(opened, samples.data(), samples.size()));
  if (k % 2) check(emogene_flush(opened));
  if (k % 4 == 1) {
    const std::uint8_t *pixels;
    emogene_frame *frame;
    check(emogene_borrow(opened, &pixels, nullptr, &frame));
    check(emogene_session_close(opened));
    check(emogene_frame_release(frame));
  } else {
    check(emogene_session_close(opened));
  }
}

// Closes with a session still open.
void avatar(const char *path, int k) {
  emogene_avatar *one = opened(path);
  session(one, k);
  emogene_session *left;
  check(emogene_session_open(one, nullptr, &left));
  check(emogene_close(one));
}

}  // namespace

int main(int, char **arguments) {
  const char *path = arguments[1];
  const int avatars = std::atoi(arguments[2]), sessions = std::atoi(arguments[3]);
  emogene_avatar *shared = opened(path);
  int a = 0, s = 0;
  for (const int tenths : {1, 10}) {
    for (; a < avatars * tenths / 10; ++a) avatar(path, a);
    for (; s < sessions * tenths / 10; ++s) session(shared, s);
    report();
  }
  check(emogene_close(shared));
}
