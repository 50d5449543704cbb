#include "python.h"

#include <dlfcn.h>
#include <locale.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <cwchar>
#include <mutex>
#include <string>

#include "api.h"
#include "discovery.h"
#include "ending.h"
#include "errors.h"

namespace emogene_library {
namespace {

Table functions;
std::mutex starting;
std::atomic<bool> loaded{false};   // api is filled
std::atomic<bool> started{false};  // functions is filled
std::string started_root;          // guarded by starting

emogene_status refuse_problem(const Problem &p) {
  return refuse(p.thing, p.expected, p.found, p.remedy, EMOGENE_UNAVAILABLE);
}

// The Python that runs, or is at least loaded, in this process.
bool adopt_loaded() {
  api.library = RTLD_DEFAULT;
  return dlsym(RTLD_DEFAULT, "Py_IsInitialized") != nullptr && api.find_all();
}

emogene_status load_library(const Environment &environment, const char *asked) {
  const char *named = asked ? asked : std::getenv("EMOGENE_LIBPYTHON");
  std::vector<std::string> candidates = environment.libraries;
  if (named && *named) candidates = {named};
  std::string why;
  for (const std::string &candidate : candidates) {
    // Global, whatever way the host loaded us: Python's extension modules look its symbols up there.
    void *library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      if (const char *error = dlerror()) why = error;
      continue;
    }
    api.library = library;
    if (api.find_all()) return EMOGENE_OK;
    why = candidate + " is no library of Python 3.10 or later";
  }
  return refuse("Python " + environment.version + " of " + environment.root,
                "its shared library, libpython" + environment.version + ".so.1.0", why,
                "install it (Debian: apt-get install libpython" + environment.version +
                    "), or name its file in EMOGENE_LIBPYTHON",
                EMOGENE_UNAVAILABLE);
}

// LC_CTYPE of the process, put back at the end: starting Python changes it.
class KeptLocale {
 public:
  KeptLocale() {
    if (const char *now = setlocale(LC_CTYPE, nullptr)) kept_ = now;
  }
  ~KeptLocale() {
    if (!kept_.empty()) setlocale(LC_CTYPE, kept_.c_str());
  }

 private:
  std::string kept_;
};

// The process's answers to signals, put back at the end.
class KeptSignals {
 public:
  KeptSignals() {
    for (int signal = 1; signal < kSignals; ++signal)
      known_[signal] = sigaction(signal, nullptr, &kept_[signal]) == 0;
  }
  ~KeptSignals() {
    for (int signal = 1; signal < kSignals; ++signal) {
      struct sigaction now;
      if (known_[signal] && sigaction(signal, nullptr, &now) == 0 &&
          now.sa_handler != kept_[signal].sa_handler)
        sigaction(signal, &kept_[signal], nullptr);
    }
  }

