"""The solve on a GPU: 5M candidates x 10k targets x 768, beside FlashSinkhorn if it is installed.

python benchmarks/transport_gpu.py --json benchmarks/results/transport-gpu.json

The vectors are random, of unit length: candidates from 512 Gaussian clusters, targets from 64 of these. Real embeddings
of this size would have to be copied to the machine, and the speed of the arithmetic does not depend on the vectors.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transport import machine

from getmore_assets.transport.passes.gpu import GpuPass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve

RELATIVE, TOLERANCE, CLUSTERS = 0.05, 1e-3, 512


def random_vectors(count: int, width: int, clusters: int, seed: int) -> np.ndarray:
    """Return unit vectors around the first `clusters` centres: `[count, width]`, float32."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLUSTERS, width)).astype(np.float32)
    rng, out = np.random.default_rng(seed), np.empty((count, width), np.float32)
    for start in range(0, count, 2**16):
        rows = min(2**16, count - start)
        block = centres[rng.integers(0, clusters, rows)] + 1.5 * rng.standard_normal((rows, width), np.float32)
        out[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return out


def timed(device: torch.device, work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of `work`, and the seconds until the device has finished."""
    started = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - started


def product_rate(device: torch.device) -> float:
    """Return the device's rate of float32 matrix products, in TFLOP/s."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device)
    torch.mm(a, a)
    _, seconds = timed(device, lambda: [torch.mm(a, a) for _ in range(5)])
    return 5 * 2 * size**3 / seconds / 1e12


def flash(x: torch.Tensor, y: torch.Tensor, epsilon: float, iterations: int) -> np.ndarray:
    """Return FlashSinkhorn's target potential after so many iterations, with float32 products: `[m]`."""
    from flash_sinkhorn import SamplesLoss

    loss = SamplesLoss(
        "sinkhorn", backend="alternating", use_epsilon_scaling=False, eps=epsilon, n_iters=iterations,
        potentials=True, debias=False, allow_tf32=False,
    )  # fmt: skip
    g: np.ndarray = loss(x, y)[1].double().cpu().numpy().ravel()
    return g


def main() -> None:
    """Measure both solvers, print the rows, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="50,000 candidates, 1,000 targets, width 128")
    args = parser.parse_args()
    n, m, d = (50_000, 1_000, 128) if args.quick else (5_000_000, 10_000, 768)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    problem = build_problem(random_vectors(n, d, CLUSTERS, 1), random_vectors(m, d, 64, 2))
    tile_pass, epsilon = GpuPass(problem, device, 1024), RELATIVE * problem.mean_cost
    tile_pass(np.zeros(m), epsilon, n)  # copies the candidates to the device
    solution, seconds = timed(device, lambda: solve(tile_pass, epsilon, tolerance=TOLERANCE))
    _, one_pass = timed(device, lambda: tile_pass(np.zeros(m), epsilon, n))
    rate, reached = product_rate(device), 2 * n * m * d / one_pass / 1e12
    row = {"solver": "ours", "seconds": seconds, "error": solution.error, "full_passes": solution.full_passes,
           "pass_seconds": one_pass, "pass_tflops": reached, "share_of_product_rate": reached / rate}  # fmt: skip
    rows: list[dict[str, Any]] = [row]
    try:
        x, y = torch.from_numpy(problem.x[:n]).to(device), torch.from_numpy(problem.y).to(device)
        flash(x[:10_000], y, epsilon, 2)
        for iterations in (5, 10, 20, 40, 80):
            g, seconds = timed(device, partial(flash, x, y, epsilon, iterations))
            error = float(np.abs(tile_pass(g, epsilon, n)[1] - problem.b).sum())
            rows.append({"solver": "flash-sinkhorn", "iterations": iterations, "seconds": seconds, "error": error})
            if error <= TOLERANCE:
                break
    except Exception as error:  # any failure of the peer belongs in the table
        rows.append({"solver": "flash-sinkhorn", "failed": f"{type(error).__name__}: {error}"[:200]})
    for row in rows:
        print(row)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    head = {"device": name, "candidates": n, "targets": m, "width": d, "product_tflops": rate, **machine()}
    if args.json:
        args.json.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
