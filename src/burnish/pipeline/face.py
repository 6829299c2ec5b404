"""Verbs with the arguments that are handy in Python, for ``burnish``'s public face."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from burnish.pipeline import optimize as pipeline
from burnish.pipeline.optimization import Optimization, OptimizeOptions


def optimize(
    program: str | os.PathLike[str],
    arguments: Iterable[str | os.PathLike[str]] = (),
    *,
    output: str | os.PathLike[str],
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Optimization:
    """Make a copy of ``program`` at ``output`` that runs ``program arguments…`` faster.

    ``options`` are the other fields of ``OptimizeOptions``: ``burnish.optimize("./a", ["-k"], output="./a.fast",
    cpu="haswell")``. ``say`` is told what is being done. Raises as ``burnish.pipeline.optimize.optimize`` does, and
    ``TypeError`` for an unknown option.
    """
    words = tuple(os.fspath(argument) for argument in arguments)
    return pipeline.optimize(OptimizeOptions(os.fspath(program), words, Path(output), **options), say)
