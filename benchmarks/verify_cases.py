"""The pairs of ``tests/files/verify``: what each file says of itself, and whether the CPU agrees.

A case is two files, ``NAME.orig.s`` and ``NAME.rewrite.s``, each with a function ``f``. Comments at the head of the
first say what is wrong, and then, a line each:

    expect: proved | not proved | right    (right, and too hard or too delicate to be asked for a proof)
    options: of ``burnish verify``, as on a command line
    callees: g 2, h 1              functions from elsewhere, with their number of arguments
    input: rdi=a+1 rsi=5 a=0011    an input on which both differ; ``a``, ``b`` and ``c`` are memory, ending where a page
                                   ends (``a:ro=``: that can only be read); all numbers are hexadecimal
    differs: rax                   what differs there (``differences`` of ``native_pair``)
    provided: g takes no …         a proviso under which, and only under which, a wrong rewrite may be proved
    arguments: i32 pointer         kinds of inputs (``native_inputs``) on none of which both differ

A wrong rewrite without an input differs by rule only (undefined results, other threads, signals).
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from burnish.core.image import Access
from burnish.runtime.isolation import Executor, Window
from harness import ROOT
from native_inputs import SIZE, Kind, Signature, inputs_for, window_address
from native_pair import GPR, RSP, STACK_SIZE, Inputs, Result, differences, native, run

FOLDER = ROOT / "tests" / "files" / "verify"
Expected = Literal["proved", "not proved", "right"]
ALL = (Result("rax", 8), Result("rdx", 8), Result("xmm0", 16), Result("xmm1", 16))
_OF_TYPE = {"int": (Result("rax", 4),), "long": (Result("rax", 8),), "_Bool": (Result("rax", 1),),
    "double": (Result("xmm0", 8),), "float": (Result("xmm0", 4),), "void": ()}  # fmt: skip
_OF_NAME = {"eax": Result("rax", 4), "ax": Result("rax", 2), "al": Result("rax", 1), "rax": Result("rax", 8),
    "edx": Result("rdx", 4), "rdx": Result("rdx", 8), "xmm0": Result("xmm0", 16)}  # fmt: skip
_MEMORIES = "abc"


@dataclass(frozen=True, slots=True)
class Case:
    """A pair of files and what is known of it."""

    name: str
    original: Path = field(repr=False)
    rewrite: Path = field(repr=False)
    text: str = field(repr=False)
    expected: Expected
    options: tuple[str, ...] = ()
    callees: Mapping[str, int] = field(default_factory=dict[str, int])
    input: str = ""
    differs: str = ""
    provided: str = ""
    arguments: tuple[Kind, ...] = ()

    @property
    def results(self) -> tuple[Result, ...]:
        """The result registers that the options leave to be compared."""
        words = list(self.options)
        if "--live-out" in words:
            return tuple(_OF_NAME[name] for name in words[words.index("--live-out") + 1].split(","))
        if "--prototype" in words:
            return _OF_TYPE[words[words.index("--prototype") + 1].split()[0]]
        return ALL


def cases(folder: str) -> list[Case]:
    """All cases of a folder of ``tests/files/verify``."""
    return [_read(path) for path in sorted((FOLDER / folder).glob("*.orig.s"))]


def _read(original: Path) -> Case:
    fields: dict[str, str] = {}
    text: list[str] = []
    for line in original.read_text().splitlines():
        if not line.startswith("# "):
            break
        key, colon, value = line[2:].partition(": ")
        if colon and key in ("expect", "options", "callees", "input", "differs", "provided", "arguments"):
            fields[key] = value
        else:
            text.append(line[2:])
    callees = dict(part.split() for part in fields.get("callees", "").split(", ") if part)
    return Case(
        original.name.removesuffix(".orig.s"),
        original,
        original.with_name(original.name.replace(".orig.", ".rewrite.")),
        " ".join(text),
        cast(Expected, fields["expect"]),
        tuple(shlex.split(fields.get("options", ""))),
        {name: int(count) for name, count in callees.items()},
        fields.get("input", ""),
        fields.get("differs", ""),
        fields.get("provided", ""),
        cast(tuple[Kind, ...], tuple(fields.get("arguments", "").split())),
    )


def assembled(source: Path, folder: Path) -> Path:
    """The object that gcc's assembler makes of a file."""
    made = folder / f"{source.name}.o"
    subprocess.run(["gcc", "-c", source, "-o", made], check=True)
    return made


def given_input(text: str) -> Inputs:
    """The state that an ``input`` line describes; what it does not say is 0, the stack counts up."""
    registers: dict[str, int] = {}
    windows: list[tuple[str, Window]] = []
    pages = {name: window_address(n) + SIZE for n, name in enumerate(_MEMORIES)}
    for word in text.split():
        left, _, right = word.partition("=")
        name, _, mode = left.partition(":")
        if name in _MEMORIES:
            data = np.frombuffer(bytes.fromhex(right), np.uint8)
            access = Access.READ if mode == "ro" else Access.READ | Access.WRITE
            pages[name] -= len(data)
            windows.append((f"window {name}", Window(pages[name], data, access)))
        else:
            registers[name] = -1
    for word in text.split():
        name, _, right = word.partition("=")
        if name in registers:
            base, _, offset = right.partition("+")
            registers[name] = pages[base] + int(offset or "0", 16) if base in _MEMORIES else int(right, 16)
    gpr = np.zeros((1, 16), np.uint64)
    xmm = np.zeros((1, 16, 2), np.uint64)
    gpr[0, GPR.index("rsp")] = RSP
    for name, value in registers.items():
        if name.startswith("xmm"):
            xmm[0, int(name[3:])] = (value & (1 << 64) - 1, value >> 64)
        else:
            gpr[0, GPR.index(name)] = value
    stack = np.arange(STACK_SIZE, dtype=np.uint16).astype(np.uint8).reshape(1, -1)
    return Inputs(gpr, xmm, np.zeros(1, np.uint64), stack, tuple(windows))


def differing(
    executor: Executor, case: Case, folder: Path, count: int = 0, seed: int = 1
) -> dict[str, NDArray[np.bool_]]:
    """What differs natively between both sides of a case: on its input, or on ``count`` made by seed."""
    inputs = inputs_for(Signature(case.arguments), count, seed) if count else given_input(case.input)
    one, two = (native(assembled(path, folder), "f", case.callees) for path in (case.original, case.rewrite))
    (a,), (b,) = run(executor, one, [one.code], inputs), run(executor, two, [two.code], inputs)
    stack = stack_bytes(case.options)
    return differences((one, a), (two, b), inputs, case.results, stack)


def stack_bytes(options: tuple[str, ...]) -> int:
    """The extent of the arguments that do not fit into six registers, of a prototype with integers only."""
    words = list(options)
    if "--prototype" not in words:
        return 0
    taken = re.findall(r"\((.*)\)", words[words.index("--prototype") + 1])[0].split(",")
    return 8 * max(0, len(taken) - 6)
