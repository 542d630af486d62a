// What a program asks of the CUDA driver: preloaded, it counts calls, bytes and seconds, and can make calls fail.
//
//   LD_PRELOAD=./trace.so TRACE_OUT=trace.json [TRACE_EVENTS=1] [TRACE_MEMORY=BYTES] [TRACE_LOST=CALLS] vaepipe …
//
// TRACE_OUT     gets one JSON object when the program ends: for each kind of call how many, bytes, seconds of the host in
//               them; with TRACE_EVENTS=1 also seconds of the device, between two CUDA events around each call, which slows the host.
// TRACE_MEMORY  lets allocations fail above so many bytes, as on a full device.
// TRACE_LOST    lets every call fail after so many kernels and copies, as on a device that is lost.
//
// Only calls that the program itself links are seen, not those of the CUDA libraries: a matrix product counts as one.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef uint64_t ptr;
enum { OUT_OF_MEMORY = 2, LAUNCH_FAILED = 719, BLAS_FAILED = 13 };
enum { KERNEL, PRODUCT, TO_DEVICE, TO_HOST, WITHIN, FILL, ALLOCATE, RELEASE, WAIT, EVENT, MODULE, KINDS };
static const char *NAMES[] = {"kernels", "products", "to_device", "to_host", "within_device", "fills", "allocations",
                              "releases", "waits", "events", "modules"};
static struct { uint64_t calls, bytes; double host, device; } sums[KINDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t live, peak, limit = UINT64_MAX, lost = UINT64_MAX, worked;
static int with_events;
static double started;
static void *last_stream;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) fprintf(stderr, "trace: no %s\n", name), abort();
  return found;
}
#define REAL(name) ({ static __typeof__(&name) f; if (!f) f = real(#name); f; })

// Allocated blocks and their sizes, in a table of open addresses.
#define SLOTS (1 << 20)
static struct { ptr at; uint64_t bytes; } blocks[SLOTS];
static uint64_t slot(ptr at) {
  uint64_t i = (at >> 8) * 0x9E3779B97F4A7C15u >> 44;
  for (int tried = 0; blocks[i].at && blocks[i].at != at && tried < SLOTS; tried++) i = (i + 1) % SLOTS;
  return i;
}
static void keep(ptr at, uint64_t bytes) {
  uint64_t i = slot(at);
  blocks[i].at = at, blocks[i].bytes = bytes;
  live += bytes;
  if (live > peak) peak = live;
}
static void forget(ptr at) {
  uint64_t i = slot(at);
  if (blocks[i].at == at) live -= blocks[i].bytes, blocks[i].bytes = 0;
}

// Pairs of events around calls, read when the host has waited for the device.
int cuEventCreate(void **, unsigned);
int cuEventRecord(void *, void *);
int cuEventElapsedTime_v2(float *, void *, void *);
int cuEventElapsedTime(float *, void *, void *);
#define PAIRS 65536
static struct { void *from, *to; int kind; } pairs[PAIRS];
static int made, used;
static void read_events(void) {
  static int (*elapsed)(float *, void *, void *);
  if (!elapsed) elapsed = dlsym(RTLD_NEXT, "cuEventElapsedTime_v2");
  if (!elapsed) elapsed = dlsym(RTLD_NEXT, "cuEventElapsedTime");
  for (int i = 0; i < used; i++) {
    float ms = 0;
    if (elapsed && elapsed(&ms, pairs[i].from, pairs[i].to) == 0) sums[pairs[i].kind].device += ms * 1e-3;
  }
  used = 0;
}
static int before(void *stream) {
  static int (*create)(void **, unsigned);
  if (!with_events || used == PAIRS) return -1;
  if (!create) create = real("cuEventCreate");
  if (used == made) {
    if (create(&pairs[made].from, 0) || create(&pairs[made].to, 0)) return -1;
    made++;
  }
  static int (*record)(void *, void *);
  if (!record) record = real("cuEventRecord");
  return record(pairs[used].from, stream) ? -1 : used;
}
static void after(int pair, int kind, void *stream) {
  static int (*record)(void *, void *);
  if (pair < 0) return;
  if (!record) record = real("cuEventRecord");
  pairs[pair].kind = kind;
  if (!record(pairs[pair].to, stream)) used++;
}

