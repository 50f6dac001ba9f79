"""Contain everything that differs between operating systems; no other file of snsim asks which system it is.

The modules and functions that only POSIX has (`fcntl`, `resource`, `pwd`, owners, `O_NOFOLLOW` ...) are used here and
nowhere else; tests/test_house.py holds this. Each function says what it does on systems without them, as Windows.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import stat
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL
    from types import FrameType

CAN_OPEN_FOLDERS = hasattr(os, "O_DIRECTORY")  # to flush and to lock them; Windows cannot
CAN_MOVE_OPEN_FILES = CAN_OPEN_FOLDERS  # and remove them

_GROUPS = Path("/sys/fs/cgroup")  # where Linux has the control group of a container

_OBJECTS = 100_000  # made between two looks for garbage
_DELAY = 0.02  # seconds after which a lost interrupt is sent again
_BEGINNINGS = ("create_module", "exec_module")  # the functions of a loader that run code of a module

_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows changes line ends without it; POSIX has no such flag
_READING = os.O_RDONLY | _BINARY
for _flag in ("O_NONBLOCK", "O_NOCTTY"):  # a pipe is not waited for, and a terminal stays a file; Windows has neither
    _READING |= getattr(os, _flag, 0)


# ---- Files and folders -------------------------------------------------------------------------------------------


def open_to_read(path: str | os.PathLike[str], follow_link: bool = True) -> int:
    """Open a file to read its bytes, without waiting for a pipe. OSError if it cannot be opened.

    Without `follow_link` a link is refused. Windows follows it: there only users with a special right make links.
    """
    return os.open(path, _READING | (0 if follow_link else getattr(os, "O_NOFOLLOW", 0)))


def open_new(path: str | os.PathLike[str]) -> int:
    """Create a file and open it to write bytes. FileExistsError if there is one; OSError if it cannot be created."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)


def open_folder(folder: str | os.PathLike[str], follow_link: bool = True) -> int | None:
    """Open a folder to flush or lock it. OSError if it cannot be opened.

    Return None on Windows, which opens no folders.
    """
    if not CAN_OPEN_FOLDERS:
        return None
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | (0 if follow_link else os.O_NOFOLLOW))


def open_to_flush(path: Path) -> int | None:
    """Open a file or folder to flush it to the disk. OSError if it cannot be opened.

    Windows flushes files that are open to write, and no folders: None for a folder.
    """
    if CAN_OPEN_FOLDERS:
        return os.open(path, os.O_RDONLY)
    return None if path.is_dir() else os.open(path, os.O_RDWR)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk. Windows flushes no folders: nothing is done there."""
    if (descriptor := open_folder(folder)) is not None:
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed. Return False if another process has the lock.

    OSError where the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        from filelock import lock_descriptor

        return lock_descriptor(descriptor, blocking=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def set_mode(descriptor: int, mode: int) -> None:
    """Give an open file the permissions of a mode. On Windows they come from the folder: nothing is done there."""
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, stat.S_IMODE(mode))


# ---- Users -------------------------------------------------------------------------------------------------------


def user_number() -> int | None:
    """Return the number of the user who owns the files of this process; None on Windows, where files have no number."""
    return os.getuid() if hasattr(os, "getuid") else None


def user_name(number: int) -> str | None:
    """Return the name of the user with a number; None if there is no such user, and on Windows."""
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return None


# ---- The machine -------------------------------------------------------------------------------------------------


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process has had so far; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss: see getrusage(2) of each system
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine_memory() -> int | None:
    """Return the memory of this machine in bytes; None on Windows, and where the system does not tell it."""
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return size if size > 0 else None


def limit_memory(most: int) -> None:
    """Limit the memory of this process to `most` bytes; more is a MemoryError. Nothing is done on Windows."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))


def usable_cores(groups: Path = _GROUPS) -> int:
    """Return the number of cores that this process may use. On macOS and Windows these are all cores.

    A container may have a share of them: the file cpu.max of its control group (version 2, cgroups(7)) has the
    microseconds of all cores together in each period, or "max", and the length of the period.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        share, period = (int(number) for number in (groups / "cpu.max").read_text(encoding="ascii").split())
        cores = min(cores, max(1, -(-share // max(1, period))))
    return cores


def default_threads() -> int:
    """Return the number of threads to compute with: the cores of this process, or OMP_NUM_THREADS if that is less.

    PyTorch and NumPy obey that variable too.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a number for each level of nesting
    cores = usable_cores()
    return max(1, min(cores, int(stated))) if stated.isascii() and stated.isdigit() else cores


def processor_name() -> str:
    """Return the name of the processor, as Linux gives it, or else as Python knows it."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import platform  # slow to import, and a run only needs it

    return platform.processor() or platform.machine()


def platform_name() -> str:
    """Return the name of the system, its version, the kind of processor and the C library.

    It is that of `platform.platform`, which starts a process to ask for the processor. On Linux that is in no name.
    """
    import platform

    if sys.platform != "linux":
        return platform.platform()
    system = os.uname()
    return "-".join([system.sysname, system.release, system.machine, "with", "".join(platform.libc_ver())])


@cache
def c_library() -> CDLL:
    """Return the C library of this process: on Windows the universal C runtime."""
    import ctypes

    return ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)


@cache
def yield_address() -> int:
    """Return the address of a function without arguments that lets other threads of this core go first."""
    import ctypes

    function = ctypes.CDLL("kernel32").SwitchToThread if sys.platform == "win32" else c_library().sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def collect_garbage_rarely() -> None:
    """Let Python look for garbage only after many new objects, and no more when the process ends.

    At the 700 objects of Python, a long text takes a third more time. The start of a run makes 55,000, and a look at
    them would take 10 ms. At its end, Python would look several times, at all that is alive.
    """
    gc.set_threshold(_OBJECTS)
    atexit.register(gc.freeze)


# ---- Interrupts --------------------------------------------------------------------------------------------------


def interrupt_main_thread() -> None:
    """Raise KeyboardInterrupt in the main thread. A sleep or a wait there ends too; on Windows it ends first."""
    if hasattr(signal, "pthread_kill") and (main := threading.main_thread().ident) is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        import _thread

        _thread.interrupt_main()


def interrupt_soon() -> None:
    """Interrupt the main thread a moment later, when it may be at a place where Python can raise the exception."""
    timer = threading.Timer(_DELAY, interrupt_main_thread)
    timer.daemon = True
    timer.start()


def handle_interrupt(number: int, frame: FrameType | None) -> None:
    """Handle SIGINT: raise KeyboardInterrupt, but while an extension module begins, interrupt again a moment later.

    Such a module may drop the exception: those of Cython clear what a registration with `collections.abc` raises.
    """
    from importlib.machinery import ExtensionFileLoader

    while frame is not None:
        if frame.f_code.co_name in _BEGINNINGS and isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return interrupt_soon()
        frame = frame.f_back
    raise KeyboardInterrupt


def allow_open_files(count: int) -> int:
    """Raise the number of files that this process may open to `count`, or to the limit of the system; return it."""
    try:
        import resource
    except ImportError:  # Windows sets no such limit
        return count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= count:
        return count
    allowed = count if hard == unlimited else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
