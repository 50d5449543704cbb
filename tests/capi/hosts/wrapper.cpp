// wrapper ENGINE_DIR: emogene.hpp by itself.
#include <emogene.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

int checks = 0;

void expect(bool holds, const char *what) {
  ++checks;
  if (holds) return;
  std::printf("not so: %s\n", what);
  std::exit(1);
}

template <class Error, class Body>
void expect_throw(Body &&body, const char *text) {
  try {
    body();
  } catch (const Error &error) {
    expect(std::string(error.what()).find(text) != std::string::npos, error.what());
    return;
  }
  expect(false, text);
}

}  // namespace

static_assert(!std::is_copy_constructible_v<emogene::frame>);
static_assert(!std::is_copy_constructible_v<emogene::session>);
static_assert(!std::is_copy_constructible_v<emogene::avatar>);
static_assert(std::is_nothrow_move_constructible_v<emogene::frame>);
static_assert(std::is_nothrow_move_assignable_v<emogene::session>);
static_assert(std::is_nothrow_move_assignable_v<emogene::avatar>);
static_assert(!std::is_convertible_v<std::vector<double>, emogene::view<const float>>);

int main(int, char **arguments) {
  emogene::start();
  expect_throw<emogene::bad_input>([] { emogene::avatar("/nowhere"); }, "/nowhere: expected");
  emogene::open_options open;
  open.backend = "abacus";
  expect_throw<emogene::error>([&] { emogene::avatar(arguments[1], open); }, "backend: expected");

  open.backend.clear();
  open.max_sessions = 1;
  open.marching = "rays";
  {
    emogene::avatar avatar(arguments[1], open);
    emogene::session only = avatar.open_session();
    expect_throw<emogene::unavailable>([&] { avatar.open_session(); }, "fewer than 1 open");
  }
  open.precisions = "hubert";
  expect_throw<emogene::bad_input>([&] { emogene::avatar(arguments[1], open); }, "STAGE=NAME");

  std::vector<std::uint8_t> first;
  std::optional<emogene::frame> kept;
  {
    emogene::avatar avatar(arguments[1]);
    emogene::session_options options;
    options.size = 32;
    options.emotion = "glad";
    expect_throw<emogene::bad_input>([&] { avatar.open_session(options); }, "emotion: expected");
    options.emotion = "happy";
    emogene::session session = avatar.open_session(options), other = avatar.open_session(options);
    expect(session.size() == 32, "size");
    session.push(std::vector<std::int16_t>(1280, 5));
    session.push(std::array<float, 640>{});
    float few[3] = {};
    session.push(few);
    expect(!session.next(), "no frame before flush");
    session.flush();
    expect(session.stats().ready == 4, "ready");

    kept = session.next();
    expect(kept && kept->index() == 0 && kept->emotion() == EMOGENE_HAPPY, "first frame");
    expect(kept->pixels().size() == 32 * 32 * 3 && kept->audio().size() == 640, "views");
    expect(kept->audio()[0] > 0, "audio");
    first.assign(kept->pixels().begin(), kept->pixels().end());

    std::vector<std::uint8_t> picture(emogene_image_bytes(EMOGENE_NV12, 32, 0));
    emogene_frame_info info = EMOGENE_FRAME_INFO_INIT;
    expect(session.pull(EMOGENE_NV12, picture, 0, &info) && info.index == 1, "pull");
    std::array<std::uint8_t, 10> little;
    expect_throw<emogene::bad_input>([&] { session.pull(EMOGENE_RGB, little); }, "capacity");

    // Moving hands the session on; the moved-from one is none.
    emogene::session moved = std::move(session);
    expect(moved.stats().frames == 2, "moved");
    expect_throw<emogene::bad_input>([&] { session.flush(); }, "found NULL");  // NOLINT
    other = std::move(moved);
    other.set_emotion("sad", 0.5, std::chrono::milliseconds(200));
    other.set_emotion("sad");
    other.push(std::vector<std::int16_t>(16000, 9));
    expect(other.interrupt().count() > 0, "interrupted");
    avatar.close();
    expect_throw<emogene::closed>([&] { other.flush(); }, "found a closed one");
  }
  emogene::frame outlived = std::move(*kept);
  expect(std::equal(first.begin(), first.end(), outlived.pixels().begin()), "outlived");
  std::printf("%s\n", checks > 15 ? "all hold" : "too few");
}
