"""Which device computes, and in which precision.

Belongs here: the one choice of device and of bfloat16. Does not: anything that computes. Imports torch: workers only.
"""

import torch


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The precision of products: auto is bfloat16 where the device has instructions for it, else float32.

    Args:
        wanted: auto, float32 or bfloat16.
        device: Where they are computed. Without the instructions bfloat16 is emulated, and slower than float32.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
