"""Constructors of terms. Each folds constants and identities, so that equal meanings often are one term."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.domains.smt import floating as numbers
from burnish.domains.smt.arithmetic import ashr, clz, ctz, lshr, popcount, sdiv, shl, srem, udiv, urem
from burnish.domains.smt.leaves import FALSE, TRUE, const, memory, signed, var
from burnish.domains.smt.terms import Op, Term, make

__all__ = [
    "FALSE", "TRUE", "add", "and_", "apply", "ashr", "clz", "concat", "const", "ctz", "eq", "extract",
    "floating", "ite", "lshr", "memory", "mul", "ne", "neg", "not_", "or_", "popcount", "sdiv", "select",
    "sext", "shl", "sle", "slt", "srem", "store", "sub", "udiv", "ule", "ult", "urem", "var", "xor",
    "zext",
]  # fmt: skip


def not_(a: Term) -> Term:
    """Bitwise complement; negation of a truth value."""
    if a.is_const:
        return const(~a.value, a.width)
    return a.args[0] if a.op is Op.NOT else make(Op.NOT, a.width, (a,))


def and_(*operands: Term) -> Term:
    """Bitwise and, of one or more."""
    width = operands[0].width
    ones = (1 << width) - 1
    known, rest = ones, dict[Term, None]()
    for term in _flat(Op.AND, operands):
        if term.is_const:
            known &= term.value
        else:
            rest[term] = None
    if known == 0 or any(not_(term) in rest for term in rest if term.op is Op.NOT):
        return const(0, width)
    if width == 1 and any(term.op is Op.NOT for term in rest):
        rest = {not_(term): None for term in _with_equality({not_(term): None for term in rest})}
    terms = [*rest] if known == ones else [*rest, const(known, width)]
    return _narrowed(and_, terms) or _nary(Op.AND, width, terms, ones)


def _with_equality(terms: dict[Term, None]) -> dict[Term, None]:
    """Alternatives, with ``a < b`` and ``a = b`` as one ``not b < a``."""
    for term in terms:
        if term.op in (Op.ULT, Op.SLT):
            equal = eq(*term.args)
            if equal in terms:
                order = not_((ult if term.op is Op.ULT else slt)(*reversed(term.args)))
                rest = {other: None for other in terms if other is not term and other is not equal}
                return _with_equality({**rest, order: None})
    return terms


def _narrowed(combine: Callable[..., Term], terms: Sequence[Term]) -> Term | None:
    """The operation on the low bits alone, where all operands are extended with zeros; None for others."""
    if len(terms) < 2:
        return None
    width = terms[0].width
    used = max(_used(term) for term in terms)
    if used == width:
        return None
    return zext(combine(*(extract(term, 0, used) for term in terms)), width)


def _used(term: Term) -> int:
    """The number of bits above which a term is 0."""
    if term.is_const:
        return max(term.value.bit_length(), 1)
    return term.args[0].width if term.op is Op.ZEXT else term.width


def or_(*operands: Term) -> Term:
    """Bitwise or, of one or more."""
    width = operands[0].width
    ones = (1 << width) - 1
    known, rest = 0, dict[Term, None]()
    for term in _flat(Op.OR, operands):
        if term.is_const:
            known |= term.value
        else:
            rest[term] = None
    if known == ones or any(not_(term) in rest for term in rest if term.op is Op.NOT):
        return const(ones, width)
    if width == 1:
        rest = _with_equality(rest)
    terms = [*rest] if known == 0 else [*rest, const(known, width)]
    return _narrowed(or_, terms) or _nary(Op.OR, width, terms, 0)


def xor(*operands: Term) -> Term:
    """Bitwise exclusive or, of one or more."""
    width = operands[0].width
    known, rest = 0, dict[Term, None]()
    ones = (1 << width) - 1
    for term in _flat(Op.XOR, operands):
        if term.op is Op.NOT:
            known ^= ones
            term = term.args[0]
        if term.is_const:
            known ^= term.value
        elif term in rest:
            del rest[term]
        else:
            rest[term] = None
    if known == ones and rest:
        return not_(_nary(Op.XOR, width, [*rest], 0))
    terms = [*rest] if known == 0 else [*rest, const(known, width)]
    return _narrowed(xor, terms) or _nary(Op.XOR, width, terms, 0)


def add(*operands: Term) -> Term:
    """The sum, of one or more."""
    width = operands[0].width
    known, rest = 0, list[Term]()
    for term in _flat(Op.ADD, operands):
        if term.is_const:
            known += term.value
        else:
            rest.append(term)
    known &= (1 << width) - 1
    terms = rest if known == 0 else [*rest, const(known, width)]
    return _nary(Op.ADD, width, terms, 0)


def neg(a: Term) -> Term:
    """The number that gives 0 with ``a``: two's complement."""
    return mul(a, const(-1, a.width))


