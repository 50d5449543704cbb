// What Python does for the library: functions that bridge.py writes into this table, below what the
// library says of itself.
//
// structures.py mirrors these layouts. Every function of Python's answers an emogene_status and, unless
// that is EMOGENE_OK or EMOGENE_NO_FRAME, writes a line of text of at most kMessage bytes to `message`.
// Avatars and sessions are known by the numbers that the library gives them.
#pragma once

#include <cstdint>

#include "../include/emogene.h"

namespace emogene_library {

constexpr std::uint32_t kTable = 3;
constexpr std::size_t kMessage = 2048;

enum Samples : std::int32_t { kS16 = 0, kF32 = 1 };

struct Table {
  std::uint32_t version;  // kTable
  std::uint32_t message_bytes;
  void (*close_python)();  // called before Python ends (ending.h)
  std::int32_t (*open)(std::int64_t avatar, const char *path, const emogene_open_options *,
                       char *message);
  std::int32_t (*close)(std::int64_t avatar, char *message);
  std::int32_t (*begin)(std::int64_t avatar, std::int64_t session, const emogene_session_options *,
                        std::int32_t *size, char *message);
  std::int32_t (*end)(std::int64_t session, char *message);
  std::int32_t (*push)(std::int64_t session, const void *samples, std::int64_t count,
                       std::int32_t kind, char *message);
  std::int32_t (*flush)(std::int64_t session, char *message);
  std::int32_t (*interrupt)(std::int64_t session, double *seconds, char *message);
  std::int32_t (*set_emotion)(std::int64_t session, const char *emotion, double intensity,
                              double over, char *message);
  std::int32_t (*stats)(std::int64_t session, emogene_stats *, char *message);
};

}  // namespace emogene_library
