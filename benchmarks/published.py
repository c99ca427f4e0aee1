"""Iterations and potentials of `transport.solver: published` beside OTT-JAX at the settings of the paper's authors.

PYTHONPATH=. peers/bin/python benchmarks/published.py X.npy Y.npy --json benchmarks/results/published.json

`vectors.py` writes the two files. ε is 0.1 absolute, the cost the squared Euclidean distance; log-sum-exp mode, one
inner iteration.
"""

import argparse
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from ott.geometry import pointcloud
from ott.problems.linear import linear_problem
from ott.solvers.linear import acceleration, sinkhorn

from getmore_assets.transport.paper import solve_as_published
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem

CANDIDATES, TARGETS = 20_000, 2_000
#: Momentum and threshold: of the authors' selection, of their triage, and of neither.
SETTINGS = [(1.3, 0.1), (1.2, 0.05), (1.0, 0.01)]


def compare(x: np.ndarray, y: np.ndarray, momentum: float, threshold: float) -> dict[str, float]:
    """Return the iterations of both, the largest difference of candidate potentials, and the overlap of selections."""
    geometry = pointcloud.PointCloud(jnp.asarray(y), jnp.asarray(x), epsilon=0.1, batch_size=2000)
    solver = sinkhorn.Sinkhorn(
        threshold=threshold, inner_iterations=1, max_iterations=2000, momentum=acceleration.Momentum(value=momentum)
    )
    out = solver(linear_problem.LinearProblem(geometry))
    theirs, problem = np.asarray(out.g, np.float64), build_problem(x, y, cost="sqeuclidean")
    ours = solve_as_published(CpuPass(problem), 0.1, momentum=momentum, threshold=threshold)
    first = [set(np.argsort(f, kind="stable")[: len(x) // 10]) for f in (theirs, ours.f)]
    apart = (ours.f - ours.f.mean(dtype=np.float64)) - (theirs - theirs.mean())
    return {
        "momentum": momentum,
        "threshold": threshold,
        "their_iterations": int(np.sum(np.asarray(out.errors) > -1)),
        "our_iterations": len(ours.history),
        "largest_difference": float(np.abs(apart).max()),
        "first_tenth_in_common": len(first[0] & first[1]) / len(first[0]),
    }


def main() -> None:
    """Compare at each setting, print the rows, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("x", type=Path)
    parser.add_argument("y", type=Path)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="2,000 candidates, 200 targets")
    args = parser.parse_args()
    scale = 10 if args.quick else 1
    x, y = np.load(args.x)[: CANDIDATES // scale], np.load(args.y)[: TARGETS // scale]
    rows = [compare(x, y, momentum, threshold) for momentum, threshold in SETTINGS]
    for row in rows:
        print(row)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
