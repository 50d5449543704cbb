// Statuses and the line of text that goes with them.
#pragma once

#include <string>

#include "../include/emogene.h"

namespace emogene_library {

// Keeps `message` for emogene_last_error of this thread and returns `status`.
emogene_status fail(emogene_status status, const std::string &message) noexcept;

// "thing: expected …, found … — remedy", as contract/errors.py writes it.
emogene_status refuse(const std::string &thing, const std::string &expected,
                      const std::string &found, const std::string &remedy,
                      emogene_status status = EMOGENE_BAD_INPUT) noexcept;

const char *last_error() noexcept;

// Runs `body` and turns what it throws into a status: nothing may be thrown through a C ABI.
template <class Body>
emogene_status guarded(Body &&body) noexcept;

emogene_status current_exception_status() noexcept;

template <class Body>
emogene_status guarded(Body &&body) noexcept {
  try {
    return body();
  } catch (...) {
    return current_exception_status();
  }
}

}  // namespace emogene_library
