"""Ranges of terms from what is asserted, and terms simplified with them.

Loops of one side count in 32 bits what the other counts in 64: ``sext(i + 1)`` is ``zext(i) + 1`` where ``i`` is known to
be below the largest number. Solvers find that out, at the price of a search at each address; here it is done once, and
addresses that are equal become one term.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from burnish.domains.smt.build import FALSE, TRUE, add, concat, const, eq, extract, mul, zext
from burnish.domains.smt.rewrite import rebuild, substitute
from burnish.domains.smt.terms import Op, Term, subterms

_PASSES = 3


def simplified(assertions: Sequence[Term]) -> list[Term]:
    """Assertions that hold for the same assignments as all the given ones together."""
    assertions = _Rewriter(Ranges(())).rewrite(assertions)
    ranges = Ranges(assertions)
    equal, kept = ranges.equalities()
    found = dict.fromkeys((*ranges.sources, *kept))
    if equal:
        assertions = substitute(assertions, _with_parts(equal, assertions))
    rewritten = _Rewriter(ranges).rewrite(assertions)
    literals = [part for term in rewritten for part in (term.args if term.op is Op.AND else (term,))]
    atoms = [literal for literal in literals if _is_atom(literal)]
    found |= dict.fromkeys(atoms)
    known = {atom.args[0]: FALSE for atom in atoms if atom.op is Op.NOT}
    known |= {atom: TRUE for atom in atoms if atom.op is not Op.NOT}
    found |= dict.fromkeys(substitute([literal for literal in literals if not _is_atom(literal)], known))
    return [FALSE] if FALSE in found else [term for term in found if term is not TRUE]


def _with_parts(equal: dict[Term, Term], roots: Sequence[Term]) -> dict[Term, Term]:
    """The replacements, and those of lower parts of what is replaced: of ``x`` where ``extract(x)`` is."""
    found = dict(equal)
    by_whole = {term.args[0]: term for term in equal if term.op is Op.EXTRACT and term.payload == 0}
    for part in subterms(*roots):
        if part.op is Op.EXTRACT and part not in found and part.args[0] in by_whole:
            whole = by_whole[part.args[0]]
            assert isinstance(part.payload, int)
            if part.payload + part.width <= whole.width:
                found[part] = extract(equal[whole], part.payload, part.width)
    return found


def _is_atom(literal: Term) -> bool:
    """True for a comparison or a truth value, or its negation: what holds once it is asserted."""
    if literal.op is Op.NOT:
        literal = literal.args[0]
    return literal.op in (Op.EQ, Op.ULT, Op.SLT, Op.VAR) and not literal.is_const


class Ranges:
    """The least and the greatest number that terms can be where all assertions hold, as unsigned integers.

    ``sources`` are the assertions that this was learned from. They must stay, as they are, beside what was simplified
    with it."""

    def __init__(self, assertions: Iterable[Term]) -> None:
        self._known: dict[Term, tuple[int, int]] = {}
        self.sources: dict[Term, None] = {}
        self._literals = [
            part for term in assertions for part in (term.args if term.op is Op.AND else (term,))
        ]
        for _ in range(_PASSES):
            before = dict(self._known)
            for literal in self._literals:
                if self._learn(literal):
                    self.sources[literal] = None
            if self._known == before:
                break

    def of(self, term: Term) -> tuple[int, int]:
        """``(least, greatest)``."""
        low, high = self._derived(term)
        known = self._known.get(term)
        return (low, high) if known is None else (max(low, known[0]), min(high, known[1]))

    def equalities(self) -> tuple[dict[Term, Term], list[Term]]:
        """Terms that can be but one thing, each with that; and the assertions, beside ``sources``, that say so. They
        must stay as well."""
        equal = {
            term: const(low, term.width)
            for term, (low, high) in self._known.items()
            if low == high and not term.is_const and term.op is not Op.ADD
        }
        kept: list[Term] = []
        above: dict[tuple[Op, Term, Term], tuple[int, Term]] = {}
        for literal in self._literals:
            # base + constant < other
            if literal.op in (Op.ULT, Op.SLT):
                base, constant = split(literal.args[0])
                key = literal.op, base, literal.args[1]
                if key not in above or above[key][0] < constant:
                    above[key] = constant, literal
        for literal in self._literals:
            # not base + constant < other
            atom = literal.args[0] if literal.op is Op.NOT else None
            if atom is None or atom.op not in (Op.ULT, Op.SLT):
                continue
            base, constant = split(atom.args[0])
            other = atom.args[1]
            found = above.get((atom.op, base, other))
            if found is None or found[0] != constant - 1 or other.is_const or other in equal:
                continue
            limit = 1 << (base.width - int(atom.op is Op.SLT))
            low, high = self.of(base)
            if low + constant - 1 >= 0 and high + constant < limit and other not in _parts(base):
                equal[other] = add(base, const(constant, base.width))
                kept += [literal, found[1]]
        return equal, kept

    def _derived(self, term: Term) -> tuple[int, int]:
        top = (1 << term.width) - 1
        match term.op:
            case Op.CONST:
                return term.value, term.value
            case Op.ZEXT:
                return self.of(term.args[0])
            case Op.MUL if len(term.args) == 2 and (factor := self._factor(term)):
                low, high = self.of(term.args[0])
                return low * factor, high * factor
            case Op.ADD:
                base, constant = split(term)
                low, high = self.of(base) if base is not term else self._total(term.args)
                return (
                    (low + constant, high + constant)
                    if 0 <= low + constant and high + constant <= top
                    else (0, top)
                )
            case Op.AND if term.args[-1].is_const:
                return 0, term.args[-1].value
            case Op.LSHR if term.args[1].is_const:
                low, high = self.of(term.args[0])
                return low >> term.args[1].value, high >> term.args[1].value
            case _:
                return 0, top

    def _factor(self, product: Term) -> int:
        """The constant of a product that does not wrap, else 0."""
        number, factor = product.args
        if not factor.is_const or self.of(number)[1] * factor.value >= 1 << product.width:
            return 0
        return factor.value

    def _total(self, terms: Sequence[Term]) -> tuple[int, int]:
        """The range of a sum."""
        each = [self.of(term) for term in terms]
        low, high = sum(low for low, _ in each), sum(high for _, high in each)
        top = (1 << terms[0].width) - 1
        return (low, high) if high <= top else (0, top)

    def _learn(self, literal: Term) -> bool:
        negated = literal.op is Op.NOT
        atom = literal.args[0] if negated else literal
        if atom.op not in (Op.ULT, Op.SLT):
            return negated and atom.op is Op.EQ and atom.args[0].width > 1 and self._different(*atom.args)
        first, second = atom.args
        if negated:
            first, second = second, first
        strict = int(not negated)
        # first < second, or first <= second
        if atom.op is Op.SLT:
            half = 1 << (first.width - 1)
            if self.of(first)[1] >= half:
                return False
            changed = self._set(second, 0, half - 1)
        else:
            changed = False
        low, high = self.of(first)[0] + strict, self.of(second)[1] - strict
        changed |= self._set(second, low, (1 << second.width) - 1)
        return self._set(first, 0, high) or changed

    def _different(self, first: Term, second: Term) -> bool:
        if first.is_const:
            first, second = second, first
        if not second.is_const:
            return False
        low, high = self.of(first)
        if second.value == low < high:
            return self._set(first, low + 1, high)
        return second.value == high > low and self._set(first, low, high - 1)

    def _set(self, term: Term, low: int, high: int) -> bool:
        """Narrows a range; that of ``x`` for ``x + c`` where the sum does not wrap. True where that is news."""
        if term.is_const:
            return False
        before = self.of(term)
        new = max(low, before[0]), min(high, before[1])
        if new == before or new[0] > new[1]:
            return False
        base, constant = split(term)
        if base is not term:
            least, greatest = self.of(base)
            if least + constant >= 0 and greatest + constant < 1 << term.width:
                self._set(base, new[0] - constant, new[1] - constant)
        if term.op is Op.MUL and len(term.args) == 2 and (factor := self._factor(term)):
            self._set(term.args[0], -(-new[0] // factor), new[1] // factor)
        if term.op is Op.ZEXT:
            self._set(term.args[0], new[0], min(new[1], (1 << term.args[0].width) - 1))
        self._known[term] = new
        return True


def _parts(term: Term) -> set[Term]:
    return set(subterms(term))


def split(term: Term) -> tuple[Term, int]:
    """A sum as its part without a constant, and the constant (signed); other terms with 0."""
    if term.op is not Op.ADD or not term.args[-1].is_const:
        return term, 0
    constant = term.args[-1].value
    if constant >> (term.width - 1):
        constant -= 1 << term.width
    return add(*term.args[:-1]), constant


class _Rewriter:
    """Terms rebuilt, operands first."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges
        self._done: dict[Term, Term] = {}

    def rewrite(self, terms: Sequence[Term]) -> list[Term]:
        done = self._done
        for term in subterms(*terms):
            if term not in done:
                done[term] = self._one(term, [done[arg] for arg in term.args])
        return [done[term] for term in terms]

    def _one(self, term: Term, args: list[Term]) -> Term:
        match term.op:
            case Op.ADD | Op.MUL:
                return collected(rebuild(term, args))
            case Op.SHL if args[1].is_const and args[1].value < term.width:
                return collected(mul(args[0], const(1 << args[1].value, term.width)))
            case Op.ZEXT:
                return self._extended(args[0], term.width)
            case Op.SEXT if self._ranges.of(args[0])[1] < 1 << (args[0].width - 1):
                return self._extended(args[0], term.width)
            case Op.CONCAT if args[-1].is_const and args[-1].value == 0:
                low = args[-1].width
                high = zext(concat(*args[:-1]), term.width)
                return collected(mul(high, const(1 << low, term.width)))
            case Op.EXTRACT if term.payload == 0 and args[0].op in (Op.ADD, Op.MUL):
                return self._low(args[0], term.width)
            case Op.LSHR if args[1].is_const and 0 < args[1].value < term.width:
                return self._shifted(args[0], args[1].value) or rebuild(term, args)
            case Op.AND if args[-1].is_const:
                return self._masked(rebuild(term, args))
            case Op.ULT | Op.SLT:
                return self._compared(term, args)
            case Op.EQ if args[0].width > 1:
                return _equation(args[0], args[1])
            case _:
                same = all(new is old for new, old in zip(args, term.args, strict=True))
                return term if same else rebuild(term, args)

    def _low(self, term: Term, width: int) -> Term:
        """The low bits of a sum: the sum of the low bits."""
        parts, constant = _coefficients(term)
        found: dict[Term, int] = {}
        for part, coefficient in parts.items():
            if coefficient % (1 << width):
                low = extract(part, 0, width)
                found[low] = found.get(low, 0) + coefficient
        modulus = 1 << width
        found = {part: c % modulus for part, c in found.items() if c % modulus}
        return collected(_sum(found, constant % modulus, width))

    def _shifted(self, term: Term, count: int) -> Term | None:
        """A sum shifted right, where no bit of its parts is lost but those of the constant, and it does not wrap."""
        parts, constant = _coefficients(term)
        if not parts or any(coefficient % (1 << count) for coefficient in parts.values()):
            return None
        if sum(c * self._ranges.of(part)[1] for part, c in parts.items()) + constant >= 1 << term.width:
            return None
        return _sum({part: c >> count for part, c in parts.items()}, constant >> count, term.width)

    def _masked(self, term: Term) -> Term:
        """A sum without its low bits, where those are the constant's alone; or those only."""
        if term.op is not Op.AND or len(term.args) != 2 or not term.args[1].is_const:
            return term
        value, mask = term.args[0], term.args[1].value
        high = (1 << term.width) - 1 - mask
        parts, constant = _coefficients(value)
        if high & (high + 1) == 0 and high:
            if all(c % (high + 1) == 0 for c in parts.values()):
                return _sum(parts, constant & mask, term.width)
        elif mask & (mask + 1) == 0 and all(c % (mask + 1) == 0 for c in parts.values()):
            return const(constant & mask, term.width)
        return term

    def _compared(self, term: Term, args: list[Term]) -> Term:
        """A comparison that ranges decide, or that is one of constants."""
        first, second = args
        limit = 1 << (first.width - int(term.op is Op.SLT))
        (low, high), (least, most) = self._ranges.of(first), self._ranges.of(second)
        if max(high, most) < limit:
            if high < least:
                return TRUE
            if low >= most:
                return FALSE
            base, constant = split(first)
            other, more = split(second)
            if base is other:
                bottom, top = self._ranges.of(base)
                if bottom + min(constant, more) >= 0 and top + max(constant, more) < limit:
                    return TRUE if constant < more else FALSE
        return rebuild(term, args)

    def _extended(self, term: Term, width: int) -> Term:
        """``zext(x + c)`` as ``zext(x) + c``, and ``zext(x * c)`` as ``zext(x) * c``, where that does not wrap."""
        base, constant = split(term)
        if base is not term:
            low, high = self._ranges.of(base)
            if low + constant >= 0 and high + constant < 1 << term.width:
                return collected(add(self._extended(base, width), const(constant, width)))
        if term.op in (Op.ADD, Op.MUL):
            parts, constant = _coefficients(term)
            total = sum(c * self._ranges.of(part)[1] for part, c in parts.items()) + constant
            if total < 1 << term.width and len(parts) + (constant != 0) <= 4:
                return collected(_sum({zext(part, width): c for part, c in parts.items()}, constant, width))
        return zext(term, width)


