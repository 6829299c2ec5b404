"""Burnish watches compiled x86-64 code run, learns from what it sees, and rebuilds it so that it runs faster."""

__version__ = "0.1.0"
