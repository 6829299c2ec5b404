"""The 25 programs of Hacker's Delight that superoptimisers are measured on, as C and as Python.

They are those of STOKE (Schkufza, Sharma and Aiken, "Stochastic Superoptimization", ASPLOS 2013), after Warren's book.
Four of STOKE's do not compute what their names say, so there are two sets: ``as shipped`` and ``corrected``. A
program is a function ``p01`` … ``p25`` of 32-bit integers; signed shifts are arithmetic and overflow wraps
(``-fwrapv``). ``reference`` says in Python, by definition and not by the same formula, what it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MASK = 0xFFFFFFFF
FLAGS = ("-fwrapv", "-g", "-fcf-protection=none", "-fno-stack-protector", "-fno-asynchronous-unwind-tables")
"""What all sides are compiled with, beside their level."""
LEVELS = {"-O0": ("-O0",), "-O3": ("-O3",), "-O2 -march=native": ("-O2", "-march=native")}
"""The flags of each side."""


@dataclass(frozen=True, slots=True)
class Program:
    """A function ``name`` that does ``what``. ``body`` is C, over ``parameters`` of type ``int32_t`` with ``u32`` for
    ``uint32_t``. ``reference`` takes and gives unsigned 32-bit numbers; None where the CPU would trap."""

    name: str
    what: str
    parameters: tuple[str, ...]
    body: str
    reference: Callable[..., int | None]

    @property
    def source(self) -> str:
        """The function as C text."""
        taken = ", ".join(f"int32_t {name}" for name in self.parameters)
        return f"int32_t {self.name}({taken}) {{ {self.body} }}\n"


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A program's other form: ``body`` with an instruction that does it all, and the flags that it needs."""

    name: str
    body: str
    flags: tuple[str, ...]
    parameters: tuple[str, ...] = ("x",)


def _signed(value: int) -> int:
    value &= MASK
    return value - (1 << 32) if value >> 31 else value


def _leading(value: int) -> int:
    return 32 - value.bit_length()


def _trailing_zeros(value: int) -> int:
    return next((at for at in range(32) if value >> at & 1), 32)


def _trailing_ones(value: int) -> int:
    return _trailing_zeros(~value & MASK)


def _without_lowest_run(x: int) -> int:
    low = _trailing_zeros(x)
    while low < 32 and x >> low & 1:
        x ^= 1 << low
        low += 1
    return x


def _exchanged(x: int, mask: int, count: int) -> int:
    """Bits under ``mask`` change places with those ``count`` (modulo 32, as shifts count) higher."""
    count &= 31
    swap = (x ^ _signed(x) >> count) & mask
    return (swap << count ^ swap ^ x) & MASK


def _next_of_same_weight(x: int) -> int | None:
    """The next larger number with as many bits set, modulo 2^32, as Gosper's rule has it."""
    if x == 0:
        return None
    low = _trailing_zeros(x)
    run = _trailing_ones(x >> low)
    return ((x >> low) + 1 << low | (1 << run - 1) - 1) & MASK if low + run < 32 else _gosper(x)


def _gosper(x: int) -> int:
    """Where the sum carries out, the bits that it should have carried fall away."""
    low = x & -x
    high = x + low & MASK
    return high | (x ^ high) // (4 * low)


def _shipped_next(x: int) -> int | None:
    low = _signed(x & -x)
    if low == 0:
        return None
    rest = _signed(x ^ low) >> 2
    quotient = abs(rest) // abs(low) * (1 if (rest < 0) == (low < 0) else -1)
    return (x + low | quotient) & MASK


def _cycled(x: int, a: int, b: int, c: int) -> int:
    """a, b, c, a …; with equal values among them both conditions count, as in the formula."""
    first, second = (-(x == c)) & (a ^ c), (-(x == a)) & (b ^ c)
    return (first ^ second ^ c) & MASK


def _smeared(x: int) -> int:
    """STOKE's p24: signed shifts, and the half that the last one leaves."""
    value = _signed(x - 1)
    for count in (1, 2, 4, 8):
        value |= value >> count
    return (value >> 16) + 1 & MASK


