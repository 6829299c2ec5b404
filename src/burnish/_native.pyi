"""Types of the native core (``native/``). Errors of the machine are ``RuntimeError``; callers turn them into ours."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__file__: str

class ExecutorCode:
    """Code, where it goes, how it ends. See ``burnish.runtime.isolation.Placement``."""

    def __init__(
        self, data: bytes, address: int, room: int, entry: int, return_address: int, fs_base: int
    ) -> None: ...

class ExecutorLayout:
    """Memory to be mapped: ``maps`` are ``(address, size, PROT_*)`` of whole pages, ``loads`` what is put there once,
    ``exits`` where a jump out of tested code is placed."""

    def __init__(
        self,
        maps: Sequence[tuple[int, int, int]],
        loads: Sequence[tuple[int, NDArray[np.uint8]]],
        exits: Sequence[int],
    ) -> None: ...

class ExecutorStates:
    """States before: C-contiguous arrays; windows are ``(address, contents (1 or N, size), after (N, size))``."""

    def __init__(
        self,
        gpr: NDArray[np.uint64],
        xmm: NDArray[np.uint64],
        flags: NDArray[np.uint64],
        mxcsr: NDArray[np.uint32],
        windows: Sequence[tuple[int, NDArray[np.uint8], NDArray[np.uint8] | None]],
        slacks: Sequence[tuple[int, int]],
    ) -> None: ...

class ExecutorResults:
    """States after and how each execution ended: arrays that ``Executor.run`` writes; they must be zero before."""

    def __init__(
        self,
        gpr: NDArray[np.uint64],
        xmm: NDArray[np.uint64],
        flags: NDArray[np.uint64],
        mxcsr: NDArray[np.uint32],
        status: NDArray[np.uint8],
        number: NDArray[np.uint32],
        address: NDArray[np.uint64],
        rip: NDArray[np.uint64],
    ) -> None: ...

class Executor:
    """The child process. ``pid`` is 0 while there is none."""

    def __init__(
        self, program: str, execution_seconds: float, batch_seconds: float, memory_limit: int
    ) -> None: ...
    def run(
        self, layout: ExecutorLayout, code: ExecutorCode, before: ExecutorStates, after: ExecutorResults
    ) -> None:
        """Memory is set up again unless ``layout`` is the object of the run before."""

    def close(self) -> None: ...
    @property
    def pid(self) -> int: ...

class Observer:
    """Takes the ring's records apart (``burnish.record.observing``). Indices are numbers of sites and groups; those of
    sites begin at 1."""

    def __init__(
        self,
        site_size: Sequence[int],
        site_kind: Sequence[int],
        site_words: Sequence[int],
        group_words: Sequence[int],
        group_first: Sequence[int],
        group_snapshot: Sequence[int],
        results: int,
        keep_blocks: bool,
        keep_accesses: bool,
        profile: bool,
        most_granules: int,
    ) -> None: ...
    def whole(self, words: NDArray[np.uint64]) -> int:
        """How many words at the start are whole records."""

    def take(
        self, process: int, stream: int, began: int, ended: int, words: NDArray[np.uint64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The records that are kept, and rows of snapshots ``(N, 35)``: blocks of the chunk before it, a mask of the
        general registers that are known, those 16, a mask of those that point to known memory, and those 16 words."""

    def results(self) -> NDArray[np.uint64]:
        """``(results, 7)``: count, distinct, stride, steps, steps with that stride, sampled, exact."""

    def frequent(self) -> NDArray[np.uint64]:
        """``(N, 4)``: result, value, count, error."""

    def check(self, process: int) -> bool:
        """Compare what was read with what is in the memory of a process now; false where it cannot be read."""

    def memory(self, process: int) -> NDArray[np.uint64]:
        """``(N, 6)``: address, value, reads, masks (known, read, stored, changed; a byte each), writer, time (ns)."""

    def processes(self) -> list[tuple[int, bool, int]]:
        """Each process that has memory, whether it was checked, and accesses for which there was no room."""

def encode_addresses(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Trace records with each address as its difference from the same site's before, which compresses well."""

def decode_addresses(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What ``encode_addresses`` was given."""

def time_calls(address: int, arguments: Sequence[int], calls: int, samples: int) -> NDArray[np.float64]:
    """Time-stamp counter ticks of ``calls`` calls of the function at ``address``, ``(samples,)``. Up to six integer
    or pointer arguments. Raises ``ValueError`` for more, or for no calls."""

def time_pairs(
    first: int, second: int, arguments: Sequence[int], calls: int, samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As ``time_calls`` for two functions, sample by sample in turn; which goes first alternates."""

_Grammar = tuple[
    NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]
]

def factorise_exactly(symbols: NDArray[np.uint32], alphabet: int, window: int) -> _Grammar:
    """The minimal form: the arrays of ``burnish.core.factorisation.Factorisation``, in the order of its fields."""

class Factoriser:
    """Takes a string chunk by chunk (``burnish.analyze.factorise``)."""

    def __init__(self, alphabet: int, window: int) -> None: ...
    def feed(self, symbols: NDArray[np.uint32]) -> None:
        """Raises ``ValueError`` for a symbol that is not below the alphabet, and after ``finish``."""

    def finish(self) -> _Grammar:
        """As ``factorise_exactly``; may be called once."""

class NestProgram:
    """What blocks, loops and sites are. See ``native/nest.h`` and ``burnish.analyze.program``."""

    function: list[int]
    loop: list[int]
    header: list[int]
    entry: list[int]
    ending: list[int]
    calls: list[int]
    instructions: list[int]
    first_successor: list[int]
    successors: list[int]
    parent: list[int]
    site_block: list[int]
    site_kind: list[int]
    site_size: list[int]
    functions: int

class Nest:
    """The structure of an execution, fed with blocks (uint32; the largest number: a gap) or with records of 8 bytes."""

    def __init__(
        self,
        program: NestProgram,
        ignored: Sequence[tuple[int, int, int]],
        most_paths: int,
        most_items: int,
        kept_rounds: int,
        most_pages: int,
        fitted: bool = True,
    ) -> None: ...
    def begin_thread(self) -> None: ...
    def blocks(self, numbers: NDArray[np.uint32]) -> None: ...
    def records(self, words: NDArray[np.uint64]) -> None: ...
    def finish(self) -> None: ...
    def regions(self) -> dict[str, NDArray[np.uint64]]: ...
    def trips(self, region: int) -> list[tuple[int, int]]: ...
    def paths(self, region: int) -> list[tuple[int, list[int]]]: ...
    def rounds(self, region: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]: ...
    def dependences(self) -> dict[str, NDArray[np.uint64]]: ...
    def fits(self) -> dict[str, NDArray[np.int64]]: ...
    def contexts(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
    def extents(self) -> list[tuple[int, int, int, int, int, int]]: ...
    @property
    def left_out(self) -> int: ...
    @property
    def entered(self) -> int: ...
    @property
    def gaps(self) -> int: ...

def replay_rounds(
    cost: NDArray[np.uint32],
    nearest: NDArray[np.uint32],
    visit: NDArray[np.uint32],
    cores: int,
    grain: int,
    window: int,
    enter: float,
    task: float,
    commit: float,
    factor: float,
) -> tuple[float, float, int, int]:
    """Rounds of a loop on so many cores (``burnish.analyze.replay``): the time of one core, that of all, tasks that ran
    twice, and tasks."""
