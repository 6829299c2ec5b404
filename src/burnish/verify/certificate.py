"""Certificates: a verdict with all that is needed to check it again.

A certificate is a claim and no authority. It holds the ELF files of both sides (for C and assembly, what was made of
them), what the user asked for, and for each pair of functions the verdict with what it rests on. Whoever checks it
proves everything again from those bytes; invariants are only hints of where a proof is to be found.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.core.errors import CertificateError
from burnish.core.specification import Specification
from burnish.core.verdict import (
    Bounded,
    Counterexample,
    Proved,
    Refuted,
    Tested,
    Unknown,
    Verdict,
    verdict_to_json,
)
from burnish.verify.subject import Input, InputKind, Overrides, from_elf

SCHEMA_VERSION = 1
KIND = "burnish certificate"
LIMIT = 16 << 20
"""Bytes of an ELF file that a certificate takes."""


@dataclass(frozen=True, slots=True)
class Program:
    """One side: its ELF file, and what the user called it."""

    name: str
    kind: InputKind
    elf: bytes = field(repr=False)

    @classmethod
    def of(cls, source: Input) -> Program:
        """Raises ``CertificateError`` for a file that is too large."""
        if len(source.elf) > LIMIT:
            raise CertificateError(
                f"{source.name} is too large for a certificate ({len(source.elf) >> 20} MiB of at most "
                f"{LIMIT >> 20}); compare an object file, or a stripped one"
            )
        return cls(source.name, source.kind, source.elf)

    def load(self) -> Input:
        """The file, as it was read then. Raises ``ImageError``."""
        return from_elf(self.elf, self.name, self.kind)


@dataclass(frozen=True, slots=True)
class Claim:
    """The verdict on a pair of functions, by address. ``trusted`` are the callees that its proof takes to be the same;
    ``query_hashes`` those of what the solvers were asked."""

    function: str
    against: str
    addresses: tuple[int, int]
    verdict: Verdict
    specification: Specification | None = None
    trusted: tuple[str, ...] = ()
    provisos: tuple[str, ...] = ()
    invariants: tuple[Any, ...] = ()
    method: str = ""
    tests: int = 0
    solvers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    query_hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """See the module. ``made`` is when, in ISO 8601; ``settings`` has bound, seed, tests, time limit and solvers."""

    original: Program
    rewrite: Program
    overrides: Overrides
    claims: tuple[Claim, ...]
    settings: Mapping[str, Any]
    burnish: str
    made: str

    def to_json(self) -> str:
        """One JSON document; ``read_certificate`` reads it."""
        head = {"schema_version": SCHEMA_VERSION, "kind": KIND, "burnish": self.burnish, "made": self.made}
        body = {
            "settings": dict(self.settings),
            "overrides": {
                "live_out": None if self.overrides.live_out is None else list(self.overrides.live_out),
                "memory": self.overrides.memory,
                "assume": list(self.overrides.assume),
                "prototype": self.overrides.prototype,
                "same_callees": self.overrides.same_callees,
                "types": self.overrides.types,
            },
            "original": _program_to_json(self.original),
            "rewrite": _program_to_json(self.rewrite),
            "claims": [_claim_to_json(claim) for claim in self.claims],
        }
        return json.dumps(head | body, indent=1, allow_nan=False)


def read_certificate(text: str, name: str) -> Certificate:
    """The certificate that ``text`` is; ``name`` is the file's. Raises ``CertificateError``."""
    if not is_certificate(text):
        raise CertificateError(f"{name} is not a certificate: name the file that it is compared with")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CertificateError(f"{name} is damaged, or cut off: it is not JSON ({error})") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:  # pyright: ignore[reportUnknownMemberType]
        raise CertificateError(f"{name} is not a certificate of burnish verify")
    version: object = data.get("schema_version")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if version != SCHEMA_VERSION:
        raise CertificateError(
            f"{name} was made by another version of Burnish (schema {version!r}, not {SCHEMA_VERSION})"
        )
    try:
        return _certificate(data)  # pyright: ignore[reportUnknownArgumentType]
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error, binascii.Error) as error:
        raise CertificateError(f"{name} is damaged: {type(error).__name__} ({error})") from None


def is_certificate(text: str) -> bool:
    """Whether a text may be a certificate, whole or not."""
    return text.lstrip()[:1] == "{"


def _certificate(data: Mapping[str, Any]) -> Certificate:
    overrides = data["overrides"]
    live_out = overrides["live_out"]
    return Certificate(
        _program(data["original"]),
        _program(data["rewrite"]),
        Overrides(
            None if live_out is None else tuple(map(str, live_out)),
            bool(overrides["memory"]),
            tuple(map(str, overrides["assume"])),
            None if overrides["prototype"] is None else str(overrides["prototype"]),
            bool(overrides["same_callees"]),
            bool(overrides.get("types", False)),
        ),
        tuple(_claim(item) for item in data["claims"]),
        dict(data["settings"]),
        str(data["burnish"]),
        str(data["made"]),
    )


def _program_to_json(program: Program) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress(program.elf, 9)).decode("ascii")
    digest = hashlib.sha256(program.elf).hexdigest()
    return {"name": program.name, "kind": program.kind.name, "sha256": digest, "elf": packed}


def _program(data: Mapping[str, Any]) -> Program:
    unpacker = zlib.decompressobj()
    elf = unpacker.decompress(base64.b64decode(data["elf"], validate=True), LIMIT + 1)
    if len(elf) > LIMIT or not unpacker.eof:
        raise ValueError("a program that is too large or cut off")
    if hashlib.sha256(elf).hexdigest() != data["sha256"]:
        raise ValueError("the bytes of a program are not those that were hashed")
    return Program(str(data["name"]), InputKind[data["kind"]], elf)


def _claim_to_json(claim: Claim) -> dict[str, Any]:
    return {
        "function": claim.function,
        "against": claim.against,
        "addresses": list(claim.addresses),
        "verdict": verdict_to_json(claim.verdict),
        "specification": None if claim.specification is None else claim.specification.to_json(),
        "trusted_callees": list(claim.trusted),
        "provisos": list(claim.provisos),
        "invariants": list(claim.invariants),
        "method": claim.method,
        "tests": claim.tests,
        "solvers": dict(claim.solvers),
        "seconds": dict(claim.seconds),
        "query_hashes": list(claim.query_hashes),
    }


def _claim(data: Mapping[str, Any]) -> Claim:
    first, second = data["addresses"]
    specification = data["specification"]
    return Claim(
        str(data["function"]),
        str(data["against"]),
        (int(first), int(second)),
        _verdict(data["verdict"]),
        None if specification is None else Specification.from_json(specification),
        _texts(data["trusted_callees"]),
        _texts(data["provisos"]),
        tuple(data["invariants"]),
        str(data["method"]),
        int(data["tests"]),
        {str(name): str(version) for name, version in data["solvers"].items()},
        {str(stage): float(seconds) for stage, seconds in data["seconds"].items()},
        _texts(data["query_hashes"]),
    )


def _texts(data: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, data))


def _verdict(data: Mapping[str, Any]) -> Verdict:
    match data["kind"]:
        case "proved":
            return Proved()
        case "bounded":
            return Bounded(int(data["bound"]))
        case "tested":
            return Tested(int(data["tests"]))
        case "unknown":
            return Unknown(str(data["reason"]))
        case "refuted":
            return Refuted(Counterexample.from_json(data["counterexample"]))
        case other:
            raise ValueError(f"a verdict of the kind {other!r}")
