# SPDX-License-Identifier: BSD-2-Clause
"""The ends of guests, and what is left of them."""
import re

import pytest

from rig.machine import SLOW

from guests import free_memory
from tiny import BLOCK, CRASH, CRASH_R15, CRASH_STACK, SPIN, end



def test_destroy_ends_a_running_guest(guest_make, dom0):
    guest = guest_make("doomed").create()
    assert guest.ident() is not None
    dom0.check("xl destroy doomed")
    assert guest.wait_state(lambda state: state is None, timeout=20) is None


def test_panic_of_a_guest_is_kept_for_a_look_when_asked(guest_make):
    guest = guest_make("panicky", extra="guest.then=panic", options='on_crash = "preserve"').create()
    state = guest.wait_state(lambda state: state is None or "c" in state, timeout=90)
    assert state is not None and "c" in state, f"expected a crashed domain, found {state}"
    assert "Kernel panic" in guest.console()


def test_panic_of_a_guest_from_a_bzimage_destroys_it(guest_make):
    guest = guest_make("panicky2", kernel="vmlinuz", extra="guest.then=panic", options='on_crash = "destroy"')
    guest.create()
    guest.wait_state(lambda state: state is None, timeout=90)
    assert "Kernel panic" in guest.console()


def new_ident(guest, before):
    """Waits until a guest is there again under another number."""
    status, output = guest.dom0.run(f"for i in $(seq {int(360 * SLOW)}); do id=$(xl domid {guest.name} 2> /dev/null) && "
                                    f"[ $id != {before} ] && echo $id && exit 0; sleep 0.5; done; exit 1", 240)
    assert status == 0, f"{guest.name} did not come back; its state is {guest.state()}, its console:\n" \
                        f"{guest.console()[-1500:]}"
    return int(output)


@pytest.mark.parametrize("reason", ["poweroff", "reboot", "crash", "watchdog"])
def test_what_an_end_means_is_for_the_configuration_to_say(guest_make, reason):
    """The same end three times: it goes, it stays to be looked at, it is started again. The last one is ended from
    outside, or it would end again and again."""
    gone, stays = (guest_make.tiny(f"{reason}-{action}", end(reason), options=f'on_{reason} = "{action}"').create()
                   for action in ("destroy", "preserve"))
    again = guest_make.tiny(f"{reason}-restart", BLOCK, options=f'on_{reason} = "restart"').create()
    gone.wait_state(lambda state: state is None, timeout=30)
    letter = "c" if reason == "crash" else "s"
    stays.wait_state(lambda state: state is not None and letter in state, timeout=30)
    first = again.ident()
    again.end(reason)
    new_ident(again, first)
    again.wait_state(lambda state: state is not None and not state & set("scd"), timeout=30)


def test_reboot_and_shutdown_asked_of_a_guest_that_does_not_listen_change_nothing(guest_make, dom0):
    guest = guest_make.tiny("deaf", SPIN).create()
    ident = guest.ident()
    dom0.run("xl shutdown deaf; xl reboot deaf; sleep 3")
    assert guest.ident() == ident and not (guest.state() & set("scd"))
    dom0.check("xl destroy deaf")
    guest.wait_state(lambda state: state is None, timeout=20)


@pytest.mark.xylem
def test_a_guest_the_hypervisor_ends_leaves_one_block_in_the_log(guest_make, dom0):
    """Reason, registers, code and stack of the vcpu; the domain stays for a look, with the same registers."""
    dom0.check("xl dmesg -c > /dev/null")
    guest = guest_make.tiny("broken", CRASH, options='on_crash = "preserve"').create()
    guest.wait_state(lambda state: state is not None and "c" in state, timeout=30)
    ident = guest.ident()
    lines = [line.removeprefix("(XEN) ") for line in dom0.check("xl dmesg").splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith(f"domain {ident} crashed: "))
    assert re.search(r"no handler for trap 6\b.*\(CPU \d\)", lines[start]), lines[start]
    block = [line for line in lines[start + 1:] if line.startswith(f"d{ident}v0 ")]
    text = "\n".join(block)
    assert len(block) == 15 and lines[start + 1:start + 16] == block, f"expected 15 lines in a row:\n{text}"
    assert "kernel mode, last trap 6 error 0x0" in block[0], text
    assert re.search(r"rip e033:ffffffff80100016 rsp e02b:ffffffff[0-9a-f]{8} flags [0-9a-f]{8}", block[1]), text
    assert f"r15 {CRASH_R15:016x}" in block[5] and "cr3 " in block[5], text
    assert re.search(r"code( [0-9a-f]{2}){6} 50 50 <0f> 0b", block[6]), text
    stack = re.findall(r"stack ((?:[0-9a-f]{16} ?){4})", text)
    assert len(stack) == 8 and stack[0].split()[:2] == [f"{CRASH_STACK:016x}"] * 2, text
    context = dom0.check(f"/usr/lib/xen-4.17/bin/xenctx {ident}")
    assert "rip: ffffffff80100016" in context and f"r15: {CRASH_R15:016x}" in context, context


def test_ten_rounds_of_create_and_destroy_leave_free_memory_where_it_was(guest_make, dom0):
    """Every second round has a disk and a network, whose hotplug scripts are what takes long here."""
    plain = guest_make("plain", vcpus=2)
    full = guest_make("full", vcpus=2, disk=True, address="192.168.77.30")
    dom0.check(f"truncate -s 8M {full.image}")

    def one_round(guest, seconds):
        guest.create()
        dom0.check(f"sleep {seconds}; xl destroy {guest.name}")

    one_round(full, 1)      # what domain 0 allocates once
    before = free_memory(dom0)
    for number in range(10):
        one_round(full if number % 2 else plain, number % 3)
    after = free_memory(dom0)
    assert after == before, f"free memory was {before} MiB before ten rounds and is {after} MiB now"
