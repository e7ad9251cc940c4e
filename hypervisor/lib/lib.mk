# SPDX-License-Identifier: BSD-2-Clause
# What hypervisor/build.mk includes to link this room in; paths are relative to the top of the tree.

ifndef LIB_SOURCES # build.mk and tests/unit/unit.mk both include this

LIB_SOURCES += hypervisor/lib/bitmap.c
LIB_SOURCES += hypervisor/lib/calendar.c
LIB_SOURCES += hypervisor/lib/elf.c
LIB_SOURCES += hypervisor/lib/heap.c
LIB_SOURCES += hypervisor/lib/print.c
LIB_SOURCES += hypervisor/lib/string.c
LIB_SOURCES += hypervisor/lib/tree.c

# Unpacking of kernels. The decoders come from the distribution's static archives, which follow all objects on
# the link line.
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/gzip.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/xz.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/crc64.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/zstd.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/zstd_entropy.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/xxhash.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/lz4.c
UNPACK_DECODER_SOURCES += hypervisor/lib/unpack/unpack.c

# In the hypervisor also what the archives want from a C library; host programs have one.
UNPACK_SOURCES := $(UNPACK_DECODER_SOURCES) hypervisor/lib/unpack/libc.c

UNPACK_ARCHIVES := $(foreach name,libz.a liblzma.a,$(shell gcc -print-file-name=$(name) 2>/dev/null))

endif
