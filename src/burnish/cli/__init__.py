"""The command line: one module a verb. A verb parses, calls and prints; what it calls is logic elsewhere."""

from burnish.cli.frame import main

__all__ = ["main"]
