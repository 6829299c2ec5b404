"""Bit-vector terms: what the verifier says of p-code."""
