// threads ENGINE_DIR: eight threads, a session each; each must give the frames one thread gives.
#include <emogene.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 8, kSize = 32;

void check(emogene_status status) {
  if (status == EMOGENE_OK) return;
  std::printf("%s\n", emogene_last_error());
  std::exit(1);
}

std::vector<std::uint8_t> render(emogene_avatar *avatar, std::uint64_t seed) {
  emogene_session_options options = EMOGENE_SESSION_OPTIONS_INIT;
  options.size = kSize;
  options.seed = seed;
  emogene_session *session;
  check(emogene_session_open(avatar, &options, &session));
  std::vector<std::int16_t> samples(8000);
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = static_cast<std::int16_t>((i * (seed + 31)) % 6007 - 3003);
  for (std::size_t at = 0; at < samples.size(); at += 500)
    check(emogene_push_s16(session, &samples[at], 500));
  check(emogene_flush(session));
  std::vector<std::uint8_t> all, picture(kSize * kSize * 3);
  emogene_status status;
  while ((status = emogene_pull(session, EMOGENE_RGB, picture.data(), picture.size(), 0,
                                nullptr)) == EMOGENE_OK)
    all.insert(all.end(), picture.begin(), picture.end());
  if (status != EMOGENE_NO_FRAME) check(status);
  check(emogene_session_close(session));
  return all;
}

}  // namespace

int main(int, char **arguments) {
  // The first call of all comes from a thread that ends before the others begin.
  emogene_avatar *avatar;
  std::thread([&] { check(emogene_open(arguments[1], nullptr, &avatar)); }).join();
  std::vector<std::vector<std::uint8_t>> results(kThreads);
  std::vector<std::thread> threads;
  for (int k = 0; k < kThreads; ++k)
    threads.emplace_back([&, k] { results[k] = render(avatar, k); });
  for (auto &thread : threads) thread.join();
  int same = 0;
  for (int k = 0; k < kThreads; ++k) same += !results[k].empty() && results[k] == render(avatar, k);
  std::printf("%d of %d the same\n", same, kThreads);
  check(emogene_close(avatar));
}