def _power(x: int) -> int:
    return 1 << (x - 1 & MASK).bit_length() & MASK


_X, _XY = ("x",), ("x", "y")
_BITS = """u32 o = x;
    o = o - ((o >> 1) & 0x55555555u);
    o = (o & 0x33333333u) + ((o >> 2) & 0x33333333u);
    o = (o + (o >> 4)) & 0x0f0f0f0fu;
    o = o + (o >> 8);
    o = o + (o >> 16);
    return o & 0x3f;"""
_HIGH = """u32 u0 = x & 0xffff, v0 = y & 0xffff, w0;
    int32_t u1 = x >> 16, v1 = y >> 16, w1, w2, t;
    w0 = u0 * v0;
    t = u1 * v0 + (w0 >> 16);
    w1 = t & 0xffff;
    w2 = t >> 16;
    w1 = u0 * v1 + w1;
    return u1 * v1 + w2 + (w1 >> 16);"""

CORRECTED = (
    Program(
        "p01",
        "turn off the lowest 1",
        _X,
        "return x & (x - 1);",
        lambda x: x - (1 << _trailing_zeros(x)) if x else 0,
    ),
    Program(
        "p02",
        "turn off trailing 1s",
        _X,
        "return x & (x + 1);",
        lambda x: x >> _trailing_ones(x) << _trailing_ones(x),
    ),
    Program("p03", "isolate the lowest 1", _X, "return x & -x;", lambda x: 1 << _trailing_zeros(x) & MASK),
    Program(
        "p04",
        "mask up to the lowest 1",
        _X,
        "return x ^ (x - 1);",
        lambda x: (2 << _trailing_zeros(x)) - 1 & MASK,
    ),
    Program(
        "p05",
        "spread the lowest 1 down",
        _X,
        "return x | (x - 1);",
        lambda x: x | (1 << _trailing_zeros(x)) - 1,
    ),
    Program(
        "p06",
        "turn on the lowest 0",
        _X,
        "return x | (x + 1);",
        lambda x: (x | 1 << _trailing_ones(x)) & MASK,
    ),
    Program(
        "p07", "isolate the lowest 0", _X, "return ~x & (x + 1);", lambda x: 1 << _trailing_ones(x) & MASK
    ),
    Program(
        "p08", "mask of trailing 0s", _X, "return (x - 1) & ~x;", lambda x: (1 << _trailing_zeros(x)) - 1
    ),
    Program(
        "p09",
        "absolute value",
        _X,
        "int32_t s = x >> 31; return (x ^ s) - s;",
        lambda x: abs(_signed(x)) & MASK,
    ),
    Program(
        "p10",
        "equally many leading 0s",
        _XY,
        "return (u32)(x ^ y) <= (u32)(x & y);",
        lambda x, y: int(_leading(x) == _leading(y)),
    ),
    Program(
        "p11",
        "fewer leading 0s",
        _XY,
        "return (u32)(x & ~y) > (u32)y;",
        lambda x, y: int(_leading(x) < _leading(y)),
    ),
    Program(
        "p12",
        "not more leading 0s",
        _XY,
        "return (u32)(y & ~x) <= (u32)x;",
        lambda x, y: int(_leading(x) <= _leading(y)),
    ),
    Program(
        "p13",
        "sign",
        _X,
        "return (x >> 31) | ((u32)-x >> 31);",
        lambda x: (_signed(x) > 0) - (_signed(x) < 0) & MASK,
    ),
    Program(
        "p14",
        "average, rounded down",
        _XY,
        "return (x & y) + ((x ^ y) >> 1);",
        lambda x, y: _signed(x) + _signed(y) >> 1 & MASK,
    ),
    Program(
        "p15",
        "average, rounded up",
        _XY,
        "return (x | y) - ((x ^ y) >> 1);",
        lambda x, y: _signed(x) + _signed(y) + 1 >> 1 & MASK,
    ),
    Program("p16", "the larger, unsigned", _XY, "return ((x ^ y) & -((u32)x >= (u32)y)) ^ y;", max),
    Program(
        "p17", "turn off the lowest run of 1s", _X, "return ((x | (x - 1)) + 1) & x;", _without_lowest_run
    ),
    Program(
        "p18", "is it a power of 2", _X, "return !((x - 1) & x) && x;", lambda x: int(x.bit_count() == 1)
    ),
    Program(
        "p19",
        "exchange two fields",
        ("x", "m", "k"),
        "int32_t o = (x ^ (x >> k)) & m; return ((o << k) ^ o) ^ x;",
        _exchanged,
    ),
    Program(
        "p20",
        "next number of as many 1s",
        _X,
        "u32 a = x, s = a & -a, r = a + s; return r | (((a ^ r) >> 2) / s);",
        _next_of_same_weight,
    ),
    Program(
        "p21",
        "cycle through three values",
        ("x", "a", "b", "c"),
        "return ((-(x == c)) & (a ^ c)) ^ ((-(x == a)) & (b ^ c)) ^ c;",
        _cycled,
    ),
    Program(
        "p22",
        "parity",
        _X,
        "int32_t t = x ^ (x >> 1); t ^= t >> 2;\n"
        "    return (((u32)(t & 0x11111111) * 0x11111111u) >> 28) & 1;",
        lambda x: x.bit_count() & 1,
    ),
    Program("p23", "population count", _X, _BITS, int.bit_count),
    Program(
        "p24",
        "round up to a power of 2",
        _X,
        "u32 o = x - 1; o |= o >> 1; o |= o >> 2; o |= o >> 4; o |= o >> 8;\n    o |= o >> 16; return o + 1;",
        _power,
    ),
    Program("p25", "high half of the product", _XY, _HIGH, lambda x, y: _signed(x) * _signed(y) >> 32 & MASK),
)
"""All 25, as their names say."""

