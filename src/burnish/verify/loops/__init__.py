"""Proofs without a bound: relations between the loops of two functions, guessed from runs, proved by induction."""
