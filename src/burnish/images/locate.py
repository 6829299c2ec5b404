"""Finds the file that a name means, as the dynamic loader would (ld.so(8))."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# ld.so's built-in directories; Debian's multi-architecture ones come first there too.
_DEFAULT_DIRECTORIES = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
)


def locate(file: str | os.PathLike[str]) -> Path:
    """The path that ``file`` means: itself where it exists or has a directory part; else the shared library of
    that name in ``LD_LIBRARY_PATH``, the loader's cache or the standard directories; else itself."""
    name = os.fspath(file)
    path = Path(name)
    if "/" in name or not name or path.exists():
        return path
    searched = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for directory in filter(None, searched):
        if (candidate := Path(directory) / name).is_file():
            return candidate
    for candidate in (*_loader_cache(name), *(Path(d) / name for d in _DEFAULT_DIRECTORIES)):
        if candidate.is_file():
            return candidate
    return path


def _loader_cache(name: str) -> list[Path]:
    """What the loader's cache has for the library ``name``; nothing where it cannot be asked."""
    if ".so" not in name:
        return []
    for program in ("/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"):
        try:
            done = subprocess.run([program, "-p"], capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        rows = (line.split() for line in done.stdout.splitlines())
        return [Path(row[-1]) for row in rows if row and row[0] == name and "x86-64" in " ".join(row)]
    return []
