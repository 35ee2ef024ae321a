/* A libcuda.so.1 for tests: memory is the host's, copies and fills work and are captured into graphs, launches are
   counted and run nothing. It says it is two sm_90 devices. FAKE_CUDA_DRIVER sets the version, FAKE_CUDA_MEMORY the
   bytes of memory per device, FAKE_CUDA_SHARED those of shared memory per block. Development only: the library never compiles anything.

   cc -shared -fPIC -O2 -w -Wl,-soname,libcuda.so.1 -o libcuda.so.1 fake_libcuda.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef unsigned long long u64;
enum { OK = 0, INVALID = 1, NO_MEMORY = 2, NO_DEVICE = 101, BAD_CONTEXT = 201, CAPTURE = 900, NOT_FOUND = 500 };

static u64 launches, loads, live_blocks, live_events, used, total = 1ull << 30;
static u64 last_grid[3], last_threads, last_shared;
static void *last_params, *last_stream;
static __thread void *current;

/* operations that a graph keeps */
typedef struct Op { int kind; void *to; const void *from; size_t n; unsigned value; struct Op *next; } Op;
typedef struct Graph { Op *first, **last; } Graph;
static Graph *capturing;
static void *captured_stream;

static void carry_out(const Op *o) {
    if (o->kind == 0) memmove(o->to, o->from, o->n);
    for (size_t i = 0; o->kind == 1 && i < o->n; i++) ((unsigned char *)o->to)[i] = o->value;
    for (size_t i = 0; o->kind == 2 && i < o->n; i++) ((unsigned short *)o->to)[i] = o->value;
    for (size_t i = 0; o->kind == 4 && i < o->n; i++) ((unsigned *)o->to)[i] = o->value;
    if (o->kind == 9) launches++;
}
static int submit(void *stream, int kind, void *to, const void *from, size_t n, unsigned value) {
    Op op = {kind, to, from, n, value, 0};
    if (!capturing || stream != captured_stream) { carry_out(&op); return OK; }
    Op *kept = malloc(sizeof op);
    *kept = op;
    *capturing->last = kept;
    capturing->last = &kept->next;
    return OK;
}

int any(void) { return NOT_FOUND; }
static int max_shared = 232448;
int cuInit(unsigned flags) {
    if (getenv("FAKE_CUDA_SHARED")) max_shared = atoi(getenv("FAKE_CUDA_SHARED"));
    if (getenv("FAKE_CUDA_MEMORY")) total = strtoull(getenv("FAKE_CUDA_MEMORY"), 0, 10);
    return getenv("FAKE_CUDA_NO_DEVICE") ? NO_DEVICE : OK;
}
int cuDriverGetVersion(int *v) {
    *v = getenv("FAKE_CUDA_DRIVER") ? atoi(getenv("FAKE_CUDA_DRIVER")) : 13010;
    return OK;
}
int cuDeviceGetCount(int *n) { *n = 2; return OK; }
int cuDeviceGet(int *d, int i) { *d = i; return OK; }
int cuDeviceGetName(char *s, int n, int d) { snprintf(s, n, "Fake GPU"); return OK; }
int cuDeviceTotalMem_v2(size_t *n, int d) { *n = total; return OK; }
int cuDeviceGetAttribute(int *v, int which, int d) {
    *v = which == 75 ? 9 : which == 76 ? 0 : which == 97 ? max_shared : which == 10 ? 32 : which == 39 ? 2048
       : which == 16 ? 132 : which == 38 ? 50 << 20 : which == 82 ? 65536 : 1024;
    return OK;
}
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = (void *)(0x10ull + d); return OK; }
int cuCtxSetCurrent(void *c) { current = c; return OK; }
int cuCtxGetCurrent(void **c) { *c = current; return OK; }
int cuCtxGetDevice(int *d) { *d = (int)((u64)current - 0x10); return OK; }
int cuCtxSynchronize(void) { return capturing ? CAPTURE : current ? OK : BAD_CONTEXT; }
static u64 streams = 0x20;
int cuStreamCreate(void **s, unsigned f) { *s = (void *)streams++; return current ? OK : BAD_CONTEXT; }
int cuStreamSynchronize(void *s) { return capturing && s == captured_stream ? CAPTURE : OK; }
int cuStreamWaitEvent(void *s, void *e, unsigned f) { return OK; }
int cuModuleLoadData(void **m, const void *image) { loads++; *m = (void *)image; return memcmp(image, "\177ELF", 4) ? INVALID : OK; }
int cuModuleGetFunction(void **f, void *m, const char *name) { *f = (void *)0x40; return OK; }
int cuFuncGetAttribute(int *v, int which, void *f) { *v = which == 0 ? 1024 : which == 4 ? 32 : 0; return OK; }
int cuFuncSetAttribute(void *f, int which, int v) { return OK; }

