// visitors ENGINE_DIR THREADS: so many threads, one after another, each makes a call that goes into
// Python and ends. Prints kB resident after the first tenth and at the end.
#include <emogene.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace {

void check(emogene_status status) {
  if (status == EMOGENE_OK) return;
  std::printf("%s\n", emogene_last_error());
  std::exit(1);
}

long resident() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  return -1;
}

}  // namespace

int main(int, char **arguments) {
  const int threads = std::atoi(arguments[2]);
  emogene_avatar *avatar;
  emogene_session *session;
  check(emogene_open(arguments[1], nullptr, &avatar));
  check(emogene_session_open(avatar, nullptr, &session));
  int k = 0;
  for (const int tenths : {1, 10}) {
    for (; k < threads * tenths / 10; ++k)
      std::thread([&] {
        emogene_stats stats = EMOGENE_STATS_INIT;
        check(emogene_session_stats(session, &stats));
        check(emogene_flush(session));
      }).join();
    std::printf("%ld\n", resident());
  }
  check(emogene_close(avatar));
}