def sub(a: Term, b: Term) -> Term:
    """``a - b``."""
    return const(0, a.width) if a is b else add(a, neg(b))


def mul(*operands: Term) -> Term:
    """The product, of one or more."""
    width = operands[0].width
    known, rest = 1, list[Term]()
    for term in _flat(Op.MUL, operands):
        if term.is_const:
            known *= term.value
        else:
            rest.append(term)
    known &= (1 << width) - 1
    if known == 0:
        return const(0, width)
    terms = rest if known == 1 else [*rest, const(known, width)]
    return _nary(Op.MUL, width, terms, 1)


def _flat(op: Op, operands: Sequence[Term]) -> list[Term]:
    found: list[Term] = []
    for term in operands:
        found.extend(term.args if term.op is op else (term,))
    return found


def _nary(op: Op, width: int, terms: Sequence[Term], neutral: int) -> Term:
    if not terms:
        return const(neutral, width)
    return terms[0] if len(terms) == 1 else make(op, width, tuple(terms))


def concat(*parts: Term) -> Term:
    """The parts beside each other, most significant first."""
    flat: list[Term] = []
    for part in parts:
        for term in part.args if part.op is Op.CONCAT else (part,):
            if flat and flat[-1].is_const and term.is_const:
                low = term.width
                flat[-1] = const(flat[-1].value << low | term.value, flat[-1].width + low)
            elif flat and (joined := _adjacent(flat[-1], term)) is not None:
                flat[-1] = joined
            else:
                flat.append(term)
    if len(flat) == 1:
        return flat[0]
    if flat[0].is_const and flat[0].value == 0:
        return zext(concat(*flat[1:]), sum(term.width for term in flat))
    return make(Op.CONCAT, sum(term.width for term in flat), tuple(flat))


def _adjacent(high: Term, low: Term) -> Term | None:
    """What two neighbouring extractions of one term make together."""
    if high.op is not Op.EXTRACT or low.op is not Op.EXTRACT or high.args[0] is not low.args[0]:
        return None
    assert isinstance(high.payload, int) and isinstance(low.payload, int)
    if high.payload != low.payload + low.width:
        return None
    return extract(low.args[0], low.payload, high.width + low.width)


def extract(a: Term, low: int, width: int) -> Term:
    """``width`` bits of ``a`` from bit ``low``."""
    if low == 0 and width == a.width:
        return a
    if a.is_const:
        return const(a.value >> low, width)
    if a.op is Op.EXTRACT:
        assert isinstance(a.payload, int)
        return extract(a.args[0], a.payload + low, width)
    if a.op in (Op.ZEXT, Op.SEXT):
        inner = a.args[0]
        if low + width <= inner.width:
            return extract(inner, low, width)
        if a.op is Op.ZEXT:
            if low >= inner.width:
                return const(0, width)
            return zext(extract(inner, low, inner.width - low), width)
        if low == 0:
            return sext(inner, width)
    if a.op is Op.CONCAT:
        return _extract_parts(a, low, width)
    return make(Op.EXTRACT, width, (a,), low)


def _extract_parts(a: Term, low: int, width: int) -> Term:
    found: list[Term] = []
    at = 0
    for part in reversed(a.args):
        start, stop = max(low, at), min(low + width, at + part.width)
        if start < stop:
            found.append(extract(part, start - at, stop - start))
        at += part.width
    return concat(*reversed(found))


