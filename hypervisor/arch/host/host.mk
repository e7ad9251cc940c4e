# SPDX-License-Identifier: BSD-2-Clause
# Sources and flags of programs that run the hypervisor's rooms over arch/host. In tests/unit/unit.mk:
#     UNIT_PROGRAMS += NAME
#     NAME_SOURCES := hypervisor/room/file.c $(HOST_SOURCES)
#     NAME_CFLAGS := $(HOST_CFLAGS)

ifndef HOST_SOURCES
HOST_SOURCES := hypervisor/arch/host/host.c hypervisor/arch/host/memory.c hypervisor/arch/host/domain.c \
    hypervisor/mm/dirty_log.c hypervisor/mm/guest_form.c
HOST_CFLAGS := -DXYLEM_DEBUG
endif
