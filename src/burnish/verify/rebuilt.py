"""A function of a file and what was built to replace it, as a pair: for candidates that nobody has written anywhere."""

from __future__ import annotations

from dataclasses import replace

from burnish.core.candidate import Candidate
from burnish.core.errors import LinkError
from burnish.core.image import Access, FunctionBounds, Image, Import, Segment
from burnish.core.specification import LiveOut
from burnish.core.verdict import Unknown
from burnish.images.link import Layout, image_resolver
from burnish.recompile.plan import Summaries
from burnish.verify.pair import Pair
from burnish.verify.subject import Input, Reading, read_pair

_APART = 1 << 20
"""Bytes between the file's last address and the rebuilt code."""


def rebuilt_pair(source: Input, candidate: Candidate) -> Pair | Unknown:
    """The original in ``source`` and the candidate for it, linked behind the file's own addresses. What must be kept
    are the registers in which the original returns something, as far as its code and callers tell."""
    try:
        image, bounds = _with_candidate(source.image, candidate)
    except LinkError as error:
        return Unknown(str(error))
    rewrite = replace(source, image=image, summaries=Summaries(image))
    reading = read_pair(source, rewrite, (candidate.bounds, bounds))
    if not isinstance(reading, Reading):
        return reading
    specification = replace(
        reading.pair.specification,
        live_outs=tuple(LiveOut(register, size) for register, size in candidate.returns),
        stack_bytes=candidate.stack_bytes,
        source="code",
    )
    return replace(reading.pair, specification=specification)


def _with_candidate(image: Image, candidate: Candidate) -> tuple[Image, FunctionBounds]:
    layout = Layout.of([candidate.code])
    end = max(segment.end for segment in image.segments) + _APART
    address = end + -end % max(layout.alignment, 4096)
    linked = layout.place(address, image_resolver(0))
    function = linked.functions[0]
    text = linked.data[: linked.text_size]
    constants = linked.data[linked.text_size : linked.frames_offset]
    segments = [Segment(address, text, Access.READ | Access.EXECUTE)]
    if constants:
        segments.append(Segment(address + linked.text_size, constants, Access.READ))
    # It bears the original's name, so that both are the same function where they call themselves.
    parts = layout.parts(address)
    size = next((part.size for part in parts if part.address == function.address), function.size)
    bounds = FunctionBounds(candidate.bounds.name, function.address, size, "symbol")
    helpers = [part for part in parts if part.address != function.address]
    # The linker's own memory functions are the C library's, as far as the proof is concerned.
    own = {place: Import(name) for name, place in layout.memory_functions(address).items()}
    extended = replace(
        image,
        segments=(*image.segments, *segments),
        functions=(*image.functions, bounds, *helpers),
        plt={**image.plt, **own},
    )
    return extended, bounds
