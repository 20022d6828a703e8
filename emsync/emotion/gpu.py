"""What happens when a GPU has no memory left: the CPU does the work, and it is said."""

import gc
import sys

GPU_FULL = "the memory of the GPU was full"
"""The end of a sentence that says so."""


def gpu_is_full(error: BaseException | None) -> bool:
    """Whether this is PyTorch's word for it, or that of CUDA's libraries."""
    torch = sys.modules.get("torch")
    if torch is None or error is None:  # who has not imported it has no memory on a GPU
        return False
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and (
        "CUDA out of memory" in words
        or "CUDA error: out of memory" in words
        or "CUBLAS_STATUS_ALLOC_FAILED" in words
        or "CUDNN_STATUS_ALLOC_FAILED" in words
    )


def free_gpu() -> None:
    """Give back what nobody uses any more, so that others find room."""
    torch = sys.modules.get("torch")
    gc.collect()
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
