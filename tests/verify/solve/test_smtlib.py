"""SMT-LIB 2 text, read back by both solvers' own parsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bitwuzla
import pytest
import z3

from burnish.domains.smt import build as t
from burnish.domains.smt.terms import Term
from burnish.verify.solve import Query, smtlib

from .test_floats import DIFFERENT, SAME
from .test_solver import SATISFIABLE, UNSATISFIABLE

QUERIES: dict[str, tuple[tuple[Term, ...], str]] = {
    **{name: (assertions, "sat") for name, assertions in SATISFIABLE.items()},
    **{name: (assertions, "unsat") for name, assertions in UNSATISFIABLE.items()},
    **{f"floats: {name}": ((t.ne(*sides),), "unsat") for name, sides in SAME.items()},
    **{f"floats: {name}": ((t.ne(*sides),), "sat") for name, sides in DIFFERENT.items()},
    "nothing": ((), "sat"),
    "odd names": (
        (t.ult(t.var("a|b\\c", 8), t.var("a!b/c", 8)), t.ult(t.var("memory m", 8), t.var("(x", 8))),
        "sat",
    ),
    "names that meet": (
        (t.ne(t.select(t.memory("m"), t.var("m", 64)), t.apply("m", 8, t.var("memory m", 8))),),
        "sat",
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_bitwuzla_reads_it(name: str, tmp_path: Path) -> None:
    assertions, expected = QUERIES[name]
    path = tmp_path / "query.smt2"
    path.write_text(smtlib(Query(assertions)))
    package: Any = bitwuzla
    parser = package.Parser(package.TermManager(), package.Options())
    parser.parse(str(path), True)
    assert str(parser.bitwuzla().check_sat()) == expected


@pytest.mark.parametrize("name", QUERIES)
def test_z3_reads_it(name: str) -> None:
    assertions, expected = QUERIES[name]
    solver: Any = z3.Solver()
    solver.from_string(smtlib(Query(assertions)))
    assert str(solver.check()) == expected
