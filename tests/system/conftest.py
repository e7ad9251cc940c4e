# SPDX-License-Identifier: BSD-2-Clause
"""Guests of the system tests: made for one test, or kept between the tests of a file."""
import pytest

from guests import Guest
from tiny import TinyGuest


def guest_remove(guest):
    """Whatever the test did with it: the guest, its disk and its saved image are gone afterwards."""
    if guest.dom0.machine.running():
        guest.destroy()


@pytest.fixture
def guest_make(dom0):
    """Makes guests that are gone after the test, whatever happens: guest_make(name, ...) boots Linux,
    guest_make.tiny(name, code, ...) runs a few instructions."""
    made = []

    def add(guest):
        made.append(guest)
        return guest

    def make(*args, **options):
        return add(Guest(dom0, *args, **options))
    make.tiny = lambda *args, **options: add(TinyGuest(dom0, *args, **options))
    yield make
    for guest in made:
        guest_remove(guest)


@pytest.fixture(scope="module")
def guest_shelf():
    """Guests kept between the tests of a file, by name; use it through guest_keep."""
    kept = {}
    yield kept
    for guest in kept.values():
        guest_remove(guest)


@pytest.fixture
def guest_keep(dom0, guest_shelf):
    """Gives the running guest of a name, which the next tests of the file share: booting one is what takes long.
    One that is gone, paused or crashed, or of a machine that died, is made again. As guest_make, it has tiny ones."""
    def keep(maker, name, *args, **options):
        guest = guest_shelf.get(name)
        state = guest.state() if guest is not None and guest.dom0 is dom0 else None
        if state is None or state & set("pscd"):
            guest = guest_shelf[name] = maker(dom0, name, *args, **options)
            guest.destroy()
            guest.create().wait_ready()
        return guest

    def linux(*args, **options):
        return keep(Guest, *args, **options)
    linux.tiny = lambda *args, **options: keep(TinyGuest, *args, **options)
    return linux
