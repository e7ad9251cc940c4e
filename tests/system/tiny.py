# SPDX-License-Identifier: BSD-2-Clause
"""Kernels of a few instructions: there at once, with 4 MiB, for tests that need no operating system in a guest.

A PV guest's code runs in 64-bit kernel mode from its first instruction on, with the stack the builder made and rsi at
struct start_info; a PVH guest's in 32-bit protected mode without paging, at LOAD, with no stack and ebx at struct
hvm_start_info. The ELF file has what the builder asks for: one segment and the notes of xen/elfnote.h.
"""
import base64
import gzip
import os
import struct
import subprocess
import tempfile

from guests import Guest

VIRT_BASE = 0xffffffff80000000
LOAD = 0x100000
NOTE_ENTRY, NOTE_VIRT_BASE, NOTE_PADDR_OFFSET, NOTE_XEN_VERSION, NOTE_GUEST_OS, NOTE_LOADER, NOTE_PAE, \
    NOTE_PHYS32_ENTRY = 1, 3, 4, 5, 6, 8, 9, 18
# struct start_info and struct shared_info (xen/xen.h, xen/arch-x86/xen.h): where their fields are, in bytes
START_PAGES, START_SHARED_INFO, START_PAGE_TABLE, START_FRAMES = 32, 40, 88, 104
SHARED_MAX_PFN, SHARED_P2M_CR3, SHARED_P2M_VADDR = 3088, 3112, 3120
HYPERCALL_MMU_UPDATE, HYPERCALL_UPDATE_VA_MAPPING, HYPERCALL_CONSOLE_IO, HYPERCALL_SCHED_OP = 1, 14, 18, 29
SCHEDOP_BLOCK, SCHEDOP_SHUTDOWN, SCHEDOP_WATCHDOG = 1, 2, 6
SHUTDOWN = {"poweroff": 0, "reboot": 1, "crash": 3, "watchdog": 4}

SPIN = b"\xeb\xfe"                          # jmp .


