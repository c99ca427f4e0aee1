"""The algorithms of selectors, and selecting rows by their ranking.

Belongs here: algorithms, rankings and budgets, on frames and arrays. Does not: solving for potentials (`transport/`).
"""
