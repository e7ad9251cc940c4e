# SPDX-License-Identifier: BSD-2-Clause
#
# Turns `nm -n` of the linked hypervisor into the assembly of its table of function names, for backtraces:
# sorted offsets from image_start, the names one after the other, and the place of every 16th name.
# Without input the table is empty.

BEGIN { count = 0 }

$2 ~ /^[tT]$/ && $3 !~ /^\./ && $3 !~ /^L[0-9]/ && $1 != last {
    name[count] = $3; address[count] = $1; last = $1; count++
}

END {
    print ".section .rodata.symbols, \"a\"\n.balign 4\n.global symbol_count, symbol_offsets, symbol_marks, symbol_names"
    print "symbol_count: .long " count "\nsymbol_offsets:"
    for (i = 0; i < count; i++)
        print ".long 0x" address[i] " - " (count ? "0x" address[0] : 0)
    print "symbol_marks:"
    for (i = place = 0; i < count; i++) {
        if (i % 16 == 0)
            print ".long " place
        place += length(name[i]) + 1
    }
    print "symbol_names:"
    for (i = 0; i < count; i++)
        print ".asciz \"" name[i] "\""
    print ".section .note.GNU-stack, \"\", @progbits"
}
