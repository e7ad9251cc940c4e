# SPDX-License-Identifier: BSD-2-Clause
"""The ends of guests, and what is left of them."""
from guests import free_memory


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
