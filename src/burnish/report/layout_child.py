"""Lays out a graph in DOT from standard input, in a process of its own: Graphviz is C that is given what untrusted
files name, and it prints what it likes.

Run as a file, so that nothing of the house is imported. Writes the graph with positions, as JSON, to standard output.
"""

# pygraphviz has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """DOT in, JSON out."""
    import pygraphviz

    graph: Any = pygraphviz.AGraph(sys.stdin.read())
    sys.stdout.buffer.write(graph.draw(None, format="json0", prog="dot"))


if __name__ == "__main__":
    main()
