// What is called of Python's C API, looked up by name. All are in the stable ABI of Python 3.11, and
// the same in 3.10, but for the two ways to start Python.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <string>

namespace emogene_library {

// Py_buffer.
struct Buffer {
  void *data;
  void *owner;
  std::ptrdiff_t bytes, item_bytes;
  int read_only, dimensions;
  char *format;
  std::ptrdiff_t *shape, *strides, *suboffsets;
  void *internal;
};

struct Api {
  void *library = RTLD_DEFAULT;
  void *pull = nullptr;  // bridge.pull, once the package is imported

  int (*IsInitialized)() = nullptr;
  const char *(*GetVersion)() = nullptr;
  int (*Ensure)() = nullptr;
  void (*Release)(int) = nullptr;
  int (*Holds)() = nullptr;
  void *(*ThisThread)() = nullptr;
  void *(*SaveThread)() = nullptr;
  void (*RestoreThread)(void *) = nullptr;
  void *(*ImportModule)(const char *) = nullptr;
  void *(*CallFunction)(void *, const char *, ...) = nullptr;
  void *(*CallMethod)(void *, const char *, const char *, ...) = nullptr;
  void *(*GetAttrString)(void *, const char *) = nullptr;
  void *(*Str)(void *) = nullptr;
  const char *(*AsUtf8)(void *, std::ptrdiff_t *) = nullptr;
  std::ptrdiff_t (*TupleSize)(void *) = nullptr;
  int (*ParseTuple)(void *, const char *, ...) = nullptr;
  void (*ReleaseBuffer)(Buffer *) = nullptr;
  void (*Fetch)(void **, void **, void **) = nullptr;
  void (*Normalize)(void **, void **, void **) = nullptr;
  void (*Clear)() = nullptr;
  void (*DecRef)(void *) = nullptr;

  template <class Function>
  bool find(Function &function, const char *name) const {
    function = reinterpret_cast<Function>(dlsym(library, name));
    return function != nullptr;
  }

  bool find_all();
};

extern Api api;

// The exception that is set, "ModuleNotFoundError: No module named 'emogene'", and clears it.
std::string take_exception();

// What `object` says of itself; "" for null.
std::string text_of(void *object);

}  // namespace emogene_library
