"""What happens when a GPU has no memory left: the CPU does the work, and the user is told."""

import gc
import sys

GPU_FULL = "the memory of the GPU was full"
"""The end of a sentence that says so."""

_MESSAGES = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def gpu_is_full(error: BaseException | None) -> bool:
    """Return whether an exception, or one that led to it, says that a GPU has no memory left."""
    torch = sys.modules.get("torch")
    if torch is None:  # who has not imported it has no memory on a GPU
        return False
    while error is not None:
        # CUDA's own libraries say it in a RuntimeError.
        if isinstance(error, torch.cuda.OutOfMemoryError) or (
            isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def free_gpu() -> None:
    """Give back the memory of a GPU that nobody uses any more."""
    torch = sys.modules.get("torch")
    gc.collect()
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
