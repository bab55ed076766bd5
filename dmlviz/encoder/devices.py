"""Which device and which precision a run computes with."""

from __future__ import annotations

import torch

from dmlviz.core.types import InputError


def pick_device(wanted: str) -> torch.device:
    """'auto' takes CUDA, then Apple's MPS, then the CPU. Asking for one that is missing is an InputError."""
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if have[name]))
    if not have[wanted]:
        raise InputError(f"device {wanted!r} is not available here; available: {', '.join(n for n in have if have[n])}. Use 'auto'")
    return torch.device(wanted)


def pick_precision(wanted: str, device: torch.device) -> torch.dtype:
    """'auto' computes in bfloat16 on a GPU that has it, in float32 elsewhere. Weights stay float32 either way."""
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[wanted]
