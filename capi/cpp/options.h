// Structures whose size grows from version to version: a caller's may be shorter or longer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "errors.h"

namespace emogene_library {

// Longer than any version may become: such a size is memory that was never set.
constexpr std::uint32_t kMost = 4096;

// Bytes of the first version of a structure; what grew since says so.
template <class Structure>
constexpr std::size_t kFirst = sizeof(Structure);
template <>
constexpr std::size_t kFirst<emogene_open_options> = offsetof(emogene_open_options, marching);
template <>
constexpr std::size_t kFirst<emogene_stats> = offsetof(emogene_stats, waited_seconds);

// Refuses a size that no version had.
template <class Structure>
emogene_status check_size(const char *name, const Structure &given) {
  if (given.struct_size >= kFirst<Structure> && given.struct_size <= kMost) return EMOGENE_OK;
  return refuse(std::string(name) + ".struct_size",
                std::to_string(kFirst<Structure>) + " bytes or more",
                std::to_string(given.struct_size), "begin with its …_INIT from emogene.h");
}

// Copies `given` to `known`, which keeps what the caller's version lacks. Null leaves it as it is.
// Refuses a size that no version had, and fields of later versions that are not 0.
template <class Options>
emogene_status read_options(const char *name, const Options *given, Options &known) {
  if (given == nullptr) return EMOGENE_OK;
  if (const emogene_status bad = check_size(name, *given)) return bad;
  const std::size_t size = given->struct_size, common = std::min(size, sizeof(Options));
  const auto *bytes = reinterpret_cast<const unsigned char *>(given);
  if (std::any_of(bytes + common, bytes + size, [](unsigned char b) { return b != 0; }))
    return refuse(name, "fields this version knows", "a later field that is set",
                  "install the version of emogene whose header was compiled in");
  std::memcpy(static_cast<void *>(&known), given, common);
  return EMOGENE_OK;
}

// Whether `given`, where it is not null, has a size that results may be written to.
template <class Result>
emogene_status check_result(const char *name, const Result *given) {
  return given == nullptr ? EMOGENE_OK : check_size(name, *given);
}

// Writes as much of `known` as the caller's version of `result` has room for.
template <class Result>
void hand_out(Result known, Result *result) {
  known.struct_size = result->struct_size;
  std::memcpy(static_cast<void *>(result), &known,
              std::min(sizeof(Result), static_cast<std::size_t>(result->struct_size)));
}

}  // namespace emogene_library
