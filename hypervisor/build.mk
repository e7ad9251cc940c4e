# SPDX-License-Identifier: BSD-2-Clause
#
# Builds the hypervisor:
#   build/xylem      flat image, started by Multiboot 1 (QEMU -kernel, GRUB) or Multiboot 2 (GRUB)
#   build/xylem.gz   the same, packed
#   build/xylem.elf  the same with symbols, for a debugger
#
#   CC=gcc or clang;  DEBUG=1 adds checks of our own invariants;  `make size` shows what takes room.
#
# Every .c and .S file of a room is linked in; hypervisor/lib says itself what it consists of (lib.mk).

# Another kind of build can stand beside the usual one: make DEBUG=1 HV_IMAGE=build/xylem-debug build/xylem-debug
HV_IMAGE ?= build/xylem
HV_OUT := $(if $(filter build/xylem,$(HV_IMAGE)),build/hypervisor,$(HV_IMAGE).objects)
HV_CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
HV_LD := ld
HV_OBJCOPY := objcopy
HV_NM := nm

include hypervisor/lib/lib.mk

HV_ROOMS := arch/x86 boot console domain door event grant guest guest/pv guest/hvm guest/hvm/svm irq mm sched sync time
HV_SOURCES := $(filter-out %/asm-offsets.c,$(foreach room,$(HV_ROOMS),$(wildcard hypervisor/$(room)/*.c hypervisor/$(room)/*.S)))
HV_SOURCES += $(LIB_SOURCES) $(UNPACK_SOURCES)
HV_OBJECTS := $(patsubst hypervisor/%,$(HV_OUT)/%.o,$(HV_SOURCES))

HV_WARNINGS := -Wall -Wextra -Wimplicit-fallthrough -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef \
    -Wno-c2x-extensions -Werror # clang: parameters without names
HV_CPPFLAGS := -nostdinc -isystem $(shell $(HV_CC) -print-file-name=include 2>/dev/null) -isystem /usr/include \
    -isystem /usr/include/$(shell gcc -print-multiarch 2>/dev/null) \
    -include hypervisor/include/visibility.h -Ihypervisor -Ihypervisor/include -I$(HV_OUT) $(if $(filter 1,$(DEBUG)),-DXYLEM_DEBUG)
HV_OPTIMIZE := -O2
HV_CFLAGS = -std=gnu17 $(HV_OPTIMIZE) -g -ffreestanding -fpie -mno-red-zone -mno-mmx -mno-sse -mno-80387 -mgeneral-regs-only \
    -fno-stack-protector -fvisibility=hidden -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-common \
    -fcf-protection=none -fno-jump-tables -ffunction-sections -fdata-sections $(HV_WARNINGS)
HV_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=sha1 --gc-sections --no-warn-rwx-segments \
    --fatal-warnings

# What runs at start of day, for a toolstack or for an operator is built to be small, the rest to be fast.
HV_SMALL := boot/% console/% lib/unpack/unpack.c lib/elf.c lib/print.c irq/guest.c \
    $(foreach name,acpi acpi_parse ioapic machine machine_check msi multiboot panic pci platform_timer serial smp vga, \
        arch/x86/$(name).c) \
    $(foreach name,console_io domain_life domctl domctl_log_dirty domctl_vcpu physdev platform sysctl version, \
        door/$(name).c)
HV_SMALL_OBJECTS := $(filter $(addprefix $(HV_OUT)/,$(addsuffix .o,$(HV_SMALL))),$(HV_OBJECTS))
$(HV_SMALL_OBJECTS): HV_OPTIMIZE := -Os

# A flag change rebuilds everything.
HV_CONFIGURATION := $(HV_CC) $(HV_CFLAGS) $(HV_CPPFLAGS) $(HV_LDFLAGS)
$(shell mkdir -p $(HV_OUT) && { [ "$$(cat $(HV_OUT)/configuration 2>/dev/null)" = '$(HV_CONFIGURATION)' ] || \
    echo '$(HV_CONFIGURATION)' > $(HV_OUT)/configuration; })

.PHONY: hypervisor hypervisor-headers size

hypervisor: $(HV_IMAGE) $(HV_IMAGE).gz

hypervisor-headers:
	@[ -e /usr/include/xen/xen.h ] || { \
	    echo "The public Xen headers are missing: apt-get install libxen-dev (4.17, Debian 12)" >&2; exit 1; }
	@grep -q 'XEN_DOMCTL_INTERFACE_VERSION 0x00000015' /usr/include/xen/domctl.h || { \
	    echo "libxen-dev is not version 4.17: its domctl interface is not 0x15" >&2; exit 1; }

# What assembly must know about structs.
$(HV_OUT)/asm-offsets.s: hypervisor/arch/x86/asm-offsets.c $(HV_OUT)/configuration | hypervisor-headers
	@$(HV_CC) $(HV_CFLAGS) $(HV_CPPFLAGS) -g0 -MMD -MP -MT $@ -MF $@.d -S -o $@ $<

$(HV_OUT)/asm-offsets.h: $(HV_OUT)/asm-offsets.s
	@sed -n 's/^.*@OFFSET \([A-Za-z0-9_]*\) \$$*\(-\?[0-9]*\).*$$/#define \1 \2/p' $< > $@

$(HV_OUT)/%.c.o: hypervisor/%.c $(HV_OUT)/configuration | $(HV_OUT)/asm-offsets.h
	@mkdir -p $(@D)
	@echo "cc      $<"
	@$(HV_CC) $(HV_CFLAGS) $(HV_CPPFLAGS) $(HV_CFLAGS_$(<F)) -MMD -MP -c -o $@ $<

$(HV_OUT)/%.S.o: hypervisor/%.S $(HV_OUT)/asm-offsets.h $(HV_OUT)/configuration
	@mkdir -p $(@D)
	@echo "as      $<"
	@$(HV_CC) -g $(HV_CPPFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

$(HV_OUT)/link.lds: hypervisor/arch/x86/link.lds hypervisor/include/arch/layout.h
	@$(HV_CC) -E -P -D__ASSEMBLER__ -Ihypervisor/include -x c $< -o $@

# Linked twice: the second time with the table of function names the first gave. It lies behind all text, which it does
# not move.
hv_symbols = ( [ -z "$(2)" ] || $(HV_NM) -n $(2) ) | LC_ALL=C awk -f hypervisor/arch/x86/symbols.awk > $(1).S && \
    $(HV_CC) -c -o $(1).o $(1).S
hv_link = $(HV_LD) $(HV_LDFLAGS) -Map $(HV_OUT)/xylem.map -T $(HV_OUT)/link.lds -o $(1) $(HV_OBJECTS) $(2) $(HV_EXTRA_OBJECTS) $(UNPACK_ARCHIVES)

$(HV_IMAGE).elf: $(HV_OBJECTS) $(HV_EXTRA_OBJECTS) $(HV_OUT)/link.lds hypervisor/arch/x86/symbols.awk
	@echo "link    $@"
	@$(call hv_symbols,$(HV_OUT)/symbols0,)
	@$(call hv_link,$(HV_OUT)/xylem0.elf,$(HV_OUT)/symbols0.o)
	@$(call hv_symbols,$(HV_OUT)/symbols,$(HV_OUT)/xylem0.elf)
	@$(call hv_link,$@,$(HV_OUT)/symbols.o)

$(HV_IMAGE): $(HV_IMAGE).elf
	@$(HV_OBJCOPY) -O binary $< $@

$(HV_IMAGE).gz: $(HV_IMAGE)
	@gzip -9nc $< > $@

size: $(HV_IMAGE).elf $(HV_IMAGE).gz
	@scripts/size $(HV_IMAGE) --map $(HV_OUT)/xylem.map --cc '$(HV_CC) $(HV_CFLAGS) $(HV_CPPFLAGS)'

-include $(HV_OBJECTS:.o=.d) $(HV_OUT)/asm-offsets.s.d
