"""How long lifting takes: microseconds of processor time an instruction, first time and again.

    python benchmarks/lifting.py [FILE …]

"First" lifts every function of the file in a process that has lifted nothing; "again" finds each template in memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path

from burnish.images import load
from burnish.machine.lift import lift_all

_LIBRARIES = Path("/lib/x86_64-linux-gnu")
_DEFAULT = ("libz.so.1", "libbz2.so.1.0", "liblzma.so.5", "libsqlite3.so.0", "libm.so.6")


def measure(path: Path) -> tuple[int, int, float, float]:
    """Instructions, refused ones, and microseconds an instruction: first and again."""
    image = load(path)
    pieces = [(image.read(b.address, b.size) or b"", b.address) for b in image.functions]
    lift_all(b"\x0f\xaf\xc3", 0)  # SLEIGH's tables are read once, which takes 0.1 s
    seconds: list[float] = []
    count = refused = 0
    for _ in range(2):
        count = refused = 0
        began = time.process_time()
        for code, address in pieces:
            found = lift_all(code, address)
            count += len(found)
            refused += sum(instruction.refused is not None for instruction in found)
        seconds.append(time.process_time() - began)
    return count, refused, 1e6 * seconds[0] / count, 1e6 * seconds[1] / count


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Microseconds of lifting an instruction.")
    parser.add_argument("files", nargs="*", type=Path)
    paths: list[Path] = parser.parse_args().files or [_LIBRARIES / name for name in _DEFAULT]
    print(f"{'file':20} {'instructions':>12} {'refused':>8} {'first µs':>9} {'again µs':>9}")
    for path in filter(Path.exists, paths):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            count, refused, first, again = pool.apply(measure, (path,))
        print(f"{path.name:20} {count:12} {refused:8} {first:9.1f} {again:9.1f}")


if __name__ == "__main__":
    main()
