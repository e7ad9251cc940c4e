# SPDX-License-Identifier: BSD-2-Clause
"""Boots that do not get as far as domain 0: many CPUs, and what the hypervisor says when something is missing.

A message tells what was expected, what was found and what to do; so each test looks for these parts.
"""
import os
import re
import time

import pytest

from rig.machine import SLOW, Machine

rates = []         # what each clock source measured

pytestmark = [pytest.mark.bare, pytest.mark.xylem]


@pytest.fixture
def boot(request, tmp_path):
    machines = []

    def start(modules=(), **options):
        qemu_options = list(options.pop("qemu", ()))
        if modules:
            qemu_options += ["-initrd", ",".join(str(module) for module in modules)]
        machine = Machine(hypervisor=request.config.getoption("--hypervisor"), modules=False,
                          name=f"messages-{request.node.name.split('[')[0]}", qemu=qemu_options, **options)
        machines.append(machine)
        return machine

    yield start
    for machine in machines:
        machine.close()


@pytest.mark.parametrize("count", [3, 8, 64])
def test_all_cpus_come_up(boot, count):
    """On one time line, too, however late each of them is."""
    machine = boot(cpus=count, memory=512)
    machine.expect(rf"SMP: {count} CPUs online", timeout=90 if count <= 8 else 400, fatal=False)
    machine.expect(r"clock: stable for guests", timeout=90 if count <= 8 else 400, fatal=False)
    assert "its own line" not in machine.text(), "a CPU's counter was taken for another one"


def test_without_a_kernel_it_says_how_to_give_one(boot):
    machine = boot(cpus=1, memory=256)
    machine.expect(r"No domain 0 kernel: expected it as the first boot module .*QEMU: -initrd .*found no modules",
                   timeout=30, fatal=False)


def test_a_broken_kernel_is_named_and_explained(boot, tmp_path):
    broken = tmp_path / "vmlinuz"
    broken.write_bytes(os.urandom(100000))
    machine = boot([broken], cpus=1, memory=256)
    machine.expect(r"Domain 0: the kernel \(first boot module\) cannot be used: ", timeout=30, fatal=False)


