/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O ports, device registers and the time-stamp counter of x86. */
#pragma once

#include <stdint.h>

/* port_in8(port) and port_out8(port, value), and so on. */
#define DEFINE_PORT(bits, suffix)                                                                                \
    static inline uint##bits##_t port_in##bits(uint16_t port)                                                    \
    {                                                                                                            \
        uint##bits##_t value;                                                                                    \
                                                                                                                 \
        __asm__ volatile("in" suffix " %w1, %0" : "=a"(value) : "Nd"(port));                                     \
        return value;                                                                                            \
    }                                                                                                            \
    static inline void port_out##bits(uint16_t port, uint##bits##_t value)                                       \
    {                                                                                                            \
        __asm__ volatile("out" suffix " %0, %w1" ::"a"(value), "Nd"(port));                                      \
    }
DEFINE_PORT(8, "b")
DEFINE_PORT(16, "w")
DEFINE_PORT(32, "l")
#undef DEFINE_PORT

/* size is 1, 2 or 4 */
static inline uint32_t port_in(uint16_t port, unsigned size)
{
    return size == 1 ? port_in8(port) : size == 2 ? port_in16(port) : port_in32(port);
}

static inline void port_out(uint16_t port, unsigned size, uint32_t value)
{
    switch (size) {
    case 1: port_out8(port, (uint8_t)value); break;
    case 2: port_out16(port, (uint16_t)value); break;
    default: port_out32(port, value); break;
    }
}

static inline uint32_t mmio_read32(const volatile void *address)
{
    return *(const volatile uint32_t *)address;
}
static inline void mmio_write32(volatile void *address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
