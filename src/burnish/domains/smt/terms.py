"""Terms over bit-vectors and memory: immutable, shared, folded as they are built.

A term is a bit-vector of ``width`` bits (1 for truth values: 1 is true), or, with ``width`` 0, a memory: an array from
64-bit addresses to bytes. Equal terms are one object, so ``is`` compares them, and a term can be a key. Division has
SMT-LIB's meaning (by zero: all ones, and the dividend as the remainder); shifts by the width or more give 0, or the
sign for ``ASHR``.

Make terms with the functions of this package, never with the class: they fold and order.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import count
from weakref import ref

from burnish.domains.smt.clock import OFTEN, look


class Op(IntEnum):
    """What a term is made of. Operands have the result's width unless said otherwise."""

    CONST = 0
    """``payload`` is the value, below ``2 ** width``."""
    VAR = 1
    """A free variable; ``payload`` is its name."""
    NOT = 2
    AND = 3
    OR = 4
    XOR = 5
    ADD = 6
    """Of two or more operands."""
    MUL = 7
    """Of two or more operands."""
    UDIV = 8
    UREM = 9
    SDIV = 10
    SREM = 11
    SHL = 12
    LSHR = 13
    ASHR = 14
    CONCAT = 15
    """Most significant first; widths add up."""
    EXTRACT = 16
    """``payload`` is the lowest bit; ``width`` bits from there."""
    ZEXT = 17
    SEXT = 18
    EQ = 19
    """Width 1; operands of one width, or two memories."""
    ULT = 20
    SLT = 21
    ITE = 22
    """``(condition of width 1, then, else)``; for memories, too."""
    POPCOUNT = 23
    CLZ = 24
    """Leading zeros; the width for 0."""
    CTZ = 25
    APPLY = 26
    """An uninterpreted function; ``payload`` is its name, operands are of any width. One name has one signature."""
    SELECT = 27
    """``(memory, address)``: 8 bits."""
    STORE = 28
    """``(memory, address, byte)``: a memory."""
    MEMORY = 29
    """A memory that nothing is known of; ``payload`` is its name."""
    FLOAT = 30
    """An IEEE 754 operation on bit patterns, round to nearest; ``payload`` is ``(name, operand width in bits)``, the
    name as in ``OpCode`` (``FLOAT_ADD``, ``FLOAT_LESS``, ``FLOAT_INT2FLOAT`` …) with x86's meaning."""
    IEEE = 31
    """Width 1, for solvers alone: whether the last operand is what SMT-LIB's theory of floating-point numbers makes of
    the others, with one NaN and two zeros. ``payload`` names the operation and the rounding (``"fp.add RNE"``), as
    ``lower_float`` writes them. It has no value of its own in ``evaluate``."""


class Term:
    """One node. ``args`` are terms; ``payload`` is described with each ``Op``. ``serial`` grows from term to term in
    the order in which they are made: for sorting. ``depth`` is the length of the longest way to a leaf. ``bits`` keeps
    what ``known`` finds, and ``origin`` the word and the bit in it that a stored byte was last taken from."""

    __slots__ = ("__weakref__", "args", "bits", "depth", "op", "origin", "payload", "serial", "width")

    def __init__(self, op: Op, width: int, args: tuple[Term, ...], payload: Payload) -> None:
        self.op = op
        self.width = width
        self.args = args
        self.payload = payload
        self.serial = next(_SERIALS)
        self.depth = 1 + max((arg.depth for arg in args), default=-1)
        self.bits: tuple[int, int] | None = None
        self.origin: tuple[Term, int] | None = None

    @property
    def is_const(self) -> bool:
        return self.op is Op.CONST

    @property
    def value(self) -> int:
        """The number that a ``CONST`` is."""
        assert isinstance(self.payload, int)
        return self.payload

    @property
    def name(self) -> str:
        """The name of a ``VAR``, ``MEMORY`` or ``APPLY``."""
        assert isinstance(self.payload, str)
        return self.payload

    def __repr__(self) -> str:
        if self.op is Op.CONST:
            return f"{self.value:#x}:{self.width}"
        if self.op in (Op.VAR, Op.MEMORY):
            return self.name
        head = self.op.name.lower() if self.payload is None else f"{self.op.name.lower()}[{self.payload}]"
        return f"({head} {' '.join(map(repr, self.args))})"


Payload = int | str | tuple[str, int] | None
_Key = tuple[Op, int, tuple[Term, ...], Payload]


class _Reference(ref[Term]):
    """A weak reference that knows where it is kept."""

    __slots__ = ("key",)
    key: _Key


_SERIALS = count()
_KNOWN: dict[_Key, _Reference] = {}


def _forget(reference: ref[Term]) -> None:
    assert isinstance(reference, _Reference)
    if _KNOWN.get(reference.key) is reference:
        del _KNOWN[reference.key]


def make(op: Op, width: int, args: tuple[Term, ...] = (), payload: Payload = None) -> Term:
    """The one term of that shape, without any folding. For the constructors of this package. Raises
    ``OutOfTimeError``."""
    key = (op, width, args, payload)
    reference = _KNOWN.get(key)
    if reference is not None:
        found = reference()
        if found is not None:
            return found
    term = Term(op, width, args, payload)
    reference = _Reference(term, _forget)
    reference.key = key
    _KNOWN[key] = reference
    if not term.serial & OFTEN:
        look()
    return term


def subterms(*roots: Term) -> Iterator[Term]:
    """Every term that ``roots`` are made of, each once, operands before what uses them. Raises ``OutOfTimeError``."""
    seen: set[Term] = set()
    # None stands above a term whose operands are done.
    stack: list[Term | None] = [*reversed(roots)]
    while stack:
        term = stack.pop()
        if term is None:
            done = stack.pop()
            assert done is not None
            yield done
        elif term not in seen:
            seen.add(term)
            if not len(seen) & OFTEN:
                look()
            args = term.args
            if args:
                stack += (term, None)
                stack += args[::-1]
            else:
                yield term
