"""The same query put in several ways: what one way leaves undecided, another may decide at once.

Each encoding has a model wherever the query has one, so that ``Unsat`` carries over. The other direction needs no
trust: a model is evaluated on the query itself.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.rewrite import variables
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.solve.algebra import hard_product, multiplies, normalise
from burnish.verify.solve.lower import lower, popcount_masks, rewrite
from burnish.verify.solve.query import Model

QUICK_SECONDS = 0.3
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Encoding:
    """One way to put the query. ``exact`` is False where there can be models that are none of the query. ``seconds``
    is how long it is worth trying, None for as long as there is."""

    name: str
    assertions: tuple[Term, ...]
    exact: bool = True
    seconds: float | None = None


def encodings(assertions: Sequence[Term]) -> Iterator[Encoding]:
    """The ways to put a query, in the order to try them. Those that cost are made when they are asked for."""
    floats = any(term.op is Op.FLOAT for term in subterms(*assertions))
    lowered = tuple(lower(assertions))
    counts = any(term.op is Op.POPCOUNT for term in subterms(*assertions))
    hard = _is_hard(lowered)
    normal = tuple(normalise(lowered)) if hard else lowered
    if hard and not _is_hard(normal):
        yield Encoding("polynomials", normal, not floats)
        return
    yield Encoding("plain", lowered, not floats, QUICK_SECONDS if hard or counts else None)
    if counts:
        masks = tuple(lower(assertions, popcount_masks))
        yield Encoding("ones by masks", masks, not floats, 4 * QUICK_SECONDS)
    if hard:
        yield Encoding("products uninterpreted", tuple(uninterpreted(normal)), False, 4 * QUICK_SECONDS)
    if normal != lowered:
        yield Encoding("polynomials", normal, not floats, 8 * QUICK_SECONDS)
    if hard or counts:
        yield Encoding("plain", lowered, not floats)


def _is_hard(roots: Sequence[Term]) -> bool:
    return multiplies(roots) or divides(roots)


def divides(roots: Sequence[Term]) -> bool:
    """True if something is divided by an unknown anywhere."""
    return any(term.op in _DIVISION and not term.args[1].is_const for term in subterms(*roots))


_DIVISION = {
    Op.UDIV: "quotient",
    Op.UREM: "remainder",
    Op.SDIV: "signed quotient",
    Op.SREM: "signed remainder",
}


def uninterpreted(roots: Sequence[Term]) -> list[Term]:
    """The roots with products of unknowns, and divisions by unknowns, as functions that nothing is known of but that
    factors commute: an over-approximation."""
    order: dict[Term, int] = {}

    def rank(term: Term) -> int:
        return order.setdefault(term, len(order))

    def rule(term: Term, args: Sequence[Term]) -> Term | None:
        width = term.width
        if hard_product(term):
            factors = sorted((arg for arg in args if not arg.is_const), key=rank)
            total = factors[0]
            for factor in factors[1:]:
                total = t.apply(f"product:{width}", width, total, factor)
            return t.mul(total, *[arg for arg in args if arg.is_const])
        if term.op in _DIVISION and not args[1].is_const:
            return t.apply(f"{_DIVISION[term.op]}:{width}", width, *args)
        return None

    return rewrite(roots, rule)


class _Anything(Mapping[int, int]):
    """A memory whose bytes are all made up, each from its address."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __getitem__(self, address: int) -> int:
        return random.Random(self._seed ^ address).getrandbits(8)

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def sampled(assertions: Sequence[Term], seed: int = 1) -> Model | None:
    """A model found by guessing, None if a few dozen guesses are none. A guard behind what shows without a solver."""
    leaves = variables(assertions)
    chance = random.Random(seed)
    for _ in range(_SAMPLES):
        values = {leaf.name: _guess(chance, leaf.width) for leaf in leaves if leaf.op is Op.VAR}
        memories = {leaf.name: _Anything(chance.getrandbits(64)) for leaf in leaves if leaf.op is Op.MEMORY}
        model = Model(values, memories)
        if all(evaluate(assertions, model)):
            return model
    return None


def _guess(chance: random.Random, width: int) -> int:
    """A number of any size, or near an end of the range."""
    mask = (1 << width) - 1
    match chance.randrange(4):
        case 0:
            return chance.choice((0, 1, 2, mask, mask - 1, mask >> 1, (mask >> 1) + 1)) & mask
        case 1:
            return chance.getrandbits(chance.randrange(1, width + 1)) & mask
        case _:
            return chance.getrandbits(width)
