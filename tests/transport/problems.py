"""Small problems with known answers."""

import numpy as np

from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import Cost, build_problem
from getmore_assets.transport.solver import Solution, solve


def points(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d)) + shift
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def costs(x: np.ndarray, y: np.ndarray, cost: Cost = "unit") -> np.ndarray:
    """By the definition, in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    if cost == "sqeuclidean":
        return ((x[:, None] - y[None]) ** 2).sum(2)
    cosine = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T
    return (2 if cost == "unit" else 1) * (1 - cosine)


def weights(n: int, seed: int) -> np.ndarray:
    w = np.random.default_rng(seed).uniform(0.5, 1.5, n)
    return w / w.sum()


def solved(x, y, b=None, relative=0.1, a=None, cost="unit", **options) -> Solution:
    problem = build_problem(x, y, b, a, cost)
    return solve(CpuPass(problem), relative * problem.mean_cost, **options)


def centred(f: np.ndarray) -> np.ndarray:
    return f.astype(np.float64) - f.mean(dtype=np.float64)
