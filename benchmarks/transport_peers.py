"""One solve by one solver, timed for `transport.py`, with the Python in which the solver is installed.

python benchmarks/transport_peers.py SPEC.json RESULT.json
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

Spec = dict[str, Any]
#: Loads and compiles the solver, and returns the timed function, which returns the target potential `[m]` and a remark.
Solver = Callable[[Spec, np.ndarray, np.ndarray], Callable[[], tuple[np.ndarray, str]]]


def ours(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for this project's solver, which stores as much of the kernel as `memory_mb` allows."""
    from getmore_assets.transport.passes.cpu import CpuPass
    from getmore_assets.transport.plan import keep_mb
    from getmore_assets.transport.problem import build_problem
    from getmore_assets.transport.solver import solve

    def run() -> tuple[np.ndarray, str]:
        problem = build_problem(x, y)
        tile_pass = CpuPass(problem, keep_mb=keep_mb(problem.n, *problem.y.shape, spec["memory_mb"]))
        solution = solve(tile_pass, spec["epsilon"], tolerance=spec["tolerance"])
        return solution.g, f"{solution.passes:.1f} passes, {solution.full_passes} of them over all"

    return run


def kernel(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for the simplest fast solver: Sinkhorn with the whole kernel in memory."""
    import torch

    def run() -> tuple[np.ndarray, str]:
        epsilon, n, m = spec["epsilon"], len(x), len(y)
        stored = torch.addmm(torch.tensor(0.0), torch.from_numpy(x), torch.from_numpy(y).T, alpha=2 / epsilon)
        stored.sub_(stored.amax(1, keepdim=True)).exp_()
        v = torch.ones(m)
        iteration = 0
        while iteration < 2000:
            iteration += 1
            col = v * (stored.T @ (1 / (stored @ v))) * (m / n)
            if float((col - 1).abs().double().mean()) <= spec["tolerance"]:
                break
            v /= col
        return epsilon * v.double().log().numpy(), f"{iteration} iterations"

    return run


def plain_pass(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for one float32 pass in plain torch: product, log-sum-exp, column sum, in 64 MiB tiles."""
    import torch

    def run() -> tuple[np.ndarray, str]:
        epsilon, m = spec["epsilon"], len(y)
        weights, bias = torch.from_numpy(y).T * (2 / epsilon), torch.full((m,), -2 / epsilon - float(np.log(m)))
        col, rows = torch.zeros(m, dtype=torch.float64), 2**24 // m
        for start in range(0, len(x), rows):
            z = torch.addmm(bias, torch.from_numpy(x[start : start + rows]), weights)
            lse = torch.logsumexp(z, 1, keepdim=True)
            col += (z - lse).exp().sum(0)
        return np.zeros(m), f"column sum {float(col.sum()) / len(x):.6f}"

    return run


def sinkhorn(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for Sinkhorn with this project's passes, which counts the iterations for the peers."""
    from getmore_assets.transport.passes.cpu import CpuPass
    from getmore_assets.transport.problem import build_problem

    def run() -> tuple[np.ndarray, str]:
        tile_pass, g, b = CpuPass(build_problem(x, y)), np.zeros(len(y)), 1 / len(y)
        iteration = 0
        while iteration < 2000:
            iteration += 1
            _, col = tile_pass(g, spec["epsilon"], len(x))
            if np.abs(col - b).sum() <= spec["tolerance"]:
                break
            g += spec["epsilon"] * (np.log(b) - np.log(col))
        return g, f"{iteration} iterations"

    return run


def ott(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for OTT-JAX, online, with a given number of iterations, so that it checks its error once."""
    import jax
    import jax.numpy as jnp
    from ott.geometry import pointcloud
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn as ott_sinkhorn

    count = spec["iterations"]

    def solve(x: Any, y: Any) -> Any:
        geometry = pointcloud.PointCloud(x, y, epsilon=spec["epsilon"], batch_size=spec["batch_size"])
        solver = ott_sinkhorn.Sinkhorn(threshold=spec["tolerance"], inner_iterations=count, max_iterations=count)
        out = solver(linear_problem.LinearProblem(geometry))
        return out.g, out.errors

    on_device = jnp.asarray(x), jnp.asarray(y)
    compiled = jax.jit(solve).lower(*on_device).compile()

    def run() -> tuple[np.ndarray, str]:
        g, errors = jax.block_until_ready(compiled(*on_device))
        return np.asarray(g, np.float64), f"{count} iterations, its own error {float(errors[0]):.1e}"

    return run


def pot(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for POT's sinkhorn_log on torch, dense, with a given number of iterations."""
    import ot
    import torch

    def run() -> tuple[np.ndarray, str]:
        cost = torch.addmm(torch.tensor(2.0), torch.from_numpy(x), torch.from_numpy(y).T, alpha=-2)
        a, b = torch.full((len(x),), 1 / len(x)), torch.full((len(y),), 1 / len(y))
        count = spec["iterations"]
        # `ot.sinkhorn` would also return the plan, another matrix of this size.
        _, log = ot.bregman.sinkhorn_log(
            a, b, cost, spec["epsilon"], numItermax=count, stopThr=0.0, log=True, warn=False
        )
        return spec["epsilon"] * log["log_v"].double().numpy(), f"{count} iterations"

    return run


def geomloss(spec: Spec, x: np.ndarray, y: np.ndarray) -> Callable[[], tuple[np.ndarray, str]]:
    """Return the function for GeomLoss, with its own ε-scaling and without a tolerance; online (KeOps) or dense."""
    import torch
    from geomloss import SamplesLoss

    blur = float(np.sqrt(spec["epsilon"] / 2))  # GeomLoss' cost is |x - y|²/2, and its ε is blur²
    loss = SamplesLoss(
        "sinkhorn", p=2, blur=blur, scaling=spec["scaling"], debias=False, potentials=True, backend=spec["backend"]
    )
    a, b = torch.full((len(x),), 1 / len(x)), torch.full((len(y),), 1 / len(y))
    if spec["backend"] == "online":  # compiles
        loss(a[:100] * (len(x) / 100), torch.from_numpy(x[:100]), b, torch.from_numpy(y))

    def run() -> tuple[np.ndarray, str]:
        _, g = loss(a, torch.from_numpy(x), b, torch.from_numpy(y))
        return 2 * g.double().numpy().ravel(), f"scaling {spec['scaling']}, {spec['backend']}"

    return run


SOLVERS: dict[str, Solver] = {f.__name__: f for f in (ours, kernel, plain_pass, sinkhorn, ott, pot, geomloss)}


def main() -> None:
    """Measure the seconds of a solver, and its peak memory beyond the memory at the start."""
    spec = json.loads(Path(sys.argv[1]).read_text())
    x, y = np.load(spec["x"]), np.load(spec["y"])
    run, peak, done = SOLVERS[spec["solver"]](spec, x, y), [0], threading.Event()
    process = psutil.Process()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    threading.Thread(target=watch, daemon=True).start()
    started, cpu = time.perf_counter(), time.process_time()
    g, remark = run()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    done.set()
    np.save(spec["g"], g)
    extra = max(0, peak[0] - before) / 2**20
    result = {"seconds": seconds, "cpu_seconds": cpu, "extra_mib": extra, "remark": remark}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
