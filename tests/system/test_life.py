# SPDX-License-Identifier: BSD-2-Clause
"""The ends of guests, and what is left of them."""
import os
import re
import subprocess

import pytest

from rig.machine import SLOW

from guests import core_check, free_memory, upload
from tiny import (LOAD, MARK, MARKS, PUBLISH_FRAMES, PVH_MARK, PVH_MARKED_FRAME, PVH_MARKS, SCHEDOP_SHUTDOWN, SHUTDOWN, SPIN,
                  STACK_MARKS, assemble, block, end, sched_op)


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
    outside, or it would end again and again. What the tools make of an end is the same for every guest, so the kinds
    take turns."""
    gone, stays = (guest_make.tiny(f"{reason}-{action}", end(reason, kind), kind, f'on_{reason} = "{action}"').create()
                   for action, kind in (("destroy", "pv"), ("preserve", "pvh")))
    again = guest_make.tiny(f"{reason}-restart", block("pvh"), "pvh", f'on_{reason} = "restart"').create()
    gone.wait_state(lambda state: state is None, timeout=30)
    letter = "c" if reason == "crash" else "s"
    stays.wait_state(lambda state: state is not None and letter in state, timeout=30)
    first = again.ident()
    again.end(reason)
    new_ident(again, first)
    again.wait_state(lambda state: state is not None and not state & set("scd"), timeout=30)


CORES = "/var/lib/xen/dump"


def test_crash_leaves_a_core_and_destroys_the_guest(guest_make, dom0):
    """The core has what the guest was: its registers and its stack."""
    guest = guest_make.tiny("core-destroy", assemble(f"{PUBLISH_FRAMES}\n{MARK}\nud2"),
                            options='on_crash = "coredump-destroy"').create()
    guest.wait_state(lambda state: state is None, timeout=120)
    path = f"{CORES}/{guest.name}"
    registers, _ = core_check(dom0, path, 4, 1, STACK_MARKS)
    wanted = [MARKS[name] for name in ("r15", "r14", "r13", "r12", "rbp", "rbx")]
    assert registers[:6] == wanted, f"expected {[hex(word) for word in wanted]}: {[hex(word) for word in registers]}"
    dom0.check(f"rm {path}")


def test_crash_leaves_a_core_and_restarts_the_guest(guest_make, dom0):
    guest = guest_make.tiny("core-restart", assemble(f"{PUBLISH_FRAMES}\n0: jmp 0b"),
                            options='on_crash = "coredump-restart"').create()
    ident = guest.ident()
    guest.end("crash")
    new_ident(guest, ident)
    guest.wait_state(lambda state: state is not None and not state & set("scd"), timeout=30)
    core_check(dom0, f"{CORES}/{guest.name}", 4, 1)
    dom0.check(f"rm {CORES}/{guest.name}")


@pytest.fixture
def without_holes(dom0, tmp_path):
    """Environment for xl, so that it dumps a PVH guest in seconds: see holes.c."""
    path = os.path.join(tmp_path, "holes.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holes.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-s", "-o", path, source], check=True)
    with open(path, "rb") as library:
        upload(dom0, library.read(), "/tmp/holes.so")
    return "LD_PRELOAD=/tmp/holes.so"


def pvh_core_check(dom0, path, code):
    """A core of a guest that ran PVH_MARK: its registers, and its words where it wrote them."""
    registers, frames = core_check(dom0, path, 4, 1, STACK_MARKS)
    assert frames == [PVH_MARKED_FRAME] * len(STACK_MARKS), frames
    found = dict(zip(("ebp", "edx", "esi", "edi", "esp"), (registers[at] for at in (4, 12, 13, 14, 19))))
    assert found == PVH_MARKS, f"expected {PVH_MARKS}, found {found}"
    assert LOAD <= registers[16] < LOAD + len(code), f"rip is {registers[16]:#x}"


def test_dump_core_of_a_running_pvh_guest_has_what_it_is(guest_make, dom0, without_holes):
    code = assemble(f"{PVH_MARK}\n0: jmp 0b", "pvh")
    guest = guest_make.tiny("core-running", code, "pvh").create()
    dom0.check(f"{without_holes} xl dump-core {guest.name} /srv/core", 120)
    pvh_core_check(dom0, "/srv/core", code)
    dom0.check("rm /srv/core")
    before = guest.cpu_seconds()
    dom0.check("sleep 1")
    assert "p" not in guest.state() and guest.cpu_seconds() > before, "the guest does not go on"


def test_crash_of_a_pvh_guest_leaves_a_core_and_destroys_it(guest_make, dom0, without_holes):
    code = assemble(f"{PVH_MARK}\n{sched_op('pvh', SCHEDOP_SHUTDOWN, SHUTDOWN['crash'])}", "pvh")
    guest = guest_make.tiny("core-pvh", code, "pvh", 'on_crash = "coredump-destroy"').create(environment=without_holes)
    guest.wait_state(lambda state: state is None, timeout=120)
    pvh_core_check(dom0, f"{CORES}/{guest.name}", code)
    dom0.check(f"rm {CORES}/{guest.name}")


@pytest.mark.cpus(4)    # xl waits a minute each time: on this machine time in which nobody works is skipped
def test_reboot_and_shutdown_asked_of_a_guest_that_does_not_listen_change_nothing(guest_make, dom0):
    guest = guest_make.tiny("deaf", block()).create()
    ident = guest.ident()
    dom0.run("xl shutdown deaf; xl reboot deaf; sleep 3")
    assert guest.ident() == ident and not (guest.state() & set("scd"))
    dom0.check("xl destroy deaf")
    guest.wait_state(lambda state: state is None, timeout=20)


@pytest.mark.parametrize("rounds", [4, pytest.param(10, marks=pytest.mark.long)])
def test_rounds_of_create_and_destroy_leave_free_memory_where_it_was(guest_make, dom0, rounds):
    """Every second round has a disk and a network, whose hotplug scripts are what takes long here."""
    plain = guest_make("plain", vcpus=2)
    full = guest_make("full", vcpus=2, disk=True, address="192.168.77.30")
    dom0.check(f"truncate -s 8M {full.image}")

    def one_round(guest, seconds):
        guest.create()
        dom0.check(f"sleep {seconds}; xl destroy {guest.name}")

    one_round(full, 1)      # what domain 0 allocates once
    before = free_memory(dom0)
    for number in range(rounds):
        one_round(full if number % 2 else plain, number % 3)
    after = free_memory(dom0)
    assert after == before, f"free memory was {before} MiB before {rounds} rounds and is {after} MiB now"


ROUNDS = 50
# In domain 0: the hypervisor's free memory in bytes, where xl info has whole MiB.
FREE_BYTES = ("import ctypes as c; l = c.CDLL('libxenctrl.so.4.17'); l.xc_interface_open.restype = c.c_void_p; "
              "h = c.c_void_p(l.xc_interface_open(None, None, 0)); n = c.c_uint64(); "
              "assert l.xc_availheap(h, 0, 0, -1, c.byref(n)) == 0; print(n.value)")


def accounts(dom0, hypervisor):
    """What must not change from domains that come and go: free bytes, claims, and of our hypervisor also domain 0's
    references and pages, and the result of the audit of frames."""
    free_memory(dom0)       # waits until no domain is dying any more
    found = {"free": int(dom0.check(f'python3 -c "{FREE_BYTES}"')),
             "claims": re.search(r"^outstanding_claims *: (\d+)$", dom0.check("xl info"), re.M).group(1)}
    if hypervisor != "reference":
        log = dom0.check("xl dmesg -c > /dev/null; xl debug-keys qF; sleep 1; xl dmesg", 90).replace("\r", "")
        found["domain 0"] = re.search(r"d0: alive, \d+ references.*\n.*pages of at most.*", log).group()
        found["domains"] = re.findall(r"\bd(\d+): ", log)
        found["audit"] = re.findall(r"audit of frames: (\d+) wrong", log)
    return found


@pytest.mark.long
def test_fifty_rounds_of_create_and_destroy_leave_every_count_where_it_was(guest_make, dom0, lab):
    """In two streams at once, so that a domain is made while another one goes."""
    streams = [guest_make.tiny(name, SPIN) for name in ("round1", "round2")]
    for guest in streams:
        guest.create()
    dom0.check("; ".join(f"xl destroy {guest.name}" for guest in streams))
    before = accounts(dom0, lab.hypervisor)
    first = int(dom0.check("xl create -q /tmp/round1.cfg; xl domid round1; xl destroy round1"))
    rounds = " & ".join(f"(for i in $(seq {ROUNDS // 2}); do xl create -q {guest.config_path} && xl destroy {guest.name} "
                        f"|| echo {guest.name} $i failed; done)" for guest in streams)
    assert dom0.check(f"{rounds} & wait", 300) == ""
    last = int(dom0.check("xl create -q /tmp/round1.cfg; xl domid round1; xl destroy round1"))
    assert last - first == ROUNDS + 1, f"{ROUNDS} rounds between domain {first} and domain {last}"
    after = accounts(dom0, lab.hypervisor)
    assert after == before
    if "audit" in after:
        assert after["audit"] == ["0"] and after["domains"] == ["0"], after
