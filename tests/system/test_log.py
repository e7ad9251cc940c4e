# SPDX-License-Identifier: BSD-2-Clause
"""What the log says about guests: of one that dies one whole block, of one that talks too much a little.

A boot of its own: the other machines show everything that guests cause, this one at a limited rate.
"""
import re

import pytest

from rig import qemu
from rig.machine import Machine
from tiny import HYPERCALL_CONSOLE_IO, HYPERCALL_MMU_UPDATE, MARK, MARKS, STACK_MARKS, VIRT_BASE, LOAD, assemble

pytestmark = pytest.mark.bare
BURST, EACH_SECOND = 10, 2      # docs/debugging.md; the reference lets the same number through, or less
WILD = 0x123456789000

# how a guest dies -> (its last instructions, the reason in the log, whether its stack can be read)
DEATHS = {
    "undefined": ("ud2", r"no handler for trap 6, error code 0, at 0x[0-9a-f]+", True),
    "wild": (f"mov ${WILD:#x}, %rcx; mov (%rcx), %rax",
             r"no handler for trap 14, error code \S+, at 0x[0-9a-f]+", True),
    "iret": (f"mov ${WILD:#x}, %rsp; mov $23, %eax; syscall",
             rf"iret frame at {WILD:#x} is not readable", False),
    "stack": ("mov $0xffff830000001000, %rsp; push %rax",
              r"no handler for trap 14, error code \S+, at 0x[0-9a-f]+", False),
}
FLOODS = {
    "console": f"""
        lea text(%rip), %rdx
    0:  xor %edi, %edi                          # CONSOLEIO_write
        mov $6, %esi
        mov ${HYPERCALL_CONSOLE_IO}, %eax
        syscall
        jmp 0b
    text: .ascii "flood\\n"
    """,
    "refusals": f"""
    0:  lea update(%rip), %rdi
        mov $1, %esi
        xor %edx, %edx
        mov $0x7ff0, %r10d                      # DOMID_SELF
        mov ${HYPERCALL_MMU_UPDATE}, %eax
        syscall
        jmp 0b
        .balign 8
    update: .quad 0x1000, 0x1003                # a frame that is not the guest's
    """,
}


@pytest.fixture(scope="module")
def dom0(request):
    with Machine(cpus=2, hypervisor=request.config.getoption("--hypervisor"), kernel="elf", name="log",
                 icount=qemu.ICOUNT_TURNS, cmdline="guest_loglvl=none/all",
                 dom0_cmdline="xylem.mode=agent") as machine:
        machine.dom0.ready(240)
        yield machine.dom0


@pytest.mark.xylem
@pytest.mark.parametrize("death", DEATHS)
def test_a_guest_that_dies_leaves_one_block_while_another_floods_the_log(guest_make, dom0, death):
    """Domain and reason, then, of its vcpu: how it came in, registers, code, stack. The flood ends before anything is
    read, as it would drown the answers on the same line, too."""
    code, reason, has_stack = DEATHS[death]
    code = f"{MARK}\n{code}"
    guest_make.tiny("flood", assemble(FLOODS["console"])).create("-p")
    guest = guest_make.tiny(f"dies-{death}", assemble(code), options='on_crash = "preserve"').create("-p")
    ident = guest.ident()
    log = dom0.check(f"""
        xl dmesg -c > /dev/null; xl unpause flood; sleep 1; xl unpause {guest.name}
        for i in $(seq 100); do xl list {guest.name} | grep -q 'c-' && break; sleep 0.2; done
        xl pause flood; xl dmesg""", 90).replace("\r", "")
    assert f"(d{ident - 1}) flood" in log, log[-4000:]
    found = re.findall(rf"^\(XEN\) domain {ident} crashed: (.*) \(CPU \d\)\n((?:.*\n)*)", log, re.M)
    assert len(found) == 1, f"expected one block about domain {ident}:\n{log[-4000:]}"
    assert re.fullmatch(reason, found[0][0]), found[0][0]
    name = f"(XEN) d{ident}v0 "
    lines = [line[len(name):] for line in found[0][1].splitlines() if line.startswith(name)]
    block = "\n".join(lines)
    assert re.match(r"kernel mode, last trap \d+ error 0x|kernel mode, last trap \d+ error 0", lines[0]), block
    if death == "wild":
        assert f"cr2 {WILD:016x}" in lines[0], block
    rip = re.search(r"^rip e033:([0-9a-f]{16}) rsp e02b:([0-9a-f]{16}) flags [0-9a-f]{8}", block, re.M)
    assert rip, block
    assert 0 <= int(rip.group(1), 16) - VIRT_BASE - LOAD <= len(assemble(code)), block
    registers = {name: int(value, 16) for name, value in re.findall(r"\b(r\w\w?|cr3) +([0-9a-f]{16})", block)}
    assert {"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cr3"} <= set(registers), block
    assert {register: hex(registers[register]) for register in MARKS} == \
        {register: hex(value) for register, value in MARKS.items()}, block
    assert len(re.findall(r"^code( [0-9a-f-]{2}){8} <[0-9a-f]{2}>( [0-9a-f-]{2}){15}$", block, re.M)) == 1, block
    stack = re.findall(r"^stack( [0-9a-f]{16})( [0-9a-f]{16}) [0-9a-f]{16} [0-9a-f]{16}$", block, re.M)
    if has_stack:
        assert [int(word, 16) for word in stack[0]] == list(reversed(STACK_MARKS)), block
    else:
        assert re.search(r"^stack at [0-9a-f]{16} cannot be read$", block, re.M) and not stack, block


@pytest.mark.parametrize("kind", FLOODS)
def test_what_a_guest_causes_in_the_log_is_limited_and_what_is_left_out_is_counted(guest_make, dom0, kind):
    guest = guest_make.tiny(f"flood-{kind}", assemble(FLOODS[kind])).create("-p")
    ident = guest.ident()
    before, after, log = dom0.check(
        f"xl dmesg -c > /dev/null; cut -d' ' -f1 /proc/uptime; xl unpause {guest.name}; sleep 6; xl pause {guest.name}; "
        "cut -d' ' -f1 /proc/uptime; xl dmesg").split("\n", 2)
    shown = re.findall(rf"^\(d{ident}\) flood|^\(XEN\) .*d{ident}(?:v0)? ", log, re.M)
    passed = float(after) - float(before)
    limit = BURST + EACH_SECOND * (passed + 1)
    assert 1 <= len(shown) <= limit, f"{len(shown)} lines in {passed} s, at most {limit} expected:\n{log[:3000]}"
    dropped = sum(map(int, re.findall(r"(\d+) messages (?:caused by guests were dropped|suppressed)", log)))
    assert dropped > 100, f"{dropped} messages dropped in {passed} s:\n{log[:3000]}"
