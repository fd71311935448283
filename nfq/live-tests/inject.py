#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a running process call the system, as somebody would who has taken it over, and tells what came of it.

inject.py PID [CALL...]    prints CALL=ok or CALL=the error's name for each; without a name, all of CALLS below

By ptrace (so as root): the process waits in a system call; its registers are set to those of another one, that one
instruction is stepped over, and everything is put back. x86-64 only; anywhere else it prints "cannot: why".
"""
import ctypes
import errno
import os
import platform
import sys

ATTACH, DETACH, STEP, GETREGS, SETREGS, PEEK, POKE = 16, 17, 9, 12, 13, 2, 5
M64 = (1 << 64) - 1
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
libc.ptrace.restype = ctypes.c_long
NAMES = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs".split()
Regs = type("Regs", (ctypes.Structure,), {"_fields_": [(n, ctypes.c_ulonglong) for n in NAMES]})
AT_FDCWD = -100 & M64
# name: (number, arguments); bytes: the address of that string; "room": that of some room
CALLS = {
    "getpid": (39, ()),
    "open": (2, (b"/etc/passwd", 0)),
    "openat": (257, (AT_FDCWD, b"/etc/passwd", 0)),
    "openat2": (437, (AT_FDCWD, b"/etc/passwd", "room", 24)),
    "creat": (85, (b"/dev/shm/was-here", 0o600)),
    "open-proc": (257, (AT_FDCWD, b"/proc/self/mem", 2)),
    "mkdir": (83, (b"/dev/shm/was-here", 0o700)),
    "unlink": (87, (b"/dev/shm/was-here",)),
    "memfd": (319, (b"x", 0)),
    "socket-inet": (41, (2, 1, 0)),
    "socket-inet6": (41, (10, 2, 0)),
    "socket-unix": (41, (1, 1, 0)),
    "socket-netlink": (41, (16, 3, 12)),
    "socket-packet": (41, (17, 3, 0)),
    "socketpair": (53, (1, 1, 0, "room")),
    "io_uring": (425, (1, "room")),
    "bpf": (321, (0, "room", 8)),
    "execve": (59, (b"/bin/true", 0, 0)),
    "fork": (57, ()),
    "clone": (56, (17, 0, 0, 0, 0)),
    "ptrace": (101, (16, 1)),
    "kill": (62, (1, 0)),
    "setuid": (105, (0,)),
    "unshare": (272, (0x10000000,)),
    "mount": (165, (0, b"/tmp", 0, 0, 0)),
    "chroot": (161, (b"/tmp",)),
    "mmap-exec": (9, (0, 4096, 7, 0x22, M64, 0)),
    "seccomp": (317, (1, 0, "room")),
}


def ptrace(request, pid, addr=None, data=None):
    ctypes.set_errno(0)
    got = libc.ptrace(request, pid, addr, data)
    if got == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace {request}")
    return got


def inject(pid, number, arguments):
    saved, regs = Regs(), Regs()
    ptrace(GETREGS, pid, None, ctypes.addressof(saved))
    instruction = saved.rip - 2
    if ptrace(PEEK, pid, instruction) & 0xFFFF != 0x050F:
        raise OSError(0, "it does not wait in a system call")
    ctypes.memmove(ctypes.addressof(regs), ctypes.addressof(saved), ctypes.sizeof(regs))
    at, texts = (saved.rsp - 4096) & ~15, 0
    values = []
    for a in arguments:
        if a == "room" or isinstance(a, bytes):
            where = at + 512 * texts
            texts += 1
            data = (b"" if a == "room" else a).ljust(64, b"\0")
            for i in range(0, 64, 8):
                ptrace(POKE, pid, where + i, int.from_bytes(data[i:i + 8], "little"))
            a = where
        values.append(a)
    for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values):
        setattr(regs, name, value)
    regs.rax, regs.orig_rax, regs.rip = number, M64, instruction
    ptrace(SETREGS, pid, None, ctypes.addressof(regs))
    ptrace(STEP, pid)
    os.waitpid(pid, 0)
    ptrace(GETREGS, pid, None, ctypes.addressof(regs))
    ptrace(SETREGS, pid, None, ctypes.addressof(saved))
    result = regs.rax - (1 << 64) if regs.rax >> 63 else regs.rax
    return errno.errorcode.get(-result, str(result)) if result < 0 else "ok"


def main():
    pid, names = int(sys.argv[1]), sys.argv[2:] or list(CALLS)
    if platform.machine() != "x86_64" or ctypes.sizeof(ctypes.c_void_p) != 8:
        sys.exit(print("cannot: not on", platform.machine()))
    try:
        ptrace(ATTACH, pid)
    except OSError as e:
        sys.exit(print(f"cannot: {e.strerror}: {os.strerror(e.errno)}"))
    os.waitpid(pid, 0)
    try:
        for name in names:
            print(f"{name}={inject(pid, *CALLS[name])}")
    finally:
        ptrace(DETACH, pid)


main()