def zext(a: Term, width: int) -> Term:
    """Extended with zeros to ``width``."""
    if width == a.width:
        return a
    if a.is_const:
        return const(a.value, width)
    return zext(a.args[0], width) if a.op is Op.ZEXT else make(Op.ZEXT, width, (a,))


def sext(a: Term, width: int) -> Term:
    """Extended with the sign to ``width``."""
    if width == a.width:
        return a
    if a.is_const:
        return const(signed(a.value, a.width), width)
    if a.op in (Op.ZEXT, Op.SEXT):
        return zext(a.args[0], width) if a.op is Op.ZEXT else sext(a.args[0], width)
    return make(Op.SEXT, width, (a,))


def eq(a: Term, b: Term) -> Term:
    """True where both are equal; also of two memories."""
    if a is b:
        return TRUE
    if a.is_const and b.is_const:
        return FALSE
    if a.width == 1:
        return not_(xor(a, b))
    if a.is_const or (not b.is_const and b.serial < a.serial):
        a, b = b, a
    if b.is_const and a.op is Op.ADD and len(a.args) == 2 and b.value == 0:
        positive, negative = a.args
        if negative.op is Op.MUL and negative.args[-1] is const(-1, a.width) and len(negative.args) == 2:
            return eq(positive, negative.args[0])
    if a.width and (used := max(_used(a), _used(b))) < a.width:
        return eq(extract(a, 0, used), extract(b, 0, used))
    return make(Op.EQ, 1, (a, b))


def ne(a: Term, b: Term) -> Term:
    """True where both differ."""
    return not_(eq(a, b))


def ult(a: Term, b: Term) -> Term:
    """Unsigned less."""
    if a is b or (b.is_const and b.value == 0):
        return FALSE
    if a.is_const and a.value == 0:
        return ne(b, a)
    if a.is_const and b.is_const:
        return const(int(a.value < b.value), 1)
    return make(Op.ULT, 1, (a, b))


def ule(a: Term, b: Term) -> Term:
    """Unsigned less or equal."""
    return not_(ult(b, a))


def slt(a: Term, b: Term) -> Term:
    """Signed less."""
    if a is b:
        return FALSE
    if a.is_const and b.is_const:
        return const(int(signed(a.value, a.width) < signed(b.value, b.width)), 1)
    return make(Op.SLT, 1, (a, b))


def sle(a: Term, b: Term) -> Term:
    """Signed less or equal."""
    return not_(slt(b, a))


def ite(condition: Term, then: Term, other: Term) -> Term:
    """``then`` where the condition (width 1) holds, else ``other``; also of two memories."""
    if condition.is_const:
        return then if condition.value else other
    if then is other:
        return then
    if condition.op is Op.NOT:
        return ite(condition.args[0], other, then)
    if then.width == 1 and then.is_const and other.is_const:
        return condition if then.value else not_(condition)
    return make(Op.ITE, then.width, (condition, then, other))


def apply(name: str, width: int, *operands: Term) -> Term:
    """An uninterpreted function of the operands."""
    return make(Op.APPLY, width, operands, name)


def select(array: Term, address: Term) -> Term:
    """The byte of a memory at an address (64 bits)."""
    while array.op is Op.STORE:
        beneath, where, byte = array.args
        if where is address:
            return byte
        if not _apart(where, address):
            break
        array = beneath
    return make(Op.SELECT, 8, (array, address))


def store(array: Term, address: Term, byte: Term) -> Term:
    """A memory with one byte (8 bits) changed."""
    if array.op is Op.STORE and array.args[1] is address:
        array = array.args[0]
    return make(Op.STORE, 0, (array, address, byte))


def _apart(a: Term, b: Term) -> bool:
    """True where two addresses surely differ: by a constant."""
    difference = sub(a, b)
    return difference.is_const and difference.value != 0


def floating(name: str, operand_width: int, width: int, *operands: Term) -> Term:
    """An IEEE 754 operation on bit patterns (``Op.FLOAT``); ``name`` is one of ``floating.FLOAT_NAMES``."""
    if all(operand.is_const for operand in operands):
        return const(
            numbers.compute(name, operand_width, width, [operand.value for operand in operands]), width
        )
    return make(Op.FLOAT, width, operands, (name, operand_width))
