"""The stages of a long piece of work: which one runs, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

Say = Callable[[str], None]
"""Takes what is being done now, in a few words."""


@dataclass(slots=True)
class Stages:
    """Says which stage is running, and keeps the time of each (seconds)."""

    say: Say
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[Say]:
        """Runs its body as the stage ``name``; gives it a function that says details of that stage."""
        self.say(name)
        began = time.monotonic()
        try:
            yield lambda text: self.say(f"{name}: {text}")
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
