// Starting Python inside the process, or finding the one that runs there.
//
// No Python header is needed: the functions that are called are of Python's stable ABI and are
// looked up by name at run time. So one library serves every Python, and building it needs no more
// than the compiler.
#pragma once

#include "table.h"

namespace emogene_library {

// Makes sure that Python runs and holds the package. Any thread, any number of times.
emogene_status start(const emogene_start_options *options);

// The functions in Python; only after `start` succeeded.
const Table &table() noexcept;

// What a call is answered that comes too late (ending.h).
emogene_status python_has_ended();

// Lets Python know this thread until it ends: a state made and dropped at every call costs more than
// the call. Only after `start` succeeded, and during a Stay (ending.h).
void introduce_thread();

// Gives Python's lock back for as long as it lives, if this thread holds it: whoever waits for a
// session's lock while holding Python's would wait for ever. Costs nothing elsewhere.
class WithoutPythonsLock {
 public:
  WithoutPythonsLock() noexcept;
  ~WithoutPythonsLock() noexcept(false);
  WithoutPythonsLock(const WithoutPythonsLock &) = delete;
  WithoutPythonsLock &operator=(const WithoutPythonsLock &) = delete;

 private:
  void *saved_ = nullptr;
};

}  // namespace emogene_library