 private:
  static constexpr int kSignals = 65;
  struct sigaction kept_[kSignals];
  bool known_[kSignals] = {};
};

void set_flag(const char *name) {
  if (int *flag = reinterpret_cast<int *>(dlsym(api.library, name))) *flag = 1;
}

// Python 3.14 and later: a configuration that is isolated unless told otherwise (PEP 741).
bool initialize_with_config(const std::string &python, std::string &why) {
  void *(*create)();
  void (*destroy)(void *);
  int (*set_string)(void *, const char *, const char *);
  int (*initialize)(void *);
  int (*get_error)(void *, const char **);
  api.find(create, "PyInitConfig_Create");
  if (!api.find(destroy, "PyInitConfig_Free") || !api.find(set_string, "PyInitConfig_SetStr") ||
      !api.find(initialize, "Py_InitializeFromInitConfig") ||
      !api.find(get_error, "PyInitConfig_GetError")) {
    why = "a libpython without PyInitConfig_…";
    return false;
  }
  void *config = create();
  if (config == nullptr) throw std::bad_alloc();
  const bool done = set_string(config, "program_name", python.c_str()) == 0 &&
                    set_string(config, "executable", python.c_str()) == 0 && initialize(config) == 0;
  if (!done) {
    const char *error = nullptr;
    get_error(config, &error);
    why = error ? error : "an unknown error";
  }
  destroy(config);
  return done;
}

// Before 3.14 the configuration's layout differs from version to version, so the older switches.
bool initialize_with_flags(const std::string &python, std::string &why) {
  wchar_t *(*decode)(const char *, std::size_t *);
  void (*set_program)(const wchar_t *);
  void (*initialize)(int);
  if (!api.find(decode, "Py_DecodeLocale") || !api.find(set_program, "Py_SetProgramName") ||
      !api.find(initialize, "Py_InitializeEx")) {
    why = "a libpython without Py_SetProgramName";
    return false;
  }
  set_flag("Py_IgnoreEnvironmentFlag");
  set_flag("Py_NoUserSiteDirectory");
  // Python keeps the pointer. A path it cannot decode gives NULL.
  wchar_t *program = decode(python.c_str(), nullptr);
  if (program == nullptr) {
    why = "a path that cannot be decoded: " + python;
    return false;
  }
  set_program(program);
  initialize(0);  // without signal handlers
  return api.IsInitialized() != 0;
}

emogene_status initialize(const Environment &environment) {
  if (std::string(api.GetVersion()).compare(0, environment.version.size() + 1,
                                            environment.version + ".") != 0)
    return refuse(environment.root, "Python " + environment.version + " in this process",
                  std::string("Python ") + api.GetVersion(),
                  "the host is linked with another Python; install the package for that one",
                  EMOGENE_UNAVAILABLE);
  const KeptLocale locale;
  const KeptSignals signals;
  std::string why;
  const bool newer = dlsym(api.library, "PyInitConfig_Create") != nullptr;
  if (!(newer ? initialize_with_config(environment.python, why)
              : initialize_with_flags(environment.python, why)))
    return refuse("Python " + environment.version, "to start", why,
                  "check that " + environment.python + " starts", EMOGENE_UNAVAILABLE);
  // Its first import sets a handler for SIGINT even where Python was told to set none; now it cannot
  // come later, when nobody puts the host's back.
  if (void *module = api.ImportModule("_signal")) api.DecRef(module);
  api.Clear();
  api.SaveThread();
  return EMOGENE_OK;
}

// Imports the package, lets it fill the table and keeps its `pull`; `root` gets the environment it runs in.
emogene_status import_package(std::string &root) {
  const Stay stay;
  if (!stay) return python_has_ended();
  const int lock = api.Ensure();
  std::string problem;
  functions.version = kTable;
  functions.message_bytes = kMessage;
  functions.close_python = close_python;
  void *module = api.ImportModule("emogene.capi.bridge");
  void *prefix = nullptr;
  if (module)
    prefix = api.CallMethod(module, "install", "Ks",
                            reinterpret_cast<unsigned long long>(&functions), root.c_str());
  if (prefix) api.pull = api.GetAttrString(module, "pull");
  const bool done = api.pull != nullptr;
  if (done)
    root = text_of(prefix);
  else
    problem = take_exception();
  for (void *object : {module, prefix})
    if (object) api.DecRef(object);
  api.Release(lock);
  if (done) return EMOGENE_OK;
  return refuse("Python in this process", "the package emogene that belongs to this library",
                problem, "install it there, or let this library start the environment it lies in",
                EMOGENE_UNAVAILABLE);
}

// What Python knows of this thread, from `begin` to the thread's end.
class Introduced {
 public:
  Introduced() = default;
  Introduced(const Introduced &) = delete;
  Introduced &operator=(const Introduced &) = delete;

  void begin() {
    lock_ = api.Ensure();
    state_ = api.SaveThread();
  }

  ~Introduced() {
    if (state_ == nullptr) return;
    const Stay stay;
    // A Python that has ended took all threads' states with it.
    if (!stay || !api.IsInitialized()) return;
    api.RestoreThread(state_);
    api.Release(lock_);
  }

 private:
  int lock_ = 0;
  void *state_ = nullptr;
};

emogene_status start_once(const emogene_start_options &options) {
  const char *variable = std::getenv("EMOGENE_VENV");
  const std::string named = options.venv ? options.venv : variable ? variable : "";
  std::string root = named.empty() ? named : real_path(named);
  if (started) {
    if (options.venv == nullptr || root == started_root) return EMOGENE_OK;
    return refuse("venv", "the environment that Python was started in, " + started_root, root,
                  "one process holds one Python; leave it out");
  }
  // A Python that runs already is used as it is; the package has to be its own.
  if (!loaded || !api.IsInitialized()) {
    Environment environment;
    Problem problem;
    if (!find_environment(root, environment, problem)) return refuse_problem(problem);
    if (!loaded) {
      if (const emogene_status status = load_library(environment, options.libpython)) return status;
      loaded = true;
    }
    if (!api.IsInitialized())
      if (const emogene_status status = initialize(environment)) return status;
    root = environment.root;
  }
  if (const emogene_status status = import_package(root)) return status;
  started_root = root;
  started = true;
  return EMOGENE_OK;
}

}  // namespace

emogene_status start(const emogene_start_options *options) {
  if (started && options == nullptr) return EMOGENE_OK;
  static std::once_flag once;
  std::call_once(once, [] { loaded = adopt_loaded(); });
  const WithoutPythonsLock free;
  const std::lock_guard<std::mutex> lock(starting);
  const emogene_start_options none EMOGENE_START_OPTIONS_INIT;
  return start_once(options ? *options : none);
}

const Table &table() noexcept { return functions; }

emogene_status python_has_ended() {
  return refuse("Python in this process", "to run", "that it has begun to end",
                "call no more once the process ends", EMOGENE_UNAVAILABLE);
}

void introduce_thread() {
  if (api.ThisThread() != nullptr) return;
  thread_local Introduced introduced;
  introduced.begin();
}

WithoutPythonsLock::WithoutPythonsLock() noexcept {
  if (loaded && api.IsInitialized() && api.Holds()) saved_ = api.SaveThread();
}

// Python may end its own threads here, which unwinds them.
WithoutPythonsLock::~WithoutPythonsLock() noexcept(false) {
  if (saved_ && api.IsInitialized()) api.RestoreThread(saved_);
}

}  // namespace emogene_library
