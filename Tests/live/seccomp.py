"""Runs a command under a seccomp filter that refuses bpf(2), as container runtimes' profiles do.

seccomp.py ERRNO COMMAND...    ERRNO: its name, EPERM or ENOSYS
"""

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
#: asm/unistd_64.h, asm-generic/unistd.h
BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000

program = b"".join(struct.pack("HBBI", *instruction) for instruction in (
    (LOAD_WORD, 0, 0, 0),  # seccomp_data.nr
    (JUMP_IF_EQUAL, 0, 1, BPF),
    (RETURN, 0, 0, FAIL | getattr(errno, sys.argv[1])),
    (RETURN, 0, 0, ALLOW),
))
instructions = ctypes.create_string_buffer(program)
filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program)):
    if libc.prctl(*arguments, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[2], sys.argv[2:])
