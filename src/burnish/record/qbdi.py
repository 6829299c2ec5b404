"""QBDI as an observer: what must be there, how a target is started under it, and what it noted.

The target loads ``pyqbdipreload`` and with it a Python, which runs ``qbdi_tool`` in place of ``main``. The wheel of
PyQBDI has no types and is an optional extra: nothing here imports it.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import json
import mmap
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish.core.errors import HostError
from burnish.record import qbdi_tool as tool

EXTRA = "pip install 'burnish[qbdi]'"
_SEPARATORS = " :;"


@dataclass(frozen=True, slots=True)
class Qbdi:
    """An installed QBDI: the libraries that a target must preload, in order, and the one of them that watches."""

    libraries: tuple[str, ...]
    watch: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What the tool noted in one run. Places are addresses in the process: ``native`` where code of the program ran
    outside QBDI, ``unknown`` where code ran that no control flow leads to, ``strange`` where a jump or an access was
    not what it should be. ``bases`` are the load addresses of the images. ``began`` says whether ``main`` was started,
    ``stopped`` whether the run was ended because it was about to leave frames (``longjmp``, an exception)."""

    native: tuple[int, ...]
    unknown: tuple[int, ...]
    strange: tuple[int, ...]
    bases: tuple[int, ...]
    began: bool
    stopped: bool


def is_installed() -> bool:
    """True if the extra is there."""
    return importlib.util.find_spec("pyqbdi") is not None


def find_qbdi() -> Qbdi:
    """What a target must preload. Raises ``HostError`` where something is missing."""
    found = importlib.util.find_spec("pyqbdi")
    if found is None or found.origin is None:
        raise HostError(f"QBDI is not installed; {EXTRA}.")
    module = Path(found.origin)
    preloaded = module.with_name(module.name.replace("pyqbdi", "pyqbdipreloadlib", 1))
    native = importlib.util.find_spec("burnish._native")
    if native is None or native.origin is None:
        raise HostError("The native part of burnish is not installed; run pip install again.")
    watch = Path(native.origin).with_name("burnish_qbdi_watch.so")
    libraries = (_libpython(), str(preloaded), str(watch))
    for library in libraries:
        if any(separator in library for separator in _SEPARATORS):
            raise HostError(f"{library} cannot be preloaded: its path has a space, colon or semicolon in it.")
    for path in (preloaded, watch):
        if not path.exists():
            raise HostError(f"{path} is missing; run pip install again.")
    return Qbdi(libraries, str(watch))


def _libpython() -> str:
    """The shared library of a Python of this version: the one that runs, or the system's."""
    name, folder = sysconfig.get_config_var("INSTSONAME"), sysconfig.get_config_var("LIBDIR")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and name and folder:
        own = Path(str(folder), str(name))
        if own.exists():
            return str(own)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = ctypes.util.find_library(version)
    if library is None:
        raise HostError(f"QBDI needs the shared library of {version}: apt-get install lib{version}.")
    return library


def start_under(
    qbdi: Qbdi, plan: Mapping[str, Any], folder: Path, recording: Mapping[str, str], others: str
) -> tuple[dict[str, str], Path]:
    """What must be set for a target to run under QBDI as ``plan`` says, and the file in which the tool will note what
    went otherwise. ``recording`` is what is set for the areas, ``others`` what is preloaded besides."""
    notes = folder / "qbdi-notes"
    notes.write_bytes(bytes(tool.NOTES_BYTES))
    file = folder / "qbdi-plan.json"
    variables = {
        "LD_PRELOAD": ":".join((*qbdi.libraries, *filter(None, (others,)))),
        # What is bound on first use is bound by code that QBDI must not see.
        "LD_BIND_NOW": "1",
        "PYQBDI_TOOL": tool.__file__,
        "BURNISH_QBDI_PLAN": str(file),
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": str(Path(tool.__file__).parents[2]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONCOERCECLOCALE": "0",
    }
    before = {name: os.environ.get(name) for name in (*variables, *recording)}
    before["LD_PRELOAD"] = others or None
    document = {**plan, "environment": before, "notes": str(notes), "watch": qbdi.watch}
    file.write_text(json.dumps(document))
    return variables, notes


def read_notes(path: Path, images: int) -> Noted:
    """What the tool noted of so many images."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        found = np.frombuffer(memory[:], np.uint64)

    def places(where: int) -> tuple[int, ...]:
        count = min(int(found[where]), tool.MOST - 1)
        return tuple(int(place) for place in found[where + 1 : where + 1 + count])

    return Noted(
        places(tool.NATIVE),
        places(tool.UNKNOWN),
        places(tool.STRANGE),
        tuple(int(base) for base in found[tool.MAIN + 1 : tool.MAIN + 1 + images]),
        bool(found[tool.MAIN]),
        bool(found[tool.STOPPED]),
    )
