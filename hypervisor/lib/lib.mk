# SPDX-License-Identifier: BSD-2-Clause
# What hypervisor/build.mk includes to link this room in; paths are relative to the top of the tree.

LIB_SOURCES += hypervisor/lib/bitmap.c
LIB_SOURCES += hypervisor/lib/bzimage.c
LIB_SOURCES += hypervisor/lib/elf.c
LIB_SOURCES += hypervisor/lib/elf_xen.c
LIB_SOURCES += hypervisor/lib/heap.c
LIB_SOURCES += hypervisor/lib/print.c
LIB_SOURCES += hypervisor/lib/string.c
LIB_SOURCES += hypervisor/lib/tree.c
