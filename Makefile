# SPDX-License-Identifier: BSD-2-Clause
#
# The top of the build. The hypervisor's own rules are in hypervisor/build.mk, the benchmarks' in bench/bench.mk.
#
#   HYPERVISOR=build/xylem   what run, check and scripts/boot start; "reference" is Debian's Xen 4.17
#   CC=gcc                   or clang
#   MACHINES=2               machines that check runs at once
#   LONG=1                   check also runs the tests that take minutes for more of the same, and fuzzes longer

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

HYPERVISOR ?= build/xylem
MACHINES ?= 2
PYTHON := /usr/bin/python3
export PYTHONDONTWRITEBYTECODE := 1
hypervisor_file := $(if $(filter reference,$(HYPERVISOR)),build/images/xen-reference,$(HYPERVISOR))

.PHONY: all deps run run-ready check check-tests unit layers models images clean help

all:

-include hypervisor/build.mk
-include hypervisor/lint.mk
-include bench/bench.mk
-include tests/unit/unit.mk
-include tests/fuzz/fuzz.mk

all: build/xylem build/xylem.gz

# ---- packages: fast when nothing is missing

deps:
	@scripts/deps $(filter reference,$(HYPERVISOR))

# ---- images: rebuilt only when their inputs change

kernel := $(shell scripts/kernel-version 2>/dev/null)
kernel_image := $(if $(kernel),/boot/vmlinuz-$(kernel))

# The stamp changes only when the kernel's version does.
$(shell mkdir -p build/images && { [ "$$(cat build/images/kernel 2>/dev/null)" = "$(kernel)" ] || \
    echo "$(kernel)" > build/images/kernel; })

image_files := build/images/vmlinuz build/images/vmlinux build/images/initramfs.gz build/images/guest.gz \
    build/images/dom0.ext4

images: $(image_files)
	@:

build/images/vmlinuz: build/images/kernel $(kernel_image)
	@cp -f /boot/vmlinuz-$(kernel) $@

build/images/vmlinux: build/images/vmlinuz scripts/kernel-elf
	@echo "image   $@"
	@scripts/kernel-elf build/images/vmlinuz $@

build/images/initramfs.gz: $(wildcard images/initramfs/*) images/initramfs.sh images/lib.sh build/images/kernel
	@images/initramfs.sh images/initramfs $(kernel) $@

build/images/guest.gz: $(wildcard images/guest/*) images/initramfs.sh images/lib.sh build/images/kernel
	@images/initramfs.sh images/guest $(kernel) $@

build/images/dom0-base.tar: images/dom0/packages images/dom0-base.sh images/lib.sh
	@images/dom0-base.sh images/dom0/packages $@

build/images/dom0.ext4: build/images/dom0-base.tar build/images/vmlinux build/images/guest.gz images/dom0.sh \
    images/dom0/modules images/lib.sh build/images/kernel $(shell find images/dom0/overlay -type f)
	@images/dom0.sh $(kernel) build/images/dom0-base.tar build/images/vmlinux build/images/guest.gz $@

# Not there afterwards when Debian's packages for i386 cannot be had; then the next run tries again.
build/images/guest32.ext4: $(wildcard images/guest/*) images/guest32.sh images/lib.sh scripts/kernel-elf
	@images/guest32.sh images/guest $@

build/images/xen-reference: $(wildcard /boot/xen-4.17-amd64.gz)
	@test -f /boot/xen-4.17-amd64.gz || { echo "no /boot/xen-4.17-amd64.gz: install xen-hypervisor-4.17-amd64" >&2; exit 1; }
	@gzip -dc /boot/xen-4.17-amd64.gz > $@

# ---- commands: packages first, then a second make that sees what they installed

run: deps
	@$(MAKE) run-ready
	@exec scripts/run --hypervisor $(HYPERVISOR) $(if $(CPUS),--cpus $(CPUS))

run-ready: images $(hypervisor_file)
	@:

check: deps
	@$(MAKE) check-tests

check-tests: images $(if $(LONG),build/images/guest32.ext4) $(hypervisor_file) build/guests/disk.ext4
	@mkdir -p build/logs && rm -f build/logs/steps
	@$(if $(filter reference,$(HYPERVISOR)),,$(own_checks))
	@$(PYTHON) -m pytest -c tests/pytest.ini --rootdir=tests -n $(MACHINES) --dist loadgroup \
	    --hypervisor=$(HYPERVISOR) tests/boot tests/system $(if $(LONG),--long) $(TESTS)

# Our own hypervisor is built whole and its unit tests run; how long is for the table at the end.
define own_checks
start=$$SECONDS; $(MAKE) -j2 all; echo "build|$$((SECONDS - start))" >> build/logs/steps; \
start=$$SECONDS; $(MAKE) -j2 layers unit-hypervisor unit-threads; \
echo "unit tests|$$((SECONDS - start))" >> build/logs/steps; \
start=$$SECONDS; $(MAKE) models fuzz TIME=$(if $(LONG),30,10); echo "models and fuzzers|$$((SECONDS - start))" >> build/logs/steps
endef

unit: deps
	@$(MAKE) layers unit-hypervisor

# Who includes whom: docs/design/layers.md.
layers:
	@scripts/check-includes

# Protocols without locks: tests/model.
models:
	@tests/model/check build/model

clean:
	rm -rf build

help:
	@echo "make          build/xylem (what QEMU boots) and build/xylem.gz (what GRUB boots)"
	@echo "make run      boot it in QEMU: a domain 0 shell with two running guests, or a report without a terminal"
	@echo "make check    build, unit tests, then the boot and system tests in QEMU (TESTS='-k disk' picks some,"
	@echo "              LONG=1 adds those that take minutes)"
	@echo "make unit     unit tests on this machine, under sanitizers, and the check of who includes whom"
ifneq ($(wildcard bench/bench.mk),)
	@echo "make bench    measure instructions per operation"
endif
	@echo "make fuzz     fuzzers over the hypervisor's rooms, each for TIME=30 seconds"
	@echo "make models   models of lock-free protocols, every interleaving (spin)"
	@echo "make coverage what lines the unit tests reach"
	@echo "make lint     what compilers' analyzers, clang-tidy and cppcheck find in the hypervisor"
	@echo "make images   the kernels, ramdisks and disks the machine boots"
	@echo "make deps     install the Debian packages that are missing (run and check do it by themselves)"
	@echo "make clean    remove build/"
	@echo "make help     this list"
	@echo "run and check take HYPERVISOR=reference to boot Debian's Xen 4.17 the same way"
