"""What every verb returns: a frozen result that prints itself as one JSON document."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, cast

from burnish.core.verdict import Bounded, Proved, Refuted, Tested, Unknown, verdict_to_json

SCHEMA_VERSION = 1
"""Of all JSON documents that Burnish prints. Adding a field keeps it; changing or removing one raises it."""


@dataclass(frozen=True, slots=True)
class Result:
    """Base of the results. A subclass names its verb and has fields of plain data."""

    verb: ClassVar[str]

    def to_json(self) -> str:
        """The result as a JSON object with ``schema_version``, ``burnish`` (version) and ``verb`` first."""
        from burnish import __version__

        head = {"schema_version": SCHEMA_VERSION, "burnish": __version__, "verb": self.verb}
        return json.dumps(head | self.to_data(), indent=2, allow_nan=False)

    def to_data(self) -> dict[str, Any]:
        """The fields as JSON data. Raises ``TypeError`` where one has no JSON form (``plain``)."""
        return plain(self)


def plain(value: object) -> Any:
    """``value`` as JSON data.

    Verdicts become ``verdict_to_json``, other dataclasses and named tuples objects, enums their names, bytes
    hexadecimal text, paths text; a float that is not finite becomes None. Addresses stay numbers. Raises
    ``TypeError`` for anything else.
    """
    match value:
        case Enum():
            return value.name
        case Proved() | Bounded() | Tested() | Unknown() | Refuted():
            return verdict_to_json(value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return value.hex()
        case Path():
            return str(value)
        case Mapping():
            return {str(k): plain(v) for k, v in cast("Mapping[object, object]", value).items()}
        case tuple() if hasattr(cast("object", value), "_asdict"):
            return plain(cast("Any", value)._asdict())
        case list() | tuple() | frozenset():
            return [plain(item) for item in cast("list[object]", value)]
        case _ if is_dataclass(value):
            return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
