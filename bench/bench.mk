# SPDX-License-Identifier: BSD-2-Clause
#
# Measurements. bench/guests/NAME.c becomes the guest build/guests/disk/bench-NAME on the guests' disk, and
# bench/linux/init.c the only program of a Linux guest there.
#
#   make bench                  instructions per operation and of the boot, ours and the reference, and the ratio
#   make bench BENCH='null'     only rows whose key matches this regular expression
#   make bench-growth           the same rows beside other domains, with many event channels and more CPUs
#                               (DOMAINS='1 100 500' PORTS='1 1000 100000' CPUS='1 2 4' IDLE=20)
#   make profile ROW=null       where the instructions of one operation go, by function of our hypervisor
#                               (ROW is a key of bench/run's table; LINES=1 adds every instruction)

bench_names := $(sort $(patsubst bench/guests/%.c,bench-%,$(wildcard bench/guests/*.c)))
bench_disk_files := $(bench_names:%=build/guests/disk/%) $(bench_names:%=build/guests/disk/%.cfg) \
    $(addprefix build/guests/disk/bench-linux,.cpio .cfg -pvh.cfg) build/guests/disk/bench-others

include guests/guests.mk

.PHONY: bench profile bench-growth

bench: build/guests/disk.ext4 images build/images/xen-reference $(hypervisor_file)
	@bench/run --hypervisor $(HYPERVISOR) $(if $(BENCH),--rows '$(BENCH)')

bench-growth: build/guests/disk.ext4 images build/images/xen-reference $(hypervisor_file)
	@bench/growth --hypervisor $(HYPERVISOR) $(if $(DOMAINS),--domains $(DOMAINS)) $(if $(PORTS),--ports $(PORTS)) \
	    $(if $(CPUS),--cpus $(CPUS)) $(if $(IDLE),--idle $(IDLE))

profile: build/guests/disk.ext4 images build/xylem
	@bench/profile $(if $(LINES),--lines) $(or $(ROW),null)

build/guests/bench/%.o: bench/guests/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(CC) $(guest_flags) -c $< -o $@

build/guests/disk/bench-%: build/guests/bench/%.o $(guest_lib) guests/pv.lds
	@mkdir -p $(@D)
	@$(guest_link)

build/guests/disk/bench-%.cfg: bench/guests/%.c guests/config
	@mkdir -p $(@D)
	@guests/config pv bench-$* $< > $@

build/guests/bench/linux/init: bench/linux/init.c bench/bench.mk
	@mkdir -p $(@D)
	@$(CC) -std=gnu17 -O2 -static -s -Wall -Wextra -Werror -o $@ $<

build/guests/disk/bench-linux.cpio: build/guests/bench/linux/init
	@mkdir -p $(@D)
	@cd $(<D) && echo init | cpio --quiet -o -H newc -R 0:0 --reproducible > $(abspath $@).new
	@mv -f $@.new $@

# A program of domain 0, which has the same library.
build/guests/disk/bench-others: bench/dom0/others.c bench/bench.mk
	@mkdir -p $(@D)
	@$(CC) -std=gnu17 -O2 -s -Wall -Wextra -Werror -o $@ $< -lxenctrl

build/guests/disk/bench-linux.cfg: bench/linux/config.cfg
	@mkdir -p $(@D)
	@cp $< $@

build/guests/disk/bench-linux-pvh.cfg: bench/linux/config.cfg
	@mkdir -p $(@D)
	@sed -e 's/"bench-linux"/"bench-linux-pvh"/' -e 's/"pv"/"pvh"/' -e '/^extra/s/"$$/ kind=pvh_"/' $< > $@

-include $(wildcard build/guests/bench/*.d)
