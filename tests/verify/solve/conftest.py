from __future__ import annotations

from collections.abc import Iterator

import pytest

from burnish.verify.solve.query import Choice
from burnish.verify.solve.solver import Solver


@pytest.fixture(scope="module", params=[Choice.FIRST, Choice.BOTH, Choice.BITWUZLA, Choice.Z3])
def solver(request: pytest.FixtureRequest) -> Iterator[Solver]:
    with Solver(request.param) as found:
        yield found
