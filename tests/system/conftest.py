# SPDX-License-Identifier: BSD-2-Clause
"""Guests of the system tests: made for one test, or kept between the tests of a file."""
import pytest

from guests import Guest


def guest_remove(guest):
    """Whatever the test did with it: the guest, its disk and its saved image are gone afterwards."""
    if guest.dom0.machine.running():
        guest.destroy()
        guest.dom0.run(f"rm -f /srv/{guest.name}.save")


@pytest.fixture
def guest_make(dom0):
    """Makes guests that are gone after the test, whatever happens."""
    made = []

    def make(*args, **options):
        made.append(Guest(dom0, *args, **options))
        return made[-1]
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
    One that is gone, paused or crashed, or of a machine that died, is made again."""
    def keep(name, *args, **options):
        guest = guest_shelf.get(name)
        if guest is None or guest.dom0 is not dom0 or not (guest.state() or {"c"}).isdisjoint("pscd"):
            guest = guest_shelf[name] = Guest(dom0, name, *args, **options)
            guest.destroy()
            guest.create().wait_ready()
        return guest
    return keep
