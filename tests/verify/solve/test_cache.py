"""Answers that were kept: whose word they are, and what a damaged file can do (nothing)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.core.errors import HostError
from burnish.domains.smt import build as t
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Term
from burnish.verify.solve import Choice, Query, QueryCache, Sat, Solver, Unsat
from burnish.verify.solve.cache import Remembered, content_key, default_path
from burnish.verify.solve.flat import canonical, flatten
from burnish.verify.solve.solver import version

from .terms import number, swar_popcount


def _false(name: str = "x") -> Query:
    x = t.var(name, 32)
    return Query((t.ult(t.clz(t.lshr(x, number(1))), t.clz(x)),))


def _true(x: str = "x", memory: str = "m", function: str = "f") -> Query:
    a, m = t.var(x, 64), t.memory(memory)
    return Query((t.eq(t.select(m, a), t.const(7, 8)), t.ne(t.apply(function, 8, a), t.const(0, 8))))


def _key(query: Query) -> bytes:
    return content_key(canonical(flatten(query.assertions))[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "queries.sqlite"


def test_what_was_answered_is_not_asked_again(path: Path) -> None:
    with QueryCache(path) as cache, Solver(cache=cache) as solver:
        assert isinstance(solver.check(_false()), Unsat)
        assert isinstance(solver.check(_true()), Sat)
    with QueryCache(path) as cache, Solver(Choice.BITWUZLA, cache=cache) as solver:
        assert solver.check(_false("another name")) == Unsat(("bitwuzla",))
        query = _true("b", "n", "g")
        answer = solver.check(query)
        assert isinstance(answer, Sat) and evaluate(query.assertions, answer.model) == [1, 1]
        assert solver.statistics.cache_hits == 2 and solver.statistics.seconds == {}
        # Another query is another: nothing is mixed up by renaming.
        x, y = t.var("x", 32), t.var("y", 32)
        assert isinstance(solver.check(Query((t.ult(x, y), t.ult(y, number(9))))), Sat)
        assert isinstance(solver.check(Query((t.ult(x, x), t.ult(x, number(9))))), Unsat)


def test_both_need_both_on_record(path: Path) -> None:
    with QueryCache(path) as cache:
        cache.put(_key(_false()), Remembered(f"z3 {version('z3')}", "unsat"))
        with Solver(Choice.BITWUZLA, cache=cache) as solver:
            solver.check(_false())
            assert solver.statistics.cache_hits == 0
        cache.put(_key(_false("y")), Remembered("bitwuzla 0.0.1", "unsat"))
    with QueryCache(path) as cache:
        [z3] = cache.get(_key(_false()), [f"z3 {version('z3')}"])
        assert z3.kind == "unsat"
        with Solver(Choice.BOTH, cache=cache) as solver:
            answer = solver.check(_false())
            assert isinstance(answer, Unsat) and set(answer.solvers) == {"bitwuzla", "z3"}


def test_one_on_record_is_not_both(path: Path) -> None:
    x, y = t.var("x", 32), t.var("y", 32)
    satisfiable = Query((t.ult(x, y),))
    with QueryCache(path) as cache:
        # Nobody said so in earnest: with the other solver asked, it must not stand.
        cache.put(_key(satisfiable), Remembered(f"z3 {version('z3')}", "unsat"))
        with Solver(Choice.BOTH, cache=cache) as solver:
            assert not isinstance(solver.check(satisfiable), Unsat)


@pytest.mark.parametrize("column", ["key", "solver", "kind", "model", "checksum"])
def test_a_changed_row_is_dropped(path: Path, column: str) -> None:
    x, y = t.var("x", 32), t.var("y", 32)
    query = Query((t.ult(x, y),))
    wrong: dict[str, object] = {
        "key": _key(query),
        "solver": f"bitwuzla {version('bitwuzla')}",
        "kind": "unsat",
        "model": b"N",
        "checksum": bytes(32),
    }
    with QueryCache(path) as cache:
        cache.put(_key(_false()), Remembered("bitwuzla 0.0.1", "unsat"))
    with sqlite3.connect(path) as database:
        # A row as a poisoner writes it: an answer to this query, where one field does not go with the checksum.
        database.execute("UPDATE answers SET key = ?, solver = ?", (wrong["key"], wrong["solver"]))
        if column not in ("key", "solver"):
            database.execute(f"UPDATE answers SET {column} = ?", (wrong[column],))
    with QueryCache(path) as cache, Solver(Choice.BITWUZLA, cache=cache) as solver:
        assert cache.get(_key(query), [str(wrong["solver"])]) == []
        assert isinstance(solver.check(query), Sat)


def test_a_poisoned_model_is_no_model(path: Path) -> None:
    with QueryCache(path) as cache:
        cache.put(_key(_false()), Remembered(f"z3 {version('z3')}", "sat", ({"v0": 5}, {}, {})))
        with Solver(Choice.Z3, cache=cache) as solver:
            assert isinstance(solver.check(_false()), Unsat)


@pytest.mark.parametrize("damage", [b"", b"zeros", b"cut"])
def test_a_damaged_file_is_forgotten(path: Path, damage: bytes) -> None:
    with QueryCache(path) as cache, Solver(Choice.BITWUZLA, cache=cache) as solver:
        solver.check(_false())
    data = path.read_bytes()
    path.write_bytes(
        {b"": b"", b"zeros": data[:100] + bytes(len(data) - 100), b"cut": data[: len(data) // 2]}[damage]
    )
    with QueryCache(path) as cache, Solver(Choice.BITWUZLA, cache=cache) as solver:
        assert isinstance(solver.check(_false()), Unsat)
        assert isinstance(solver.check(_true()), Sat)
        assert solver.statistics.cache_hits == 0


def test_another_file_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("my notes")
    with pytest.raises(HostError, match=r"is not a query cache of Burnish: give another path\.$"):
        QueryCache(path)
    assert path.read_text() == "my notes"
    other = path.with_name("other.sqlite")
    with sqlite3.connect(other) as database:
        database.execute("PRAGMA application_id = 77")
        database.execute("CREATE TABLE mine (x)")
    with pytest.raises(HostError, match="not a query cache"):
        QueryCache(other)


def test_a_file_that_others_can_write_is_not_believed(path: Path) -> None:
    QueryCache(path).close()
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o666)
    with pytest.raises(HostError, match="can be written by others"):
        QueryCache(path)


def test_a_place_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot be made"):
        QueryCache(tmp_path / "file" / "queries.sqlite")


def test_it_stays_bounded(path: Path) -> None:
    with QueryCache(path, maximum_rows=40) as cache:
        for index in range(2001):
            cache.put(index.to_bytes(32, "little"), Remembered("z3 1", "unsat"))
        with sqlite3.connect(path) as database:
            assert database.execute("SELECT count(*) FROM answers").fetchone()[0] <= 40
        assert cache.get((2000).to_bytes(32, "little"), ["z3 1"]) == [Remembered("z3 1", "unsat")]


WRITER = """
import sys
from pathlib import Path
from burnish.verify.solve.cache import QueryCache, Remembered
with QueryCache(Path(sys.argv[1])) as cache:
    for index in range(300):
        cache.put(int(sys.argv[2]).to_bytes(1, "little") + index.to_bytes(31, "little"), Remembered("z3 1", "unsat"))
        cache.put(index.to_bytes(32, "big"), Remembered("z3 1", "sat", ({"v0": index}, {}, {})))
