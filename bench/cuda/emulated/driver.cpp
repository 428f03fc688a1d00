// The CUDA driver's functions, as far as cubecl-cuda 0.11 calls them through cudarc 0.19, for a machine without a GPU. Device
// memory is the heap's, streams do everything at once, and a launch runs block after block, the units of a block as fibers
// that switch at barriers. cudarc stops with the name of any function that is not here.

#include "include/emulated.h"

#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using emulated::Unit;

namespace {

enum Result { SUCCESS = 0, INVALID_VALUE = 1, NOT_FOUND = 500 };

// A NaN, as arithmetic on NVIDIA GPUs makes it: what was never written shows.
const std::uint32_t NEVER_WRITTEN = 0x7fffffff;

[[noreturn]] void fail(const std::string &message) {
    std::fprintf(stderr, "emulated CUDA: %s\n", message.c_str());
    std::abort();
}

// --- memory ------------------------------------------------------------------------------------------------------------

std::mutex memory_lock;
std::map<std::uintptr_t, std::size_t> allocations;

bool allocated(const void *first, std::uint64_t bytes) {
    std::lock_guard lock(memory_lock);
    auto after = allocations.upper_bound((std::uintptr_t)first);
    if (after == allocations.begin())
        return false;
    auto [start, size] = *--after;
    return (std::uintptr_t)first + bytes <= start + size;
}

Result allocate(std::uintptr_t *pointer, std::size_t bytes) {
    const std::size_t whole = (bytes + 511) / 512 * 512;
    void *found = bytes == 0 ? nullptr : std::aligned_alloc(512, whole);
    if (found == nullptr)
        return INVALID_VALUE;
    for (std::size_t at = 0; at < whole / 4; at++)
        ((std::uint32_t *)found)[at] = NEVER_WRITTEN;
    *pointer = (std::uintptr_t)found;
    std::lock_guard lock(memory_lock);
    allocations[*pointer] = bytes;
    return SUCCESS;
}

Result release(std::uintptr_t pointer) {
    std::lock_guard lock(memory_lock);
    if (allocations.erase(pointer) == 0)
        fail("memory is freed that was not allocated");
    std::free((void *)pointer);
    return SUCCESS;
}

Result copy(void *into, const void *from, std::size_t bytes, const void *device) {
    if (!allocated(device, bytes))
        fail("a copy outside of an allocation of device memory");
    std::memcpy(into, from, bytes);
    return SUCCESS;
}

// --- fibers ------------------------------------------------------------------------------------------------------------

#ifndef __x86_64__
#error "fibers are written for x86-64"
#endif
// Saves where the running fiber is and goes on where another was.
extern "C" void switch_fiber(void **from, void *to);
asm(R"(
switch_fiber:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
)");

const std::size_t STACK = 256 << 10;
const int ENDED = -1;

struct Fiber {
    Unit unit;
    char *stack;
    void *at;
    // The line of the barrier that it waits at, or `ENDED`.
    int line;
};

struct Function {
    std::string name;
    void (*run)(Unit &unit, void **arguments);
};

// One launch at a time.
std::mutex launch_lock;
std::vector<Fiber> fibers;
const Function *function;
void **arguments;
Fiber *running;
void *scheduler;

void wait(int line) {
    running->line = line;
    switch_fiber(&running->at, scheduler);
}

void stop(const char *message) {
    auto [x, y, z] = running->unit.block;
    auto [column, line, depth] = running->unit.thread;
    char place[160];
    std::snprintf(place, sizeof place, ", unit (%u, %u, %u) of block (%u, %u, %u): ", column, line, depth, x, y, z);
    fail(function->name + place + message);
}

void run_fiber() {
    function->run(running->unit, arguments);
    wait(ENDED);
}

void prepare(Fiber &fiber) {
    if (fiber.stack == nullptr) {
        fiber.stack = (char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fiber.stack == MAP_FAILED || mprotect(fiber.stack, 4096, PROT_NONE) != 0)
            fail("no memory for stacks");
    }
    // What `switch_fiber` takes from it: six registers and where to go. A function begins as if it had been called.
    auto top = (void **)(fiber.stack + STACK) - 2;
    *top = (void *)run_fiber;
    fiber.at = top - 6;
    fiber.line = 0;
    fiber.unit.warp_wide = 0;
}

// All units of a block, from barrier to barrier: in their order or from the last to the first, so that what depends on it differs.
void run_block(std::size_t units, bool backwards) {
    for (;;) {
        for (std::size_t step = 0; step < units; step++) {
            running = &fibers[backwards ? units - 1 - step : step];
            switch_fiber(&scheduler, running->at);
        }
        for (std::size_t at = 0; at < units; at++) {
            running = &fibers[at];
            if (running->line != fibers[0].line)
                stop("it waits at another barrier than the block's first unit, or one of the two has ended");
            if (running->unit.warp_wide != fibers[at / 32 * 32].unit.warp_wide)
                stop("it has not taken part in the same operations of its warp as the warp's first unit");
        }
        if (fibers[0].line == ENDED)
            return;
    }
}

void run_grid(emulated::Position grid, emulated::Position block, std::size_t shared_bytes, unsigned launch) {
    std::size_t units = (std::size_t)block.x * block.y * block.z;
    std::vector<char> memory(shared_bytes + 128);
    char *shared = (char *)(((std::uintptr_t)memory.data() + 127) / 128 * 128);
    if (fibers.size() < units)
        fibers.resize(units);
    std::size_t blocks = (std::size_t)grid.x * grid.y * grid.z;
    for (std::size_t step = 0; step < blocks; step++) {
        std::size_t at = launch % 2 == 0 ? step : blocks - 1 - step;
        for (std::size_t word = 0; word < shared_bytes / 4; word++)
            ((std::uint32_t *)shared)[word] = NEVER_WRITTEN;
        for (unsigned unit = 0; unit < units; unit++) {
            emulated::Position thread = {unit % block.x, unit / block.x % block.y, unit / block.x / block.y};
            emulated::Position place = {unsigned(at % grid.x), unsigned(at / grid.x % grid.y),
                                        unsigned(at / grid.x / grid.y)};
            fibers[unit].unit = {thread, place, block, grid, shared, shared + shared_bytes, 0};
            prepare(fibers[unit]);
        }
        run_block(units, at % 2 == 1);
    }
}

// --- the device --------------------------------------------------------------------------------------------------------

// An H100's, if nothing else is asked for: `70` is a GPU whose tensor cores have neither TF32 nor bfloat16.
int capability() {
    const char *asked = std::getenv("EMULATED_CAPABILITY");
    return asked == nullptr ? 90 : std::atoi(asked);
}

// Attributes by CUDA's numbers: those of an H100.
const std::map<int, int> ATTRIBUTES = {
    {1, 1024},       // threads of a block
    {2, 1024},       // ... along x
    {3, 1024},       // ... along y
    {4, 64},         // ... along z
    {5, 0x7fffffff}, // blocks along x
    {6, 65535},      // ... along y
    {7, 65535},      // ... along z
    {10, 32},        // threads of a warp
    {16, 132},       // multiprocessors
    {75, capability() / 10},
    {76, capability() % 10},
    {97, 227 << 10}, // shared memory of a block
};

struct Event {
    std::chrono::steady_clock::time_point time;
};

} // namespace

