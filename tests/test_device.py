import os
import subprocess
import sys

import torch

from getmore_assets.device import compute_dtype

SOLVE = """
import numpy as np
from getmore_assets.transport.passes import best_pass
from getmore_assets.transport.problem import build_problem
from getmore_assets.transport.solver import solve
draw = np.random.default_rng(0).normal(size=(6000, 16)).astype(np.float32)
x = draw / np.linalg.norm(draw, axis=1, keepdims=True)
print(solve(best_pass(build_problem(x, x[:50], np.full(50, 1 / 50)), 256), 0.1).dual)
"""


def solved(**changes):
    """The distance that a new process finds, with other environment variables."""
    ran = subprocess.run(
        [sys.executable, "-c", SOLVE], env={**os.environ, **changes}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return float(ran.stdout)


def test_a_limit_on_the_instructions_of_onednn_costs_precision_and_no_error():
    assert abs(solved(ONEDNN_MAX_CPU_ISA="AVX2") - solved()) < 1e-3


def test_a_precision_that_is_asked_for_is_taken():
    cpu = torch.device("cpu")
    assert compute_dtype("bfloat16", cpu) == torch.bfloat16
    assert compute_dtype("float32", cpu) == torch.float32
