"""What happens when a GPU has no memory left: the CPU does the work, and it is said."""

import gc
import sys

GPU_FULL = "the memory of the GPU was full"
"""The end of a sentence that says so."""


_WORDS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def gpu_is_full(error: BaseException | None) -> bool:
    """Whether this is PyTorch's word for it, or that of CUDA's libraries, or came of such a one."""
    torch = sys.modules.get("torch")
    if torch is None:  # who has not imported it has no memory on a GPU
        return False
    while error is not None:
        if isinstance(error, torch.cuda.OutOfMemoryError) or (
            isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def free_gpu() -> None:
    """Give back what nobody uses any more, so that others find room."""
    torch = sys.modules.get("torch")
    gc.collect()
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
