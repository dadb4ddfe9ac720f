"""Holds up one reactor of a server, as a debugger does (ptrace), so that the others run ahead of it.
Knows a reactor by its thread's name only.
"""
import contextlib
import ctypes
import os
import pathlib

from lib import check

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL: threads too
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def reactor_threads(server):
    """Thread ids, by number of the reactor."""
    tasks = pathlib.Path(f'/proc/{server.process.pid}/task').iterdir()
    named = {(task / 'comm').read_text().strip(): int(task.name) for task in tasks}
    found = [named[name] for name in sorted(named) if name.startswith('uproar-')]
    check.true(len(found) > 1, f'no threads named uproar-N: {named}')
    return found


def trace(request, thread):
    if LIBC.ptrace(request, thread, None, None) != 0:
        raise check.Skipped(f'ptrace: {os.strerror(ctypes.get_errno())}')


@contextlib.contextmanager
def held(thread):
    """It stands still inside. To be left on the Python thread that entered."""
    trace(PTRACE_SEIZE, thread)
    trace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)  # only what is stopped can be let go
    try:
        yield
    finally:
        trace(PTRACE_DETACH, thread)
