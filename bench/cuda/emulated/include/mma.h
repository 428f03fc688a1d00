// Products of a warp's matrices, as far as kernels use them. The first unit of a warp holds the matrices and computes; the
// driver checks that all others take part in the same operations.
#pragma once

#include "cuda_bf16.h"
#include "emulated.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32;
}

// The nearest number of TF32; ties away from zero.
inline float __float_to_tf32(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits = value != value ? 0x7fffffffu : (bits + 0x1000) & 0xffffe000u;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// The shapes, types and layouts that kernels use; any other does not compile.
template <class T> constexpr bool offered(int m, int n, int k);
template <> constexpr bool offered<__nv_bfloat16>(int m, int n, int k) { return m == 16 && n == 16 && k == 16; }
template <> constexpr bool offered<precision::tf32>(int m, int n, int k) { return m == 16 && n == 16 && k == 8; }
template <> constexpr bool offered<float>(int m, int n, int k) { return m == 16 && n == 16 && (k == 8 || k == 16); }

template <class Use, int m, int n, int k, class T, class Layout = void> struct fragment;
template <int m, int n, int k, class T, class Layout> struct fragment<matrix_a, m, n, k, T, Layout> {
    static_assert(offered<T>(m, n, k));
    float at[m][k];
};
template <int m, int n, int k, class T, class Layout> struct fragment<matrix_b, m, n, k, T, Layout> {
    static_assert(offered<T>(m, n, k));
    float at[k][n];
};
template <int m, int n, int k> struct fragment<accumulator, m, n, k, float> {
    static_assert(offered<float>(m, n, k));
    float at[m][n];
};

inline bool leads(const emulated::Unit &unit) {
    return (unit.thread.x + unit.block_dim.x * (unit.thread.y + unit.block_dim.y * unit.thread.z)) % 32 == 0;
}

// The rules of the manual for addresses and strides; and all of the matrix is in shared memory.
template <class T> void check(const emulated::Unit &unit, const T *place, unsigned stride, int lines, int length) {
    if ((const char *)place < unit.shared || (const char *)(place + (lines - 1) * stride + length) > unit.shared_end)
        emulated::stop("a matrix is not in shared memory");
    if ((std::size_t)place % 32 != 0)
        emulated::stop("a matrix starts at an address that is not a multiple of 32 bytes");
    if (stride * sizeof(T) % 16 != 0)
        emulated::stop("the rows of a matrix are not a multiple of 16 bytes apart");
}

// A factor, of which the hardware ignores what TF32 has not.
template <class T> float factor(float value) {
    if (sizeof(value) == sizeof(T)) {
        std::uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        if (bits & 0x1fff && value == value)
            emulated::stop("a factor has not been rounded to TF32");
    }
    return value;
}

template <class Use, int m, int n, int k, class T, class Layout, class In>
void load_matrix(emulated::Unit &unit, int line, fragment<Use, m, n, k, T, Layout> &into, const In *from,
                 unsigned stride) {
    constexpr int rows = sizeof into.at / sizeof into.at[0], columns = sizeof into.at[0] / sizeof(float);
    constexpr bool by_row = __is_same(Layout, row_major);
    check(unit, from, stride, by_row ? rows : columns, by_row ? columns : rows);
    emulated::warp_wide(unit, line, from, stride);
    if (!leads(unit))
        return;
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++)
            into.at[row][column] = factor<In>((float)from[by_row ? row * stride + column : column * stride + row]);
}

template <int m, int n, int k>
void fill(emulated::Unit &unit, int line, fragment<accumulator, m, n, k, float> &into, float value) {
    emulated::warp_wide(unit, line, nullptr, 0);
    if (leads(unit))
        for (auto &row : into.at)
            for (float &number : row)
                number = value;
}

template <int m, int n, int k, class T, class LayoutA, class LayoutB>
void multiply(emulated::Unit &unit, int line, fragment<accumulator, m, n, k, float> &into,
              const fragment<matrix_a, m, n, k, T, LayoutA> &a, const fragment<matrix_b, m, n, k, T, LayoutB> &b,
              const fragment<accumulator, m, n, k, float> &add) {
    emulated::warp_wide(unit, line, nullptr, 0);
    if (!leads(unit))
        return;
    auto sums = add;
    for (int row = 0; row < m; row++)
        for (int x = 0; x < k; x++)
            for (int column = 0; column < n; column++)
                sums.at[row][column] += a.at[row][x] * b.at[x][column];
    into = sums;
}

template <int m, int n, int k>
void store(emulated::Unit &unit, int line, float *into, const fragment<accumulator, m, n, k, float> &from,
           unsigned stride, layout_t layout) {
    check(unit, into, stride, layout == mem_row_major ? m : n, layout == mem_row_major ? n : m);
    emulated::warp_wide(unit, line, into, stride);
    if (!leads(unit))
        return;
    for (int row = 0; row < m; row++)
        for (int column = 0; column < n; column++)
            into[layout == mem_row_major ? row * stride + column : column * stride + row] = from.at[row][column];
}

} // namespace nvcuda::wmma

#define load_matrix_sync(...) load_matrix(emulated_unit, __LINE__, __VA_ARGS__)
#define fill_fragment(...) fill(emulated_unit, __LINE__, __VA_ARGS__)
#define mma_sync(...) multiply(emulated_unit, __LINE__, __VA_ARGS__)
#define store_matrix_sync(...) store(emulated_unit, __LINE__, __VA_ARGS__)
