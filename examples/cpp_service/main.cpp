// emogene_service SOCKET [name=value …]: a talking head for everybody who connects.
//
// Listens on a Unix socket. A client sends 16 kHz mono s16le and shuts its side down when it is done;
// it gets y4m back:
//
//     emogene_service /run/head.sock profile=live size=256 &
//     socat -t 60 - UNIX-CONNECT:/run/head.sock < speech.pcm | mpv -
//
// Names: avatar, emotion, profile, quality, size, threads, clients (most at a time, 8), once (serve so
// many and end; 0: until SIGTERM).
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "connection.h"

namespace {

std::atomic<bool> ending{false};

void end(int) { ending = true; }

// Clients that are being served.
class Crowd {
 public:
  explicit Crowd(std::size_t most) : most_(most) {}

  bool enter(int client) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return inside_.size() < most_ && inside_.insert(client).second;
  }
  // Closes the client.
  void leave(int client) {
    const std::lock_guard<std::mutex> lock(mutex_);
    inside_.erase(client);
    close(client);
    left_.notify_all();
  }
  // Wakes those who wait for their client.
  void hang_up() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const int client : inside_) shutdown(client, SHUT_RDWR);
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    left_.wait(lock, [&] { return inside_.empty(); });
  }

 private:
  const std::size_t most_;
  std::set<int> inside_;
  std::mutex mutex_;
  std::condition_variable left_;
};

std::runtime_error wrong(const std::string &thing, const std::string &text) {
  return std::runtime_error(thing + ": " + text);
}

// The words name=value of the command line.
class Settings {
 public:
  Settings(int count, char **words) {
    for (int i = 0; i < count; ++i) {
      const std::string word = words[i], name = word.substr(0, word.find('='));
      const auto known = values_.find(name);
      if (known == values_.end() || name == word) throw wrong(word, "expected name=value");
      known->second = word.substr(name.size() + 1);
    }
  }
  const std::string &text(const std::string &name) const { return values_.at(name); }
  int number(const std::string &name) const {
    const std::string &text = values_.at(name);
    if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != text.npos)
      throw wrong(name, "expected a number, found " + text);
    return std::stoi(text);
  }

 private:
  std::map<std::string, std::string> values_{
      {"avatar", ""}, {"emotion", ""},  {"profile", ""},  {"quality", ""},
      {"size", "0"},  {"threads", "0"}, {"clients", "8"}, {"once", "0"}};
};

int listen_on(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw wrong(path, "too long a name for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  struct stat there;
  // Of a service that was killed; anything else of that name stays and makes bind fail.
  if (stat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) unlink(path.c_str());
  const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 ||
      bind(listening, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 ||
      listen(listening, 16) != 0)
    throw wrong(path, std::strerror(errno));
  return listening;
}

void talk(int client, emogene::avatar &avatar, const emogene::session_options &options,
          Crowd &crowd) {
  try {
    const long frames = serve(client, avatar.open_session(options));
    std::fprintf(stderr, "%ld frames\n", frames);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "client: %s\n", error.what());
  }
  crowd.leave(client);
}

void run(const std::string &path, const Settings &settings) {
  emogene::open_options open;
  open.threads = settings.number("threads");
  emogene::avatar avatar(settings.text("avatar"), open);
  emogene::session_options options;
  options.size = settings.number("size");
  options.emotion = settings.text("emotion");
  options.profile = settings.text("profile");
  options.quality = settings.text("quality");
  // Whoever configured it wrongly hears of it now and not with the first client.
  if (avatar.open_session(options).size() % 2) throw wrong("size", "expected an even number");

  const int listening = listen_on(path);
  std::fprintf(stderr, "listening\n");
  Crowd crowd(static_cast<std::size_t>(settings.number("clients")));
  for (int left = settings.number("once"); !ending;) {
    pollfd waiting{listening, POLLIN, 0};
    if (poll(&waiting, 1, 200) != 1) continue;
    const int client = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (!crowd.enter(client)) {
      close(client);  // full: the client sees an end without a header
      continue;
    }
    std::thread(talk, client, std::ref(avatar), std::cref(options), std::ref(crowd)).detach();
    if (left > 0 && --left == 0) break;
  }
  close(listening);
  unlink(path.c_str());
  if (ending) {
    crowd.hang_up();
    avatar.close();  // frames that are being computed are the last
  }
  crowd.wait();
}

}  // namespace

int main(int count, char **words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: emogene_service SOCKET [name=value ...]\n");
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = end;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  try {
    run(words[1], Settings(count - 2, words + 2));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
