"""What a program in the sandbox may use, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one program. Verdicts hang on CPU time, which load does not change, not on wall."""

    cpu: float = 5.0
    """CPU seconds of a process, rounded up to whole ones."""
    wall: float = 15.0
    """Seconds from start to end: for programs that sleep, and three times the CPU's under load."""
    memory: int = 1 << 30
    """Bytes: address space of each process, and resident memory and files of all together."""
    processes: int = 32
    """Processes and threads at once."""
    output: int = 1 << 20
    """Bytes of standard output and standard error, each."""
    disk: int = 64 << 20
    """Bytes of files in ``/tmp`` and as much in ``/dev/shm``; both are memory and vanish."""
    files: int = 128
    """Open files of a process."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a program ended."""

    exit: int
    """Exit status, negative for a signal."""
    stdout: str
    stderr: str
    seconds: float
    """Wall seconds of the program."""
    cpu: float
    """CPU seconds of its first process and those it waited for."""
    isolation: str
    """``full`` or ``weak``."""
    killed_by: str | None
    """``wall``, ``cpu``, ``memory``, ``processes``, ``output``, ``disk``; None for none of them."""
