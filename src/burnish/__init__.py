"""Burnish watches compiled x86-64 code run, learns from what it sees, and rebuilds it so that it runs faster.

The public face. Names are imported when they are first used, so that ``import burnish`` costs nothing. Where a verb
and a package have one name (``record``), the name is the verb's: ``from burnish.record.store import …`` still finds
the package."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.pipeline.annotate import annotate as annotate
    from burnish.pipeline.compare import diff as diff
    from burnish.pipeline.coverage import coverage as coverage
    from burnish.pipeline.doctor import doctor as doctor
    from burnish.pipeline.export import export as export
    from burnish.pipeline.face import merge as merge
    from burnish.pipeline.face import optimize as optimize
    from burnish.pipeline.face import record as record
    from burnish.pipeline.face import verify as verify
    from burnish.pipeline.factorize import factorize as factorize
    from burnish.pipeline.importing import import_profile as import_profile
    from burnish.pipeline.profile import profile as profile
    from burnish.pipeline.revert import revert as revert
    from burnish.pipeline.session import load as load
    from burnish.pipeline.show import show as show
    from burnish.pipeline.superblocks import superblocks as superblocks
    from burnish.record.store import open_recording as open_recording

__version__ = "0.1.0"

_HOME = {
    "annotate": "burnish.pipeline.annotate",
    "coverage": "burnish.pipeline.coverage",
    "diff": "burnish.pipeline.compare",
    "doctor": "burnish.pipeline.doctor",
    "export": "burnish.pipeline.export",
    "factorize": "burnish.pipeline.factorize",
    "import_profile": "burnish.pipeline.importing",
    "load": "burnish.pipeline.session",
    "merge": "burnish.pipeline.face",
    "open_recording": "burnish.record.store",
    "optimize": "burnish.pipeline.face",
    "profile": "burnish.pipeline.profile",
    "record": "burnish.pipeline.face",
    "revert": "burnish.pipeline.revert",
    "show": "burnish.pipeline.show",
    "superblocks": "burnish.pipeline.superblocks",
    "verify": "burnish.pipeline.face",
}

__all__ = [
    "__version__",
    "annotate",
    "coverage",
    "diff",
    "doctor",
    "export",
    "factorize",
    "import_profile",
    "load",
    "merge",
    "open_recording",
    "optimize",
    "profile",
    "record",
    "revert",
    "show",
    "superblocks",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from where it lives (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


class _Face(ModuleType):
    """A package whose submodules do not hide its verbs."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
