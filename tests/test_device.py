import os
import subprocess
import sys

import torch

from getmore_assets.device import compute_dtype

PASS = """
import numpy as np
from getmore_assets.transport.passes.cpu import CpuPass
from getmore_assets.transport.problem import build_problem
draw = np.random.default_rng(0).normal(size=(6000, 16)).astype(np.float32)
x = draw / np.linalg.norm(draw, axis=1, keepdims=True)
marginal = CpuPass(build_problem(x, x[:50], np.full(50, 1 / 50))).low_precision(np.zeros(50), 0.1, 6000)
print(marginal.max())
"""


def largest(**changes):
    """The largest target marginal of a pass in low precision, in a new process with other environment variables."""
    ran = subprocess.run(
        [sys.executable, "-c", PASS], env={**os.environ, **changes}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return float(ran.stdout)


def test_a_limit_on_the_instructions_of_onednn_is_no_error():
    full = largest()
    assert abs(largest(ONEDNN_MAX_CPU_ISA="AVX2") - full) < 0.05 * full


def test_a_precision_that_is_asked_for_is_taken():
    cpu = torch.device("cpu")
    assert compute_dtype("bfloat16", cpu) == torch.bfloat16
    assert compute_dtype("float32", cpu) == torch.float32
