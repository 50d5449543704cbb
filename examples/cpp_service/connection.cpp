#include "connection.h"

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <vector>

#include "y4m.h"

namespace {

bool send_all(int socket, const void *data, std::size_t size) {
  auto at = static_cast<const char *>(data);
  while (size > 0) {
    const ssize_t sent = send(socket, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

// Sends every frame that is there; false if the client has gone.
bool send_frames(int socket, emogene::session &session, long &frames) {
  const int size = session.size();
  std::vector<std::uint8_t> picture(emogene_image_bytes(EMOGENE_NV12, size, 0)), message;
  while (session.pull(EMOGENE_NV12, picture)) {
    message.clear();
    append_y4m(picture, size, message);
    if (!send_all(socket, message.data(), message.size())) return false;
    ++frames;
  }
  return true;
}

}  // namespace

long serve(int socket, emogene::session session) {
  const std::string header = y4m_header(session.size());
  if (!send_all(socket, header.data(), header.size())) return 0;
  long frames = 0;
  // A piece may end in the middle of a sample: the odd byte waits for the next.
  std::array<char, 2 * EMOGENE_SAMPLES_PER_FRAME> piece;
  std::array<std::int16_t, EMOGENE_SAMPLES_PER_FRAME> samples;
  std::size_t held = 0;
  for (;;) {
    const ssize_t got = recv(socket, piece.data() + held, piece.size() - held, 0);
    if (got < 0) return frames;
    if (got == 0) break;
    held += static_cast<std::size_t>(got);
    const std::size_t whole = held / 2;
    std::memcpy(samples.data(), piece.data(), 2 * whole);
    session.push(emogene::view<const std::int16_t>(samples.data(), whole));
    if (held % 2) piece[0] = piece[held - 1];
    held %= 2;
    if (!send_frames(socket, session, frames)) return frames;
  }
  session.flush();
  send_frames(socket, session, frames);
  return frames;
}