static void count(int kind, uint64_t bytes, double since) {
  sums[kind].calls++, sums[kind].bytes += bytes, sums[kind].host += now() - since;
}
// Work on a stream: counted, or failed. Between events no other thread may come; else none waits for another.
#define WORK(kind_, bytes_, stream_, failure, call)                 \
  ({                                                                \
    int answer = failure, pair = -1;                                \
    pthread_mutex_lock(&lock);                                      \
    int works = worked++ < lost;                                    \
    last_stream = stream_;                                          \
    if (works) pair = before(stream_);                              \
    if (!with_events) pthread_mutex_unlock(&lock);                  \
    double since = now();                                           \
    if (works) answer = call;                                       \
    if (!with_events) pthread_mutex_lock(&lock);                    \
    count(kind_, bytes_, since);                                    \
    after(pair, kind_, stream_);                                    \
    pthread_mutex_unlock(&lock);                                    \
    answer;                                                         \
  })
// Other calls: counted without the lock held while they take their time.
#define CALL(kind_, call)                                           \
  ({                                                                \
    double since = now();                                           \
    int answer = worked >= lost ? LAUNCH_FAILED : call;             \
    pthread_mutex_lock(&lock);                                      \
    count(kind_, 0, since);                                         \
    pthread_mutex_unlock(&lock);                                    \
    answer;                                                         \
  })

