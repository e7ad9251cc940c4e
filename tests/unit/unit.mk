# SPDX-License-Identifier: BSD-2-Clause
# Host unit tests of the hypervisor's rooms. A program is one tests/unit/NAME.c (cmocka) with the sources it
# tests; to add one, write the file and put two lines into the list below:
#
#     UNIT_PROGRAMS += NAME
#     NAME_SOURCES := hypervisor/room/file.c ...
#
# `make unit-hypervisor` builds every program with AddressSanitizer and UndefinedBehaviorSanitizer into
# build/unit/ and runs it; one that passed runs again when something it is made of has changed. LIB_SOURCES
# are linked to every program. NAME_CFLAGS and NAME_LIBS add options to one of them.

include hypervisor/lib/lib.mk
include hypervisor/arch/host/host.mk

UNIT_PROGRAMS += lib_string
UNIT_PROGRAMS += lib_print
lib_print_CFLAGS := -Wno-format # odd formats are its subject
UNIT_PROGRAMS += lib_bitmap
UNIT_PROGRAMS += lib_calendar
UNIT_PROGRAMS += lib_containers
UNIT_PROGRAMS += lib_elf
UNIT_PROGRAMS += lib_unpack
lib_unpack_SOURCES := $(UNPACK_DECODER_SOURCES)
lib_unpack_LIBS := $(UNPACK_ARCHIVES) -llz4 -lzstd
UNIT_PROGRAMS += mm_heap
mm_heap_SOURCES := $(addprefix hypervisor/mm/,buddy.c heap.c slab.c rangeset.c frame_list.c frame.c) $(HOST_SOURCES)
mm_heap_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += machine_check
UNIT_PROGRAMS += machine_check_log
machine_check_log_SOURCES := hypervisor/arch/x86/machine_check_log.c
UNIT_PROGRAMS += acpi_parse
acpi_parse_SOURCES := hypervisor/arch/x86/acpi_parse.c
UNIT_PROGRAMS += msix_table
msix_table_SOURCES := hypervisor/arch/x86/msix_table.c hypervisor/mm/rangeset.c $(HOST_SOURCES)
msix_table_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += pv_tables
pv_tables_SOURCES := hypervisor/arch/x86/msix_table.c $(addprefix hypervisor/mm/,buddy.c heap.c slab.c rangeset.c frame_list.c frame.c) \
    $(addprefix hypervisor/guest/pv/,entries.c walk.c update.c base.c shadow.c mmu_update.c mmuext.c \
    va_mapping.c grant_map.c \
    release.c audit.c) hypervisor/guest/release.c $(HOST_SOURCES)
pv_tables_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += pv_emulate_write
pv_emulate_write_SOURCES := hypervisor/arch/x86/msix_table.c $(addprefix hypervisor/mm/,rangeset.c frame.c) $(addprefix hypervisor/guest/pv/,entries.c \
    walk.c update.c base.c shadow.c emulate_write.c decode.c audit.c) $(HOST_SOURCES)
pv_emulate_write_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += pv_shadow
pv_shadow_SOURCES := hypervisor/arch/x86/msix_table.c $(addprefix hypervisor/mm/,rangeset.c frame.c frame_list.c) \
    $(addprefix hypervisor/guest/pv/,entries.c walk.c update.c base.c shadow.c log_dirty.c mmu_update.c \
    va_mapping.c) $(HOST_SOURCES)
pv_shadow_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += physmap
physmap_SOURCES := $(addprefix hypervisor/mm/,buddy.c heap.c slab.c rangeset.c frame_list.c frame.c) \
    $(addprefix hypervisor/guest/hvm/,domain.c physmap.c physmap_pool.c physmap_dirty.c grant_map.c) \
    hypervisor/guest/physmap.c hypervisor/guest/release.c $(HOST_SOURCES)
physmap_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += hvm_instruction
hvm_instruction_SOURCES := hypervisor/guest/hvm/instruction.c $(HOST_SOURCES)
hvm_instruction_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += hvm_save
hvm_save_SOURCES := hypervisor/guest/hvm/save.c hypervisor/guest/vector.c $(HOST_SOURCES)
hvm_save_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += hvm_walk
hvm_walk_SOURCES := $(addprefix hypervisor/mm/,buddy.c heap.c slab.c rangeset.c frame_list.c frame.c) \
    $(addprefix hypervisor/guest/hvm/,domain.c physmap.c physmap_pool.c physmap_dirty.c walk.c copy.c) \
    hypervisor/guest/release.c $(HOST_SOURCES)
