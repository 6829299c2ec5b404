"""Claim: bit tricks against their intrinsics are decided in at most 30 s each, by the encodings of ``verify.solve``.

Each of the four harder pairs of Hacker's Delight (parity, population count, rounding up to a power of two, the high
half of a product) is put as one query, and asked of both solvers in every encoding, and of ``Solver`` with
``first`` and ``both``. "polynomials" that need no solver say "at once".

    python benchmarks/solver_encodings.py [--quick] [--limit SECONDS]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from burnish.domains.smt import build as t
from burnish.domains.smt.terms import Term
from burnish.report.tables import Column, print_table
from burnish.verify.solve import Choice, Query, Solver, Unsat
from burnish.verify.solve.encodings import encodings
from burnish.verify.solve.solver import version
from harness import Figure, common, finish, parser

_CLAIM_S = 30.0
_X, _Y = t.var("x", 32), t.var("y", 32)


def _n(value: int) -> Term:
    return t.const(value, 32)


def _parity() -> tuple[Term, Term]:
    folded = t.xor(_X, t.ashr(_X, _n(1)))
    folded = t.xor(folded, t.ashr(folded, _n(2)))
    product = t.mul(t.and_(folded, _n(0x11111111)), _n(0x11111111))
    return t.and_(t.lshr(product, _n(28)), _n(1)), t.and_(t.popcount(_X), _n(1))


def _population() -> tuple[Term, Term]:
    pairs = t.sub(_X, t.and_(t.lshr(_X, _n(1)), _n(0x55555555)))
    fours = t.add(t.and_(pairs, _n(0x33333333)), t.and_(t.lshr(pairs, _n(2)), _n(0x33333333)))
    eights = t.and_(t.add(fours, t.lshr(fours, _n(4))), _n(0x0F0F0F0F))
    return t.lshr(t.mul(eights, _n(0x01010101)), _n(24)), t.popcount(_X)


def _power() -> tuple[Term, Term]:
    below = t.sub(_X, _n(1))
    smeared = below
    for count in (1, 2, 4, 8, 16):
        smeared = t.or_(smeared, t.lshr(smeared, _n(count)))
    one = t.const(1, 64)
    shifted = t.shl(one, t.zext(t.sub(_n(32), t.clz(below)), 64))
    return t.add(smeared, _n(1)), t.extract(shifted, 0, 32)


def _high() -> tuple[Term, Term]:
    low, half = _n(0xFFFF), _n(16)
    u0, u1, v0, v1 = t.and_(_X, low), t.ashr(_X, half), t.and_(_Y, low), t.ashr(_Y, half)
    step = t.add(t.mul(u1, v0), t.lshr(t.mul(u0, v0), half))
    rest = t.add(t.mul(u0, v1), t.and_(step, low))
    by_halves = t.add(t.mul(u1, v1), t.ashr(step, half), t.ashr(rest, half))
    return by_halves, t.extract(t.mul(t.sext(_X, 64), t.sext(_Y, 64)), 32, 32)


PAIRS: dict[str, Callable[[], tuple[Term, Term]]] = {
    "p22 parity": _parity,
    "p23 population count": _population,
    "p24 next power of 2": _power,
    "p25 high half of a product": _high,
}


@dataclass(frozen=True, slots=True)
class Run:
    """One query asked in one way: the answer's kind, by whom, and the seconds."""

    pair: str
    way: str
    answer: str
    by: tuple[str, ...]
    seconds: float


def asked(pair: str, way: str, choice: Choice, query: Query, limit: float) -> Run:
    """One query to solvers that have loaded, without a cache."""
    with Solver(choice) as solver:
        solver.check(Query((t.ult(_X, _Y),)), 30)
        began = time.perf_counter()
        answer = solver.check(query, limit)
        seconds = time.perf_counter() - began
    by = answer.solvers if isinstance(answer, Unsat) else ()
    return Run(pair, way, type(answer).__name__.lower(), by, seconds)


def runs_of(pair: str, limit: float) -> list[Run]:
    """Every encoding in each solver, then all together."""
    left, right = PAIRS[pair]()
    query = Query((t.ne(left, right),))
    found: list[Run] = []
    for encoding in {encoding.name: encoding for encoding in encodings(query.assertions)}.values():
        if encoding.assertions == (t.FALSE,):
            found.append(Run(pair, encoding.name, "unsat", encoding.by, 0.0))
            continue
        for choice in (Choice.BITWUZLA, Choice.Z3):
            way = f"{encoding.name}, {choice.value}"
            found.append(asked(pair, way, choice, Query(encoding.assertions), limit))
    for choice in (Choice.FIRST, Choice.BOTH):
        found.append(asked(pair, f"Solver, {choice.value}", choice, query, _CLAIM_S))
    return found


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument(
        "--limit", type=float, help="seconds for one encoding in one solver (30; quick: 2)"
    )
    arguments = options_of.parse_args()
    options = common(arguments)
    limit: float = arguments.limit or (2.0 if options.quick else 30.0)
    runs = [run for pair in PAIRS for run in runs_of(pair, limit)]
    columns = (Column("pair"), Column("way"), Column("answer"), Column("by"), Column("seconds"))
    rows = [(run.pair, run.way, run.answer, " ".join(run.by), f"{run.seconds:.2f}") for run in runs]
    print_table(columns, rows)
    versions = ", ".join(f"{name} {version(name)}" for name in ("bitwuzla", "z3"))
    figures: list[Figure] = []
    for pair in PAIRS:
        mine = {run.way: run for run in runs if run.pair == pair}
        first, both = mine["Solver, first"], mine["Solver, both"]
        holds = all(run.answer == "unsat" and run.seconds <= _CLAIM_S for run in (first, both))
        measured = f"{first.seconds:.2f} s first, {both.seconds:.2f} s both"
        figures.append(Figure(f"{pair} against its intrinsic", measured, "≤ 30 s", versions, holds))
    return finish("solver_encodings", options, figures, runs)


if __name__ == "__main__":
    raise SystemExit(main())
