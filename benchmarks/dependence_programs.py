"""Random small C programs for ``dependences.py``: seeded, always ending, without undefined behaviour.

A program is a few functions over shared bytes, which they access one, two, four or eight at a time, wherever these lie:
loops in each other with bounds, breaks and returns that depend on data, calls, recursion, local arrays that are passed
on, and copies and fills that gcc makes string instructions of.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

LEVELS = ("O0", "O1", "O2", "O3")
_COST = 3000
"""Statements that a function may run, about."""

HEAD = """
typedef unsigned char u1;
typedef struct { unsigned short v; } __attribute__((packed, may_alias)) u2;
typedef struct { unsigned v; } __attribute__((packed, may_alias)) u4;
typedef struct { unsigned long v; } __attribute__((packed, may_alias)) u8;
#define P1(at) (*(at))
#define P2(at) (((u2 *)(at))->v)
#define P4(at) (((u4 *)(at))->v)
#define P8(at) (((u8 *)(at))->v)
#define HOT static __attribute__((noinline, noclone))
"""


@dataclass(slots=True)
class _Function:
    name: str
    cost: int
    recursive: bool


@dataclass(slots=True)
class _Program:
    """A program being made. ``_room`` is what the function at hand may still cost."""

    name: str
    source: random.Random
    functions: list[_Function] = field(default_factory=list["_Function"])
    lines: list[str] = field(default_factory=list[str])
    loops: int = 0
    depth: int = 0
    around: int = 0
    spent: int = 0

    def make(self) -> str:
        """C text, whose last function is the program's root."""
        self.lines.append(f"static u1 {self.name}_m[4][48];")
        for number in range(self.source.randint(2, 3)):
            self._function(f"{self.name}_{number}")
        return "\n".join(self.lines)

    def _function(self, name: str) -> None:
        recursive = self.source.random() < 0.35
        self.spent, self.loops, self.depth = 1, 0, 0
        self.lines.append(f"HOT unsigned {name}(u1 *p, unsigned x, int d) {{")
        self.lines.append("  unsigned s = x;")
        own = self.source.random() < 0.4
        if own:
            self.lines.append("  u1 own[48];")
            self.lines.append("  for (int k = 0; k < 48; k++) own[k] = k + x;")
            self.spent += 48
        if recursive:
            self.lines.append("  if (d <= 0) return s;")
        self._block(1, own)
        if recursive:
            for _ in range(self.source.randint(1, 2)):
                self.lines.append(f"  s += {name}({self._memory(own)}, s, d - 1);")
                self._block(1, own, statements=self.source.randint(0, 2))
        self.lines.append("  return s;\n}")
        self.functions.append(_Function(name, self.spent * (12 if recursive else 1), recursive))

    def _block(self, multiplier: int, own: bool, statements: int | None = None) -> None:
        for _ in range(self.source.randint(4, 8) if statements is None else statements):
            self._statement(multiplier, own)

    def _statement(self, multiplier: int, own: bool) -> None:
        choose, pad = self.source, "  " * (self.depth + 1)
        self.spent += multiplier
        kind = choose.random()
        if kind < 0.3:
            self.lines.append(f"{pad}{self._place(own)} = {self._value(own)};")
        elif kind < 0.5:
            self.lines.append(f"{pad}s {choose.choice(('+=', '^=', '-='))} {self._value(own)};")
        elif kind < 0.74 and self.depth < 4:
            self._loop(multiplier, own)
        elif kind < 0.82 and self.depth < 5:
            self.lines.append(f"{pad}if ({self._condition()}) {{")
            self._inner(multiplier, own)
            if choose.random() < 0.5:
                self.lines.append(f"{pad}}} else {{")
                self._inner(multiplier, own)
            self.lines.append(f"{pad}}}")
        elif kind < 0.92 and self.functions:
            called = choose.choice(self.functions)
            if self.spent + called.cost * multiplier <= _COST:
                self.spent += called.cost * multiplier
                depth = choose.randint(1, 3) if called.recursive else 0
                self.lines.append(
                    f"{pad}s += {called.name}({self._memory(own)}, {self._value(own)}, {depth});"
                )
        elif kind < 0.96:
            size = f"(s & {choose.choice((3, 7, 15))})"
            if choose.random() < 0.5:
                one, other = choose.sample(range(4), 2)
                to, from_ = (
                    f"{self.name}_m[{row}] + {choose.choice(('(s & 15)', '(x & 7)'))}" for row in (one, other)
                )
                self.lines.append(f"{pad}__builtin_memcpy({to}, {from_}, {size});")
            else:
                self.lines.append(f"{pad}__builtin_memset({self._memory(own)}, s, {size});")
        else:
            leave = choose.choice(("break", "continue", "return s")) if self.around else "return s"
            self.lines.append(f"{pad}if ({self._condition()}) {leave};")

    def _loop(self, multiplier: int, own: bool) -> None:
        choose, pad = self.source, "  " * (self.depth + 1)
        rounds = choose.randint(1, 7)
        if self.spent + 3 * rounds * multiplier > _COST:
            return
        name = f"i{self.loops}"
        self.loops += 1
        bound = choose.choice((f"{rounds}", f"(int)((s & 3) + {max(1, rounds - 3)})"))
        kind = choose.randrange(3)
        if kind == 0:
            self.lines.append(f"{pad}for (int {name} = 0; {name} < {bound}; {name}++) {{")
        elif kind == 1:
            self.lines.append(
                f"{pad}for (int {name} = {rounds}; {name} > 0; {name} -= {choose.randint(1, 2)}) {{"
            )
        else:
            # The condition comes last, so the body runs at least once.
            self.lines.append(f"{pad}int {name} = -1; while (++{name} < {bound}) {{")
        self.around += 1
        self._inner(multiplier * rounds, own, name)
        self.around -= 1
        self.lines.append(f"{pad}}}")

    def _inner(self, multiplier: int, own: bool, index: str = "") -> None:
        self.depth += 1
        if index:
            self.lines.append(f"{'  ' * (self.depth + 1)}s += {index};")
        self._block(multiplier, own, self.source.randint(1, 3))
        self.depth -= 1

    def _memory(self, own: bool) -> str:
        """A pointer with 16 bytes before the end of its memory."""
        at = self.source.choice(("s & 15", "x & 7", str(self.source.randint(0, 16))))
        names = ["p", f"{self.name}_m[{self.source.randrange(4)}]", f"{self.name}_m[s & 3]"]
        name = self.source.choice([*names, "own"] if own else names)
        return name if name == "p" else f"{name} + ({at})"

    def _place(self, own: bool) -> str:
        size = self.source.choice((1, 2, 4, 8))
        offset = self.source.choice(("s & 7", "x & 7", str(self.source.randint(0, 8))))
        return f"P{size}({self._memory(own)} + ({offset}))"

    def _value(self, own: bool) -> str:
        term = self._place(own)
        return self.source.choice(
            (term, f"{term} + s", f"s * {self.source.randint(3, 9)}u", f"{term} ^ {self._place(own)}")
        )

    def _condition(self) -> str:
        return f"((s >> {self.source.randrange(5)}) & {self.source.choice((1, 3, 7))}) == 0"


