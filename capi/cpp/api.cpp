#include "api.h"

namespace emogene_library {

Api api;

bool Api::find_all() {
  return find(IsInitialized, "Py_IsInitialized") && find(GetVersion, "Py_GetVersion") &&
         find(Ensure, "PyGILState_Ensure") && find(Release, "PyGILState_Release") &&
         find(Holds, "PyGILState_Check") && find(ThisThread, "PyGILState_GetThisThreadState") &&
         find(SaveThread, "PyEval_SaveThread") && find(RestoreThread, "PyEval_RestoreThread") &&
         find(ImportModule, "PyImport_ImportModule") &&
         find(CallFunction, "PyObject_CallFunction") && find(CallMethod, "PyObject_CallMethod") &&
         find(GetAttrString, "PyObject_GetAttrString") && find(Str, "PyObject_Str") &&
         find(AsUtf8, "PyUnicode_AsUTF8AndSize") && find(TupleSize, "PyTuple_Size") &&
         find(ParseTuple, "PyArg_ParseTuple") && find(ReleaseBuffer, "PyBuffer_Release") &&
         find(Fetch, "PyErr_Fetch") && find(Normalize, "PyErr_NormalizeException") &&
         find(Clear, "PyErr_Clear") && find(DecRef, "Py_DecRef");
}

std::string text_of(void *object) {
  std::string text;
  if (void *string = object ? api.Str(object) : nullptr) {
    if (const char *utf8 = api.AsUtf8(string, nullptr)) text = utf8;
    api.DecRef(string);
  }
  api.Clear();
  return text;
}

std::string take_exception() {
  void *type = nullptr, *value = nullptr, *trace = nullptr;
  api.Fetch(&type, &value, &trace);
  api.Normalize(&type, &value, &trace);
  std::string text;
  if (void *name = type ? api.GetAttrString(type, "__name__") : nullptr) {
    text = text_of(name) + ": ";
    api.DecRef(name);
  }
  text += text_of(value);
  for (void *object : {type, value, trace})
    if (object) api.DecRef(object);
  return text;
}

}  // namespace emogene_library