extern "C" {

Result cuInit(unsigned) { return SUCCESS; }

Result cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

Result cuGetErrorName(Result, const char **name) {
    *name = "an error of the emulated driver";
    return SUCCESS;
}

Result cuGetErrorString(Result error, const char **text) { return cuGetErrorName(error, text); }

Result cuDeviceGetCount(int *count) {
    *count = 1;
    return SUCCESS;
}

Result cuDeviceGet(int *device, int index) {
    *device = index;
    return index == 0 ? SUCCESS : INVALID_VALUE;
}

Result cuDeviceGetAttribute(int *value, int attribute, int) {
    auto found = ATTRIBUTES.find(attribute);
    if (found == ATTRIBUTES.end())
        fail("unknown attribute " + std::to_string(attribute));
    *value = found->second;
    return SUCCESS;
}

Result cuDeviceGetName(char *name, int length, int) {
    std::snprintf(name, length, "emulated on the CPU");
    return SUCCESS;
}

Result cuDeviceGetPCIBusId(char *, int, int) { return NOT_FOUND; }

Result cuDeviceTotalMem_v2(std::size_t *bytes, int) {
    *bytes = std::size_t(4) << 30;
    return SUCCESS;
}

Result cuDevicePrimaryCtxRetain(void **context, int) {
    *context = (void *)&ATTRIBUTES;
    return SUCCESS;
}

Result cuCtxSetCurrent(void *) { return SUCCESS; }

// Streams: all is done before a call returns.

Result cuStreamCreate(void **stream, unsigned) {
    *stream = (void *)&ATTRIBUTES;
    return SUCCESS;
}

Result cuStreamDestroy_v2(void *) { return SUCCESS; }
Result cuStreamSynchronize(void *) { return SUCCESS; }
Result cuStreamWaitEvent(void *, Event *, unsigned) { return SUCCESS; }

Result cuEventCreate(Event **event, unsigned) {
    *event = new Event();
    return SUCCESS;
}

Result cuEventDestroy_v2(Event *event) {
    delete event;
    return SUCCESS;
}

Result cuEventRecord(Event *event, void *) {
    event->time = std::chrono::steady_clock::now();
    return SUCCESS;
}

Result cuEventSynchronize(Event *) { return SUCCESS; }

Result cuEventElapsedTime_v2(float *milliseconds, Event *start, Event *end) {
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
    return SUCCESS;
}

Result cuMemAlloc_v2(std::uintptr_t *pointer, std::size_t bytes) { return allocate(pointer, bytes); }
Result cuMemAllocAsync(std::uintptr_t *pointer, std::size_t bytes, void *) { return allocate(pointer, bytes); }
Result cuMemFree_v2(std::uintptr_t pointer) { return release(pointer); }
Result cuMemFreeAsync(std::uintptr_t pointer, void *) { return release(pointer); }

Result cuMemAllocHost_v2(void **pointer, std::size_t bytes) {
    *pointer = std::malloc(bytes);
    return SUCCESS;
}

Result cuMemFreeHost(void *pointer) {
    std::free(pointer);
    return SUCCESS;
}

Result cuMemcpyHtoDAsync_v2(std::uintptr_t into, const void *from, std::size_t bytes, void *) {
    return copy((void *)into, from, bytes, (void *)into);
}

Result cuMemcpyDtoHAsync_v2(void *into, std::uintptr_t from, std::size_t bytes, void *) {
    return copy(into, (void *)from, bytes, (void *)from);
}

Result cuModuleLoadData(void **module, const char *image) {
    *module = dlopen(image, RTLD_NOW | RTLD_LOCAL);
    if (*module == nullptr)
        fail(dlerror());
    *(emulated::Hooks *)dlsym(*module, "emulated_hooks") = {wait, stop, allocated};
    return SUCCESS;
}

Result cuModuleGetFunction(Function **found, void *module, const char *name) {
    void *run = dlsym(module, ("emulated_" + std::string(name)).c_str());
    if (run == nullptr)
        return NOT_FOUND;
    *found = new Function{name, (void (*)(Unit &, void **))run};
    return SUCCESS;
}

Result cuFuncSetAttribute(Function *, int, int) { return SUCCESS; }

Result cuLaunchKernel(const Function *of, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                      unsigned block_y, unsigned block_z, unsigned shared_bytes, void *, void **given, void **) {
    static unsigned launches = 0;
    std::lock_guard lock(launch_lock);
    function = of;
    arguments = given;
    run_grid({grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, launches++);
    return SUCCESS;
}
}
