// Structures whose size grows from version to version.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "errors.h"

namespace emogene_library {

// Copies `given` to `known`, fields the caller's version lacks being 0. Null leaves `known` as it
// is. Refuses a size that no version had, and fields of later versions that are not 0.
template <class Options>
emogene_status read_options(const char *name, const Options *given, Options &known) {
  if (given == nullptr) return EMOGENE_OK;
  // Longer than any version may become: such a number is memory that was never set.
  constexpr std::uint32_t kMost = 4096;
  const std::uint32_t size = given->struct_size;
  if (size < sizeof(Options) || size > kMost)
    return refuse(std::string(name) + ".struct_size", std::to_string(sizeof(Options)) + " bytes",
                  std::to_string(size), "begin with its …_INIT from emogene.h");
  const auto *bytes = reinterpret_cast<const unsigned char *>(given);
  if (std::any_of(bytes + sizeof(Options), bytes + size, [](unsigned char b) { return b != 0; }))
    return refuse(name, "fields this version knows", "a later field that is set",
                  "install the version of emogene whose header was compiled in");
  std::memcpy(&known, given, sizeof(Options));
  return EMOGENE_OK;
}

// Whether `given`, where it is not null, has a size that results may be written to.
template <class Result>
emogene_status check_result(const char *name, const Result *given) {
  constexpr std::uint32_t kMost = 1 << 16;
  if (given == nullptr || (given->struct_size >= sizeof(Result) && given->struct_size <= kMost))
    return EMOGENE_OK;
  return refuse(std::string(name) + ".struct_size", std::to_string(sizeof(Result)) + " bytes",
                std::to_string(given->struct_size), "begin with its …_INIT from emogene.h");
}

}  // namespace emogene_library
