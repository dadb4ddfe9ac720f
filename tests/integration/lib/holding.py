"""Holds up one reactor of a server, as a debugger does (ptrace), so that the others run ahead.
Knows a reactor by its thread's name, and its sleep by its system call; nothing else of it.
"""
import contextlib
import ctypes
import errno
import os
import pathlib

from lib import check

PTRACE_DETACH, PTRACE_SYSCALL = 17, 24
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_GET_SYSCALL_INFO = 0x4206, 0x4207, 0x420e
OPTION_TRACESYSGOOD = 1
SYSCALL_ENTRY = 1
WALL = 0x40000000  # __WALL: threads too
# epoll_wait, epoll_pwait and epoll_pwait2 of x86-64, epoll_pwait of arm64, io_uring_enter of both
WAITING = (232, 281, 441, 22, 426)
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def reactor_threads(server):
    """Thread ids, by number of the reactor."""
    named = {}
    for task in pathlib.Path(f'/proc/{server.process.pid}/task').iterdir():
        with contextlib.suppress(OSError):  # the kernel's own workers come and go
            named[(task / 'comm').read_text().strip()] = int(task.name)
    found = [named[name] for name in sorted(named) if name.startswith('uproar-')]
    check.true(len(found) > 1, f'no threads named uproar-N: {named}')
    return found


def trace(request, thread, address=None, data=None):
    """Where a container forbids it, nothing can be tested; any other failure is one."""
    if LIBC.ptrace(request, thread, address, data) < 0:
        problem = ctypes.get_errno()
        if request == PTRACE_SEIZE and problem == errno.EPERM:
            raise check.Skipped('ptrace is forbidden here')
        raise OSError(problem, f'ptrace: {os.strerror(problem)}')


class SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info, as far as we look."""
    _fields_ = [('op', ctypes.c_uint8), ('padding', ctypes.c_uint8 * 3), ('arch', ctypes.c_uint32),
                ('instruction', ctypes.c_uint64), ('stack', ctypes.c_uint64),
                ('number', ctypes.c_uint64), ('arguments', ctypes.c_uint64 * 6)]


def is_about_to_wait(thread):
    info = SyscallInfo()
    trace(PTRACE_GET_SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.addressof(info))
    return info.op == SYSCALL_ENTRY and info.number in WAITING


def run_until_it_waits(thread):
    """A wait that is interrupted ends without events. Let go of at the next one's beginning, it
    finds all that has come at once."""
    while not is_about_to_wait(thread):
        trace(PTRACE_SYSCALL, thread)
        os.waitpid(thread, WALL)


@contextlib.contextmanager
def held(thread, anywhere=False):
    """It stands still inside: where it is about to wait for events, or anywhere. To be left on the
    Python thread that entered."""
    trace(PTRACE_SEIZE, thread, None, OPTION_TRACESYSGOOD)
    trace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)  # only what is stopped can be let go
    try:
        if not anywhere:
            run_until_it_waits(thread)
        yield
    finally:
        trace(PTRACE_DETACH, thread)
