"""Estimating the memory and time of a solve before it starts.

Belongs here: bytes, tiles, seconds, and refusing a solve that does not fit. Does not: solving (`solver.py`).
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch

from getmore_assets.errors import BadInput
from getmore_assets.transport.passes import TilePass
from getmore_assets.transport.passes.cpu import tile_rows

_MIB = 2**20
_CALIBRATED = 3e7  # entries of the cost matrix in the timed sample: they occupy every core for a fraction of a second
# A solve takes the time of about _PASSES / √(ε / mean cost) passes: measured 2.9, 4.3 and 7.1 at 0.1, 0.05 and 0.02.
_PASSES = 1.0
_ANDERSON_VECTORS = 40
_MOST_THREADS = 32
_FIXED_MB = 48  # compiled kernels, threads and the allocator's reserve, measured


@dataclass(frozen=True)
class Plan:
    """The expected resources of a solve.

    Attributes:
        memory_mb: Working memory, without the candidates, in MiB.
        disk_mb: The file of the candidates' vectors, which passes read, in MiB.
        tile_rows: Candidates in a tile.
        seconds_per_pass: Measured by a calibration on this device.
        passes: Expected work, in precise passes over all candidates.
        seconds: Expected time.
    """

    memory_mb: float
    disk_mb: float
    tile_rows: int
    seconds_per_pass: float
    passes: float
    seconds: float


def require_room(n: int, m: int, d: int, memory_mb: int, device: torch.device, folder: Path) -> float:
    """Require that a solve fits memory and disk, before vectors are gathered.

    Args:
        n: Candidates.
        m: Targets.
        d: Width of a vector.
        memory_mb: The limit on working memory.
        device: Where passes run.
        folder: Where the candidates' vectors will be written.

    Returns:
        The working memory that the solve takes, in MiB.

    Raises:
        BadInput: The limit, the machine's memory or the disk is too small.
    """
    tiles = memory_mb * _MIB // 2 if device.type == "cuda" else _tiles(m, d, torch.get_num_threads())
    needed = _needed_mb(m, d, n, tiles)
    if needed > memory_mb:
        what = f"{n:,} candidates against {m:,} targets of width {d} take {needed:,.0f} MiB, the limit is {memory_mb}"
        fix = f"Set transport.memory_mb to {int(needed * 1.1) + 1}, or use fewer targets"
        raise BadInput("transport.memory_mb", what, fix)
    needed += keep_mb(n, m, d, memory_mb) if device.type == "cpu" else 0.0
    free = psutil.virtual_memory().available / _MIB
    if needed > free:
        what = f"the solve takes {needed:,.0f} MiB and {free:,.0f} are free on this machine"
        raise BadInput("transport.memory_mb", what, "Lower it, use fewer targets, or a machine with more memory")
    vectors, free_disk = 4 * n * d / _MIB, shutil.disk_usage(folder).free / _MIB
    if vectors > free_disk:
        what = f"the candidates' vectors take {vectors:,.0f} MiB and {free_disk:,.0f} are free"
        raise BadInput(str(folder), what, "Free disk space, or keep fewer domains with triage.keep")
    return needed


def _needed_mb(m: int, d: int, n: int, tiles: int) -> float:
    """Return the least memory, in MiB, of a solve whose tiles take `tiles` bytes."""
    return (3 * 4 * m * d + 8 * n + _ANDERSON_VECTORS * 8 * m + tiles) / _MIB + _FIXED_MB


def _tiles(m: int, d: int, threads: int) -> int:
    return 2 * threads * tile_rows(m) * 4 * (m + d)


def keep_mb(n: int, m: int, d: int, memory_mb: int) -> float:
    """Return the memory left under the limit for keeping the kernel from pass to pass on a CPU, in MiB.

    The result is the same for any number of threads up to 32, so that a solve has the same results, too.
    """
    return max(0.0, min(4 * n * m / _MIB, memory_mb - _needed_mb(m, d, n, _tiles(m, d, _MOST_THREADS))))


def calibrate(tile_pass: TilePass, epsilon: float, memory_mb: float, keep: float = 0.0) -> Plan:
    """Run a small part of a pass, and estimate how long the solve takes.

    Args:
        tile_pass: The pass that the solve will use.
        epsilon: Absolute.
        memory_mb: From `require_room`.
        keep: From `keep_mb`, if the pass keeps the kernel.
    """
    problem = tile_pass.problem
    sample, g = min(problem.n, int(_CALIBRATED / problem.m) + 1), np.zeros(problem.m)
    tile_pass(g, 2 * epsilon, min(sample, tile_rows(problem.m)))  # warm-up: starts threads, packs for the first time
    times = [time.monotonic()]
    for _ in range(2):  # at an ε that no solve uses: the solve must not find a kernel that was kept here
        tile_pass(g, 1.01 * epsilon, sample)
        times.append(time.monotonic())
    first, again = (np.diff(times) * problem.n / sample).tolist()
    passes = max(1.0, _PASSES / float(np.sqrt(epsilon / problem.mean_cost)))
    kept = min(1.0, keep * _MIB / (2 * problem.n * problem.m))  # share of the candidates, kernel in half precision
    seconds = first + (passes - 1) * (kept * again + (1 - kept) * first)
    disk = 4 * problem.n * problem.y.shape[1] / _MIB
    return Plan(memory_mb, disk, tile_rows(problem.m), first, passes, seconds)
