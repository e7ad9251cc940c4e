# SPDX-License-Identifier: BSD-2-Clause
"""What QEMU is started with: the same machine and command line for our hypervisor and for the reference.

QEMU speaks Multiboot 1: -kernel is the hypervisor, -append its options, and -initrd names the modules, separated
by commas, each with its own options after a space; a comma inside is doubled.
"""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGES = os.path.join(ROOT, "build", "images")
LOGS = os.path.join(ROOT, "build", "logs")

HYPERVISOR_OPTIONS = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=1024M"
DOM0_OPTIONS = "console=hvc0 earlyprintk=xen loglevel=6 nokaslr"

# -smap: this QEMU takes an iretq at CPL 3 for a supervisor access. The other three trip the reference here.
CPU_OWN = "max,-smap"
CPU_REFERENCE = "max,-smap,-rdtscp,-xsave,-pcid"

# icount: 2**icount nanoseconds of guest time for an instruction
ICOUNT_EXACT = 0        # a tick of the time stamp counter is an instruction
ICOUNT_TURNS = 3        # about what the emulator needs for one: a guest's second of work is a second here


class SetupError(Exception):
    """Something the machine needs is not there; the text says what and what to do."""


def hypervisor_find(name):
    """(path, is the reference) of a --hypervisor argument: a file, or the word "reference"."""
    reference = name == "reference"
    path = os.path.join(IMAGES, "xen-reference") if reference else os.path.join(ROOT, name)
    if not os.path.exists(path):
        make = "make HYPERVISOR=reference " + os.path.relpath(path, ROOT) if reference else "make"
        raise SetupError(f"no {os.path.relpath(path, ROOT)}: run '{make}' first")
    return path, reference


def image_find(name):
    path = os.path.join(IMAGES, name)
    if not os.path.exists(path):
        raise SetupError(f"no build/images/{name}: run 'make images' first")
    return path


def escape(text):
    return text.replace(",", ",,")


def command_line(hypervisor, cpus=1, memory=3072, cmdline="", dom0_cmdline="", cpu=None, kernel="bzimage",
                 modules=True, machine="pc", icount=None, gdb=False, qemu=(), qmp=None, accel="tcg", cdrom=None,
                 reboot=False):
    """The QEMU command, a list. cmdline and dom0_cmdline are added to the usual options; kernel is "bzimage",
    "elf" or a path; memory is in MiB; qmp is a socket path for the monitor. With icount, one of the values above, all
    CPUs take turns in one thread, and time in which all are idle is skipped. A loader on cdrom, when given, brings
    hypervisor, modules and their options. QEMU ends when the machine restarts, unless reboot is set."""
    path, reference = hypervisor_find(hypervisor)
    if icount is not None:
        accel_options = ["-accel", "tcg", "-icount", f"shift={icount},sleep=off"]
    else:
        accel_options = ["-accel", f"{accel},thread=multi" if accel == "tcg" else accel]
    command = ["qemu-system-x86_64", "-machine", machine, *accel_options,
               "-cpu", cpu or (CPU_REFERENCE if reference else CPU_OWN),
               "-smp", str(cpus), "-m", str(memory), "-nodefaults", "-display", "none",
               "-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
    if not reboot:
        command += ["-no-reboot"]
    if cdrom:
        command += ["-cdrom", str(cdrom), "-boot", "d"]
    else:
        command += ["-kernel", path, "-append", f"{HYPERVISOR_OPTIONS} {cmdline}".strip()]
    if modules and not cdrom:
        vmlinuz = {"bzimage": image_find("vmlinuz"), "elf": image_find("vmlinux")}.get(kernel, kernel)
        options = f"{DOM0_OPTIONS} {dom0_cmdline}".strip()
        command += ["-initrd", f"{escape(vmlinuz)} {escape(options)},{escape(image_find('initramfs.gz'))}"]
    if modules:
        command += ["-drive", f"file={image_find('dom0.ext4')},format=raw,if=virtio,snapshot=on"]
    if qmp:
        command += ["-qmp", f"unix:{qmp},server=on,wait=off"]
    if gdb:
        command += ["-s", "-S"]
    return command + list(qemu)
