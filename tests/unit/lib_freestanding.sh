#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Checks hypervisor/lib and the unpacking libraries as the hypervisor links them.
#
#   lib_freestanding.sh HIGH_IMAGE PROGRAM SCRATCH
#
# HIGH_IMAGE is linked where the hypervisor lives and only looked at; PROGRAM is the same code at an address
# where Linux can run it, and unpacks what the packers of this machine made of PROGRAM itself.
set -eu

high=$1 program=$2 scratch=$3

fail() {
    echo "lib_freestanding: $*" >&2
    exit 1
}

undefined=$(nm --undefined-only "$high")
[ -z "$undefined" ] || fail "undefined symbols in $high: $undefined"
if readelf --wide --segments "$high" | grep -E ' (TLS|INTERP|DYNAMIC) '; then
    fail "$high wants thread-local storage or a dynamic linker"
fi
if nm "$high" | grep -E ' i '; then
    fail "$high has functions to be resolved at run time"
fi
if readelf --wide --relocs "$high" | grep R_X86_64; then
    fail "$high has relocations left"
fi
if readelf --wide --sections "$high" | grep -E 'init_array|ctors|[.]init '; then
    fail "$high has constructors, which nothing would run"
fi
# AVX, system calls and GS have no place in it. (Wide registers are enough to see AVX.)
if objdump -d "$high" | grep -E '%[yz]mm|\bsyscall\b|%gs:' | head -n 3 | grep .; then
    fail "$high uses instructions it must not"
fi
size "$high"

mkdir -p "$scratch"
pack() { # NAME COMMAND...: packs PROGRAM with it, then unpacks and compares
    name=$1
    shift
    if ! command -v "$1" > /dev/null; then
        echo "$name: no $1 on this machine, skipped"
        return
    fi
    "$@" < "$program" > "$scratch/$name"
    "$program" "$scratch/$name" "$program" || fail "$name: not unpacked to what was packed"
}

cp "$program" "$scratch/plain"
"$program" "$scratch/plain" "$program" || fail "a bare ELF file did not pass through"
pack gzip gzip -9
pack xz xz --check=crc32 --x86 --lzma2=dict=32MiB
pack xz-blocks xz --check=crc64 -T2 --block-size=65536
pack xz-sha256 xz --check=sha256
pack zstd zstd -q -22 --ultra
pack lz4 lz4 -q -9
pack lz4-legacy lz4 -q -l -9
echo "lib_freestanding: passed"