def text(seed: int, name: str) -> tuple[str, str]:
    """The C text of a program, whose names begin with ``name``, and a call of its root."""
    made = _Program(name, random.Random(seed))
    body = made.make()
    root = made.functions[-1]
    return body, f"{root.name}({name}_m[1], {seed % 251}u, 3)"


def build(seeds: range, folder: Path, levels: tuple[str, ...] = LEVELS) -> tuple[Path, list[str]]:
    """One executable with the programs of all seeds at each level, each root called twice, and the names of all its
    functions. Raises ``CalledProcessError`` where gcc refuses it."""
    calls: list[str] = []
    objects: list[str] = []
    for level in levels:
        texts, run = [HEAD], []
        for seed in seeds:
            body, call = text(seed, f"p{seed}_{level}")
            texts.append(body)
            run.append(f"  s += {call}; s += {call};")
        texts.append(
            f"unsigned run_{level}(void) {{\n  unsigned s = 0;\n" + "\n".join(run) + "\n  return s;\n}\n"
        )
        source = folder / f"{level}.c"
        source.write_text("\n".join(texts))
        flags = [f"-{level}", "-fno-ipa-sra", "-minline-all-stringops", "-fno-tree-loop-distribute-patterns"]
        strategy = "-mstringop-strategy=rep_byte"
        subprocess.run(
            ["gcc", *flags, strategy, "-w", "-c", source, "-o", source.with_suffix(".o")], check=True
        )
        objects.append(str(source.with_suffix(".o")))
        calls.append(f"run_{level}()")
    main = folder / "main.c"
    declared = "".join(f"unsigned run_{level}(void);\n" for level in levels)
    main.write_text(f"{declared}int main(void) {{ return ({' + '.join(calls)}) & 63; }}\n")
    program = folder / "programs"
    subprocess.run(["gcc", "-O1", str(main), *objects, "-o", str(program)], check=True)
    listed = subprocess.run(["nm", str(program)], check=True, capture_output=True, text=True).stdout
    names = (line.split()[2] for line in listed.splitlines() if line.split()[-2] in "tT")
    return program, sorted(name for name in names if name.startswith("p") and "_" in name)