int cuMemAlloc_v2(u64 *p, size_t n) {
    if (!current) return BAD_CONTEXT;
    if (used + n > total) return NO_MEMORY;
    void *q = 0;
    if (posix_memalign(&q, 256, n + 256)) return NO_MEMORY;
    *(size_t *)q = n; /* the size, in the 256 bytes before */
    used += n; live_blocks++;
    *p = (u64)q + 256;
    return OK;
}
int cuMemFree_v2(u64 p) {
    if (capturing) return CAPTURE;
    used -= *(size_t *)(p - 256); live_blocks--;
    free((void *)(p - 256));
    return OK;
}
int cuMemHostAlloc(void **p, size_t n, unsigned flags) { *p = malloc(n); return OK; }
int cuMemFreeHost(void *p) { free(p); return OK; }
int cuMemGetInfo_v2(size_t *f, size_t *t) { *f = total - used; *t = total; return OK; }
int cuMemcpyHtoDAsync_v2(u64 d, const void *s, size_t n, void *st) { return submit(st, 0, (void *)d, s, n, 0); }
int cuMemcpyDtoHAsync_v2(void *d, u64 s, size_t n, void *st) { return submit(st, 0, d, (void *)s, n, 0); }
int cuMemcpyDtoDAsync_v2(u64 d, u64 s, size_t n, void *st) { return submit(st, 0, (void *)d, (void *)s, n, 0); }
int cuMemsetD8Async(u64 d, unsigned char v, size_t n, void *st) { return submit(st, 1, (void *)d, 0, n, v); }
int cuMemsetD16Async(u64 d, unsigned short v, size_t n, void *st) { return submit(st, 2, (void *)d, 0, n, v); }
int cuMemsetD32Async(u64 d, unsigned v, size_t n, void *st) { return submit(st, 4, (void *)d, 0, n, v); }
int cuPointerGetAttribute(void *data, int which, u64 p) { *(int *)data = 0; return OK; }

int cuEventCreate(void **e, unsigned f) { *e = calloc(1, sizeof(struct timespec)); live_events++; return OK; }
int cuEventRecord(void *e, void *s) { return clock_gettime(CLOCK_MONOTONIC, e) ? INVALID : OK; }
int cuEventDestroy_v2(void *e) { free(e); live_events--; return OK; }
int cuEventQuery(void *e) { return OK; }
int cuEventSynchronize(void *e) { return OK; }
int cuEventElapsedTime_v2(float *ms, void *a, void *b) {
    struct timespec *s = a, *e = b;
    *ms = 1e3f * (e->tv_sec - s->tv_sec) + 1e-6f * (e->tv_nsec - s->tv_nsec);
    return OK;
}

int cuStreamBeginCapture_v2(void *s, int mode) {
    if (capturing) return CAPTURE;
    capturing = calloc(1, sizeof *capturing);
    capturing->last = &capturing->first;
    captured_stream = s;
    return OK;
}
int cuStreamEndCapture(void *s, void **g) { *g = capturing; capturing = 0; return *g ? OK : CAPTURE; }
int cuGraphInstantiateWithFlags(void **x, void *g, u64 flags) { *x = g; return OK; }
int cuGraphDestroy(void *g) { return OK; }
int cuGraphExecDestroy(void *g) {
    for (Op *o = ((Graph *)g)->first, *next; o; o = next) { next = o->next; free(o); }
    free(g);
    return OK;
}
int cuGraphLaunch(void *g, void *s) {
    for (Op *o = ((Graph *)g)->first; o; o = o->next) carry_out(o);
    return OK;
}