int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **arguments, void **extra) {
  return WORK(KERNEL, 0, stream, LAUNCH_FAILED,
              REAL(cuLaunchKernel)(f, gx, gy, gz, bx, by, bz, shared, stream, arguments, extra));
}
int cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, void *alpha, void *a, int at, int lda,
                               long long sa, void *b, int bt, int ldb, long long sb, void *beta, void *c, int ct, int ldc,
                               long long sc, int batch, int compute, int algorithm) {
  return WORK(PRODUCT, 0, last_stream, BLAS_FAILED,
              REAL(cublasGemmStridedBatchedEx)(handle, ta, tb, m, n, k, alpha, a, at, lda, sa, b, bt, ldb, sb, beta, c, ct,
                                               ldc, sc, batch, compute, algorithm));
}
int cublasGemmEx(void *handle, int ta, int tb, int m, int n, int k, void *alpha, void *a, int at, int lda, void *b, int bt,
                 int ldb, void *beta, void *c, int ct, int ldc, int compute, int algorithm) {
  return WORK(PRODUCT, 0, last_stream, BLAS_FAILED,
              REAL(cublasGemmEx)(handle, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc, compute, algorithm));
}
int cublasSgemm_v2(void *handle, int ta, int tb, int m, int n, int k, void *alpha, void *a, int lda, void *b, int ldb,
                   void *beta, void *c, int ldc) {
  return WORK(PRODUCT, 0, last_stream, BLAS_FAILED,
              REAL(cublasSgemm_v2)(handle, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
}
int cuMemcpyHtoDAsync_v2(ptr to, void *from, size_t bytes, void *stream) {
  return WORK(TO_DEVICE, bytes, stream, LAUNCH_FAILED, REAL(cuMemcpyHtoDAsync_v2)(to, from, bytes, stream));
}
int cuMemcpyDtoHAsync_v2(void *to, ptr from, size_t bytes, void *stream) {
  return WORK(TO_HOST, bytes, stream, LAUNCH_FAILED, REAL(cuMemcpyDtoHAsync_v2)(to, from, bytes, stream));
}
int cuMemcpyDtoDAsync_v2(ptr to, ptr from, size_t bytes, void *stream) {
  return WORK(WITHIN, bytes, stream, LAUNCH_FAILED, REAL(cuMemcpyDtoDAsync_v2)(to, from, bytes, stream));
}
int cuMemsetD8Async(ptr to, unsigned char value, size_t bytes, void *stream) {
  return WORK(FILL, bytes, stream, LAUNCH_FAILED, REAL(cuMemsetD8Async)(to, value, bytes, stream));
}

static int allocate(ptr *at, size_t bytes, void *stream, int async) {
  int cuMemAllocAsync(ptr *, size_t, void *), cuMemAlloc_v2(ptr *, size_t);
  double since = now();
  pthread_mutex_lock(&lock);
  int answer = OUT_OF_MEMORY;
  if (worked >= lost) {
    answer = LAUNCH_FAILED;
  } else if (live + bytes <= limit) {
    answer = async ? REAL(cuMemAllocAsync)(at, bytes, stream) : REAL(cuMemAlloc_v2)(at, bytes);
    if (!answer) keep(*at, bytes);
  }
  count(ALLOCATE, bytes, since);
  pthread_mutex_unlock(&lock);
  return answer;
}
int cuMemAllocAsync(ptr *at, size_t bytes, void *stream) { return allocate(at, bytes, stream, 1); }
int cuMemAlloc_v2(ptr *at, size_t bytes) { return allocate(at, bytes, 0, 0); }
static void released(ptr at) {
  pthread_mutex_lock(&lock);
  forget(at);
  pthread_mutex_unlock(&lock);
}
int cuMemFreeAsync(ptr at, void *stream) {
  released(at);
  return CALL(RELEASE, REAL(cuMemFreeAsync)(at, stream));
}
int cuMemFree_v2(ptr at) {
  released(at);
  return CALL(RELEASE, REAL(cuMemFree_v2)(at));
}

int cuStreamSynchronize(void *stream) {
  int answer = CALL(WAIT, REAL(cuStreamSynchronize)(stream));
  pthread_mutex_lock(&lock);
  if (with_events) read_events();
  pthread_mutex_unlock(&lock);
  return answer;
}
int cuEventSynchronize(void *event) { return CALL(WAIT, REAL(cuEventSynchronize)(event)); }
int cuEventCreate(void **event, unsigned flags) { return CALL(EVENT, REAL(cuEventCreate)(event, flags)); }
int cuEventDestroy_v2(void *event) { return CALL(EVENT, REAL(cuEventDestroy_v2)(event)); }
int cuEventRecord(void *event, void *stream) { return CALL(EVENT, REAL(cuEventRecord)(event, stream)); }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  return CALL(EVENT, REAL(cuStreamWaitEvent)(stream, event, flags));
}
int cublasDestroy_v2(void *handle) { return worked >= lost ? BLAS_FAILED : REAL(cublasDestroy_v2)(handle); }
int curandDestroyGenerator(void *generator) {
  return worked >= lost ? BLAS_FAILED : REAL(curandDestroyGenerator)(generator);
}
int cuModuleLoadData(void **module, void *image) { return CALL(MODULE, REAL(cuModuleLoadData)(module, image)); }

static uint64_t number(const char *name, uint64_t otherwise) {
  const char *value = getenv(name);
  return value && *value ? strtoull(value, 0, 10) : otherwise;
}
__attribute__((constructor)) static void start(void) {
  started = now();
  limit = number("TRACE_MEMORY", UINT64_MAX), lost = number("TRACE_LOST", UINT64_MAX);
  with_events = number("TRACE_EVENTS", 0) != 0;
}
__attribute__((destructor)) static void end(void) {
  // Programs that start others, such as env, call nothing.
  uint64_t calls = 0;
  for (int i = 0; i < KINDS; i++) calls += sums[i].calls;
  const char *path = getenv("TRACE_OUT");
  FILE *out = path && calls ? fopen(path, "w") : 0;
  if (!out) return;
  fprintf(out, "{\"wall_s\":%.6f,\"peak_bytes\":%llu", now() - started, (unsigned long long)peak);
  for (int i = 0; i < KINDS; i++) {
    fprintf(out, ",\"%s\":{\"calls\":%llu,\"bytes\":%llu,\"host_s\":%.6f", NAMES[i], (unsigned long long)sums[i].calls,
            (unsigned long long)sums[i].bytes, sums[i].host);
    if (with_events) fprintf(out, ",\"device_s\":%.6f", sums[i].device);
    fprintf(out, "}");
  }
  fprintf(out, "}\n");
  fclose(out);
}