def test_a_kernel_cut_short_does_not_unpack(boot, tmp_path):
    from rig import qemu
    with open(qemu.image_find("vmlinuz"), "rb") as kernel:
        data = bytearray(kernel.read())
    for place in range(len(data) // 2, len(data) // 2 + 64):
        data[place] ^= 0xff
    damaged = tmp_path / "vmlinuz"
    damaged.write_bytes(data)
    machine = boot([damaged], cpus=1, memory=1024)
    machine.expect(r"Domain 0: the kernel cannot be unpacked \(xz\): ", timeout=90, fatal=False)


def test_too_little_memory_says_how_much_is_needed(boot):
    from rig import qemu
    machine = boot([qemu.image_find("vmlinux")], cpus=1, memory=512, cmdline="dom0_mem=64M")
    machine.expect(r"Domain 0: 64 MiB is too little, .* take \d+ MiB: raise dom0_mem", timeout=60, fatal=False)


def test_a_negative_dom0_mem_is_what_to_leave(boot):
    from rig import qemu
    machine = boot([qemu.image_find("vmlinux")], cpus=1, memory=1024, cmdline="dom0_mem=-600M")
    found = machine.expect(r"Domain 0: (\d+) MiB, 1 vcpus", timeout=60, fatal=False)
    assert 300 < int(found.group(1)) < 424, "expected the heap's size less 600 MiB"


def test_a_processor_without_long_mode_is_refused(boot):
    machine = boot(cpus=1, memory=256, cpu="qemu32", qemu=["-vga", "none"])
    machine.expect(r"64-bit", timeout=30, fatal=False)


def test_unknown_options_are_reported_once_and_not_fatal(boot):
    machine = boot(cpus=1, memory=256, cmdline="no_such_option=7 maxcpus=1")
    machine.expect(r"^\(XEN\) Options not known here: no_such_option$", timeout=30, fatal=False)
    machine.expect(r"No domain 0 kernel", timeout=30, fatal=False)
    assert machine.text().count("no_such_option") == 2, "expected it in the command line and in one report"


def test_options_about_cpus_and_memory(boot):
    """Each is seen in what is said at boot; test_grub.py sees what domain 0 makes of them."""
    machine = boot(cpus=2, memory=512, cmdline="nosmp mem=200M cpuid=no-lm,NO-AVX2,xsave=0,no-speed tsc=unstable "
                                               "console_timestamps=datems sync_console vga=gfx-640x480 "
                                               "sched=null")
    machine.expect(r"cpuid=no-lm: nothing runs without it, kept", timeout=30, fatal=False)
    machine.expect(r"cpuid=: no such feature: no-speed", timeout=30, fatal=False)
    machine.expect(r"199 MiB of memory", timeout=30, fatal=False)
    machine.expect(r"^\(XEN\) \[20\d\d-[01]\d-[0-3]\d [0-2]\d:[0-5]\d:[0-5]\d\.\d{3}\] ", timeout=30, fatal=False)
    machine.expect(r"SMP: turned off", timeout=30, fatal=False)
    machine.expect(r"clock: not stable for guests", timeout=30, fatal=False)
    machine.expect(r"No domain 0 kernel", timeout=30, fatal=False)
    assert "sync_console: every character is waited for" in machine.text()
    assert "sched=null is not offered, using credit2" in machine.text()
    assert re.findall(r"Option (.*) makes no sense", machine.text()) == ['vga: the value "gfx-640x480"']


@pytest.mark.parametrize("word, stable", [("skewed", False), ("stable:socket", True)])
def test_what_tsc_says_is_taken_for_true(boot, word, stable):
    machine = boot(cpus=2, memory=256, cmdline=f"tsc={word}")
    found = machine.expect(r"clock: (stable|not stable) for guests", timeout=60, fatal=False)
    assert (found.group(1) == b"stable") == stable


@pytest.mark.parametrize("word, name", [("hpet", "HPET"), ("acpi", "ACPI PM timer"), ("pit", "PIT")])
def test_every_clock_source_measures_the_same_rate(boot, word, name):
    """Two of them at the same moment would be better; but the counter's rate is the machine's, so any error shows."""
    machine = boot(cpus=2, memory=256, cmdline=f"clocksource={word}")
    found = machine.expect(rf"clock: TSC at (\d+)\.\d+ MHz, measured with the {name} ", timeout=60, fatal=False)
    rates.append(int(found.group(1)))
    machine.expect(r"clock: stable for guests", timeout=60, fatal=False)
    assert max(rates) <= min(rates) * 1.01, f"expected the same within 1 %, found {rates} MHz"


def test_the_second_serial_port_is_a_console(boot, tmp_path):
    machine = boot(cpus=1, memory=256, cmdline="console=com2 com2=115200,8n1 noreboot",
                   qemu=["-serial", f"file:{tmp_path}/com2"])
    output, text = tmp_path / "com2", ""
    deadline = time.monotonic() + 60 * SLOW
    while "No domain 0 kernel" not in text:
        text = output.read_text(errors="replace") if output.exists() else ""
        assert machine.running() and time.monotonic() < deadline, f"com2 shows only: {text}"
        time.sleep(0.2)
    assert "com2 at port 0x2f8: by interrupt" in text
    assert "(XEN)" not in machine.text(), "the first port was not asked for"


def test_the_screen_is_a_console(boot, tmp_path):
    machine = boot(cpus=1, memory=256, cmdline="console=com1,vga noreboot", qemu=["-vga", "std"])
    machine.expect(r"dom0_construct", timeout=60, fatal=False)
    machine.monitor(f'pmemsave 0xb8000 4000 "{tmp_path}/screen"')
    rows = [(tmp_path / "screen").read_bytes()[row * 160:row * 160 + 160:2].decode("ascii") for row in range(25)]
    text = "".join(rows)
    assert "Panic on CPU 0:" in text and "No domain 0 kernel: expected it" in text, "\n".join(rows)


def test_maxcpus_limits_the_cpus_used(boot):
    machine = boot(cpus=4, memory=256, cmdline="maxcpus=2")
    machine.expect(r"SMP: 2 CPUs online", timeout=60, fatal=False)


def test_a_panic_names_registers_and_functions_and_noreboot_keeps_it(boot):
    machine = boot(cpus=2, memory=256, cmdline="noreboot")
    machine.expect(r"Panic on CPU 0:\n.*No domain 0 kernel", timeout=60, fatal=False)
    machine.expect(r"rip e008:ffff82d0[0-9a-f]{8}  rflags [0-9a-f]{8}", timeout=30, fatal=False)
    machine.expect(r"rbp [0-9a-f]{16}  rsp ffff8[0-9a-f]{11}  r8  [0-9a-f]{16}", timeout=30, fatal=False)
    machine.expect(r"Backtrace:\n.*\] (dom0_construct|start_on_guarded_stack)\+0x", timeout=30, fatal=False)
    assert machine.wait(4) is None, "noreboot was asked for, and the machine is gone"


def test_a_panic_restarts_the_machine(boot):
    machine = boot(cpus=2, memory=256)      # QEMU is told to end instead of restarting
    machine.expect(r"Panic on CPU 0:", timeout=60, fatal=False)
    assert machine.wait(60) == 0, "the machine did not restart after its panic"
