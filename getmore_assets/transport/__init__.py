"""Entropic optimal transport between many candidates and few targets, in bounded memory.

Belongs here: the problem, the passes over it, the solvers, the plan of a solve, domain triage; from arrays and files to
arrays, without tables or ids. Does not: selecting by the potentials (`selection/`).

From the bottom: `rows` (where candidates are stored), `problem` (costs and weights), `passes` (one sweep over the
candidates: on a CPU, on a GPU, over shards), `marginal` (the constraint on the target marginal), `anderson`
(acceleration), `state` and `solver` (the loop), `paper` (the published loop), `plan` (estimated bytes and seconds),
`triage` (a small solve for each domain), `stability` (the selection at other ε).
"""
