"""C source as an image, through gcc with given flags."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from burnish.core.errors import CompileError, HostError, ImageError
from burnish.core.image import Image
from burnish.images.elf import load

_TIMEOUT_S = 300.0
_LINKED = ("-shared", "-pie", "-no-pie", "-static", "-static-pie")
_NOT_CODE = ("-S", "-E", "-M", "-MM", "-fsyntax-only")
_NAME = Path("<source>")


def compile_c(source: str | Path, flags: Sequence[str] = ("-O2",), output: Path | None = None) -> Image:
    """The image that ``gcc`` makes of ``source``, the path of a file or C text (a string of several lines).

    A relocatable object, or what one of the flags ``-shared``, ``-pie``, ``-no-pie``, ``-static`` and
    ``-static-pie`` asks for. With ``output`` the file is kept there; else it is gone and the image names the source.
    Raises ``CompileError``, which keeps all that gcc said, and ``HostError`` without a gcc.
    """
    unusable = [flag for flag in flags if flag in _NOT_CODE or flag.startswith("-o")]
    if unusable:
        raise ImageError(f"the flag {unusable[0]} is not one under which gcc makes code for Burnish")
    text = source if isinstance(source, str) and "\n" in source else None
    path = _NAME if text is not None else Path(source)
    if text is None and not path.is_file():
        raise ImageError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    linked = any(flag in _LINKED for flag in flags)
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        made = output if output is not None else Path(folder) / "compiled"
        inputs = ["-x", "c", "-"] if text is not None else [str(path.absolute())]
        command = ["gcc", *([] if linked else ["-c"]), *flags, *inputs, "-o", str(made)]
        if linked:
            # Libraries are wanted after what uses them.
            libraries = [flag for flag in flags if flag.startswith("-l")]
            command = [
                "gcc",
                *(f for f in flags if not f.startswith("-l")),
                *inputs,
                *libraries,
                "-o",
                str(made),
            ]
        _run(command, text, path)
        try:
            image = load(made)
        except ImageError as error:
            raise ImageError(str(error).replace(str(made), str(path), 1)) from None
    return image if output is not None else replace(image, path=path)


def _run(command: list[str], text: str | None, path: Path) -> None:
    try:
        done = subprocess.run(
            command, input=text or "", capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise HostError("gcc is not installed; on Debian or Ubuntu the package is gcc") from None
    except subprocess.TimeoutExpired:
        raise CompileError(f"gcc did not end within {_TIMEOUT_S:.0f} s for {path}", "") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        first = next((line for line in lines if "error:" in line), lines[-1] if lines else "no message")
        raise CompileError(f"gcc does not compile {path}: {first.strip()}", done.stderr)
