"""The pictures: CLIP ViT-B/32 looks at stills and compares them with descriptions in words.

Model: Radford et al., "Learning transferable visual models from natural language supervision"
(ICML 2021), OpenAI's weights, built by open_clip as `ViT-B-32-quickgelu`.

Vectors: one item a still, (items, 512) float32: the image features as the model gives them, not
normalised, for that is what VEMOCLAP takes (its published demo min–max normalises the plain output
of `encode_image`). The picture is prepared as there too: shorter side to 224 by antialiased cubic
interpolation of unclipped numbers, middle square. Stretches are the moments of the stills.

Opinions: zero-shot, one a still. Every class is the mean of the embeddings of many descriptions,
normalised again (prompt ensembles, section 3.1.4 of the paper). Beside the six emotions stand three
classes of pictures that show none. The probabilities are those of the six, and the certainty is
their share of all nine. Ours: the descriptions, the three classes and `SOFTENING`. None of it has
been measured on labelled stills.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.features.clip_prompts import CLASSES, SCENE_TEMPLATE, SCENES
from emsync.emotion.features.expert import MODALITIES, ShareCallback
from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.reading import EMOTIONS
from emsync.errors import WeightsError
from emsync.film.footage import Footage, Still
from emsync.process.gpu import free_gpu
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings
from emsync.text import clock
from emsync.weights import store as weights

if TYPE_CHECKING:
    import torch
    from open_clip import CLIP

WEIGHTS = "clip-vit-b-32"
ARCHITECTURE = "ViT-B-32-quickgelu"
"""open_clip's name for what OpenAI trained: its activation is not the usual GELU."""
SAFETENSORS = "open_clip_model.safetensors"
"""open_clip's copy of the weights; preferred where both are there."""
ARCHIVE = "ViT-B-32.pt"
"""OpenAI's own file, a TorchScript archive: loading it unpickles no Python classes."""

SIDE = 224
"""Pixels of the square that the model looks at."""
MEAN, SD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue in the model's training pictures; published with the model."""

SOFTENING = 2.0
"""The model's logit scale (100) is divided by this before emotions are compared. Ours, an
assumption: at 100 a cosine that is higher by 0.01 makes a class 2.7 times as likely. That scale was
learned for naming what a picture shows, where the words decide; between two moods the choice of
words alone moves the cosine by about as much, so it should take twice the difference."""

CLEAR = 0.5
"""A scene phrase is shown if it is likelier than all the others together. Ours."""

BATCH = {"cpu": 4, "cuda": 32}
"""Stills at a time; on two slow cores four take less than a second, so that a request can be
cancelled soon."""
TEXT_BATCH = 32


@dataclass(frozen=True)
class ClipModel:
    """What stays loaded: half of CLIP, and what the other half made of the words.

    Attributes:
        path: the file that it came from.
        device: "cpu" or "cuda".
        visual: pictures (n, 3, 224, 224) to features (n, 512).
        classes: (9, 512) unit vectors, order of `CLASSES`.
        scenes: (phrases, 512) unit vectors, order of `SCENES`.
        scale: by which the model multiplies cosines to get logits.
    """

    path: Path
    device: str
    visual: "torch.nn.Module"
    classes: np.ndarray
    scenes: np.ndarray
    scale: float


