#include "pulled.h"

#include <string>

#include "ending.h"
#include "errors.h"
#include "python.h"

namespace emogene_library {
namespace {

// Python's lock, held as long as it lives.
class WithPythonsLock {
 public:
  WithPythonsLock() : lock_(api.Ensure()) {}
  ~WithPythonsLock() { api.Release(lock_); }
  WithPythonsLock(const WithPythonsLock &) = delete;
  WithPythonsLock &operator=(const WithPythonsLock &) = delete;

 private:
  const int lock_;
};

emogene_status defect() {
  return fail(EMOGENE_FAILURE, take_exception() + " — this is a defect; report it");
}

// bridge.pull's (status, message).
emogene_status refused(void *answer) {
  int status = EMOGENE_FAILURE;
  const char *message = "";
  if (!api.ParseTuple(answer, "is", &status, &message)) return defect();
  const auto known = static_cast<emogene_status>(status);
  return known <= EMOGENE_NO_FRAME ? known : fail(known, message);
}

}  // namespace

emogene_status Pulled::pull(std::int64_t session) {
  const Stay stay;
  if (!stay) return python_has_ended();
  introduce_thread();
  const WithPythonsLock lock;
  void *answer = api.CallFunction(api.pull, "L", static_cast<long long>(session));
  if (answer == nullptr) return defect();
  emogene_status status = EMOGENE_OK;
  long long place = 0;
  if (api.TupleSize(answer) == 2)
    status = refused(answer);
  else if (api.ParseTuple(answer, "y*y*Ldddiii", &image_, &audio_, &place, &time, &speech_seconds,
                          &render_seconds, &size, &idle, &emotion))
    index = place;
  else
    status = defect();
  if (status == EMOGENE_OK)
    answer_ = answer;
  else
    api.DecRef(answer);
  return status;
}

Pulled::~Pulled() {
  if (answer_ == nullptr) return;
  const Stay stay;
  // A Python that has ended took it along.
  if (!stay || !api.IsInitialized()) return;
  introduce_thread();
  const WithPythonsLock lock;
  api.ReleaseBuffer(&image_);
  api.ReleaseBuffer(&audio_);
  api.DecRef(answer_);
}

}  // namespace emogene_library
