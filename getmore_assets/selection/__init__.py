"""The algorithms of selectors, and the way from scores to a selected subset.

Belongs here: selectors, ranks and budgets, on frames and arrays. Does not: solving for potentials (`transport/`).
"""
