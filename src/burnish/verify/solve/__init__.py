"""Asking the solvers: is there a model of these terms?"""

from burnish.verify.solve.cache import QueryCache
from burnish.verify.solve.query import Answer, Choice, Model, Query, Sat, Undecided, Unsat
from burnish.verify.solve.smtlib import smtlib
from burnish.verify.solve.solver import Solver, Statistics, solve

__all__ = [
    "Answer",
    "Choice",
    "Model",
    "Query",
    "QueryCache",
    "Sat",
    "Solver",
    "Statistics",
    "Undecided",
    "Unsat",
    "smtlib",
    "solve",
]
