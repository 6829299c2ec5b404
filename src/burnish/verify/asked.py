"""What the solvers were asked: hashes for certificates, and SMT-LIB 2 files for other tools."""

from __future__ import annotations

import re
from pathlib import Path

from burnish.core.errors import HostError
from burnish.verify.engine.joint import Solves
from burnish.verify.solve.cache import content_key
from burnish.verify.solve.flat import canonical, flatten
from burnish.verify.solve.query import Answer, Query, Sat, Undecided, Unsat
from burnish.verify.solve.smtlib import smtlib

_KINDS = {Sat: "sat", Unsat: "unsat", Undecided: "unknown"}


class AskedQueries:
    """Hands queries on to ``solver`` and notes them. With ``folder`` each becomes a file there whose name has the
    function, a number and the answer: ``f-003-unsat.smt2``. Raises ``HostError`` where no file can be written."""

    def __init__(self, solver: Solves, folder: Path | None = None) -> None:
        self._solver = solver
        self._folder = folder
        self._name = "query"
        self._hashes: list[str] = []

    def begin(self, name: str) -> None:
        """From now on, queries are about the function ``name``."""
        self._name = re.sub(r"[^\w.-]", "_", name)[:80] or "query"
        self._hashes = []

    @property
    def hashes(self) -> tuple[str, ...]:
        """SHA-256 in hexadecimal of each query since ``begin``, in order. Equal queries of one version of Burnish have
        equal hashes, whatever their variables are called."""
        return tuple(self._hashes)

    def check(self, query: Query, timeout_s: float) -> Answer:
        """Is there a model? As the solver says."""
        self._hashes.append(content_key(canonical(flatten(query.assertions))[0]).hex())
        answer = self._solver.check(query, timeout_s)
        if self._folder is not None:
            self._write(query, _KINDS[type(answer)])
        return answer

    def _write(self, query: Query, kind: str) -> None:
        assert self._folder is not None
        path = self._folder / f"{self._name}-{len(self._hashes):03}-{kind}.smt2"
        status = f"; answered: {kind}\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(status + smtlib(query))
        except OSError as error:
            raise HostError(f"{path} cannot be written: {error.strerror or error}") from error
