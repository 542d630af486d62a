/* A CUDA driver without a GPU that counts: memory is the host's, copies are made, kernels and products are only
 * counted. What is computed is therefore zero; how often the device is called, and with how many bytes, is as on a card.
 * At exit the counts go to the file that LAUNCHES names, a line each: kind, name, number, bytes. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ptr;

#define MOST 512
static struct { const char *kind; char name[64]; unsigned long long number, bytes; } counts[MOST];
static int used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void count(const char *kind, const char *name, unsigned long long bytes) {
  pthread_mutex_lock(&lock);
  int n = 0;
  while (n < used && (strcmp(counts[n].kind, kind) || strcmp(counts[n].name, name))) n++;
  if (n == used && used < MOST) {
    counts[used].kind = kind;
    snprintf(counts[used++].name, sizeof counts[n].name, "%s", name);
  }
  if (n < MOST) counts[n].number++, counts[n].bytes += bytes;
  pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void write_counts(void) {
  const char *path = getenv("LAUNCHES");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  for (int n = 0; n < used; n++)
    fprintf(file, "%s %s %llu %llu\n", counts[n].kind, counts[n].name, counts[n].number, counts[n].bytes);
  fclose(file);
}

/* The device. */
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int number) { return *device = number, number ? 101 : 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return *value = 1, 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return *context = &counts, 0; }
int cuCtxGetCurrent(void **context) { return *context = &counts, 0; }
int cuStreamCreate(void **stream, unsigned flags) { return *stream = &used, 0; }
int cuEventCreate(void **event, unsigned flags) { return *event = &used, 0; }
int cuStreamIsCapturing(void *stream, int *status) { return *status = 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = (size_t)16 << 30, 0; }

/* Memory. */
static int allocate(ptr *at, size_t bytes) {
  count("allocation", "memory", bytes);
  return *at = (ptr)calloc(1, bytes ? bytes : 1), 0;
}
int cuMemAlloc_v2(ptr *at, size_t bytes) { return allocate(at, bytes); }
int cuMemAllocAsync(ptr *at, size_t bytes, void *stream) { return allocate(at, bytes); }
int cuMemFree_v2(ptr at) { return free((void *)at), 0; }
int cuMemFreeAsync(ptr at, void *stream) { return free((void *)at), 0; }
int cuMemsetD8Async(ptr at, unsigned char value, size_t bytes, void *stream) {
  count("launch", "memset", 0);
  return memset((void *)at, value, bytes), 0;
}
int cuMemcpyHtoDAsync_v2(ptr to, const void *from, size_t bytes, void *stream) {
  /* Shapes and strides of a kernel are a copy of their own. */
  count("copy", bytes > 128 ? "to_device" : "shape_to_device", bytes);
  return memcpy((void *)to, from, bytes), 0;
}
int cuMemcpyDtoHAsync_v2(void *to, ptr from, size_t bytes, void *stream) {
  count("copy", "to_host", bytes);
  return memcpy(to, (void *)from, bytes), 0;
}
int cuMemcpyDtoDAsync_v2(ptr to, ptr from, size_t bytes, void *stream) {
  count("launch", "copy", 0);
  return memcpy((void *)to, (void *)from, bytes), 0;
}

/* Order. */
int cuEventRecord(void *event, void *stream) { return count("event", "record", 0), 0; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return count("event", "wait", 0), 0; }
int cuEventSynchronize(void *event) { return count("wait", "event", 0), 0; }
int cuStreamSynchronize(void *stream) { return count("wait", "stream", 0), 0; }

/* Work. A function's handle is its name. */
int cuModuleLoadData(void **module, const void *image) { return *module = &used, 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) { return *function = strdup(name), 0; }
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **args, void **extra) {
  return count("launch", function, 0), 0;
}
int cublasCreate_v2(void **handle) { return *handle = &used, 0; }
int cublasGemmStridedBatchedEx() { return count("launch", "product", 0), 0; }
int curandCreateGenerator(void **generator, int kind) { return *generator = &used, 0; }
