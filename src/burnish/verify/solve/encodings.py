"""The same query put in several ways: what one way leaves undecided, another may decide at once.

Each encoding has a model wherever the query has one, so that ``Unsat`` carries over. The other direction needs no
trust: a model is evaluated on the query itself.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.rewrite import rewrite, variables
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.solve.algebra import hard_product, normalise
from burnish.verify.solve.cells import Cells, in_cells
from burnish.verify.solve.lower import float_definitions, lower, popcount_masks
from burnish.verify.solve.query import Model

QUICK_SECONDS = 0.5
MOMENT_SECONDS = 0.06
"""What the theory of arrays is given before cells are made: mostly it needs a tenth of that, and a query in cells is
ten times as long."""
_FEW_READS = 8
"""Of no more than that cells are soon made, and they may show what there is to see."""
GLANCE_SECONDS = 0.15
"""What divisions are given as they stand, and as functions of nothing, before polynomials are made of them."""
_LONGER, _LONGER_SHARE = 6, 0.5
"""A query that is so many times longer in cells than in arrays is put in arrays first, for a share of the time."""
_SAMPLES = 64
_CELLS_SHARE = 0.6
"""Of the time that is left, what cells may take before arrays are tried."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One way to put the query. ``open`` says what it leaves open, so that there can be models that are none of the
    query; empty for none. ``seconds``
    is how long it is worth trying, None for as long as there is; and of what there is, no more than ``share``.
    ``restore`` turns a model into one of the query's own names. ``by`` is who says so where the encoding is false on
    its face: ``()`` for folding alone. ``alone`` where it is for the first solver only, unless all have to agree."""

    name: str
    assertions: tuple[Term, ...]
    open: str = ""
    seconds: float | None = None
    share: float = 1.0
    restore: Callable[[Model], Model] = lambda model: model
    by: tuple[str, ...] = ()
    alone: bool = False


def encodings(assertions: Sequence[Term], moment: bool = True) -> Iterator[Encoding]:
    """The ways to put a query, in the order to try them. Those that cost are made when they are asked for. Without
    ``moment`` arrays come last only."""
    arrays = tuple(lower(assertions))
    operations = Counter(term.op for term in subterms(*assertions))
    if Op.FLOAT in operations:
        yield from _of_floats(arrays, in_cells(arrays))
        return
    if moment and Op.MEMORY in operations and operations[Op.SELECT] > _FEW_READS:
        yield Encoding("arrays", arrays, seconds=MOMENT_SECONDS, alone=True)
    cells = in_cells(arrays)
    if cells is None:
        yield from _of_numbers(Encoding("plain", arrays), assertions)
        return
    if _is_longer(cells.assertions, arrays):
        if _has_divisions(arrays):
            yield _any_products(Encoding("arrays", arrays, seconds=GLANCE_SECONDS))
        yield Encoding("arrays", arrays, share=_LONGER_SHARE)
    # Where arrays are hard, solvers mostly take one to two orders of magnitude less time for cells.
    yield from _of_numbers(_of_cells(cells), ())
    yield Encoding("arrays", arrays)


def _is_longer(cells: Sequence[Term], arrays: Sequence[Term]) -> bool:
    """True where cells are so many that arrays are worth a second look."""
    return sum(1 for _ in subterms(*cells)) > _LONGER * sum(1 for _ in subterms(*arrays))


def _of_cells(cells: Cells) -> Encoding:
    return Encoding("cells", cells.assertions, share=_CELLS_SHARE, restore=cells.restored)


def _of_floats(arrays: tuple[Term, ...], cells: Cells | None) -> Iterator[Encoding]:
    """Floating-point operations first as functions of which nothing is known, then as the theory has them: most
    programs compute the same of the same operands, and circuits for two of them are large."""
    ways = [Encoding("plain" if cells is None else "arrays", arrays)]
    if cells is not None:
        ways.insert(0, _of_cells(cells))
    yield replace(ways[0], open="what floating-point operations compute", share=_CELLS_SHARE)
    for way in ways:
        computed = (*way.assertions, *float_definitions(way.assertions))
        yield replace(way, name=f"{way.name} with floats", assertions=computed)


def _of_numbers(main: Encoding, assertions: Sequence[Term]) -> Iterator[Encoding]:
    """``main``, and other ways to put its arithmetic. ``assertions`` are the query before operations that no solver
    has were written out, where that can be done in another way."""
    counts = any(term.op is Op.POPCOUNT for term in subterms(*assertions))
    hard = _is_hard(main.assertions)
    normal = tuple(normalise(main.assertions)) if hard else main.assertions
    polynomials = replace(main, name="polynomials", assertions=normal, by=("algebra",))
    if hard and not _is_hard(normal):
        yield polynomials
        return
    if hard and _has_divisions(main.assertions):
        # Mostly both sides divide the same; and where they need not, the circuits do no harm.
        yield _any_products(replace(main, seconds=GLANCE_SECONDS))
        yield replace(main, seconds=GLANCE_SECONDS)
    # Circuits of divisions are large, and mostly both sides divide the same.
    divided = hard and _has_divisions(normal)
    if divided:
        yield _any_products(replace(polynomials, seconds=2 * QUICK_SECONDS))
    yield replace(main, seconds=QUICK_SECONDS if hard or counts else None)
    if counts:
        masks = tuple(lower(assertions, popcount_masks))
        yield replace(main, name="ones by masks", assertions=masks, seconds=2 * QUICK_SECONDS)
    if hard and not divided:
        yield _any_products(replace(polynomials, seconds=2 * QUICK_SECONDS))
    if normal != main.assertions:
        yield replace(main, share=main.share / 2)
        yield polynomials
    elif hard or counts:
        yield main


def _any_products(main: Encoding) -> Encoding:
    return replace(main, assertions=tuple(uninterpreted(main.assertions)), open="products")


def _is_hard(roots: Sequence[Term]) -> bool:
    """True if unknowns are multiplied with each other, or something is divided by one, anywhere."""
    return any(hard_product(term) or _divides(term) for term in subterms(*roots))


def _has_divisions(roots: Sequence[Term]) -> bool:
    return any(map(_divides, subterms(*roots)))


def _divides(term: Term) -> bool:
    return term.op in _DIVISION and not term.args[1].is_const


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
