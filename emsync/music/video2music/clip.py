"""What the pictures show and how they feel, second by second: CLIP ViT-L/14@336px.

Model: Radford et al., "Learning transferable visual models from natural language supervision"
(ICML 2021), OpenAI's weights, built by open_clip. The semantic vector is the image embedding, not
normalised. The emotion is a softmax over six bare words, by the model's own scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from emsync.errors import WeightsError
from emsync.film.footage import Still
from emsync.music.video2music.features import DECIMALS, EMOTIONS
from emsync.progress import CancelToken, silent_share
from emsync.text import unfit
from emsync.weights import store

if TYPE_CHECKING:
    import torch
    from open_clip import CLIP

Precision = Literal["float16", "bfloat16", "float32"]

WEIGHTS: Final = "clip-vit-l-14-336"
ARCHITECTURE: Final = "ViT-L-14-336-quickgelu"
"""open_clip's name for what OpenAI trained."""
ARCHIVE: Final = "ViT-L-14-336px.pt"
"""OpenAI's file, a TorchScript archive: loading it unpickles no Python classes."""
SAFETENSORS: Final = "open_clip_model.safetensors"
"""open_clip's copy of the weights; preferred where both are there."""
_MEAN, _SD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue in the model's training pictures; published with the model."""
_BATCH: Final = {"cpu": 1, "cuda": 32}
"""Pictures at a time: one takes a CPU seconds, and a request is to be cancelled soon."""
_NOT_WEIGHTS: Final = ("input_resolution", "context_length", "vocab_size")
"""Numbers in OpenAI's archive beside the weights."""


@dataclass(frozen=True)
class Seen:
    """What CLIP makes of pictures. All arrays are float32."""

    semantic: np.ndarray
    """(pictures, 768)."""
    emotion: np.ndarray
    """(pictures, 6): probabilities in the order of `EMOTIONS`, to four decimals."""


class Eye:
    """The half of CLIP that sees, and what the other half made of the six words."""

    def __init__(self, clip: "CLIP", device: str) -> None:
        """Embed the words and let go of the half that did it.

        Args:
            clip: in the type that suits the device.
            device: "cpu" or "cuda".
        """
        import torch
        from open_clip import tokenize

        clip.to(device)
        with torch.inference_mode():
            words = clip.encode_text(tokenize(list(EMOTIONS)).to(device), normalize=True)
        self.device = device
        self.side = int(clip.visual.image_size[0])
        """Pixels of the square that the model looks at."""
        self._words = words.float()  # (6, 768)
        self._scale = float(clip.logit_scale.detach().float().exp())
        self._visual = clip.visual

    def see(
        self,
        pictures: Sequence[Still],
        cancel: CancelToken,
        advance: Callable[[float], None] = silent_share,
    ) -> Seen:
        """Look at pictures.

        Args:
            pictures: at least one.
            cancel: looked at between batches.
            advance: told the share that is done.

        Raises:
            WeightsError: the weights are damaged.
            Cancelled: the owner asked to stop.
        """
        import torch

        semantic, emotion = [], []
        for start in range(0, len(pictures), _BATCH[self.device]):
            cancel.check()
            batch = pictures[start : start + _BATCH[self.device]]
            with torch.inference_mode():
                vectors = self._embedded(batch)  # (batch, 768)
                unit = torch.nn.functional.normalize(vectors, dim=-1)
                chances = (self._scale * unit @ self._words.T).softmax(-1)  # (batch, 6)
            semantic.append(vectors.cpu().numpy())
            emotion.append(chances.cpu().numpy())
            advance(min(start + len(batch), len(pictures)) / len(pictures))
        seen = Seen(np.concatenate(semantic), np.concatenate(emotion).round(DECIMALS))
        if not np.isfinite(seen.semantic).all():  # damage in a file of the right length shows here
            raise _damaged(ARCHIVE, "it gives what is no number")
        return seen

    def _embedded(self, pictures: Sequence[Still]) -> "torch.Tensor":
        """Return the embeddings of pictures, (pictures, 768) float32."""
        import torch

        prepared = np.stack([prepare(picture.pixels(), self.side) for picture in pictures])
        dtype = next(self._visual.parameters()).dtype
        batch = torch.from_numpy(prepared).to(self.device, dtype)  # (pictures, 3, side, side)
        vectors: torch.Tensor = self._visual(batch).float()
        return vectors


