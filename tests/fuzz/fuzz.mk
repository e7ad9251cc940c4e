# SPDX-License-Identifier: BSD-2-Clause
# Fuzzers of the hypervisor's rooms on the host (libFuzzer, clang). A program is one tests/fuzz/NAME.c with the sources
# it tests; to add one, write the file and put two lines into the list below, as for unit tests (tests/unit/unit.mk).
#
#     make fuzz            each for 30 s, two at a time; TIME=600 for longer, FUZZ='unpack acpi' picks some
#
# What it found is kept in build/fuzz/NAME.corpus and starts the next run, together with tests/fuzz/seeds/NAME. An input
# that breaks something is left in build/fuzz/NAME.failure-*: build/fuzz/NAME FILE runs it alone.

FUZZ_PROGRAMS += kernel
kernel_FUZZED := hypervisor/lib/unpack/unpack.c $(UNPACK_DECODER_SOURCES)
kernel_FUZZ_LIBS := $(UNPACK_ARCHIVES)
FUZZ_PROGRAMS += unpack
unpack_FUZZED := $(UNPACK_DECODER_SOURCES)
unpack_FUZZ_LIBS := $(UNPACK_ARCHIVES)
FUZZ_PROGRAMS += acpi
acpi_FUZZED := hypervisor/arch/x86/acpi_parse.c
FUZZ_PROGRAMS += multiboot
multiboot_FUZZED := hypervisor/arch/x86/multiboot.c
FUZZ_PROGRAMS += options
options_FUZZED := hypervisor/boot/options.c
FUZZ_PROGRAMS += decode
decode_FUZZED := hypervisor/guest/pv/decode.c
FUZZ_PROGRAMS += hypercalls
hypercalls_FUZZED := hypervisor/arch/x86/msix_table.c $(wildcard hypervisor/event/*.c hypervisor/grant/*.c) hypervisor/door/event.c \
    hypervisor/door/operation.c \
    hypervisor/door/grant.c $(addprefix hypervisor/mm/,buddy.c heap.c slab.c rangeset.c frame_list.c frame.c) \
    $(addprefix hypervisor/guest/,physmap.c grant_map.c release.c) \
    $(addprefix hypervisor/guest/pv/,entries.c walk.c update.c base.c shadow.c mmu_update.c mmuext.c va_mapping.c \
    grant_map.c release.c audit.c) $(HOST_SOURCES)
hypercalls_FUZZ_CFLAGS := $(HOST_CFLAGS)

TIME ?= 30
FUZZ ?= $(FUZZ_PROGRAMS)
FUZZ_BUILD := build/fuzz
FUZZ_SANITIZE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := -std=gnu17 -g -O1 -DXYLEM_HOST -fno-omit-frame-pointer $(FUZZ_SANITIZE) $(UNIT_INCLUDES) -I. \
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-c2x-extensions -Werror

fuzz_compile = @mkdir -p $(@D); clang $(FUZZ_CFLAGS) $(1) -MMD -MP -c -o $@ $<

define fuzz_program
$(1)_fuzz_objects := $$(patsubst %.c,$(FUZZ_BUILD)/$(1).objects/%.o,tests/fuzz/$(1).c $$(sort $$($(1)_FUZZED)))
$(FUZZ_BUILD)/$(1).objects/%.o: %.c
	$$(call fuzz_compile,$$($(1)_FUZZ_CFLAGS))
$(FUZZ_BUILD)/$(1): $$($(1)_fuzz_objects) $(FUZZ_BUILD)/lib.a
	@clang -fsanitize=fuzzer,address,undefined -o $$@ $$^ $$($(1)_FUZZ_LIBS)
-include $$($(1)_fuzz_objects:.o=.d)
endef

$(foreach program,$(FUZZ_PROGRAMS),$(eval $(call fuzz_program,$(program))))

fuzz_lib_objects := $(patsubst %.c,$(FUZZ_BUILD)/lib.objects/%.o,$(LIB_SOURCES))
$(FUZZ_BUILD)/lib.objects/%.o: %.c
	$(fuzz_compile)
$(FUZZ_BUILD)/lib.a: $(fuzz_lib_objects)
	@rm -f $@; ar rcs $@ $^
-include $(fuzz_lib_objects:.o=.d)

.PHONY: fuzz fuzz-build $(FUZZ:%=fuzz-%)
fuzz-build: $(FUZZ_PROGRAMS:%=$(FUZZ_BUILD)/%)
	@:

fuzz: deps
	@$(MAKE) -j2 $(FUZZ:%=fuzz-%)

$(FUZZ:%=fuzz-%): fuzz-%: $(FUZZ_BUILD)/%
	@mkdir -p $<.corpus
	@$< -max_total_time=$(TIME) -timeout=25 -rss_limit_mb=3072 -max_len=8192 -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=$<.failure- $<.corpus $(wildcard tests/fuzz/seeds/$*) > $<.log 2>&1 || \
	    { tail -n 60 $<.log; echo "fuzz    $* FAILED: its input is build/fuzz/$*.failure-*"; exit 1; }
	@echo "fuzz    $*: $$(sed -n 's/^stat::number_of_executed_units: *//p' $<.log) inputs"