class ClipExpert:
    """What the pictures show and how they feel, by CLIP; see the module."""

    modality = "clip"
    title = MODALITIES["clip"].title
    weights: tuple[str, ...] = (WEIGHTS,)

    def __init__(self) -> None:
        self._model: ClipModel | None = None

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """Return an estimate: for the CPU as measured on one slow core, for a GPU guessed."""
        stills = min(ExpertSettings().most_frames, ExpertSettings().frames + film_seconds / 2)
        loaded = self._model is not None and self._model.device == device
        load, still = {"cpu": (9.0, 0.12), "cuda": (7.0, 0.05)}[device]
        return (0.0 if loaded else load) + stills * still

    def prepare(self, device: str) -> None:
        """Load CLIP, embed the words, and let go of the half that did it; see `Expert.prepare`."""
        if self._model is not None and self._model.device == device:
            return
        self.release()
        import torch

        path = _file(weights.find(WEIGHTS))
        clip, scale = load_clip(path, torch.float16 if device == "cuda" else torch.float32)
        clip.to(device)
        texts = [text for prompts in CLASSES.values() for text in prompts.texts]
        texts += [SCENE_TEMPLATE.format(phrase) for phrase in SCENES]
        embedded = _finite(embedded_texts(clip, texts, device), path)  # (texts, 512)
        ends = np.cumsum([len(prompts.texts) for prompts in CLASSES.values()])
        *classes, scenes = np.split(unit(embedded), ends)
        self._model = ClipModel(
            path,
            device,
            clip.visual,
            unit(np.stack([one.mean(axis=0) for one in classes])),
            scenes,
            scale,
        )

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        """Compare stills with words, see `Expert.run`."""
        began = time.perf_counter()
        model = self._model
        if model is None:
            raise RuntimeError("prepare comes first")
        stills = footage.sampled(settings.frames, settings.per_scene, settings.most_frames)
        size = BATCH[model.device]
        features = []
        for start in range(0, len(stills), size):
            cancel.check()
            features.append(_seen(model, stills[start : start + size]))
            tell(min(start + size, len(stills)) / len(stills))
        vectors = _finite(np.concatenate(features), model.path)  # (stills, 512)
        seen = unit(vectors)
        moments = np.array([still.time for still in stills])
        opinions = opinions_of(model, seen, moments)
        return FeatureReport(
            modality=self.modality,
            status="ran",
            detail=f"Compared {len(stills)} frames with descriptions in words; what fits best is "
            "taken for what they show and for how they feel.",
            vectors=vectors,
            findings=(*_feeling(opinions), *captions_of(model, seen, moments, footage)),
            seconds=time.perf_counter() - began,
            device=model.device,
            stretches=tuple(opinion.stretch for opinion in opinions),
            opinions=opinions,
        )

    def release(self) -> None:
        """Let go of the model."""
        model, self._model = self._model, None
        if model is not None and model.device == "cuda":
            del model
            free_gpu()


def open_expert() -> ClipExpert:
    """Return the expert, of which nothing is loaded yet."""
    return ClipExpert()


# The model -------------------------------------------------------------------------------------


_AGAIN = (
    f"Run: python -m emsync weights remove {WEIGHTS}, then: python -m emsync weights pull {WEIGHTS}"
)


def _damaged(path: Path) -> WeightsError:
    """Return the error for a file that holds something else than it should."""
    return WeightsError(f"The file {path.name} is damaged. {_AGAIN}")


def _file(folder: Path) -> Path:
    """Return the file in a folder that is to be loaded.

    Raises:
        WeightsError: there is none.
    """
    for name in (SAFETENSORS, ARCHIVE):
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"The weights {WEIGHTS} have neither {SAFETENSORS} nor {ARCHIVE}. {_AGAIN}")


