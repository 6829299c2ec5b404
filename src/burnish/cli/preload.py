"""Imports that Ctrl-C cannot break into."""

from __future__ import annotations

import signal
from importlib import import_module

NATIVE = ("lief", "llvmlite.binding", "pypcode", "capstone.x86", "numpy")
"""Modules in C and C++ that are imported when first used. An exception in the middle of that ends the process, or
is lost."""


def preload(*modules: str) -> None:
    """Import ``modules`` and ``NATIVE``; a Ctrl-C meanwhile is raised as ``KeyboardInterrupt`` afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for name in (*modules, *NATIVE):
            import_module(name)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
