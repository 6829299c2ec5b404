"""Certificates of ``verify``: written, and checked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from burnish.core.errors import CertificateError, FunctionNotFoundError
from burnish.core.image import FunctionBounds
from burnish.core.verdict import Refuted, Unknown, label, strength
from burnish.pipeline.judging import Task
from burnish.pipeline.verifying import FunctionVerdict, VerifyOptions
from burnish.verify.certificate import Certificate, Claim, Program, read_certificate
from burnish.verify.solve.solver import version
from burnish.verify.subject import Input

_LARGEST = 128 << 20
_ALONE = "{} is not a certificate: name the file that it is compared with"


def certificate_of(
    original: Input, rewrite: Input, options: VerifyOptions, rows: Sequence[FunctionVerdict]
) -> Certificate:
    """The certificate of what was found. Raises ``CertificateError`` for files that are too large."""
    from burnish import __version__

    settings = {
        "bound": options.bound,
        "timeout_s": options.timeout_s,
        "solver": options.solver.value,
        "tests": options.tests,
        "seed": options.seed,
        "solvers": {name: version(name) for name in ("bitwuzla", "z3")},
    }
    return Certificate(
        Program.of(original),
        Program.of(rewrite),
        options.overrides,
        tuple(map(_claim, rows)),
        settings,
        __version__,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _claim(row: FunctionVerdict) -> Claim:
    return Claim(
        row.function,
        row.against,
        row.addresses,
        row.verdict,
        row.specification,
        row.trusted,
        row.provisos,
        row.effort.invariants,
        row.effort.method,
        row.effort.tests,
        row.effort.solvers,
        row.effort.seconds,
        row.effort.query_hashes,
    )


def read_file(path: Path) -> Certificate:
    """The certificate in a file. Raises ``CertificateError``."""
    try:
        if path.stat().st_size > _LARGEST:
            raise CertificateError(f"{path} is too large to be a certificate")
        return read_certificate(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise CertificateError(_ALONE.format(path)) from None
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror or error}") from None


def tasks_of(certificate: Certificate, original: Input, rewrite: Input) -> tuple[Task, ...]:
    """What is to be judged again. Raises ``CertificateError`` where a function is not in its program."""
    alone = len(certificate.claims) == 1
    return tuple(
        Task(
            (_bounds(original, claim.addresses[0]), _bounds(rewrite, claim.addresses[1])),
            alone,
            claim.invariants,
            bool(claim.trusted),
            claim.verdict.counterexample if isinstance(claim.verdict, Refuted) else None,
        )
        for claim in certificate.claims
    )


def _bounds(source: Input, address: int) -> FunctionBounds:
    try:
        found = source.function(hex(address))
    except FunctionNotFoundError as error:
        raise CertificateError(
            f"the certificate speaks of a function that its program has not: {error}"
        ) from None
    if found.address != address:
        raise CertificateError(f"the certificate speaks of a function at {address:#x}, where none begins")
    return found


def compared(claim: Claim, row: FunctionVerdict) -> FunctionVerdict:
    """What was found, and where that is not what was claimed, the sentence that says so."""
    if claim.specification != row.specification:
        reason = "the certificate claims something else than its programs and options ask for"
        return replace(row, verdict=Unknown(reason), reason=reason)
    if strength(row.verdict)[0] < strength(claim.verdict)[0] and not isinstance(row.verdict, Refuted):
        reason = f"it is claimed to be {_word(claim)}, which this check does not confirm"
        return replace(row, reason=f"{reason}: {row.reason}" if row.reason else reason)
    return row


def _word(claim: Claim) -> str:
    return label(claim.verdict).partition("(")[0]
