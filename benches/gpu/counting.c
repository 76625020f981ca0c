/* A driver, a cuBLAS and a cuRAND that compute nothing and count everything: a homer that was built for GPUs runs on
 * them from end to end, on any machine, and one knows what it asks a card to do. Device memory is the host's, copies
 * are made, all else leaves zeros behind. What was counted is written to $HOMER_COUNTS when the program ends. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNELS = 512 };
static struct kernel {
    char name[64];
    long launches;
} kernels[KERNELS];
static int known;
static long gemms, draws, generators, allocations, frees, events, sets, syncs;
static long to_device, to_host, on_device;
static double bytes_allocated, bytes_to_device, bytes_to_host, bytes_on_device, bytes_of_gemms, flops;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define COUNT(what) (pthread_mutex_lock(&lock), (what), pthread_mutex_unlock(&lock), 0)

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("HOMER_COUNTS");
    FILE *out = path ? fopen(path, "w") : NULL;
    long launches = 0;
    if (!out || !allocations) return;
    for (int i = 0; i < known; i++) launches += kernels[i].launches;
    fprintf(out, "{\"kernels\": %ld, \"gemms\": %ld, \"draws\": %ld, \"generators\": %ld, ",
            launches, gemms, draws, generators);
    fprintf(out, "\"allocations\": %ld, \"frees\": %ld, \"events\": %ld, \"sets\": %ld, \"syncs\": %ld, ",
            allocations, frees, events, sets, syncs);
    fprintf(out, "\"to_device\": %ld, \"to_host\": %ld, \"on_device\": %ld, ", to_device, to_host, on_device);
    fprintf(out, "\"bytes_allocated\": %.0f, \"bytes_to_device\": %.0f, \"bytes_to_host\": %.0f, ",
            bytes_allocated, bytes_to_device, bytes_to_host);
    fprintf(out, "\"bytes_on_device\": %.0f, \"bytes_of_gemms\": %.0f, \"flops\": %.0f, \"by_kernel\": {",
            bytes_on_device, bytes_of_gemms, flops);
    for (int i = 0; i < known; i++)
        fprintf(out, "%s\"%s\": %ld", i ? ", " : "", kernels[i].name, kernels[i].launches);
    fprintf(out, "}}\n");
    fclose(out);
}

/* The driver. */
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { return *version = 13000, 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *card, int number) { return *card = number, 0; }
int cuDeviceGetName(char *name, int size, int card) { return snprintf(name, size, "a card that counts"), 0; }
int cuDeviceGetAttribute(int *value, int which, int card) {
    *value = which == 75 ? 9 : which == 76 ? 0 : which == 16 ? 132 : 1; /* capability, processors, what it can do */
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int card) { return *context = &lock, 0; }
int cuDevicePrimaryCtxRelease_v2(int card) { return 0; }
int cuDeviceGetDefaultMemPool(void **pool, int card) { return *pool = &lock, 0; }
int cuMemPoolSetAttribute(void *pool, int which, void *value) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuCtxGetCurrent(void **context) { return *context = &lock, 0; }
int cuCtxSynchronize(void) { return COUNT(syncs++); }
int cuGetErrorName(int code, const char **name) { return *name = "none", 0; }
int cuGetErrorString(int code, const char **text) { return *text = "none", 0; }
int cuStreamCreate(void **stream, unsigned flags) { return *stream = &lock, 0; }
int cuStreamDestroy_v2(void *stream) { return 0; }
int cuStreamSynchronize(void *stream) { return COUNT(syncs++); }
int cuStreamIsCapturing(void *stream, int *status) { return *status = 0, 0; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return COUNT(events++); }
int cuEventCreate(void **event, unsigned flags) { return *event = &lock, COUNT(events++); }
int cuEventDestroy_v2(void *event) { return COUNT(events++); }
int cuEventRecord(void *event, void *stream) { return COUNT(events++); }
int cuEventSynchronize(void *event) { return COUNT(events++); }

int cuMemAllocAsync(uint64_t *at, size_t bytes, void *stream) {
    *at = (uint64_t)(uintptr_t)calloc(bytes ? bytes : 1, 1);
    return COUNT((allocations++, bytes_allocated += bytes));
}
int cuMemAlloc_v2(uint64_t *at, size_t bytes) { return cuMemAllocAsync(at, bytes, NULL); }
int cuMemFreeAsync(uint64_t at, void *stream) { return free((void *)(uintptr_t)at), COUNT(frees++); }
int cuMemFree_v2(uint64_t at) { return cuMemFreeAsync(at, NULL); }
int cuMemsetD8Async(uint64_t at, unsigned char value, size_t bytes, void *stream) {
    memset((void *)(uintptr_t)at, value, bytes);
    return COUNT(sets++);
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    memcpy((void *)(uintptr_t)to, from, bytes);
    return COUNT((to_device++, bytes_to_device += bytes));
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    memcpy(to, (void *)(uintptr_t)from, bytes);
    return COUNT((to_host++, bytes_to_host += bytes));
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
    memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes);
    return COUNT((on_device++, bytes_on_device += bytes));
}

/* A module is the text of its kernels: one that is not there is not found. */
int cuModuleLoadData(void **module, const void *ptx) { return *module = strdup(ptx), 0; }
int cuModuleUnload(void *module) { return 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
    char entry[128];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    if (!strstr(module, entry)) return 500; /* CUDA_ERROR_NOT_FOUND */
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < known && strcmp(kernels[i].name, name)) i++;
    if (i == known && known < KERNELS) snprintf(kernels[known++].name, sizeof kernels[i].name, "%s", name);
    *function = &kernels[i];
    pthread_mutex_unlock(&lock);
    return i == KERNELS; /* CUDA_ERROR_INVALID_VALUE */
}
int cuLaunchKernel(struct kernel *kernel, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    return COUNT(kernel->launches++);
}

/* cuBLAS: types are 0 (f32), 2 (f16), 14 (bf16). */
static int width(int type) { return type == 2 || type == 14 ? 2 : 4; }
int cublasCreate_v2(void **handle) { return *handle = &lock, 0; }
int cublasDestroy_v2(void *handle) { return 0; }
int cublasSetStream_v2(void *handle, void *stream) { return 0; }
int cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                               int a_type, int lda, long long a_stride, const void *b, int b_type, int ldb,
                               long long b_stride, const void *beta, void *c, int c_type, int ldc, long long c_stride,
                               int batch, int compute, int algorithm) {
    double bytes = (double)m * k * width(a_type) + (double)k * n * width(b_type) + (double)m * n * width(c_type);
    return COUNT((gemms++, bytes_of_gemms += batch * bytes, flops += 2.0 * batch * m * n * k));
}

/* cuRAND. */
int curandCreateGenerator(void **generator, int kind) { return *generator = &lock, COUNT(generators++); }
int curandDestroyGenerator(void *generator) { return 0; }
int curandSetStream(void *generator, void *stream) { return 0; }
int curandSetPseudoRandomGeneratorSeed(void *generator, unsigned long long seed) { return 0; }
int curandSetGeneratorOffset(void *generator, unsigned long long offset) { return 0; }
int curandGenerateUniform(void *generator, float *out, size_t count) { return COUNT(draws++); }