def _coefficients(term: Term) -> tuple[dict[Term, int], int]:
    """A term as a sum of others with coefficients, and a constant."""
    found: dict[Term, int] = {}
    constant = 0
    stack = [(term, 1)]
    while stack:
        part, factor = stack.pop()
        if part.is_const:
            constant += factor * part.value
        elif part.op is Op.ADD:
            stack.extend((arg, factor) for arg in part.args)
        elif part.op is Op.MUL and part.args[-1].is_const:
            stack.append((mul(*part.args[:-1]), factor * part.args[-1].value))
        else:
            found[part] = found.get(part, 0) + factor
    modulus = 1 << term.width
    return {part: c % modulus for part, c in found.items() if c % modulus}, constant % modulus


def _sum(parts: dict[Term, int], constant: int, width: int) -> Term:
    ordered = sorted(parts, key=lambda part: part.serial)
    return add(const(constant, width), *(mul(part, const(parts[part], width)) for part in ordered))


def collected(term: Term) -> Term:
    """A sum with each operand once, in a fixed order; products with a constant multiplied out."""
    if term.op not in (Op.ADD, Op.MUL):
        return term
    return _sum(*_coefficients(term), term.width)


def _equation(first: Term, second: Term) -> Term:
    """An equality without what is on both sides."""
    width = first.width
    left, constant = _coefficients(first)
    right, other = _coefficients(second)
    modulus = 1 << width
    for part, coefficient in right.items():
        left[part] = left.get(part, 0) - coefficient
    constant -= other
    left = {part: c % modulus for part, c in left.items() if c % modulus}
    half = modulus // 2
    positive = {part: c for part, c in left.items() if c < half}
    negative = {part: modulus - c for part, c in left.items() if c >= half}
    constant %= modulus
    if constant < half:
        return eq(_sum(positive, constant, width), _sum(negative, 0, width))
    return eq(_sum(positive, 0, width), _sum(negative, modulus - constant, width))
