"""Terms rebuilt with other parts, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from burnish.domains.smt import build as t
from burnish.domains.smt.terms import Op, Term, subterms

_REBUILD: dict[Op, Callable[..., Term]] = {
    Op.NOT: t.not_, Op.AND: t.and_, Op.OR: t.or_, Op.XOR: t.xor, Op.ADD: t.add, Op.MUL: t.mul,
    Op.UDIV: t.udiv, Op.UREM: t.urem, Op.SDIV: t.sdiv, Op.SREM: t.srem,
    Op.SHL: t.shl, Op.LSHR: t.lshr, Op.ASHR: t.ashr, Op.CONCAT: t.concat,
    Op.EQ: t.eq, Op.ULT: t.ult, Op.SLT: t.slt, Op.ITE: t.ite,
    Op.POPCOUNT: t.popcount, Op.CLZ: t.clz, Op.CTZ: t.ctz, Op.SELECT: t.select, Op.STORE: t.store,
}  # fmt: skip


def rebuild(term: Term, args: Sequence[Term]) -> Term:
    """The same operation on other operands, folded. Operands have the widths of those that they replace."""
    payload = term.payload
    match term.op:
        case Op.CONST | Op.VAR | Op.MEMORY:
            return term
        case Op.EXTRACT:
            assert isinstance(payload, int)
            return t.extract(args[0], payload, term.width)
        case Op.ZEXT:
            return t.zext(args[0], term.width)
        case Op.SEXT:
            return t.sext(args[0], term.width)
        case Op.APPLY:
            return t.apply(term.name, term.width, *args)
        case Op.FLOAT:
            assert isinstance(payload, tuple)
            return t.floating(*payload, term.width, *args)
        case _:
            return _REBUILD[term.op](*args)


def substitute(roots: Sequence[Term], mapping: Mapping[Term, Term]) -> list[Term]:
    """The roots with every occurrence of a key replaced by its value, all at once, and folded again. A value has the
    width of its key."""
    done: dict[Term, Term] = dict(mapping)
    for term in subterms(*roots):
        if term not in done:
            args = [done[arg] for arg in term.args]
            same = all(new is old for new, old in zip(args, term.args, strict=True))
            done[term] = term if same else rebuild(term, args)
    return [done[root] for root in roots]


def variables(roots: Sequence[Term]) -> tuple[Term, ...]:
    """The free variables and the memories that the roots depend on, in a fixed order."""
    return tuple(term for term in subterms(*roots) if term.op in (Op.VAR, Op.MEMORY))
