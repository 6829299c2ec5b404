"""Assembly text as an image, through LLVM's assembler; no binutils needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

from burnish.core.errors import HostError, ImageError
from burnish.core.image import Image
from burnish.images.elf import load_bytes

_CHILD = Path(__file__).with_name("assembler_child.py")
_ERROR = re.compile(r"error: <inline asm>:(\d+):\d+: (.*)")
_TIMEOUT_S = 60.0
_NAME = Path("<assembly>")


def assemble(text: str, syntax: Literal["att", "intel"] = "att") -> Image:
    """The image of an object assembled from ``text``, in AT&T or Intel syntax, with GNU's directives.

    Labels that ``.globl`` or ``.type`` names are functions; where there are none, so is each label that no jump
    leads to and no code runs into. Raises ``ImageError`` with the number and text of the first wrong line.
    """
    return load_bytes(assemble_object(text, syntax), _NAME, "the assembly text")


def assemble_object(text: str, syntax: Literal["att", "intel"] = "att") -> bytes:
    """The relocatable object that ``assemble`` loads. Raises as it does."""
    header = ".intel_syntax noprefix\n" if syntax == "intel" else ""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD)],
            input=(header + text).encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"the assembler did not end within {_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise HostError(f"the assembler cannot be started: {error.strerror}") from error
    if done.returncode or not done.stdout:
        raise ImageError(_what_is_wrong(done.stderr.decode("utf-8", "replace"), text, header.count("\n")))
    return done.stdout


def _what_is_wrong(messages: str, text: str, header: int) -> str:
    match = _ERROR.search(messages)
    if match is None:
        last = messages.strip().splitlines()
        return f"the text does not assemble: {last[-1] if last else 'no message'}"
    number = int(match[1]) - header
    lines = text.split("\n")
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return f"the text does not assemble: line {number}: {match[2].strip()}: {line}"
