// The driver's library as the real bindings call it: C functions with the parameters of cuda.h, each
// of which hands its arguments to the model of a GPU. See fake_libcuda.py.
#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <string>

using Handle = void*;
using Device = int;
using Address = unsigned long long;
using Answer = int (*)(const char* name, const uint64_t* arguments);

static Answer answer;

template <class T>
static uint64_t word(T value) {
    return (uint64_t)value;
}

template <class... A>
static int ask(const char* name, A... values) {
    const uint64_t arguments[] = {word(values)..., 0};
    return answer(name, arguments);
}

extern "C" {

void answer_by(Answer by) { answer = by; }

int cuInit(unsigned flags) { return ask("cuInit", flags); }
int cuDriverGetVersion(int* version) { return ask("cuDriverGetVersion", version); }
int cuDeviceGetCount(int* count) { return ask("cuDeviceGetCount", count); }
int cuDeviceGet(Device* device, int ordinal) { return ask("cuDeviceGet", device, ordinal); }
int cuDeviceGetName(char* name, int length, Device device) {
    return ask("cuDeviceGetName", name, length, device);
}
int cuDeviceGetAttribute(int* value, int attribute, Device device) {
    return ask("cuDeviceGetAttribute", value, attribute, device);
}
int cuDeviceTotalMem_v2(size_t* bytes, Device device) {
    return ask("cuDeviceTotalMem", bytes, device);
}
int cuDevicePrimaryCtxRetain(Handle* context, Device device) {
    return ask("cuDevicePrimaryCtxRetain", context, device);
}
int cuDevicePrimaryCtxRelease_v2(Device device) { return ask("cuDevicePrimaryCtxRelease", device); }
int cuCtxPushCurrent_v2(Handle context) { return ask("cuCtxPushCurrent", context); }
int cuCtxPopCurrent_v2(Handle* context) { return ask("cuCtxPopCurrent", context); }

int cuMemAlloc_v2(Address* address, size_t bytes) { return ask("cuMemAlloc", address, bytes); }
int cuMemFree_v2(Address address) { return ask("cuMemFree", address); }
int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, Handle stream) {
    return ask("cuMemcpyHtoDAsync", to, from, bytes, stream);
}
int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, Handle stream) {
    return ask("cuMemcpyDtoHAsync", to, from, bytes, stream);
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Handle stream) {
    return ask("cuMemcpyDtoDAsync", to, from, bytes, stream);
}
int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, Handle stream) {
    return ask("cuMemsetD8Async", to, value, bytes, stream);
}

int cuStreamCreate(Handle* stream, unsigned flags) { return ask("cuStreamCreate", stream, flags); }
int cuStreamDestroy_v2(Handle stream) { return ask("cuStreamDestroy", stream); }
int cuStreamSynchronize(Handle stream) { return ask("cuStreamSynchronize", stream); }
int cuStreamWaitEvent(Handle stream, Handle event, unsigned flags) {
    return ask("cuStreamWaitEvent", stream, event, flags);
}
int cuEventCreate(Handle* event, unsigned flags) { return ask("cuEventCreate", event, flags); }
int cuEventRecord(Handle event, Handle stream) { return ask("cuEventRecord", event, stream); }
int cuEventSynchronize(Handle event) { return ask("cuEventSynchronize", event); }
int cuEventElapsedTime_v2(float* milliseconds, Handle start, Handle end) {
    return ask("cuEventElapsedTime", milliseconds, start, end);
}
int cuEventDestroy_v2(Handle event) { return ask("cuEventDestroy", event); }

int cuStreamBeginCapture_v2(Handle stream, int mode) {
    return ask("cuStreamBeginCapture", stream, mode);
}
int cuStreamEndCapture(Handle stream, Handle* graph) {
    return ask("cuStreamEndCapture", stream, graph);
}
int cuGraphInstantiateWithFlags(Handle* executable, Handle graph, unsigned long long flags) {
    return ask("cuGraphInstantiate", executable, graph, flags);
}
int cuGraphLaunch(Handle executable, Handle stream) {
    return ask("cuGraphLaunch", executable, stream);
}
int cuGraphDestroy(Handle graph) { return ask("cuGraphDestroy", graph); }
int cuGraphExecDestroy(Handle executable) { return ask("cuGraphExecDestroy", executable); }

int cuModuleLoadData(Handle* module, const void* image) {
    return ask("cuModuleLoadData", module, image);
}
int cuModuleUnload(Handle module) { return ask("cuModuleUnload", module); }
int cuModuleGetFunction(Handle* function, Handle module, const char* name) {
    return ask("cuModuleGetFunction", function, module, name);
}
int cuFuncSetAttribute(Handle function, int attribute, int value) {
    return ask("cuFuncSetAttribute", function, attribute, value);
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Handle function, int threads,
                                                size_t shared) {
    return ask("cuOccupancyMaxActiveBlocksPerMultiprocessor", blocks, function, threads, shared);
}
int cuLaunchKernel(Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                   Handle stream, void** parameters, void** extra) {
    return ask("cuLaunchKernel", function, grid_x, grid_y, grid_z, block_x, block_y, block_z,
               shared, stream, parameters, extra);
}

int cuGetErrorString(int status, const char** text) {
    *text = "what the driver says";
    return 0;
}

// NVRTC looks for the tools' tables wherever it finds a driver.
int cuGetExportTable(const void** table, const void* id) {
    *table = nullptr;
    return 500;
}

// Functions by the names they have without a revision. A driver gives the newest it has.
int cuGetProcAddress_v2(const char* name, void** function, int version, uint64_t flags,
                        int* status) {
    static void* here = [] {
        Dl_info found;
        dladdr((void*)cuInit, &found);
        return dlopen(found.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    }();
    const char* endings[] = {"_v2", "WithFlags", ""};
    *function = nullptr;
    for (const char* ending : endings) {
        const std::string whole = std::string(name) + ending;
        if ((*function = dlsym(here, whole.c_str())) != nullptr) break;
    }
    if (status != nullptr) *status = *function == nullptr;
    return *function == nullptr ? 500 : 0;
}

}  // extern "C"