def assemble(text, kind="pv"):
    """The bytes of code that may run anywhere, of the mode in which such a guest begins."""
    with tempfile.TemporaryDirectory() as folder:
        built = os.path.join(folder, "code")
        mode = ".code32" if kind == "pvh" else ".code64"
        subprocess.run(["as", "--64", "-o", f"{built}.o"], input=f"{mode}\nstart:\n{text}\n".encode(), check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", f"{built}.o", built], check=True)
        with open(built, "rb") as code:
            return code.read()


# What a guest that ends badly has in its registers and on its stack, for those who look at the remains.
MARKS = {name: 0x5ca1ab1e00000000 + number
         for number, name in enumerate(("rbx", "rbp", "r12", "r13", "r14", "r15"), 1)}
STACK_MARKS = 0x57acc0de00000001, 0x57acc0de00000002
MARK = "\n".join([f"movabs ${value:#x}, %rax; push %rax" for value in STACK_MARKS]
                 + [f"movabs ${value:#x}, %{name}" for name, value in MARKS.items()])

# The same of a PVH guest, which has half as much room, no stack, and a place in its memory known from outside.
PVH_MARKS = {name: 0x5ca1ab00 + number for number, name in enumerate(("ebp", "edx", "esi", "edi", "esp"), 1)}
PVH_MARKED_FRAME = 0x234
PVH_MARK = "\n".join([f"movl ${word >> shift & 0xffffffff:#x}, {(PVH_MARKED_FRAME << 12) + 64 + 8 * number + shift // 8:#x}"
                      for number, word in enumerate(STACK_MARKS) for shift in (0, 32)]
                     + [f"mov ${value:#x}, %{name}" for name, value in PVH_MARKS.items()])

# A kernel says where the list of its frames is, so that a dump finds its memory: through the page tables.
PUBLISH_FRAMES = f"""
    mov %rsi, %rbx
    lea shared(%rip), %rdi
    mov {START_SHARED_INFO}(%rbx), %rsi
    or $0x63, %rsi                          # present, writable, accessed, dirty
    mov $2, %edx                            # UVMF_INVLPG
    mov ${HYPERCALL_UPDATE_VA_MAPPING}, %eax
    syscall
    mov {START_PAGES}(%rbx), %rax
    mov %rax, shared + {SHARED_MAX_PFN}(%rip)
    mov {START_PAGE_TABLE}(%rbx), %rax
    sub ${VIRT_BASE - (1 << 64)}, %rax
    shr $12, %rax
    mov {START_FRAMES}(%rbx), %rcx
    mov %rcx, shared + {SHARED_P2M_VADDR}(%rip)
    mov (%rcx, %rax, 8), %rax
    shl $12, %rax
    mov %rax, shared + {SHARED_P2M_CR3}(%rip)
    jmp behind
    .balign 4096
shared: .skip 4096
behind:
"""


def sched_op(kind, operation, *words):
    """Code that makes the hypercall again and again, or once with the address of 32-bit words."""
    call = (f"mov ${operation}, %edi; lea words(%rip), %rsi; syscall" if kind == "pv"
            else f"mov ${operation}, %ebx; mov ${LOAD} + words - start, %ecx; vmmcall")
    return f"""
        0: mov ${HYPERCALL_SCHED_OP}, %eax; {call}
        1: jmp {"1b" if words else "0b"}
        words: .long {", ".join(map(str, words or (0,)))}
    """


def block(kind="pv"):
    return assemble(sched_op(kind, SCHEDOP_BLOCK), kind)


def end(reason, kind="pv"):
    """Code that ends the domain at once, or lets its watchdog do so after a second."""
    if reason == "watchdog":
        return assemble(sched_op(kind, SCHEDOP_WATCHDOG, 0, 1), kind)
    return assemble(sched_op(kind, SCHEDOP_SHUTDOWN, SHUTDOWN[reason]), kind)


def note(kind, value):
    data = value.encode() + b"\0" if isinstance(value, str) else struct.pack("<Q", value)
    return struct.pack("<III", 4, len(data), kind) + b"Xen\0" + data + bytes(-len(data) % 4)


NOTES = {
    "pv": b"".join((note(NOTE_ENTRY, VIRT_BASE + LOAD), note(NOTE_VIRT_BASE, VIRT_BASE), note(NOTE_PADDR_OFFSET, 0),
                    note(NOTE_XEN_VERSION, "xen-3.0"), note(NOTE_GUEST_OS, "tiny"), note(NOTE_LOADER, "generic"),
                    note(NOTE_PAE, "yes"))),
    "pvh": note(NOTE_PHYS32_ENTRY, LOAD),
}


def elf(code, kind):
    """The bytes of a kernel that runs code."""
    notes, base = NOTES[kind], VIRT_BASE if kind == "pv" else 0
    notes_at = 64 + 2 * 56
    code_at = notes_at + len(notes)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, base + LOAD, 64, 0, 0,
                         64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 7, code_at, base + LOAD, LOAD, len(code), max(len(code), 4096),
                       4096)
    note_header = struct.pack("<IIQQQQQQ", 4, 4, notes_at, 0, 0, len(notes), len(notes), 4)
    return header + load + note_header + notes + code


# In domain 0: ends a domain, as a guest that called sched_op itself.
REMOTE_SHUTDOWN = ("import ctypes as c, sys; l = c.CDLL('libxenctrl.so.4.17'); "
                   "l.xc_interface_open.restype = c.c_void_p; h = c.c_void_p(l.xc_interface_open(None, None, 0)); "
                   "sys.exit(-l.xc_domain_shutdown(h, *map(int, sys.argv[1:])))")


class TinyGuest(Guest):
    """A guest that runs code and nothing else."""

    def __init__(self, dom0, name, code, kind="pv", options=""):
        super().__init__(dom0, name, kind=kind, memory=4, kernel=f"tiny-{name}", ramdisk=None, options=options)
        self.code = code

    def prepare(self):
        data = base64.b64encode(gzip.compress(elf(self.code, self.kind))).decode()
        return f"echo {data} | base64 -d | gunzip > /srv/guest/tiny-{self.name}; {super().prepare()}"

    def end(self, reason):
        """Shuts it down from outside, as if it had asked for that."""
        self.dom0.check(f'python3 -c "{REMOTE_SHUTDOWN}" {self.ident()} {SHUTDOWN[reason]}')

    def destroy(self):
        self.dom0.run(f"xl destroy {self.name}; rm -f /srv/guest/tiny-{self.name}")

    def wait_ready(self, timeout=120, count=1):
        return self