_SHIPPED = (
    Program(
        "p12",
        "not fewer leading 0s",
        _XY,
        "return (u32)(x & ~y) <= (u32)y;",
        lambda x, y: int(_leading(x) >= _leading(y)),
    ),
    Program(
        "p13", "all ones unless zero", _X, "return (x >> 31) | ((-x) >> 31);", lambda x: MASK if x else 0
    ),
    Program(
        "p20",
        "nothing with a name",
        _X,
        "int32_t s = x & -x; return (x + s) | (((x ^ s) >> 2) / s);",
        _shipped_next,
    ),
    Program(
        "p24",
        "nothing with a name",
        _X,
        "int32_t o = x - 1; o |= o >> 1; o |= o >> 2; o |= o >> 4; o |= o >> 8;\n"
        "    int32_t o10 = o >> 16; return o10 + 1;",
        _smeared,
    ),
)

SHIPPED = tuple(next((s for s in _SHIPPED if s.name == p.name), p) for p in CORRECTED)
"""All 25, as STOKE has them."""
SETS = {"as shipped": SHIPPED, "corrected": CORRECTED}

INTRINSICS = (
    Intrinsic("p22", "return __builtin_popcount(x) & 1;", ("-O2", "-mpopcnt")),
    Intrinsic("p23", "return __builtin_popcount(x);", ("-O2", "-mpopcnt")),
    Intrinsic("p24", "return (u32)(1ull << (32 - __builtin_ia32_lzcnt_u32(x - 1)));", ("-O2", "-mlzcnt")),
    Intrinsic("p25", "return ((int64_t)x * y) >> 32;", ("-O2",), _XY),
)
"""The forms that the last four of ``CORRECTED`` are compared with."""

_HEAD = "#include <stdint.h>\ntypedef uint32_t u32;\n"


def source(programs: tuple[Program, ...]) -> str:
    """C text with a function for each program."""
    return _HEAD + "".join(program.source for program in programs)


def intrinsic_source(form: Intrinsic) -> str:
    """C text of the other form of a program."""
    taken = ", ".join(f"int32_t {name}" for name in form.parameters)
    return f"{_HEAD}int32_t {form.name}({taken}) {{ {form.body} }}\n"
