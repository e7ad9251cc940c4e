# SPDX-License-Identifier: BSD-2-Clause
#
# make lint: what gcc's analyzer, clang-tidy (.clang-tidy) and cppcheck find in the hypervisor's sources, in the build with
# assertions, as these tell them what is known. No findings: what remains is explained where it stands (NOLINT,
# cppcheck-suppress) or here. A file is looked at again when it, or a header it includes, has changed.
#
# gcc's check for null pointers is off: it takes every look-up that may answer NULL for one that does, where the caller has
# looked up the same before. clang's check of the same name is on.

LINT_OUT := build/lint
LINT_SOURCES := $(filter-out hypervisor/lib/unpack/%,$(filter %.c,$(HV_SOURCES)))

# clang has its own headers for <stdint.h> and the like.
LINT_CLANG_CPPFLAGS = -nostdinc -isystem $(shell clang -print-resource-dir)/include -isystem /usr/include \
    -isystem /usr/include/$(shell gcc -print-multiarch) -include hypervisor/include/visibility.h -Ihypervisor \
    -Ihypervisor/include -I$(HV_OUT) -DXYLEM_DEBUG

.PHONY: lint lint-tools
lint: $(LINT_SOURCES:hypervisor/%.c=$(LINT_OUT)/%.analyzed) $(LINT_SOURCES:hypervisor/%.c=$(LINT_OUT)/%.tidy) \
    $(LINT_OUT)/cppcheck

lint-tools:
	@for tool in clang clang-tidy cppcheck; do command -v $$tool > /dev/null || { \
	    echo "make lint needs $$tool: apt-get install clang clang-tidy cppcheck" >&2; exit 1; }; done

$(LINT_OUT)/%.analyzed: hypervisor/%.c hypervisor/lint.mk | $(HV_OUT)/asm-offsets.h
	@mkdir -p $(@D)
	@gcc $(HV_CFLAGS) $(HV_CPPFLAGS) -DXYLEM_DEBUG -DXYLEM_ANALYZER -fanalyzer -Wno-analyzer-null-dereference -MMD -MP -MT $@ -MF $@.d \
	    -c -o $(@:.analyzed=.o) $<
	@rm $(@:.analyzed=.o); touch $@

$(LINT_OUT)/%.tidy: hypervisor/%.c $(LINT_OUT)/%.analyzed .clang-tidy | lint-tools
	@echo "lint    $<"
	@clang-tidy --quiet $< -- $(filter-out -fno-jump-tables -W%,$(HV_CFLAGS)) $(LINT_CLANG_CPPFLAGS) -w > $@.log 2>&1 || \
	    { cat $@.log; exit 1; }
	@touch $@

# What cppcheck takes for findings and is none: pointers to different objects are the linker's symbols; max() with statements
# inside is beyond its parser; offsetof is no use of a null pointer; it does not see that bitmap_ functions fill what they get.
LINT_CPPCHECK_LEAVES := --suppress=comparePointers --suppress=internalAstError --suppress=nullPointer \
    --suppress=uninitvar:hypervisor/arch/x86/smp.c

$(LINT_OUT)/cppcheck: $(LINT_SOURCES) $(wildcard hypervisor/include/*.h hypervisor/include/*/*.h hypervisor/include/*/*/*.h) \
    hypervisor/lint.mk hypervisor/cppcheck.cfg | lint-tools
	@mkdir -p $(@D)
	@echo "lint    cppcheck"
	@cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --template='{file}:{line}: {severity}: {message} [{id}]' --library=hypervisor/cppcheck.cfg \
	    $(LINT_CPPCHECK_LEAVES) -Ihypervisor -Ihypervisor/include -D__x86_64__ \
	    -DXYLEM_DEBUG -DXEN_DOMCTL_INTERFACE_VERSION=0x15 -DXEN_SYSCTL_INTERFACE_VERSION=0x15 $(LINT_SOURCES)
	@touch $@

-include $(LINT_SOURCES:hypervisor/%.c=$(LINT_OUT)/%.analyzed.d)