def _state(path: Path) -> dict[str, "torch.Tensor"]:
    """Return the weights by open_clip's names, on the CPU; OpenAI's file has the same names."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.name == SAFETENSORS:
            return load_file(path)
        # Deprecated for programs, but nothing else reads the weights in such an archive.
        state = dict(torch.jit.load(str(path), map_location="cpu").state_dict())
    except (SafetensorError, RuntimeError, OSError) as problem:
        raise _damaged(path) from problem
    for number in ("input_resolution", "context_length", "vocab_size"):
        state.pop(number, None)
    return state


def load_clip(path: Path, dtype: "torch.dtype") -> tuple["CLIP", float]:
    """Return the model in `dtype` on the CPU, ready to be used, and its logit scale.

    open_clip's own loading functions draw random weights first and take names to download by; the
    class itself does neither.
    """
    import open_clip
    import torch

    state = _state(path)
    with torch.device("meta"):  # shapes without numbers: those of the file take their place
        clip = open_clip.CLIP(**open_clip.get_model_config(ARCHITECTURE))
    try:
        clip.load_state_dict(state, assign=True)
    except RuntimeError as problem:
        raise WeightsError(
            f"The file {path.name} holds another model than CLIP ViT-B/32. {_AGAIN}"
        ) from problem
    scale = float(clip.logit_scale.detach().float().exp())
    # The one thing that the file does not have: words do not attend to those after them.
    length = clip.context_length
    clip.attn_mask = torch.full((length, length), -torch.inf).triu(1)
    return clip.to(dtype).eval().requires_grad_(False), scale


def embedded_texts(clip: "CLIP", texts: Sequence[str], device: str) -> np.ndarray:
    """Return (texts, 512) float32, as the model gives them; it cannot read texts afterwards.

    A text ends with a mark at which it is read out, and no word looks at those after it, so the
    padding can be cut off: six times faster, with the same result.
    """
    import torch
    from open_clip import tokenize

    tokens = tokenize(list(texts))  # (texts, 77), 0 is the padding
    lengths = (tokens != 0).sum(dim=1)
    positions, mask = clip.positional_embedding, clip.attn_mask
    embedded = np.empty((len(texts), positions.shape[1]), dtype=np.float32)
    for batch in lengths.argsort(stable=True).split(TEXT_BATCH):
        length = int(lengths[batch].max())
        clip.positional_embedding = torch.nn.Parameter(positions[:length], requires_grad=False)
        clip.attn_mask = mask[:length, :length]
        with torch.inference_mode():
            found = clip.encode_text(tokens[batch, :length].to(device))
        embedded[batch.numpy()] = found.float().cpu().numpy()
    return embedded


def _seen(model: ClipModel, stills: Sequence[Still]) -> np.ndarray:
    """Return (stills, 512) float32, as the model gives them."""
    import torch

    dtype = next(model.visual.parameters()).dtype
    with torch.inference_mode():
        # (stills, 3, 224, 224)
        pictures = torch.stack([prepared(still.pixels()) for still in stills])
        return model.visual(pictures.to(model.device, dtype)).float().cpu().numpy()


def prepared(pixels: np.ndarray) -> "torch.Tensor":
    """Return the middle square of a picture as the model wants it, (3, 224, 224) float32.

    To the letter as VEMOCLAP's published demo prepares it: overshoots of the interpolation stay.

    Args:
        pixels: (height, width, 3) uint8.
    """
    import torch

    picture = torch.tensor(pixels).permute(2, 0, 1).float() / 255  # (3, height, width)
    shorter = min(picture.shape[1:])
    size = [int(SIDE * side / shorter) for side in picture.shape[1:]]
    picture = torch.nn.functional.interpolate(
        picture[None], size, mode="bicubic", align_corners=False, antialias=True
    )[0]
    top, left = (round((side - SIDE) / 2) for side in size)
    square = picture[:, top : top + SIDE, left : left + SIDE]
    return (square - torch.tensor(MEAN)[:, None, None]) / torch.tensor(SD)[:, None, None]


def _finite(features: np.ndarray, path: Path) -> np.ndarray:
    """Return the features if all are numbers.

    Raises:
        WeightsError: damage inside a file of the right length shows only here.
    """
    if np.isfinite(features).all():
        return features
    raise _damaged(path)


# What it makes of the film ---------------------------------------------------------------------


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1, along the last axis."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in float64."""
    powers = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def opinions_of(model: ClipModel, seen: np.ndarray, moments: np.ndarray) -> tuple[Opinion, ...]:
    """Return the opinion of every still.

    Args:
        model: for its words.
        seen: (stills, 512) unit vectors.
        moments: (stills,) seconds.
    """
    # (stills, 6): what pictures without emotion get is left out, and lowers the certainty
    shares = _softmax(model.scale / SOFTENING * seen @ model.classes.T)[:, : len(EMOTIONS)]
    certainty = shares.sum(axis=1)
    return tuple(
        Opinion((at, at), tuple(probabilities), certain)
        for at, probabilities, certain in zip(
            moments.tolist(),
            (shares / certainty[:, None]).tolist(),
            certainty.tolist(),
            strict=True,
        )
    )


def _feeling(opinions: Sequence[Opinion]) -> tuple[tuple[str, str], ...]:
    """Return findings on the emotion of all stills, each counting as much as it is certain."""
    certainty = np.array([opinion.certainty for opinion in opinions])
    mean = np.average([opinion.probabilities for opinion in opinions], axis=0, weights=certainty)
    best = np.argsort(-mean, kind="stable")[:3]
    return (
        ("Emotion of the frames", ", ".join(f"{EMOTIONS[i]} {mean[i]:.0%}" for i in best)),
        ("Everyday life, places, writing", f"{1 - certainty.mean():.0%} (no emotion of their own)"),
    )


def captions_of(
    model: ClipModel, seen: np.ndarray, moments: np.ndarray, footage: Footage
) -> tuple[tuple[str, str], ...]:
    """Return findings on what the film and each scene shows, as far as that is clear.

    Cosines are averaged over stills, so that a phrase has to fit most of them.
    """

    def caption(stretch: Stretch) -> str | None:
        """Return the phrase that fits a stretch; None if none is clearly likelier."""
        inside = seen[(stretch[0] <= moments) & (moments < stretch[1])]
        if not len(inside):
            return None
        shares = _softmax(model.scale * inside.mean(axis=0) @ model.scenes.T)
        best = int(shares.argmax())
        return f"{SCENES[best]} ({shares[best]:.0%})" if shares[best] > CLEAR else None

    film = caption((0.0, np.inf))
    findings = [("Film as a whole", film or "no clear match")]
    clear = [(scene, text) for scene in footage.scenes if (text := caption(scene))]
    findings += [(f"{clock(start)} to {clock(end)}", text) for (start, end), text in clear]
    unclear = len(footage.scenes) - len(clear)
    if unclear:
        findings.append(("Scenes without a clear match", f"{unclear} of {len(footage.scenes)}"))
    return tuple(findings)
