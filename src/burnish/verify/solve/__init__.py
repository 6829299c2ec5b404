"""Asking the solvers: is there a model of these terms?"""
