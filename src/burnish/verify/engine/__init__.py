"""Symbolic execution of two functions side by side, and the queries that decide whether they mean the same."""
