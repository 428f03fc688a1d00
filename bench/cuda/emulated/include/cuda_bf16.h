// bfloat16, as far as kernels use it.
#pragma once

#include "emulated.h"

struct __nv_bfloat16 {
    std::uint16_t bits;

    __nv_bfloat16() = default;
    // The nearest; ties to even.
    explicit __nv_bfloat16(float value) {
        std::uint32_t whole;
        std::memcpy(&whole, &value, sizeof whole);
        if (value != value)
            bits = 0x7fff;
        else
            bits = (std::uint16_t)((whole + 0x7fff + ((whole >> 16) & 1)) >> 16);
    }
    operator float() const {
        std::uint32_t whole = (std::uint32_t)bits << 16;
        float value;
        std::memcpy(&value, &whole, sizeof value);
        return value;
    }
};
