// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the distribution's libz, liblzma and libzstd still want from a C library, beyond lib/string.h. Not for
 * host programs.
 *
 * They allocate through the functions unpack() hands them, so that the ones here are never reached and
 * always refuse. The same holds for libzstd's decoders of the formats before its version 0.8: naming them
 * here leaves 90 KB of the archive out of the image, and zstd.c lets no frame through that would need them.
 */
#include "lib/base.h"

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *block);
void __stack_chk_fail(void) __attribute__((noreturn, weak));
size_t unpack_refuse_legacy_zstd(void);
unsigned long long ZSTD_trace_decompress_begin(const void *context);
void ZSTD_trace_decompress_end(unsigned long long trace, const void *what);

void *malloc(size_t size)
{
    (void)size;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    (void)count;
    (void)size;
    return NULL;
}

void free(void *block)
{
    (void)block;
}

/* A library overran its stack frame: nothing can be trusted, so trap. */
void __stack_chk_fail(void)
{
    __builtin_trap();
}

/*
 * libzstd refers to these weakly. Left undefined they would have address 0, which a call in an image linked
 * at the top of the address space cannot reach. A trace of 0 means that nobody listens.
 */
unsigned long long ZSTD_trace_decompress_begin(const void *context)
{
    (void)context;
    return 0;
}

void ZSTD_trace_decompress_end(unsigned long long trace, const void *what)
{
    (void)trace;
    (void)what;
}

/* Reads as an error of libzstd, and as a pointer none would follow without having made it. */
size_t unpack_refuse_legacy_zstd(void)
{
    return (size_t)-1;
}

#define REFUSE(name) __asm__(".globl " #name "\n\t.set " #name ", unpack_refuse_legacy_zstd")

#define REFUSE_VERSION(version)                                                                              \
    REFUSE(ZBUFF##version##_createDCtx);                                                                     \
    REFUSE(ZBUFF##version##_decompressContinue);                                                             \
    REFUSE(ZBUFF##version##_decompressInitDictionary);                                                       \
    REFUSE(ZBUFF##version##_freeDCtx);                                                                       \
    REFUSE(ZSTD##version##_createDCtx);                                                                      \
    REFUSE(ZSTD##version##_decompress_usingDict);                                                            \
    REFUSE(ZSTD##version##_findFrameSizeInfoLegacy);                                                         \
    REFUSE(ZSTD##version##_freeDCtx);                                                                        \
    REFUSE(ZSTD##version##_getFrameParams)

REFUSE_VERSION(v05);
REFUSE_VERSION(v06);
REFUSE_VERSION(v07);