def open_eye(device: str) -> Eye:
    """Load CLIP as it is installed.

    Args:
        device: "cpu" or "cuda".

    Raises:
        WeightsNotInstalled: it is not on this machine; with a sentence that says how to get it.
        WeightsError: it is damaged, or another model.
    """
    return Eye(load(store.find(WEIGHTS), precision_of(device)), device)


def precision_of(device: str) -> Precision:
    """Return how CLIP computes on a device.

    On a GPU in half precision, as published. On a CPU in bfloat16 where it has instructions for
    that: a picture takes 2 s of a core of an AMD EPYC so, and 5 s in single precision. Ours.
    """
    import torch

    if device == "cuda":
        return "float16"
    can = torch.cpu.get_capabilities()
    return "bfloat16" if can.get("avx512_bf16") or can.get("amx_bf16") else "float32"


def load(folder: Path, precision: Precision = "float32") -> "CLIP":
    """Load CLIP from a folder that has `ARCHIVE` or `SAFETENSORS`, on the CPU, ready to use.

    open_clip's own loading functions draw random weights first and take names to download by; the
    class itself does neither.

    Raises:
        WeightsError: neither file is there, or it holds another model.
    """
    import open_clip
    import torch

    path = next((folder / n for n in (SAFETENSORS, ARCHIVE) if (folder / n).is_file()), None)
    if path is None:
        raise WeightsError(f"The weights {WEIGHTS} have neither {SAFETENSORS} nor {ARCHIVE}.")
    try:
        state = _state_of(path)
        with torch.device("meta"):  # shapes without numbers, which those of the file replace
            clip = open_clip.CLIP(**open_clip.get_model_config(ARCHITECTURE))
        clip.load_state_dict(state, assign=True)
    except (RuntimeError, OSError, ValueError) as problem:
        raise _damaged(path.name, unfit(problem)) from problem
    # The one thing that no file has: a word does not look at those after it.
    length = clip.context_length
    clip.attn_mask = torch.full((length, length), -torch.inf).triu(1)
    return clip.to(getattr(torch, precision)).eval().requires_grad_(False)


def _state_of(path: Path) -> "dict[str, torch.Tensor]":
    """Return the weights in a file by open_clip's names; OpenAI's file has the same ones."""
    if path.name == SAFETENSORS:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as problem:
            raise ValueError(problem) from problem
    import torch

    # Deprecated for programs, but nothing else reads the weights in such an archive.
    archive = torch.jit.load(str(path), map_location="cpu").state_dict()
    return {name: value for name, value in archive.items() if name not in _NOT_WEIGHTS}


def _damaged(name: str, reason: str) -> WeightsError:
    return WeightsError(
        f"The file {name} is damaged or holds another model: {reason}. Run: python -m emsync "
        f"weights remove {WEIGHTS}, then: python -m emsync weights pull {WEIGHTS}"
    )


def prepare(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a picture as CLIP's own preprocessing makes it.

    Args:
        pixels: (height, width, 3) uint8, RGB.
        side: pixels of the square; the picture's shorter side is scaled to it, bicubically.

    Returns:
        (3, side, side) float32.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    shorter = min(picture.size)
    width, height = (int(side * length / shorter) for length in picture.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    square = picture.resize((width, height), Image.Resampling.BICUBIC).crop(
        (left, top, left + side, top + side)
    )
    scaled = np.asarray(square, np.float32) / 255  # (side, side, 3)
    normalised = (scaled - np.array(_MEAN, np.float32)) / np.array(_SD, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))
