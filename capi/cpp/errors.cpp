#include "errors.h"

#include <exception>
#include <new>

namespace emogene_library {
namespace {

thread_local std::string kept;
thread_local bool kept_nothing = false;  // there was no memory for the message itself

}  // namespace

emogene_status fail(emogene_status status, const std::string &message) noexcept {
  try {
    kept = message;
    kept_nothing = false;
  } catch (...) {
    kept_nothing = true;
  }
  return status;
}

emogene_status refuse(const std::string &thing, const std::string &expected,
                      const std::string &found, const std::string &remedy,
                      emogene_status status) noexcept {
  try {
    return fail(status, thing + ": expected " + expected + ", found " + found + " — " + remedy);
  } catch (...) {
    kept_nothing = true;
    return status;
  }
}

const char *last_error() noexcept { return kept_nothing ? "not enough memory" : kept.c_str(); }

emogene_status current_exception_status() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc &) {
    return fail(EMOGENE_NO_MEMORY, "not enough memory");
  } catch (const std::exception &error) {
    return fail(EMOGENE_FAILURE, std::string(error.what()) + " — this is a defect; report it");
  } catch (...) {
    return fail(EMOGENE_FAILURE, "an unknown exception — this is a defect; report it");
  }
}

}  // namespace emogene_library
