// Statuses and the line of text that goes with them.
#pragma once

#include <cxxabi.h>

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

// The status of the exception that is being handled, which must not leave a C ABI.
emogene_status current_exception_status() noexcept;

// Runs `body` and turns what it throws into a status.
template <class Body>
emogene_status guarded(Body &&body) {
  try {
    return body();
#if defined(__GLIBCXX__)
  } catch (abi::__forced_unwind &) {
    throw;  // no exception: Python ends threads that call it while it ends itself
#endif
  } catch (...) {
    return current_exception_status();
  }
}

}  // namespace emogene_library