hvm_walk_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += guest_form
guest_form_SOURCES := $(HOST_SOURCES)
guest_form_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += sched_weighted
sched_weighted_SOURCES := hypervisor/sched/weighted.c $(HOST_SOURCES)
UNIT_PROGRAMS += time_timer
time_timer_SOURCES := hypervisor/time/timer.c $(HOST_SOURCES)
time_timer_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += multiboot
multiboot_SOURCES := hypervisor/arch/x86/multiboot.c
UNIT_PROGRAMS += boot_options
boot_options_SOURCES := hypervisor/boot/options.c
UNIT_PROGRAMS += tsc_compare
tsc_compare_SOURCES := hypervisor/time/tsc_compare.c
UNIT_PROGRAMS += decode
decode_SOURCES := hypervisor/guest/pv/decode.c
UNIT_PROGRAMS += event_core
event_core_SOURCES := $(wildcard hypervisor/event/*.c) hypervisor/door/event.c hypervisor/door/operation.c $(HOST_SOURCES)
event_core_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += event_fifo
event_fifo_SOURCES := $(wildcard hypervisor/event/*.c) $(HOST_SOURCES)
event_fifo_CFLAGS := $(HOST_CFLAGS)
UNIT_PROGRAMS += grant_table
grant_table_SOURCES := $(wildcard hypervisor/grant/*.c) hypervisor/door/grant.c hypervisor/door/operation.c $(HOST_SOURCES)
grant_table_CFLAGS := $(HOST_CFLAGS)

# ---- how they are built

UNIT_BUILD := build/unit
UNIT_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
# "errno.h" is the hypervisor's, <errno.h> the C library's.
UNIT_INCLUDES := -iquote hypervisor/include -Ihypervisor -Itests/unit
UNIT_CFLAGS := -std=gnu17 -g -O1 -DXYLEM_HOST -fno-omit-frame-pointer $(UNIT_SANITIZE) $(UNIT_INCLUDES) \
    -Wall -Wextra -Wimplicit-fallthrough -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wno-c2x-extensions \
    -Werror

unit_compile = @mkdir -p $(@D); $(CC) $(UNIT_CFLAGS) $(1) -MMD -MP -c -o $@ $<

# Each program has objects of its own, as its NAME_CFLAGS may change them.
define unit_program
$(1)_OBJECTS := $$(patsubst %.c,$(UNIT_BUILD)/$(1).objects/%.o,tests/unit/$(1).c $$($(1)_SOURCES))
$(UNIT_BUILD)/$(1).objects/%.o: %.c
	$$(call unit_compile,$$($(1)_CFLAGS))
$(UNIT_BUILD)/$(1): $$($(1)_OBJECTS) $(UNIT_BUILD)/lib.a
	@$(CC) $(UNIT_SANITIZE) -o $$@ $$^ $$($(1)_LIBS) -lcmocka
-include $$($(1)_OBJECTS:.o=.d)
endef

$(foreach program,$(UNIT_PROGRAMS),$(eval $(call unit_program,$(program))))

unit_lib_objects := $(patsubst %.c,$(UNIT_BUILD)/lib.objects/%.o,$(LIB_SOURCES))
$(UNIT_BUILD)/lib.objects/%.o: %.c
	$(unit_compile)
$(UNIT_BUILD)/lib.a: $(unit_lib_objects)
	@rm -f $@; ar rcs $@ $^
-include $(unit_lib_objects:.o=.d)

$(UNIT_BUILD)/%.passed: $(UNIT_BUILD)/%
	@echo "unit    $*"
	@timeout 300 $< > $<.log 2>&1 || { cat $<.log; exit 1; }
	@touch $@

.PHONY: unit-hypervisor unit-programs unit-threads coverage
unit-programs: $(UNIT_PROGRAMS:%=$(UNIT_BUILD)/%.passed)
unit-hypervisor: unit-programs

# The programs whose tests run on several CPUs, under ThreadSanitizer.
UNIT_THREADED := event_fifo grant_table time_timer tsc_compare
unit-threads:
	@$(MAKE) UNIT_BUILD=build/threads UNIT_SANITIZE="-fsanitize=thread -Wno-tsan -Wno-maybe-uninitialized" UNIT_PROGRAMS="$(UNIT_THREADED)" unit-programs

# Lines and branches of each file that the unit tests reach, fuzzers aside: build/coverage.txt.
coverage:
	@command -v gcovr > /dev/null || { echo "make coverage needs gcovr: apt-get install gcovr" >&2; exit 1; }
	@$(MAKE) UNIT_BUILD=build/coverage UNIT_SANITIZE="--coverage -O0 -fprofile-update=atomic" unit-programs
	@gcovr --root . --filter hypervisor/ --exclude hypervisor/arch/host/ --txt build/coverage.txt build/coverage
	@cat build/coverage.txt

# ---- the library room without a C library, compiled and linked as the hypervisor is

free_build := $(UNIT_BUILD)/lib_freestanding.objects
free_objects := $(patsubst %.c,$(free_build)/%.o,$(LIB_SOURCES) $(UNPACK_SOURCES))
free_main := $(free_build)/tests/unit/lib_freestanding.o
free_link = @$(LD) -nostdlib -static -no-pie -z noexecstack -z max-page-size=4096 -o $@

$(free_build)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) -std=gnu17 -O2 -ffreestanding -fpie -mcmodel=small -mno-red-zone -mgeneral-regs-only \
	    -fno-stack-protector -fcf-protection=none -Wall -Wextra -Wshadow -Wno-c2x-extensions -Werror -Ihypervisor -MMD -MP \
	    -c -o $@ $<
-include $(free_objects:.o=.d) $(free_main:.o=.d)

# All of the room, whether anything refers to it or not.
$(UNIT_BUILD)/lib_freestanding.high: $(free_objects) tests/unit/unit.mk
	$(free_link) -Ttext-segment=0xffff82d040000000 -e unpack $(free_objects) $(UNPACK_ARCHIVES)
$(UNIT_BUILD)/lib_freestanding: $(free_main) $(free_objects) tests/unit/unit.mk
	$(free_link) $(free_main) $(free_objects) $(UNPACK_ARCHIVES)
$(UNIT_BUILD)/lib_freestanding.passed: tests/unit/lib_freestanding.sh $(UNIT_BUILD)/lib_freestanding.high \
    $(UNIT_BUILD)/lib_freestanding
	@echo "unit    lib_freestanding"
	@$^ $(UNIT_BUILD)/lib_freestanding.files > $@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

unit-hypervisor: $(UNIT_BUILD)/lib_freestanding.passed

# ---- the documents agree with the source

.PHONY: unit-docs
unit-docs:
	@echo "unit    documents"
	@/usr/bin/python3 scripts/check-docs > /dev/null

unit-hypervisor: unit-docs
