"""Inputs that are the same on every machine: made from a seed, not taken from the machine's own files."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_LETTERS = b"etaoinshrdlcumwfgypbvkjxqz"


def text(size: int, seed: int) -> bytes:
    """``size`` bytes of lines of words. Words are drawn by Zipf's law from a vocabulary of 20,000, and phrases of
    some words come again, so that it compresses about as prose does."""
    source = np.random.default_rng(seed)
    weights = 1.0 / np.arange(2, len(_LETTERS) + 2)
    letters = source.choice(np.frombuffer(_LETTERS, np.uint8), (20_000, 12), p=weights / weights.sum())
    lengths = source.integers(2, 12, 20_000)
    words = [row[:length].tobytes() for row, length in zip(letters, lengths, strict=True)]
    zipf = 1.0 / np.arange(1, len(words) + 1)
    rank = source.choice(len(words), size // 5 + 32, p=zipf / zipf.sum())
    pieces: list[bytes] = []
    made = position = 0
    while made < size:
        count = int(source.integers(4, 14))
        if position > 1000 and source.random() < 0.2:
            start = int(source.integers(0, position - count))
        else:
            start, position = position, (position + count) % (len(rank) - 16)
        line = b" ".join([words[k] for k in rank[start : start + count]]) + (b".\n" if count > 9 else b", ")
        pieces.append(line)
        made += len(line)
    return b"".join(pieces)[:size]


def records(size: int, seed: int) -> bytes:
    """``size`` bytes of 16-byte records as a program would keep them: a counter, a random walk, a small field that
    repeats, and a floating-point number."""
    source = np.random.default_rng(seed)
    count = size // 16 + 1
    rows = np.zeros(count, np.dtype([("id", "<u4"), ("walk", "<i4"), ("kind", "<u4"), ("value", "<f4")]))
    rows["id"] = np.arange(count, dtype=np.uint32)
    rows["walk"] = np.cumsum(source.integers(-100, 101, count))
    rows["kind"] = source.integers(0, 7, count) * 257
    rows["value"] = rows["walk"] / 8
    return rows.tobytes()[:size]


def noise(size: int, seed: int) -> bytes:
    """``size`` random bytes."""
    return np.random.default_rng(seed).bytes(size)


def mixed(size: int, seed: int) -> bytes:
    """``size`` bytes: half text, a quarter records, an eighth zeros, an eighth random, in sixteen stretches of uneven
    length, so that a compressor changes its mind often."""
    quarter, eighth = size // 4, size // 8
    kinds = [
        text(size - quarter - 2 * eighth, seed),
        records(quarter, seed + 1),
        bytes(eighth),
        noise(eighth, seed + 2),
    ]
    stretches: list[bytes] = []
    for start, end in pairwise((0.0, 0.1, 0.35, 0.6, 1.0)):
        stretches += [kind[int(start * len(kind)) : int(end * len(kind))] for kind in kinds]
    return b"".join(stretches)
