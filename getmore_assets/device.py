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
    # oneDNN multiplies, and refuses bfloat16 if it is limited to older instructions (ONEDNN_MAX_CPU_ISA).
    has_products = torch.cpu._is_avx512_bf16_supported() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if has_products else torch.float32
