"""What the solvers answer, each and together, and what becomes of an answer that cannot be had."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from burnish.core.errors import HostError
from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Term
from burnish.verify.solve import solver as solver_module
from burnish.verify.solve.query import Answer, Choice, Model, Query, Sat, Undecided, Unsat
from burnish.verify.solve.solver import Solver, solve

from .terms import hard, number, swar_popcount

X, Y = t.var("x", 32), t.var("y", 32)
P, Q = t.var("p8", 8), t.var("q8", 8)
A, B = t.var("a", 64), t.var("b", 64)
M, N = t.memory("m"), t.memory("n")


def ask(solver: Solver, *assertions: Term) -> Answer:
    return solver.check(Query(assertions), 60)


SATISFIABLE = {
    "numbers": (t.eq(t.add(X, Y), number(5)), t.ult(X, Y), t.slt(Y, X)),
    "division by zero": (t.eq(t.udiv(X, Y), number(0xFFFFFFFF)), t.ne(X, number(0xFFFFFFFF))),
    "signed division": (t.eq(t.sdiv(X, Y), number(1 << 31)), t.ne(Y, number(1))),
    "signed remainder": (t.eq(t.srem(X, Y), number(-3)), t.ult(Y, number(9))),
    "shifts": (t.eq(t.ashr(X, Y), number(-1)), t.slt(number(0), t.shl(X, Y)), t.ult(number(3), Y)),
    "wide": (t.eq(t.mul(t.sext(X, 128), t.sext(Y, 128)), t.const(-(1 << 61), 128)),),
    "truth values": (t.eq(t.zext(t.xor(t.ult(X, Y), t.slt(X, Y), t.var("p", 1)), 8), t.const(1, 8)),),
    "bits as truth": (
        t.extract(X, 3, 1),
        t.not_(t.extract(X, 4, 1)),
        t.ite(t.extract(X, 5, 1), t.ult(X, Y), t.TRUE),
    ),
    "bit arithmetic": (
        t.eq(t.concat(t.add(t.extract(X, 0, 1), t.extract(Y, 0, 1)), t.ult(X, Y)), t.const(3, 2)),
    ),
    "a byte of memory": (t.ne(t.select(t.store(M, A, t.const(1, 8)), B), t.select(M, B)),),
    "memories differ": (t.ne(t.store(M, A, t.const(1, 8)), t.store(M, B, t.const(1, 8))),),
    "one of two memories": (
        t.ne(t.select(t.ite(t.ult(A, B), M, N), A), t.select(t.ite(t.ult(A, B), N, M), A)),
    ),
    "a function": (t.ne(t.apply("f", 8, X, Y), t.apply("f", 8, Y, X)), t.ult(t.apply("g", 64), A)),
    "a function and a variable of one name": (t.ult(t.var("k", 8), t.apply("k", 8)),),
    "ones": (t.eq(t.popcount(X), number(31)), t.eq(t.clz(X), number(0)), t.eq(t.ctz(X), number(0))),
    "zeros": (t.eq(t.clz(X), number(17)), t.eq(t.ctz(X), number(11)), t.eq(t.ctz(Y), number(32))),
}
UNSATISFIABLE = {
    "addition by bits": (t.ne(t.add(t.and_(X, Y), t.or_(X, Y)), t.add(X, Y)),),
    "division": (t.ne(P, t.add(t.mul(t.udiv(P, Q), Q), t.urem(P, Q))), t.ne(Q, t.const(0, 8))),
    "zeros shifted in": (t.ult(t.clz(t.lshr(X, number(1))), t.clz(X)),),
    "zeros shifted in at the end": (t.ult(t.ctz(t.shl(X, number(1))), t.ctz(X)),),
    "ones by masks": (t.ne(t.popcount(X), swar_popcount(X)),),
    "reading what was written": (
        t.ne(t.select(t.store(M, A, P), B), t.ite(t.eq(A, B), P, t.select(M, B))),
    ),
    "memories that are equal": (t.eq(M, N), t.ne(t.select(M, A), t.select(N, A))),
    "a function of equals": (t.eq(X, Y), t.ne(t.apply("f", 8, X), t.apply("f", 8, Y))),
    "a function of equal memories": (t.eq(M, N), t.ne(t.apply("h", 8, M, A), t.apply("h", 8, N, A))),
    "a float of equals": (t.eq(X, Y), t.ne(t.floating("FLOAT_SQRT", 32, 32, X), t.floating("FLOAT_SQRT", 32, 32, Y))),
    "one bit": (t.eq(t.extract(X, 3, 1), t.ult(X, Y)), t.ult(X, Y), t.ult(X, number(8))),
}  # fmt: skip


FOLDS_IN_CELLS = {"reading what was written"}
FOLDS_IN_ALGEBRA = {"division"}


@pytest.mark.parametrize("name", SATISFIABLE)
def test_a_model_is_one(solver: Solver, name: str) -> None:
    answer = ask(solver, *SATISFIABLE[name])
    assert isinstance(answer, Sat)
    assert evaluate(SATISFIABLE[name], answer.model) == [1] * len(SATISFIABLE[name])


@pytest.mark.parametrize("name", UNSATISFIABLE)
def test_no_model(solver: Solver, name: str) -> None:
    answer = ask(solver, *UNSATISFIABLE[name])
    assert isinstance(answer, Unsat)
    if name in FOLDS_IN_CELLS:
        assert answer.solvers == ()
    elif name in FOLDS_IN_ALGEBRA:
        assert answer.solvers == ("algebra",)
    elif solver.choice is Choice.BOTH:
        assert set(answer.solvers) == {"bitwuzla", "z3"}
    else:
        assert len(answer.solvers) == 1


def test_no_solver_is_asked_what_shows() -> None:
    with Solver() as found:
        assert ask(found, t.TRUE) == Sat(Model())
        assert ask(found) == Sat(Model())
        assert ask(found, t.ult(X, Y), t.FALSE) == Unsat(())
        assert ask(found, t.ult(X, Y), t.not_(t.ult(X, Y))) == Unsat(())
        assert found.statistics.trivial == 4 and found.statistics.seconds == {}


def test_time_is_kept(solver: Solver) -> None:
    ask(solver, t.ult(X, Y))
    start = time.monotonic()
    answer = solver.check(Query((hard(),)), 0.2)
    assert isinstance(answer, Undecided)
    assert time.monotonic() - start < 1.5
    # and the next query is answered as if nothing had been.
    assert isinstance(ask(solver, t.ult(X, Y)), Sat)


def test_no_time_at_all(solver: Solver) -> None:
    assert isinstance(solver.check(Query((hard(),)), 0.0), Undecided)


@pytest.mark.parametrize("choice", [Choice.BITWUZLA, Choice.Z3])
def test_a_solver_killed_from_outside_is_no_pass(choice: Choice) -> None:
    with Solver(choice) as found:
        ask(found, t.ult(X, Y))
        [first] = found.pids.values()
        killer = threading.Timer(0.3, os.kill, (first, signal.SIGKILL))
        killer.start()
        assert isinstance(found.check(Query((hard(),)), 1.5), Undecided)
        killer.join()
        assert isinstance(ask(found, *UNSATISFIABLE["zeros shifted in"]), Unsat)
        assert [*found.pids.values()] != [first]


def test_a_solver_killed_between_queries_is_replaced(solver: Solver) -> None:
    ask(solver, t.ult(X, Y))
    for pid in solver.pids.values():
        os.kill(pid, signal.SIGKILL)
    assert isinstance(ask(solver, *UNSATISFIABLE["zeros shifted in"]), Unsat)


@pytest.mark.parametrize("choice", [Choice.BITWUZLA, Choice.Z3])
def test_memory_is_kept(choice: Choice) -> None:
    wide = [t.var(f"w{i}", 2048) for i in range(8)]
    product = t.mul(*wide)
    with Solver(choice, memory_bytes=400 << 20) as found:
        ask(found, t.ult(X, Y))
        answer = found.check(Query((t.eq(product, t.const(3**1000, 2048)), t.ult(wide[0], wide[1]))), 8)
        assert isinstance(answer, Undecided), answer
        assert isinstance(ask(found, *UNSATISFIABLE["zeros shifted in"]), Unsat)


FAKE = """
import marshal, sys
def put(value):
    data = marshal.dumps(value)
    sys.stdout.buffer.write(len(data).to_bytes(4, "little") + data)
    sys.stdout.buffer.flush()
