"""Entropic optimal transport between many candidates and few targets, in bounded memory.

Belongs here: the problem, the tile pass, the solver. Takes arrays, returns arrays: no tables, no ids. Does not: what is
selected with the potentials (`selection/`).
"""
