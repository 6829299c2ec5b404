"""Constructors of terms. Each folds constants and identities, so that equal meanings often are one term."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.domains.smt.terms import Op, Term, make


def const(value: int, width: int) -> Term:
    """The number ``value`` modulo ``2 ** width``."""
    return make(Op.CONST, width, (), value & (1 << width) - 1)


TRUE, FALSE = const(1, 1), const(0, 1)


def var(name: str, width: int) -> Term:
    """A free variable. One name has one width."""
    return make(Op.VAR, width, (), name)


def memory(name: str) -> Term:
    """A memory that nothing is known of."""
    return make(Op.MEMORY, 0, (), name)


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) & 1 else value


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
    terms = [*rest] if known == ones else [*rest, const(known, width)]
    return _nary(Op.AND, width, terms, ones)


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
    terms = [*rest] if known == 0 else [*rest, const(known, width)]
    return _nary(Op.OR, width, terms, 0)


def xor(*operands: Term) -> Term:
    """Bitwise exclusive or, of one or more."""
    width = operands[0].width
    known, rest = 0, dict[Term, None]()
    for term in _flat(Op.XOR, operands):
        if term.is_const:
            known ^= term.value
        elif term in rest:
            del rest[term]
        else:
            rest[term] = None
    if known == (1 << width) - 1 and len(rest) == 1:
        return not_(next(iter(rest)))
    terms = [*rest] if known == 0 else [*rest, const(known, width)]
    return _nary(Op.XOR, width, terms, 0)


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
    """Two's complement."""
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


def udiv(a: Term, b: Term) -> Term:
    """Unsigned quotient; all ones for division by zero."""
    if a.is_const and b.is_const:
        return const(a.value // b.value if b.value else -1, a.width)
    return make(Op.UDIV, a.width, (a, b))


def urem(a: Term, b: Term) -> Term:
    """Unsigned remainder; the dividend for division by zero."""
    if a.is_const and b.is_const:
        return const(a.value % b.value if b.value else a.value, a.width)
    return make(Op.UREM, a.width, (a, b))


def sdiv(a: Term, b: Term) -> Term:
    """Signed quotient toward zero; as SMT-LIB's ``bvsdiv`` for division by zero."""
    return make(Op.SDIV, a.width, (a, b))


def srem(a: Term, b: Term) -> Term:
    """Signed remainder with the sign of the dividend; as SMT-LIB's ``bvsrem`` for division by zero."""
    return make(Op.SREM, a.width, (a, b))


def shl(a: Term, count: Term) -> Term:
    """Left shift; 0 for counts of the width or more. ``count`` has the width of ``a``."""
    if count.is_const:
        if count.value == 0:
            return a
        if count.value >= a.width:
            return const(0, a.width)
        if a.is_const:
            return const(a.value << count.value, a.width)
    return make(Op.SHL, a.width, (a, count))


def lshr(a: Term, count: Term) -> Term:
    """Logical right shift; 0 for counts of the width or more."""
    if count.is_const:
        if count.value == 0:
            return a
        if count.value >= a.width:
            return const(0, a.width)
        if a.is_const:
            return const(a.value >> count.value, a.width)
    return make(Op.LSHR, a.width, (a, count))


def ashr(a: Term, count: Term) -> Term:
    """Arithmetic right shift; the sign for counts of the width or more."""
    if count.is_const:
        if count.value == 0:
            return a
        if a.is_const:
            return const(_signed(a.value, a.width) >> min(count.value, a.width - 1), a.width)
    return make(Op.ASHR, a.width, (a, count))


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
        return const(_signed(a.value, a.width), width)
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
        if b.is_const:
            a, b = b, a
        if a.is_const:
            return b if a.value else not_(b)
    if a.is_const:
        a, b = b, a
    return make(Op.EQ, 1, (a, b))


def ne(a: Term, b: Term) -> Term:
    """True where both differ."""
    return not_(eq(a, b))


def ult(a: Term, b: Term) -> Term:
    """Unsigned less."""
    if a is b or (b.is_const and b.value == 0):
        return FALSE
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
        return const(int(_signed(a.value, a.width) < _signed(b.value, b.width)), 1)
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


def popcount(a: Term) -> Term:
    """Number of ones, in the width of ``a``."""
    return const(a.value.bit_count(), a.width) if a.is_const else make(Op.POPCOUNT, a.width, (a,))


def clz(a: Term) -> Term:
    """Number of leading zeros, in the width of ``a``; the width for 0."""
    return const(a.width - a.value.bit_length(), a.width) if a.is_const else make(Op.CLZ, a.width, (a,))


def ctz(a: Term) -> Term:
    """Number of trailing zeros, in the width of ``a``; the width for 0."""
    if a.is_const:
        return const((a.value & -a.value).bit_length() - 1 if a.value else a.width, a.width)
    return make(Op.CTZ, a.width, (a,))


def select(array: Term, address: Term) -> Term:
    """The byte of a memory at an address (64 bits)."""
    return make(Op.SELECT, 8, (array, address))


def store(array: Term, address: Term, byte: Term) -> Term:
    """A memory with one byte (8 bits) changed."""
    return make(Op.STORE, 0, (array, address, byte))


def floating(name: str, operand_width: int, width: int, *operands: Term) -> Term:
    """An IEEE 754 operation on bit patterns (``Op.FLOAT``)."""
    return make(Op.FLOAT, width, operands, (name, operand_width))