put((0, "ready", None))
while head := sys.stdin.buffer.read(4):
    size = int.from_bytes(head, "little")
    if size:
        number = marshal.loads(sys.stdin.buffer.read(size))[3]
        put((number + LATE, *REPLY))
"""


def fake(folder: Path, reply: object, late: int = 0) -> list[str]:
    """A solver that always says the same; ``late`` is how many queries it is behind, as a negative number."""
    path = folder / "fake.py"
    path.write_text(FAKE.replace("REPLY", repr(reply)).replace("LATE", str(late)))
    return [sys.executable, str(path)]


def test_both_must_agree(tmp_path: Path) -> None:
    liar = {"z3": fake(tmp_path, ("unsat", None))}
    with Solver(Choice.BOTH, commands=liar) as found:
        assert not isinstance(ask(found, t.eq(t.mul(X, Y), number(12345)), t.ult(X, Y)), Unsat)
        assert ask(found, *UNSATISFIABLE["zeros shifted in"]) in (
            Unsat(("bitwuzla", "z3")),
            Unsat(("z3", "bitwuzla")),
        )
        # Bitwuzla never comes to an answer: z3's word alone is nothing.
        answer = found.check(Query((hard(),)), 0.5)
        assert isinstance(answer, Undecided) and "bitwuzla" in answer.reason


def test_an_answer_to_another_query_is_none(tmp_path: Path) -> None:
    with Solver(Choice.Z3, commands={"z3": fake(tmp_path, ("unsat", None), -1)}) as found:
        for _ in range(2):
            answer = ask(found, t.ult(X, Y))
            assert isinstance(answer, Undecided) and "out of turn" in answer.reason


def test_a_disagreement_is_said(tmp_path: Path) -> None:
    # The false word is there before the real solver has loaded.
    liar = {"bitwuzla": fake(tmp_path, ("unsat", None))}
    with Solver(Choice.BOTH, commands=liar) as found:
        answer = ask(found, t.ult(X, Y))
    assert isinstance(answer, Undecided)
    assert "bitwuzla finds no model, and z3 one that holds" in answer.reason


@pytest.mark.parametrize("choice", [Choice.FIRST, Choice.BITWUZLA])
def test_a_model_that_does_not_hold_is_none(tmp_path: Path, choice: Choice) -> None:
    liar = {"bitwuzla": fake(tmp_path, ("sat", ({"x": 5, "y": 5}, {}, {})))}
    with Solver(choice, commands=liar) as found:
        answer = ask(found, t.ult(X, Y))
        if choice is Choice.FIRST:
            assert isinstance(answer, Sat) and answer.model.variables["x"] < answer.model.variables["y"]
        else:
            assert answer == Undecided("the model of bitwuzla does not satisfy the query")
        assert not isinstance(ask(found, *UNSATISFIABLE["zeros shifted in"]), Sat)


def test_a_solver_that_always_dies_is_undecided() -> None:
    with Solver(Choice.Z3, commands={"z3": [sys.executable, "-c", "pass"]}) as found:
        answer = ask(found, t.ult(X, Y))
    assert isinstance(answer, Undecided) and "z3 ended" in answer.reason


def test_a_missing_solver_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver_module, "installed", lambda name: name != "z3")
    for choice in (Choice.BOTH, Choice.Z3):
        with pytest.raises(
            HostError, match=r"^The solver z3 is not installed: `pip install z3-solver` adds it\.$"
        ):
            Solver(choice)
    # One is enough where the first answer counts.
    assert isinstance(solve(Query((t.ult(X, Y),)), choice=Choice.FIRST), Sat)


def test_five_thousand_terms_deep(solver: Solver) -> None:
    term = X
    for index in range(5_000):
        term = t.add(t.not_(term), number(index)) if index % 2 else t.xor(term, Y)
    answer = solver.check(Query((t.ult(term, number(5)),)), 3)
    assert isinstance(answer, Sat) or (isinstance(answer, Undecided) and "fail" not in answer.reason), answer


def test_small_queries_share_a_process() -> None:
    with Solver(Choice.BITWUZLA) as found:
        ask(found, t.ult(X, Y))
        before = found.pids
        start = time.process_time()
        for value in range(100):
            found.check(Query((t.eq(t.add(X, Y), number(value)), t.ult(X, Y))))
        # 0.8 ms a query here; the rest is the solver's.
        assert time.process_time() - start < 0.5
        assert found.pids == before
