"""The device and the precision of computations with torch.

Belongs here: choosing both. Does not: computing. Only workers import this module, because it imports torch.
"""

import torch


def best_device() -> torch.device:
    """Return the GPU, or the CPU if there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(setting: str, device: torch.device) -> torch.dtype:
    """Return the precision of matrix products.

    Args:
        setting: float32, bfloat16, or auto: bfloat16 if the device has instructions for it, else float32. Without
            these instructions bfloat16 is emulated, which is slower than float32.
        device: The device that computes the products.
    """
    if setting != "auto":
        return torch.bfloat16 if setting == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
