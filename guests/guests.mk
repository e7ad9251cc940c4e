# SPDX-License-Identifier: BSD-2-Clause
#
# Guests without an operating system: every tests/NAME.c becomes build/guests/disk/NAME (an ELF for the PV builder)
# and NAME.cfg, next to the runner, on a small disk the test machine gets beside domain 0's own. peers/NAME.c are the other
# domains some of them need: peer-NAME, started by the runner.
#
# Every pvh/NAME.c becomes a PVH guest in the same way. A tests/NAME.c with the line "// kinds: pv pvh" becomes both: the PV
# guest NAME, linked with lib/, and the PVH guest pvh_NAME, linked with lib/pvh/ and what of lib/ is for both.
#
#   make guests                 build them, boot a machine, run them all, print the summary
#   make guests GUESTS='a b'    only these
#   make guests SIDE=1          ours and the reference, side by side

guest_flags := -std=gnu17 -O2 -g -ffreestanding -fno-pie -fno-pic -mcmodel=small -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
    -fno-strict-aliasing -fno-common -fno-delete-null-pointer-checks \
    -D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__ \
    -Wall -Wextra -Wimplicit-fallthrough -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror \
    -Iguests/lib -MMD -MP

guest_lib := $(patsubst guests/lib/%.c,build/guests/lib/%.o,$(wildcard guests/lib/*.c)) \
    $(addprefix build/guests/lib/,head_pv.o context.o)
# What a PVH guest shares with PV ones; the rest is its own.
guest_pvh_lib := $(addprefix build/guests/lib/,canary.o console.o context.o event.o grant.o peer.o preempt.o probe.o \
        result.o string.o timer.o vcpu.o) \
    $(patsubst guests/lib/%.c,build/guests/lib/%.o,$(wildcard guests/lib/pvh/*.c)) build/guests/lib/pvh/head.o build/guests/lib/pvh/mode32.o
guest_pvh_names := $(sort $(patsubst guests/pvh/%.c,%,$(wildcard guests/pvh/*.c)))
guest_both_names := $(patsubst guests/tests/%.c,pvh_%,$(shell grep -lx '// kinds: pv pvh' guests/tests/*.c))
guest_names := $(sort $(patsubst guests/tests/%.c,%,$(wildcard guests/tests/*.c))) $(guest_pvh_names) $(guest_both_names)
peer_names := $(sort $(patsubst guests/peers/%.c,peer-%,$(wildcard guests/peers/*.c)))
dom0_files := $(patsubst guests/dom0/%.c,build/guests/disk/dom0-%,$(wildcard guests/dom0/*.c)) \
    $(patsubst guests/beside/%.c,build/guests/disk/beside-%,$(wildcard guests/beside/*.c))
guest_files := $(foreach name,$(guest_names) $(peer_names),build/guests/disk/$(name) build/guests/disk/$(name).cfg)

guest_link = $(LD) -static -nostdlib --build-id=none -z noexecstack --no-warn-rwx-segments -T guests/pv.lds -o $@ \
    $(filter %.o,$^)

.PHONY: guests guests-build
.SECONDARY:

guests-build: build/guests/disk.ext4

guests: build/guests/disk.ext4 images $(hypervisor_file)
	@guests/run $(if $(SIDE),--side,--hypervisor $(HYPERVISOR)) $(GUESTS)

build/guests/lib/%.o: guests/lib/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(guest_flags) -c $< -o $@

build/guests/lib/%.o: guests/lib/%.S guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(guest_flags) -c $< -o $@

build/guests/tests/%.o: guests/tests/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(guest_flags) -c $< -o $@

build/guests/pvh/%.o: guests/pvh/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(guest_flags) -c $< -o $@

build/guests/disk/%: build/guests/pvh/%.o $(guest_pvh_lib) guests/pv.lds
	@mkdir -p $(@D)
	@$(guest_link)

$(guest_both_names:%=build/guests/disk/%): build/guests/disk/pvh_%: build/guests/tests/%.o $(guest_pvh_lib) guests/pv.lds
	@mkdir -p $(@D)
	@$(guest_link)

$(guest_both_names:%=build/guests/disk/%.cfg): build/guests/disk/pvh_%.cfg: guests/tests/%.c guests/config
	@mkdir -p $(@D)
	@guests/config pvh pvh_$* $< > $@

build/guests/peers/%.o: guests/peers/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(guest_flags) -c $< -o $@

build/guests/disk/peer-%: build/guests/peers/%.o $(guest_lib) guests/pv.lds
	@mkdir -p $(@D)
	@$(guest_link)

build/guests/disk/peer-%.cfg: guests/peers/%.c guests/config
	@mkdir -p $(@D)
	@guests/config pv peer-$* $< > $@

build/guests/disk/%: build/guests/tests/%.o $(guest_lib) guests/pv.lds
	@mkdir -p $(@D)
	@$(guest_link)

# Programs that run in domain 0 itself, with its libxenctrl: for themselves, and beside a guest.
build/guests/disk/dom0-%: guests/dom0/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) -std=gnu17 -O2 -s -Wall -Wextra -Werror -o $@ $< -lxenguest -lxenctrl -lxentoollog

build/guests/disk/beside-%: guests/beside/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) -std=gnu17 -O2 -s -Wall -Wextra -Werror -o $@ $< -lxenctrl -lxentoollog

# A line "config: KEY = VALUE" in a test's opening comment goes into its configuration.
build/guests/disk/%.cfg: guests/tests/%.c guests/config
	@mkdir -p $(@D)
	@guests/config pv $* $< > $@

build/guests/disk/%.cfg: guests/pvh/%.c guests/config
	@mkdir -p $(@D)
	@guests/config pvh $* $< > $@

build/guests/disk/guests-run: guests/dom0/guests-run
	@mkdir -p $(@D)
	@install -m 755 $< $@

build/guests/disk.ext4: $(guest_files) build/guests/disk/guests-run $(dom0_files) $(bench_disk_files)
	@echo "image   $@"
	@truncate -s 24M $@.new
	@/sbin/mke2fs -q -F -t ext4 -O ^has_journal -L guests -d build/guests/disk $@.new
	@mv -f $@.new $@

-include $(wildcard build/guests/lib/*.d build/guests/lib/pvh/*.d build/guests/tests/*.d build/guests/pvh/*.d \
    build/guests/peers/*.d)
