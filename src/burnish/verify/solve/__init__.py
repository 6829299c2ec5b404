"""Asking the solvers: is there a model of these terms?"""

from burnish.verify.solve.query import Answer, Choice, Model, Query, Sat, Undecided, Unsat
from burnish.verify.solve.solver import Solver, Statistics

__all__ = ["Answer", "Choice", "Model", "Query", "Sat", "Solver", "Statistics", "Undecided", "Unsat"]
