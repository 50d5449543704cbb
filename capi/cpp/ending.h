// The end of the Python in this process, which threads of the host must not be caught in.
//
// From a certain moment on Python ends every thread that asks for its lock, by unwinding its stack.
// Where that meets a destructor, the C++ library aborts the process. So Python's end waits for those
// who are inside (an `atexit` function calls `close_python`), and who comes later is turned away.
#pragma once

namespace emogene_library {

// A stay in Python: nobody asks for its lock without one. While one lasts, Python does not end.
class Stay {
 public:
  Stay();
  ~Stay();
  Stay(const Stay &) = delete;
  Stay &operator=(const Stay &) = delete;

  // False once Python has begun to end: nothing of it may be called any more.
  explicit operator bool() const noexcept { return granted_; }

 private:
  bool granted_;
};

// Lets nobody in any more, the calling thread apart, and waits for those inside: ten seconds at most,
// since a call may be long. Called without Python's lock, which they need.
void close_python();

}  // namespace emogene_library
