// Homer's own kernels for NVIDIA GPUs: what candle would do in several, each of which reads and writes everything.
//
// A row has a warp of `LANES` threads, which take turns with its values, or each item has a thread of its own. Compiled
// for the host, as the tests do, a warp is one thread, and all threads of a kernel come one after the other.
// What products are computed in is f32 or bf16 (bodies.cuh, once for each); everything in between is f32.

#ifdef __CUDACC__
#define ON_BOTH __host__ __device__ __forceinline__
#define LANES 32
#define THREAD ((long long)blockIdx.x * blockDim.x + threadIdx.x)
#define EXPORTED extern "C" __global__ void
#else
#include <cmath>
#include <tuple>
#include <utility>
#define ON_BOTH static inline
#define LANES 1
static thread_local long long THREAD;
#define EXPORTED static void
#endif
#define ROW (THREAD / LANES)
#define LANE (int)(THREAD % LANES)

struct bf16 {
    unsigned short bits;
};

union both {
    float number;
    unsigned bits;
};

ON_BOTH float up(float x) { return x; }

ON_BOTH float up(bf16 x) {
    both of;
    of.bits = (unsigned)x.bits << 16;
    return of.number;
}

ON_BOTH void put(float *to, float x) { *to = x; }

// The nearest one; of two as near, the even one.
ON_BOTH void put(bf16 *to, float x) {
    both of;
    of.number = x;
    bool is_number = x == x;
    to->bits = is_number ? (of.bits + 0x7fff + (of.bits >> 16 & 1)) >> 16 : 0x7fc0;
}

#ifdef __CUDACC__
static __device__ __forceinline__ float sum_of_lanes(float x) {
    for (int step = LANES / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}
static __device__ __forceinline__ float most_of_lanes(float x) {
    for (int step = LANES / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}
#else
static float sum_of_lanes(float x) { return x; }
static float most_of_lanes(float x) { return x; }
#endif

#define TURNS(i, count) for (int i = LANE; i < (count); i += LANES)

// Where gradients are and where they belong, in this order; `is_wide` are those of f32, the others are of T.
struct Table {
    unsigned long long from[64];
    long long start[64], length[64];
    int is_wide[64];
    int count;
};

#define T float
#define KERNEL(name) EXPORTED name##_f32
#include "bodies.cuh"
#undef T
#undef KERNEL
#define T bf16
#define KERNEL(name) EXPORTED name##_bf16
#include "bodies.cuh"

#ifndef __CUDACC__
template <class... Types, std::size_t... I>
static void all(void (*kernel)(Types...), long long threads, void **arguments, std::index_sequence<I...>) {
    for (THREAD = 0; THREAD < threads; THREAD++) kernel(*(Types *)arguments[I]...);
}
template <class... Types> static void all(void (*kernel)(Types...), long long threads, void **arguments) {
    all(kernel, threads, arguments, std::index_sequence_for<Types...>());
}
#define ON_HOST(name)                                                                                         \
    extern "C" void name##_f32_on_host(long long n, void **arguments) { all(name##_f32, n, arguments); }   \
    extern "C" void name##_bf16_on_host(long long n, void **arguments) { all(name##_bf16, n, arguments); }
ON_HOST(softmax)
ON_HOST(softmax_backward)
ON_HOST(residual_norm)
ON_HOST(norm_backward)
ON_HOST(norm_columns)
ON_HOST(sum_rows)
ON_HOST(gelu)
ON_HOST(gelu_backward)
ON_HOST(to_rows)
ON_HOST(to_tokens)
ON_HOST(adamw)
ON_HOST(collect)
#endif
