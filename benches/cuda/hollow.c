// A driver and cuBLAS that answer as if there were a device, and compute nothing: memory of the device is zeros. With it a
// machine without a GPU counts what a program asks of a device (trace.c), and sees it fail as a device fails.
//
// `.ci/cuda rehearse` adds all other functions, which answer 0, success.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t ptr;
typedef void *handle;
static __thread handle current;
static char one; // what every handle points to

// No device where CUDA_VISIBLE_DEVICES hides it.
int cuInit(unsigned flags) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  return visible && !*visible ? 100 : 0;
}
int cuDeviceGet(int *device, int number) { return *device = 0, number == 0 ? 0 : 101; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGetName(char *name, int length, int device) { return strncpy(name, "hollow", length), 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return *value = 1, 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = (size_t)8 << 30, 0; }
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuDevicePrimaryCtxRetain(handle *context, int device) { return *context = &one, 0; }
int cuCtxGetCurrent(handle *context) { return *context = current, 0; }
int cuCtxSetCurrent(handle context) { return current = context, 0; }
int cuCtxGetDevice(int *device) { return *device = 0, 0; }
int cuStreamCreate(handle *stream, unsigned flags) { return *stream = &one, 0; }
int cuStreamCreateWithPriority(handle *stream, unsigned flags, int priority) { return *stream = &one, 0; }
int cuEventCreate(handle *event, unsigned flags) { return *event = &one, 0; }
int cuEventElapsedTime(float *ms, handle from, handle to) { return *ms = 0, 0; }
int cuEventElapsedTime_v2(float *ms, handle from, handle to) { return *ms = 0, 0; }
int cuModuleLoadData(handle *module, const void *image) { return *module = &one, 0; }
int cuModuleGetFunction(handle *function, handle module, const char *name) { return *function = &one, 0; }
int cuFuncGetAttribute(int *value, int attribute, handle function) { return *value = 1, 0; }
int cuMemGetInfo_v2(size_t *left, size_t *all) { return *left = *all = (size_t)8 << 30, 0; }
int cuMemAlloc_v2(ptr *at, size_t bytes) { return *at = (ptr)calloc(bytes ? bytes : 1, 1), *at ? 0 : 2; }
int cuMemAllocAsync(ptr *at, size_t bytes, handle stream) { return cuMemAlloc_v2(at, bytes); }
int cuMemFree_v2(ptr at) { return free((void *)at), 0; }
int cuMemFreeAsync(ptr at, handle stream) { return cuMemFree_v2(at); }
int cuMemHostAlloc(void **at, size_t bytes, unsigned flags) { return *at = calloc(bytes ? bytes : 1, 1), 0; }
int cuMemFreeHost(void *at) { return free(at), 0; }
int cuMemcpyHtoDAsync_v2(ptr to, const void *from, size_t bytes, handle stream) { return memcpy((void *)to, from, bytes), 0; }
int cuMemcpyDtoHAsync_v2(void *to, ptr from, size_t bytes, handle stream) { return memcpy(to, (void *)from, bytes), 0; }
int cuMemcpyDtoDAsync_v2(ptr to, ptr from, size_t bytes, handle stream) { return memcpy((void *)to, (void *)from, bytes), 0; }
int cuMemsetD8Async(ptr to, unsigned char value, size_t bytes, handle stream) { return memset((void *)to, value, bytes), 0; }

static const char *name(int error) {
  switch (error) {
    case 2: return "CUDA_ERROR_OUT_OF_MEMORY";
    case 100: return "CUDA_ERROR_NO_DEVICE";
    case 101: return "CUDA_ERROR_INVALID_DEVICE";
    case 719: return "CUDA_ERROR_LAUNCH_FAILED";
    default: return "an error";
  }
}
int cuGetErrorName(int error, const char **text) { return *text = name(error), 0; }
int cuGetErrorString(int error, const char **text) { return *text = name(error), 0; }

int cublasCreate_v2(handle *blas) { return *blas = &one, 0; }
int curandCreateGenerator(handle *generator, int type) { return *generator = &one, 0; }