int cuGetErrorString(int e, const char **s) {
    *s = e == NO_MEMORY ? "out of memory" : e == NO_DEVICE ? "no CUDA-capable device is detected" : "fake error";
    return OK;
}
int cuGetErrorName(int e, const char **s) { *s = "FAKE"; return OK; }
static int refusing;
int cuLaunchKernel(void *f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **params, void **extra) {
    if (refusing) return refusing;
    if (!x || !y || !z || y > 65535 || z > 65535) return INVALID;
    last_grid[0] = x; last_grid[1] = y; last_grid[2] = z;
    last_threads = bx; last_shared = shared; last_params = params; last_stream = stream;
    if (capturing) return submit(stream, 9, 0, 0, 0, 0);
    launches++;
    return OK;
}

/* for tests */
u64 fake_launches(void) { return launches; }
void fake_refuse(int error) { refusing = error; }
u64 fake_loads(void) { return loads; }
u64 fake_live_blocks(void) { return live_blocks; }
u64 fake_live_events(void) { return live_events; }
u64 fake_grid(int i) { return last_grid[i]; }
u64 fake_threads(void) { return last_threads; }
void *fake_last_params(void) { return last_params; }

#define ALL(X) X(cuInit) X(cuDriverGetVersion) X(cuDeviceGetCount) X(cuDeviceGet) X(cuDeviceGetName) \
    X(cuDeviceGetAttribute) X(cuDevicePrimaryCtxRetain) X(cuCtxSetCurrent) X(cuCtxGetCurrent) X(cuCtxGetDevice) \
    X(cuCtxSynchronize) X(cuStreamCreate) X(cuStreamSynchronize) X(cuStreamWaitEvent) X(cuModuleLoadData) \
    X(cuModuleGetFunction) X(cuFuncGetAttribute) X(cuFuncSetAttribute) X(cuMemHostAlloc) X(cuMemFreeHost) \
    X(cuMemsetD8Async) X(cuMemsetD16Async) X(cuMemsetD32Async) X(cuPointerGetAttribute) X(cuEventCreate) \
    X(cuEventRecord) X(cuEventQuery) X(cuEventSynchronize) X(cuStreamEndCapture) X(cuGraphDestroy) \
    X(cuGraphExecDestroy) X(cuGraphLaunch) X(cuGetErrorString) X(cuGetErrorName) X(cuLaunchKernel)
#define VERSIONED(X) X(cuDeviceTotalMem, cuDeviceTotalMem_v2) X(cuMemAlloc, cuMemAlloc_v2) X(cuMemFree, cuMemFree_v2) \
    X(cuMemGetInfo, cuMemGetInfo_v2) X(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2) \
    X(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2) X(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2) \
    X(cuEventDestroy, cuEventDestroy_v2) X(cuEventElapsedTime, cuEventElapsedTime_v2) \
    X(cuStreamBeginCapture, cuStreamBeginCapture_v2) X(cuGraphInstantiate, cuGraphInstantiateWithFlags) \
    X(cuGraphInstantiateWithFlags, cuGraphInstantiateWithFlags)
int cuGetProcAddress_v2(const char *name, void **fn, int version, u64 flags, void *status);
static void *find(const char *name) {
#define MATCH(f) if (!strcmp(name, #f)) return (void *)f;
#define MATCH_AS(n, f) if (!strcmp(name, #n)) return (void *)f;
    ALL(MATCH)
    VERSIONED(MATCH_AS)
    if (!strcmp(name, "cuGetProcAddress")) return (void *)cuGetProcAddress_v2;
    return (void *)any;
}
int cuGetProcAddress_v2(const char *name, void **fn, int version, u64 flags, void *status) {
    *fn = find(name);
    if (status) *(int *)status = 0;
    return OK;
}
