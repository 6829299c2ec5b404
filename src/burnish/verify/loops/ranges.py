"""Ranges of terms from what is asserted, and terms simplified with them.

Loops of one side count in 32 bits what the other counts in 64: ``sext(i + 1)`` is ``zext(i) + 1`` where ``i`` is known
to be below the largest number. Solvers find that out, at the price of a search at each address; here it is done once,
and addresses that are equal become one term.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.domains.smt.build import FALSE, TRUE, concat, const, extract, zext
from burnish.domains.smt.leaves import signed
from burnish.domains.smt.rewrite import rebuild, substitute
from burnish.domains.smt.sums import linear, written
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.loops.differences import Differences
from burnish.verify.loops.known_ranges import PASSES, SUMS, Ranges, split, total_of
from burnish.verify.solve.flat import all_conjuncts

_LONG_SUM = 6
_DEEPEST = 40
"""Sums in extended sums in extended sums, at most."""


def simplified(assertions: Sequence[Term]) -> list[Term]:
    """Assertions that hold for the same assignments as all the given ones together."""
    fixed, said = _fixed_bits(assertions)
    if fixed:
        assertions = substitute(assertions, fixed)
    defined, definitions = _definitions(assertions)
    if defined:
        assertions = substitute(assertions, defined)
        said += definitions
    ranges = Ranges(assertions)
    equal, kept = ranges.equalities()
    found = dict.fromkeys((*said, *ranges.sources, *kept))
    if equal:
        assertions = substitute(assertions, _with_parts(equal, assertions))
    rewritten = list(assertions)
    differences = Differences(all_conjuncts(assertions))
    for _ in range(PASSES):
        before, rewritten = rewritten, _Rewriter(ranges, differences).rewrite(rewritten)
        if all(new is old for new, old in zip(rewritten, before, strict=True)):
            break
    found |= differences.sources
    literals = [*all_conjuncts(rewritten)]
    atoms = [literal for literal in literals if _is_atom(literal)]
    found |= dict.fromkeys(atoms)
    known = {atom.args[0]: FALSE for atom in atoms if atom.op is Op.NOT}
    if any(atom in known for atom in atoms):
        return [FALSE]
    known |= {atom: TRUE for atom in atoms if atom.op is not Op.NOT}
    found |= dict.fromkeys(substitute([literal for literal in literals if not _is_atom(literal)], known))
    return [FALSE] if FALSE in found else [term for term in found if term is not TRUE]


def _definitions(assertions: Sequence[Term]) -> tuple[dict[Term, Term], list[Term]]:
    """Variables that are asserted to be something else, each as that; and the assertions that say so, which must
    stay."""
    found: dict[Term, Term] = {}
    used: set[Term] = set()
    said: list[Term] = []
    for literal in all_conjuncts(assertions):
        if literal.op is not Op.EQ or literal.args[1].is_const:
            continue
        for variable, value in (literal.args, literal.args[::-1]):
            parts = set(subterms(value))
            # Never in a circle: what is defined is no part of what another is.
            if (
                variable.op is Op.VAR
                and variable not in parts | used | found.keys()
                and not parts & found.keys()
            ):
                found[variable] = value
                used |= parts
                said.append(literal)
                break
    return found, said


def _fixed_bits(assertions: Sequence[Term]) -> tuple[dict[Term, Term], list[Term]]:
    """Variables of which some bits are asserted, each as what it is then; and the assertions that say so, which must
    stay."""
    bits: dict[Term, tuple[int, int]] = {}
    said: list[Term] = []
    for literal in all_conjuncts(assertions):
        part, value = literal, 1
        if literal.op is Op.NOT:
            part, value = literal.args[0], 0
        elif literal.op is Op.EQ and literal.args[1].is_const:
            part, value = literal.args[0], literal.args[1].value
        if part.op is Op.EXTRACT and part.args[0].op is Op.VAR:
            assert isinstance(part.payload, int)
            mask, known = bits.get(part.args[0], (0, 0))
            added = (1 << part.width) - 1 << part.payload
            if mask & added == 0:
                bits[part.args[0]] = mask | added, known | value << part.payload
                said.append(literal)
    return {variable: _of_bits(variable, mask, value) for variable, (mask, value) in bits.items()}, said


def _of_bits(variable: Term, mask: int, value: int) -> Term:
    """The variable with the bits of ``mask`` as they are in ``value``."""
    parts: list[Term] = []
    at = 0
    while at < variable.width:
        fixed = mask >> at & 1
        end = at
        while end < variable.width and mask >> end & 1 == fixed:
            end += 1
        parts.append(const(value >> at, end - at) if fixed else extract(variable, at, end - at))
        at = end
    return concat(*reversed(parts))


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
    return literal.op in (Op.EQ, Op.ULT, Op.SLT, Op.VAR, Op.EXTRACT)


class _Rewriter:
    """Terms rebuilt, operands first."""

    def __init__(self, ranges: Ranges, differences: Differences) -> None:
        self._ranges = ranges
        self._differences = differences
        self._done: dict[Term, Term] = {}

    def rewrite(self, terms: Sequence[Term]) -> list[Term]:
        done = self._done
        for term in subterms(*terms):
            if term not in done:
                done[term] = self._one(term, [done[arg] for arg in term.args])
        return [done[term] for term in terms]

    def _one(self, term: Term, args: list[Term]) -> Term:
        match term.op:
            case Op.ZEXT:
                return self._extended(args[0], term.width)
            case Op.SEXT if self._ranges.of(args[0])[1] < 1 << (args[0].width - 1):
                return self._extended(args[0], term.width)
            case Op.EXTRACT if term.payload and args[0].op in SUMS:
                return self._quotient(term) or self._middle(args[0], term)
            case Op.SELECT if self._differences and args[0].op is Op.STORE:
                return self._differences.loaded(args[0], args[1])
            case Op.LSHR if args[1].is_const and 0 < args[1].value < term.width:
                return self._quotient(term) or self._shifted(args[0], args[1].value) or rebuild(term, args)
            case Op.AND if args[-1].is_const:
                return self._masked(rebuild(term, args))
            case Op.ULT | Op.SLT:
                return self._compared(term, args)
            case Op.EQ if args[0].width > 1:
                return rebuild(term, [self._extended(arg, arg.width) for arg in args])
            case _:
                same = all(new is old for new, old in zip(args, term.args, strict=True))
                found = term if same else rebuild(term, args)
                return self._extended(found, found.width) if found.op is Op.ZEXT else found

    def _quotient(self, term: Term) -> Term | None:
        """The upper bits of a product where they can be but one number: what a compiler makes of a division by a
        constant, of what is below it."""
        low, high = self._ranges.of(term)
        return const(low, term.width) if low == high else None

    def _middle(self, value: Term, term: Term) -> Term:
        """Bits of a sum above those that are the constant's alone."""
        low = term.payload
        assert isinstance(low, int)
        parts, constant = _coefficients(value)
        if value in parts or not parts or any(coefficient % (1 << low) for coefficient in parts.values()):
            return rebuild(term, [value])
        high = total_of({part: c >> low for part, c in parts.items()}, constant >> low, value.width)
        return extract(high, 0, term.width)

    def _shifted(self, term: Term, count: int) -> Term | None:
        """A sum shifted right, where no bit of its parts is lost but those of the constant, and it does not wrap."""
        parts, constant = _coefficients(term)
        if not parts or any(coefficient % (1 << count) for coefficient in parts.values()):
            return None
        if sum(c * self._ranges.of(part)[1] for part, c in parts.items()) + constant >= 1 << term.width:
            return None
        return total_of({part: c >> count for part, c in parts.items()}, constant >> count, term.width)

    def _masked(self, term: Term) -> Term:
        """A sum without its low bits, where those are the constant's alone; or those only."""
        if term.op is not Op.AND or len(term.args) != 2 or not term.args[1].is_const:
            return term
        value, mask = term.args[0], term.args[1].value
        high = (1 << term.width) - 1 - mask
        parts, constant = _coefficients(value)
        if high & (high + 1) == 0 and high:
            if all(c % (high + 1) == 0 for c in parts.values()):
                return total_of(parts, constant & mask, term.width)
        elif mask & (mask + 1) == 0 and all(c % (mask + 1) == 0 for c in parts.values()):
            return const(constant & mask, term.width)
        return term

    def _compared(self, term: Term, args: list[Term]) -> Term:
        """A comparison that ranges decide, or that is one of constants."""
        first, second = args = [self._extended(arg, arg.width) for arg in args]
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

    def _extended(self, term: Term, width: int, deep: int = _DEEPEST) -> Term:
        """``zext(4*x + c)`` as ``4*zext(x) + c`` where that does not wrap, so ``deep`` inside, too."""
        while term.op is Op.ZEXT:
            term = term.args[0]
        total = linear((term, 1))
        if term in total.factors or len(total.factors) > _LONG_SUM or not deep:
            return zext(term, width)
        low = high = constant = signed(total.constant, term.width)
        for factor, coefficient in total.factors.items():
            least_, most = self._ranges.of(factor)
            low += coefficient * least_
            high += coefficient * most
        if low < 0 or high >= 1 << term.width:
            return zext(term, width)
        wide = ((self._extended(factor, width, deep - 1), c) for factor, c in total.factors.items())
        # Two of them may be one once they are extended: a sum, for a mapping would keep but the last.
        return written(linear((const(constant, width), 1), *wide))


def _coefficients(term: Term) -> tuple[dict[Term, int], int]:
    """A term as a sum of others with coefficients, and a constant."""
    total = linear((term, 1))
    return total.factors, total.constant
