// What CUDA C++ kernels are compiled with on the CPU, and what they share with the driver (`driver.cpp`).
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <math.h>

namespace emulated {

struct Position {
    unsigned x, y, z;
};

// A unit of a block.
struct Unit {
    Position thread, block, block_dim, grid_dim;
    // Dynamic shared memory of its block.
    char *shared, *shared_end;
    // Hash of the warp-wide operations that it has taken part in: all units of a warp must take part in the same ones.
    std::uint64_t warp_wide;
};

// What a compiled kernel asks of the driver, which sets it after loading.
struct Hooks {
    // Returns when all units of the block have arrived.
    void (*wait)(int line);
    // Ends the program with a message about the running unit.
    void (*stop)(const char *message);
    // Whether bytes are part of one allocation of device memory.
    bool (*allocated)(const void *first, std::uint64_t bytes);
};

} // namespace emulated

#ifdef EMULATED_KERNEL
extern "C" emulated::Hooks emulated_hooks;
emulated::Hooks emulated_hooks;

namespace emulated {

[[noreturn]] inline void stop(const char *message) {
    emulated_hooks.stop(message);
    __builtin_unreachable();
}

[[gnu::cold, noreturn, gnu::noinline]] inline void outside(std::uint64_t index, std::uint64_t length) {
    char message[96];
    std::snprintf(message, sizeof message, "index %lld of an array of %llu elements", (long long)index,
                  (unsigned long long)length);
    stop(message);
}

// An index of an array that the kernel declares.
inline std::uint64_t within(std::uint64_t index, std::uint64_t length) {
    if (index >= length)
        outside(index, length);
    return index;
}

// An array that a kernel is given.
template <class T> struct Buffer {
    T *first;
    std::uint64_t length;
    T &operator[](std::uint64_t index) const { return first[within(index, length)]; }
};

// The array that an argument of a launch points to.
template <class T> Buffer<T> buffer(const Unit &unit, void *argument, std::uint64_t length) {
    T *first = *(T **)argument;
    Position at = unit.thread, of = unit.block;
    if ((at.x | at.y | at.z | of.x | of.y | of.z) == 0 && !emulated_hooks.allocated(first, length * sizeof(T)))
        stop("an argument is not in device memory");
    return {first, length};
}

// Takes part in an operation of a warp.
inline void warp_wide(Unit &unit, int line, const void *place, unsigned stride) {
    unit.warp_wide = (unit.warp_wide ^ (std::uint64_t)line ^ (std::uint64_t)place ^ ((std::uint64_t)stride << 40)) *
                     0x9e3779b97f4a7c15u;
}

} // namespace emulated

#define threadIdx emulated_unit.thread
#define blockIdx emulated_unit.block
#define blockDim emulated_unit.block_dim
#define gridDim emulated_unit.grid_dim
#define warpSize 32
#define __device__
#define __host__
#define __syncthreads() emulated_hooks.wait(__LINE__)
// The kernels' own typedefs of these are not those of this system.
#define uint64_t cuda_uint64_t
#define int64_t cuda_int64_t

template <class T> T min(T one, T other) { return other < one ? other : one; }
template <class T> T max(T one, T other) { return one < other ? other : one; }
#endif
