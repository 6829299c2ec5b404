"""Terms rebuilt with other parts, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from burnish.domains.smt.build import rebuild
from burnish.domains.smt.terms import Op, Term, subterms

__all__ = ["Rule", "rebuild", "rewrite", "substitute", "variables"]


Rule = Callable[[Term, Sequence[Term]], Term | None]
"""From a term and its rewritten operands, what takes its place; None for the same operation on these operands."""


def rewrite(roots: Sequence[Term], rule: Rule) -> list[Term]:
    """The roots with the rule at every term, operands first."""
    done: dict[Term, Term] = {}
    for term in subterms(*roots):
        args = [done[arg] for arg in term.args]
        new = rule(term, args)
        if new is None:
            same = all(arg is old for arg, old in zip(args, term.args, strict=True))
            new = term if same else rebuild(term, args)
        done[term] = new
    return [done[root] for root in roots]


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
