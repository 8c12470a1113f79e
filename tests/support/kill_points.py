"""``python -m tests.support.kill_points N COMMAND…``: run a command and kill it at its Nth change of a file.

The kernel stops the command before each system call that writes (selected by a seccomp filter, reported by ptrace), in
any of its processes, rollstep's own and git's.  Before call N all processes are killed with SIGKILL at once, as when a
machine loses power; N = 0 lets them run.  The last printed line has the number of such calls and the command's exit
code, -9 for a killed command.

This needs Linux on x86-64 or arm64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field

CALLS = {
    "x86_64": {
        "write": 1,
        "open": 2,
        "pwrite64": 18,
        "writev": 20,
        "sendfile": 40,
        "fsync": 74,
        "fdatasync": 75,
        "truncate": 76,
        "ftruncate": 77,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "creat": 85,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "chmod": 90,
        "fchmod": 91,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "symlinkat": 266,
        "fchmodat": 268,
        "syncfs": 306,
        "renameat2": 316,
        "copy_file_range": 326,
    },
    "aarch64": {
        "mkdirat": 34,
        "unlinkat": 35,
        "symlinkat": 36,
        "linkat": 37,
        "renameat": 38,
        "truncate": 45,
        "ftruncate": 46,
        "fchmod": 52,
        "fchmodat": 53,
        "openat": 56,
        "write": 64,
        "writev": 66,
        "pwrite64": 68,
        "sendfile": 71,
        "fsync": 82,
        "fdatasync": 83,
        "syncfs": 267,
        "renameat2": 276,
        "copy_file_range": 285,
    },
}
"""Numbers of the system calls that change files or make changes durable (Linux 6.1, by architecture)."""

ON_A_DESCRIPTOR = {
    "write": 0,
    "pwrite64": 0,
    "writev": 0,
    "ftruncate": 0,
    "fsync": 0,
    "fdatasync": 0,
    "syncfs": 0,
    "fchmod": 0,
}
"""Calls that take a descriptor, with the position of that argument; a pipe or terminal is not a file."""

OPENS = {"open": 1, "openat": 2}
"""Calls that change files only with some flags, with the position of that argument."""

TRACE_ME, CONT, SET_OPTIONS, GET_SYSCALL_INFO = 0, 7, 0x4200, 0x420E
OPTIONS = 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000  # fork, vfork, clone, exec, seccomp, kill on exit
SECCOMP_STOP = 7
WALL = 0x40000000
SET_NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2
ALLOW, TRACE = 0x7FFF0000, 0x7FF00000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def available() -> bool:
    """Return whether this machine supports it."""
    return sys.platform == "linux" and platform.machine() in CALLS


def ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    done = int(libc.ptrace(request, pid, address, data))
    if done < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")
    return done


def filter_calls(numbers: list[int]) -> None:
    """Make the kernel stop this process and its children before each of these calls."""
    # Load the call's number; jump to the last instruction for one of these calls; allow any other.
    program = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    for position, number in enumerate(numbers):
        program.append(struct.pack("HBBI", 0x15, len(numbers) - position, 0, number))
    program += [struct.pack("HBBI", 0x06, 0, 0, ALLOW), struct.pack("HBBI", 0x06, 0, 0, TRACE)]
    code = ctypes.create_string_buffer(b"".join(program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    if libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@dataclass
class Tracer:
    """Runs one command and counts its changes to files."""

    kill_at: int
    count: int = 0
    living: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names = {number: name for name, number in CALLS[platform.machine()].items()}

    def run(self, command: list[str]) -> int:
        """Run ``command`` and return its exit code, -9 if it was killed."""
        first = os.fork()
        if first == 0:
            try:
                ptrace(TRACE_ME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                filter_calls(sorted(self.names))
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        os.waitpid(first, 0)
        ptrace(SET_OPTIONS, first, 0, OPTIONS)
        self.living.add(first)
        ptrace(CONT, first)
        code = -9
        while self.living:
            pid, status = os.waitpid(-1, WALL)
            if os.WIFSTOPPED(status):
                self._go_on(pid, status)
                continue
            self.living.discard(pid)
            if pid == first and os.WIFEXITED(status):
                code = os.WEXITSTATUS(status)
        return code

    def _go_on(self, pid: int, status: int) -> None:
        sent, event = os.WSTOPSIG(status), status >> 16
        if event == SECCOMP_STOP and self._changes_a_file(pid):
            self.count += 1
            if self.count == self.kill_at:
                for living in self.living:
                    with suppress(ProcessLookupError):
                        os.kill(living, signal.SIGKILL)
                return
        new = pid not in self.living
        self.living.add(pid)
        # A new process begins with a stop, which is not a signal for it.
        passed = 0 if event or sent == signal.SIGTRAP or (new and sent == signal.SIGSTOP) else sent
        with suppress(OSError):
            ptrace(CONT, pid, 0, passed)

    def _changes_a_file(self, pid: int) -> bool:
        raw = ctypes.create_string_buffer(96)
        ptrace(GET_SYSCALL_INFO, pid, len(raw), ctypes.addressof(raw))
        number, *arguments = struct.unpack_from("7Q", raw.raw, 24)
        name = self.names[number]
        if name in OPENS:
            return bool(arguments[OPENS[name]] & (os.O_CREAT | os.O_TRUNC))
        if name in ON_A_DESCRIPTOR:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{ctypes.c_int(arguments[0]).value}")
            except OSError:
                return False
            return target.startswith("/") and not target.startswith(("/dev/", "/proc/"))
        return True


def main(kill_at: int, command: list[str]) -> None:
    tracer = Tracer(kill_at)
    code = tracer.run(command)
    print(f"\n{tracer.count} {code}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