"""


def test_several_processes_write_at_once(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(index)]) for index in (1, 2, 3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with QueryCache(path) as cache:
        for index in range(300):
            for first in (1, 2, 3):
                key = first.to_bytes(1, "little") + index.to_bytes(31, "little")
                assert cache.get(key, ["z3 1"]) == [Remembered("z3 1", "unsat")]
            shared = cache.get(index.to_bytes(32, "big"), ["z3 1"])
            assert shared == [Remembered("z3 1", "sat", ({"v0": index}, {}, {}))]


def test_keys_do_not_depend_on_the_process() -> None:
    program = (
        "from burnish.verify.solve.cache import content_key\n"
        "from burnish.verify.solve.flat import canonical, flatten\n"
        "from burnish.domains.smt import build as t\n"
        "x, m = t.var('x', 64), t.memory('m')\n"
        "print(content_key(canonical(flatten([t.eq(t.select(m, x), t.const(2**7, 8))]))[0]).hex() )"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(keys) == 1


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "burnish" / "queries.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_path() == Path.home() / ".cache" / "burnish" / "queries.sqlite"


def test_hard_ones_come_back_at_once(path: Path) -> None:
    x: Term = t.var("x", 32)
    query = Query((t.ne(t.popcount(x), swar_popcount(x)),))
    with QueryCache(path) as cache, Solver(cache=cache) as solver:
        first = solver.check(query, 60)
        assert isinstance(first, Unsat)
        assert solver.check(query, 0.0) == first
