/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Structures of the interface in the form the caller has them.  A hypercall from 32-bit code (cpu_info()->guest_32bit:
 * a hardware-assisted guest outside of 64-bit mode) has pointers, frame numbers and longs of four bytes, and fields of
 * eight bytes at multiples of four; otherwise the structures are the same.  What differs is read and written here, once
 * and whole, so that handlers see the 64-bit form alone; what does not, with guest_read and guest_write as ever.
 *
 * A form is a string, a letter for each field in order: h two bytes, i four, q eight, l a word of the caller's (four or
 * eight), and a point where the next field begins a structure inside this one.
 */
#pragma once

#include "arch/cpu.h"
#include "lib/base.h"
#include "mm/guest_copy.h"

#define FORM_RESERVATION "lliih"              /* struct xen_memory_reservation */
#define FORM_EXCHANGE "lliih.lliih.l"         /* xen_memory_exchange */
#define FORM_ADD_TO_PHYSMAP "hhill"           /* xen_add_to_physmap */
#define FORM_ADD_TO_PHYSMAP_BATCH "hhhhlll"   /* xen_add_to_physmap_batch */
#define FORM_REMOVE_FROM_PHYSMAP "hl"         /* xen_remove_from_physmap */
#define FORM_MEMORY_MAP "il"                  /* xen_memory_map */
#define FORM_FOREIGN_MEMORY_MAP "h.il"        /* xen_foreign_memory_map */
#define FORM_RESERVED_DEVICE_MAP "iili"       /* xen_reserved_device_memory_map */
#define FORM_POLL "liq"                       /* sched_poll */
#define FORM_RUNSTATE "iqqqqq"                /* vcpu_runstate_info */
#define FORM_AREA "l"                         /* vcpu_register_runstate_memory_area, vcpu_register_time_memory_area */
#define FORM_SINGLESHOT "qi"                  /* vcpu_set_singleshot_timer */
#define FORM_PLATFORM "l"                     /* xen_platform_parameters */
#define FORM_SETUP_TABLE "hihl"               /* gnttab_setup_table */
#define FORM_STATUS_FRAMES "ihhl"             /* gnttab_get_status_frames */
#define FORM_TRANSFER "lhih"                  /* gnttab_transfer */
#define FORM_GRANT_COPY "lhh.lhh.hhh"         /* gnttab_copy */
#define FORM_MULTICALL "llllllll"             /* multicall_entry */

/* The 32-bit form of at most FORM_MAX bytes from and to the running guest; all of *to is set.  0, -EFAULT. */
#define FORM_MAX 48
int guest_read_32(void *to, guest_addr_t from, size_t size, const char *form);
int guest_write_32(guest_addr_t to, const void *from, const char *form);
/* Size of the 32-bit form, and where in it the field is that is at offset in the 64-bit one. */
size_t form_size_32(const char *form);
size_t form_offset_32(const char *form, size_t offset);

static inline bool guest_is_32bit(void) { return unlikely(cpu_info()->guest_32bit); }

/* A structure of size bytes in the caller's form.  0, -EFAULT.  form_write: in the one asked for. */
static inline __attribute__((always_inline)) int guest_read_form(void *to, guest_addr_t from, size_t size,
                                                                 const char *form)
{
    return guest_is_32bit() ? guest_read_32(to, from, size, form) : guest_read(to, from, size);
}

static inline __attribute__((always_inline)) int form_write(bool narrow, guest_addr_t to, const void *from, size_t size,
                                                            const char *form)
{
    return narrow ? guest_write_32(to, from, form) : guest_write(to, from, size);
}

#define guest_write_form(to, from, size, form) form_write(guest_is_32bit(), to, from, size, form)

/* What the structure takes of the caller's memory, and how far into it a field is. */
static inline size_t guest_form_size(const char *form, size_t size)
{
    return guest_is_32bit() ? form_size_32(form) : size;
}

static inline size_t guest_form_offset(const char *form, size_t offset)
{
    return guest_is_32bit() ? form_offset_32(form, offset) : offset;
}

/* ---- lists of words: frame numbers, longs ---- */

static inline size_t guest_word_size(void) { return guest_is_32bit() ? sizeof(uint32_t) : sizeof(uint64_t); }

static inline __attribute__((always_inline)) int guest_read_word(uint64_t *to, guest_addr_t list, uint64_t index)
{
    *to = 0;
    return guest_is_32bit() ? guest_read(to, guest_element(list, index, sizeof(uint32_t)), sizeof(uint32_t))
                            : guest_read(to, guest_element(list, index, sizeof(uint64_t)), sizeof(uint64_t));
}

static inline __attribute__((always_inline)) int guest_write_word(guest_addr_t list, uint64_t index, uint64_t word)
{
    return guest_is_32bit() ? guest_write(guest_element(list, index, sizeof(uint32_t)), &word, sizeof(uint32_t))
                            : guest_write(guest_element(list, index, sizeof(uint64_t)), &word, sizeof(uint64_t));
}
