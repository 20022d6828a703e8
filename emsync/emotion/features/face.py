"""The faces: where they are in stills, and what they express.

As VEMOCLAP (section 3): a YOLO detector finds the faces, trpakov/vit-face-expression, a vision
transformer trained on FER-2013, tells their expression, and a still is the mean of its two largest
faces. Facts of the authors' published code that are kept: faces are cut out without a margin, and a
still without a face has no vector (it is left out, not set to zero; the fusion pads). Their
detector is YOLOv5-face with a confidence of 0.6; ours is any one-class face detector of the
ultralytics package, whose scale of confidence is another.

Vectors: one item a still with a face, (items, 768) float32: the mean over the two largest faces of
the first token (CLS) of the last hidden state, before the final layer normalisation, for that is
what the authors' code feeds to VEMOCLAP. Stretches are the moments of the stills.

Opinions: one a still with a face. The probabilities are those of the six emotions among the seven
expressions, and the certainty is their share: what is neutral speaks for all six evenly. To spread
it in the probabilities as well would count it twice (ours).
"""

import io
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emsync.emotion.features.expert import MODALITIES, ShareCallback
from emsync.emotion.features.loading import no_progress_bars
from emsync.emotion.features.report import FeatureReport, Opinion, Picture
from emsync.emotion.reading import EMOTIONS
from emsync.errors import WeightsError, WeightsNotInstalled
from emsync.film.footage import Footage, Still
from emsync.process.gpu import free_gpu
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings
from emsync.text import clock, listed
from emsync.weights import store as weights

if TYPE_CHECKING:
    import torch
    from PIL import Image

DETECTOR, EXPRESSION = "yolo-face", "face-expression"
"""In `emsync.weights.store`."""
DETECTOR_FILE = "yolo-face.pt"
"""Or the only file of its kind in the folder."""

SIDE = 320
"""Pixels of the longer side of what the detector looks at; the authors' 640 is four times as slow.
Measured with YOLO11m-face at 320, 480 and 640: all find the face in every frame of a film with one
and none in landscapes, but the finer two take parts of dogs for faces, and 320 does not. At
320 it still finds faces a sixteenth as wide as the picture."""
CONFIDENCE = 0.6
"""Of the detector in a face, in [0, 1], from which it counts; the authors' value. With 0.5 a
dog is a face in 3 of 63 frames of a film about one, with 0.6 in none, and no face is lost."""
OVERLAP = 0.5
"""Intersection over union above which two boxes are one face; the authors' value."""
SMALLEST = 20.0
"""Pixels of the still: shorter side of a face at least. Ours: what is smaller has no expression
that can be told; FER-2013 has pictures of 48 by 48."""
NARROWEST = 0.4
"""Shorter to longer side of a face at least. Ours: a narrower box is no face, or the edge of one
at the border of the picture."""
MOST_FACES = 300
"""In a still; the package's default."""
LARGEST = 2
"""Faces of a still whose expression is told (thesis 5.2.1)."""
STILLS = {"cpu": 4, "cuda": 32}
CROPS = {"cpu": 2, "cuda": 64}
"""At a time, of the detector and of the expression model: on a slow core each takes a second
at most, so that a request can be cancelled soon."""

EMOTION_OF = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "joy",
    "sad": "sadness",
    "surprise": "surprise",
}
NEUTRAL = "neutral"
_LABELS = {*EMOTION_OF, NEUTRAL}

_STRIDE = 32  # the detector's picture has sides that are multiples of this
_GREY = 114  # fills it up, as in the package's training
_LEARNED = ("torch.nn.modules.", "ultralytics.nn.modules.")
_MODEL = "ultralytics.nn.tasks.DetectionModel"


@dataclass(frozen=True)
class Face:
    """A face in a still.

    Attributes:
        box: left, top, right, bottom in pixels of the still.
        confidence: of the detector, in [0, 1].
        vector: (features,) float32 of the expression model; None if it was not asked.
        expressions: probabilities by label, sum 1; empty if the model was not asked.
    """

    box: tuple[int, int, int, int]
    confidence: float
    vector: np.ndarray | None = None
    expressions: tuple[tuple[str, float], ...] = ()

    @property
    def area(self) -> int:
        """Square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def expression(self) -> tuple[str, float] | None:
        """The likeliest and its probability; None if the model was not asked."""
        return max(self.expressions, key=lambda one: one[1], default=None)


class FaceExpert:
    """Faces and their expressions; see the module.

    Without the expression model it still finds and draws faces, and says what is missing.
    """

    modality = "face"
    title = MODALITIES["face"].title
    weights: tuple[str, ...] = (DETECTOR, EXPRESSION)

    def __init__(self) -> None:
        self._device = ""
        self._detector: Detector | None = None
        self._expression: ExpressionModel | None = None
        self._missing = ""

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """Return an estimate, measured on one slow core, if every other still has a face."""
        stills = min(ExpertSettings().most_frames, ExpertSettings().frames + film_seconds / 2)
        loaded = self._detector is not None and self._device == device
        load, still, face = {"cpu": (6.0, 0.11, 0.45), "cuda": (6.0, 0.01, 0.01)}[device]
        return (0.0 if loaded else load) + stills * (still + face / 2)

    def prepare(self, device: str) -> None:
        """Load both models, see `Expert.prepare`; a missing expression model is no failure."""
        if self._device != device:
            self.release()
            self._device = device
        if self._detector is None:
            self._detector = Detector(_detector_file(weights.find(DETECTOR)), device)
        if self._expression is None:
            try:
                self._expression = ExpressionModel(weights.find(EXPRESSION), device)
            except WeightsNotInstalled as problem:
                self._missing = str(problem)

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        """Look for faces in stills, see `Expert.run`."""
        began = time.perf_counter()
        if self._detector is None:
            raise RuntimeError("prepare comes first")
        stills = footage.sampled(settings.frames, settings.per_scene, settings.most_frames)
        found: list[tuple[Still, tuple[Face, ...]]] = []
        while len(found) < len(stills):
            cancel.check()
            batch = stills[len(found) : len(found) + STILLS[self._device]]
            pictures = [still.pixels() for still in batch]
            faces = self._detector.find(pictures)
            if self._expression is not None:
                faces = self._expression.read(pictures, faces, cancel)
            found += zip(batch, faces, strict=True)
            tell(len(found) / len(stills))
        return self._report(found, time.perf_counter() - began)

    def release(self) -> None:
        """Let go of both models."""
        self._detector = self._expression = None
        if self._device == "cuda":
            free_gpu()

    def _report(
        self, found: Sequence[tuple[Still, tuple[Face, ...]]], seconds: float
    ) -> FeatureReport:
        """Return the report on stills with the faces that were found in each."""
        with_faces = [(still, faces) for still, faces in found if faces]
        detail = f"Looked for faces in {len(found)} frames"
        if not with_faces:
            return FeatureReport(
                self.modality, "no such content", f"{detail} and found none.", None, (), seconds,
                self._device,
            )  # fmt: skip
        read = [(still.time, faces[:LARGEST]) for still, faces in with_faces]
        if self._expression is None:
            detail += f". What they express was not told. {self._missing}"
            read = []
        else:
            detail += " and told what the two largest of each express."
        return FeatureReport(
            modality=self.modality,
            status="ran",
            detail=detail,
            vectors=np.stack([_mean_vector(faces) for _, faces in read]) if read else None,
            findings=(*_whereabouts(found), *_expressions(read)),
            seconds=seconds,
            device=self._device,
            stretches=tuple((at, at) for at, _ in read),
            opinions=tuple(opinion_of(at, faces) for at, faces in read),
            pictures=(_picture(*max(with_faces, key=lambda one: one[1][0].area)),),
        )


def open_expert() -> FaceExpert:
    """Return the expert, of which nothing is loaded yet."""
    return FaceExpert()


# Finding faces ---------------------------------------------------------------------------------


class Detector:
    """Finds faces; the package's network without its program around it."""

    def __init__(self, path: Path, device: str) -> None:
        import torch

        with unchanged_process():
            from ultralytics.nn.tasks import DetectionModel
            from ultralytics.utils.nms import non_max_suppression
        self._suppress: Any = non_max_suppression
        model = load_network(path)
        if not isinstance(model, DetectionModel):
            raise _unusable(DETECTOR, path, "it holds no detector")
        kinds = len(getattr(model, "names", ()))
        if kinds != 1:
            raise _unusable(DETECTOR, path, f"it tells apart {kinds} kinds of things, not one")
        try:
            self._model = model.float().eval().fuse(verbose=False)
            blank = self._rows(np.full((1, _STRIDE, _STRIDE, 3), _GREY, np.uint8))
        except Exception as problem:  # the parts are as the file says, and may not fit together
            raise _unusable(DETECTOR, path, "it is damaged") from problem
        if not bool(blank.isfinite().all()):
            raise _unusable(DETECTOR, path, "it is damaged")
        self._model.to(device, torch.float16 if device == "cuda" else torch.float32)

    def find(self, pictures: Sequence[np.ndarray]) -> list[tuple[Face, ...]]:
        """Return the faces of each picture, the largest first.

        Args:
            pictures: (height, width, 3) uint8 RGB, all of one size.
        """
        height, width = pictures[0].shape[:2]
        scale = SIDE / max(height, width)
        rows = self._rows(np.stack([_fitted(picture, scale) for picture in pictures]))
        kept = self._suppress(
            rows,
            conf_thres=CONFIDENCE,
            iou_thres=OVERLAP,
            max_det=MOST_FACES,
            end2end=bool(self._model.end2end),
            max_time_img=math.inf,  # else a slow machine would find fewer faces
        )
        return [faces_of(one.cpu().numpy() / [*[scale] * 4, 1, 1], width, height) for one in kept]

    def _rows(self, pictures: np.ndarray) -> "torch.Tensor":
        """Return what the network makes of pictures.

        Args:
            pictures: (n, height, width, 3) uint8, sides multiples of the stride.
        """
        import torch

        with torch.inference_mode():
            like = next(self._model.parameters())
            batch = torch.from_numpy(pictures).to(like.device)  # (n, height, width, 3)
            output = self._model(batch.permute(0, 3, 1, 2).to(like.dtype) / 255)
        return (output[0] if isinstance(output, tuple) else output).float()


def _fitted(picture: np.ndarray, scale: float) -> np.ndarray:
    """Return a picture scaled, and filled up to the right and below to multiples of the stride."""
    from PIL import Image

    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    filled = [math.ceil(side / _STRIDE) * _STRIDE for side in (height, width)]
    canvas = np.full((*filled, 3), _GREY, np.uint8)
    canvas[:height, :width] = np.asarray(resized)
    return canvas


def faces_of(rows: np.ndarray, width: int, height: int) -> tuple[Face, ...]:
    """Return the faces of a likely size, the largest first.

    Args:
        rows: (faces, 6) left, top, right, bottom, confidence, class.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
    """
    faces = []
    for left, top, right, bottom, confidence, _ in rows.tolist():
        left, top = max(0, round(left)), max(0, round(top))
        right, bottom = min(width, round(right)), min(height, round(bottom))
        shorter, longer = sorted((right - left, bottom - top))
        if shorter >= SMALLEST and shorter >= NARROWEST * longer:
            faces.append(Face((left, top, right, bottom), confidence))
    return tuple(sorted(faces, key=lambda face: -face.area))


def _detector_file(folder: Path) -> Path:
    """Return the file in a folder that is to be loaded.

    Raises:
        WeightsError: there is none, or it is not clear which.
    """
    if (folder / DETECTOR_FILE).is_file():
        return folder / DETECTOR_FILE
    files = sorted(folder.glob("*.pt"))
    if len(files) != 1:
        raise _unusable(DETECTOR, folder, f"it has {len(files)} files that end in .pt, not one")
    return files[0]


def load_network(path: Path) -> "torch.nn.Module":
    """Return the network in a file of ultralytics, of which no code is run.

    Such a file is a pickle of objects: a pickle can ask for any function of Python and call it.
    Here it may only ask for building blocks of networks, and it may not construct them (one
    constructor of ultralytics evaluates text), only have them filled with what they had learned.
    """
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as problem:  # damaged files raise almost anything
        raise _unusable(DETECTOR, path, "it is damaged, or no file of ultralytics") from problem
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = []
    for name in names:
        stand_in = _stand_in(name)
        if stand_in is None:
            raise _unusable(DETECTOR, path, f"it asks for {name}, which no detector needs")
        allowed.append((stand_in, name))
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
        model = content.get("ema") or content["model"]
        for module in model.modules():
            if isinstance(module, Unbuilt):
                module.__class__ = type(module).__bases__[1]
    except Exception as problem:
        raise _unusable(DETECTOR, path, "it is damaged, or no file of ultralytics") from problem
    return model


class Unbuilt:
    """A building block to a pickle that fills it, and of no use to one that constructs it."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise ValueError("the file tries to run code")


class _Ignored:
    """In place of what trained networks carry along without need: arguments, losses."""


def _stand_in(name: str) -> type | None:
    """Return what a file gets that asks for `name`; None if it may not have it.

    Nothing is imported for it.
    """
    import torch

    module, _, attribute = name.rpartition(".")
    if name == _MODEL or name.startswith(_LEARNED):
        block = getattr(sys.modules.get(module), attribute, None)
        if isinstance(block, type) and issubclass(block, torch.nn.Module):
            return type(attribute, (Unbuilt, block), {})
    return _Ignored if name.startswith("ultralytics.") else None


@contextmanager
def unchanged_process() -> Iterator[None]:
    """Undo what the first import of ultralytics does to the process around it.

    It asks a name server whether it is online, writes a file of settings into the user's home
    (there is no way to have none, so it goes to a folder that is deleted), and changes how many
    threads OpenCV uses, how torch and NumPy print and save, and the environment: among others
    OMP_NUM_THREADS, which would slow down PaddlePaddle and every program started later.
    """
    if "ultralytics" in sys.modules:
        yield
        return
    import cv2
    import torch

    wanted = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    set_by_it = ("OMP_NUM_THREADS", "NUMEXPR_MAX_THREADS", "TF_CPP_MIN_LOG_LEVEL",
                 "TORCH_CPP_LOG_LEVEL", "KINETO_LOG_LEVEL")  # fmt: skip
    before = {name: os.environ.get(name) for name in (*wanted, "YOLO_CONFIG_DIR", *set_by_it)}
    threads, save, printing = cv2.getNumThreads(), torch.save, np.get_printoptions()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(wanted, YOLO_CONFIG_DIR=folder)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            cv2.setNumThreads(threads)
            torch.save = save
            torch.set_printoptions(profile="default")
            np.set_printoptions(**printing)


# Reading faces ---------------------------------------------------------------------------------


class ExpressionModel:
    """Tells what faces express."""

    def __init__(self, folder: Path, device: str) -> None:
        import torch
        from transformers import ViTForImageClassification, ViTImageProcessorPil

        dtype = torch.float16 if device == "cuda" else torch.float32
        load: Any = ViTForImageClassification.from_pretrained  # its annotation is incomplete
        try:
            with no_progress_bars():
                # With Pillow, as the authors' version of the library did.
                self._prepare: Any = ViTImageProcessorPil.from_pretrained(
                    folder, local_files_only=True
                )
                self._model, loaded = load(
                    folder, local_files_only=True, dtype=dtype, output_loading_info=True
                )
        except Exception as problem:  # a damaged file makes the library raise almost anything
            reason = str(problem).strip().partition("\n")[0]
            raise _unusable(EXPRESSION, folder, f"it is damaged: {reason}") from problem
        # The library fills what it does not find with random numbers and goes on.
        if loaded["missing_keys"] or loaded["mismatched_keys"]:
            raise _unusable(EXPRESSION, folder, "parts of the model are missing")
        named = dict(self._model.config.id2label or {})
        self._labels = [str(named[index]).lower() for index in sorted(named)]
        if sorted(self._labels) != sorted(_LABELS):
            raise _unusable(EXPRESSION, folder, f"it tells apart {listed(self._labels)}")
        self._folder = folder
        self._model = self._model.to(device).eval()

    def read(
        self,
        pictures: Sequence[np.ndarray],
        faces: Sequence[tuple[Face, ...]],
        cancel: CancelToken,
    ) -> list[tuple[Face, ...]]:
        """Return the same faces, with what the largest of each picture express."""
        from PIL import Image

        crops = [
            Image.fromarray(picture).crop(face.box)
            for picture, some in zip(pictures, faces, strict=True)
            for face in some[:LARGEST]
        ]
        found: list[tuple[np.ndarray, list[float]]] = []
        while len(found) < len(crops):
            cancel.check()
            some_crops = crops[len(found) : len(found) + CROPS[self._model.device.type]]
            found += self.classify(some_crops)
        following = iter(found)

        def with_expression(face: Face) -> Face:
            """Return a face with the next vector and the next probabilities."""
            vector, shares = next(following)
            return replace(
                face, vector=vector, expressions=tuple(zip(self._labels, shares, strict=True))
            )

        return [(*map(with_expression, some[:LARGEST]), *some[LARGEST:]) for some in faces]

    def classify(self, crops: "Sequence[Image.Image]") -> list[tuple[np.ndarray, list[float]]]:
        """Return the vector of each face, and its probabilities in the order of the labels."""
        import torch

        # (crops, 3, 224, 224)
        prepared = self._prepare(list(crops), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            output = self._model(
                prepared.to(self._model.device, self._model.dtype), output_hidden_states=True
            )
        vectors = output.hidden_states[-1][:, 0].float().cpu().numpy()  # (crops, 768)
        shares = output.logits.double().softmax(dim=-1).cpu().numpy()  # (crops, 7)
        if not (np.isfinite(vectors).all() and np.isfinite(shares).all()):
            raise _unusable(EXPRESSION, self._folder, "it is damaged")
        return list(zip(vectors, shares.tolist(), strict=True))


def _unusable(name: str, path: Path, why: str) -> WeightsError:
    """Return the error for weights that are not what they should be; `why` is a clause."""
    return WeightsError(
        f"The weights {name} in {path} cannot be used: {why}. Run: python -m emsync weights remove "
        f"{name}, then: python -m emsync weights pull {name}"
    )


# What it makes of the film ---------------------------------------------------------------------


def _mean_vector(faces: Sequence[Face]) -> np.ndarray:
    """Return the mean of the faces' vectors, (768,)."""
    return np.mean([face.vector for face in faces if face.vector is not None], axis=0)


def opinion_of(at: float, faces: Sequence[Face]) -> Opinion:
    """Return the opinion of a still; all its faces count alike, whatever their size."""
    shares = [np.mean([dict(face.expressions)[label] for face in faces]) for label in EMOTION_OF]
    certainty = math.fsum(shares)
    by_emotion = dict(zip(EMOTION_OF.values(), shares, strict=True))
    even = 1 / len(EMOTIONS)
    probabilities = [
        float(by_emotion[emotion] / certainty) if certainty > 0 else even for emotion in EMOTIONS
    ]
    return Opinion((at, at), tuple(probabilities), min(1.0, certainty))


def _whereabouts(found: Sequence[tuple[Still, tuple[Face, ...]]]) -> tuple[tuple[str, str], ...]:
    """Return findings on where faces are."""
    times = [still.time for still, faces in found if faces]
    return (
        ("Faces", f"in {len(times)} of {len(found)} frames"),
        ("Times", _clocks(times)),
        ("Most faces in a frame", str(max(len(faces) for _, faces in found))),
    )


def _expressions(read: Sequence[tuple[float, Sequence[Face]]]) -> tuple[tuple[str, str], ...]:
    """Return findings on what the largest faces express, the most frequent first."""
    times: dict[str, list[float]] = {}
    for at, faces in read:
        for label in {face.expression[0] for face in faces if face.expression}:
            times.setdefault(label, []).append(at)
    often = sorted(times.items(), key=lambda one: -len(one[1]))
    return tuple(
        (
            "Most frequent expression" if rank == 0 else "Also",
            f"{label}, in {len(moments)} of {len(read)} frames with faces ({_clocks(moments)})",
        )
        for rank, (label, moments) in enumerate(often)
    )


def _picture(still: Still, faces: Sequence[Face]) -> Picture:
    """Return the still with its faces drawn in."""
    from PIL import Image, ImageDraw, ImageFont

    drawn = Image.fromarray(still.pixels())
    draw = ImageDraw.Draw(drawn)
    line = max(2, max(drawn.size) // 240)
    font = ImageFont.load_default(size=max(12, max(drawn.size) // 36))
    for face in reversed(faces):  # the largest on top
        left, top, right, bottom = face.box
        draw.rectangle(face.box, outline="black", width=line + 2)
        draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline="yellow", width=line)
        if face.expression:
            label = f"{face.expression[0]} {face.expression[1]:.0%}"
            # Below the face; above it where there is no room, and never beyond the edge.
            width, height = (math.ceil(side) for side in draw.textbbox((0, 0), label, font)[2:])
            y = bottom + line if bottom + line + height <= drawn.height else top - height - line
            at = (max(0, min(left, drawn.width - width)), max(0, y))
            draw.rectangle((*at, at[0] + width, at[1] + height), fill="black")
            draw.text(at, label, fill="yellow", font=font)
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=90)
    count = "one face" if len(faces) == 1 else f"{len(faces)} faces"
    named = [f"{e[0]} ({e[1]:.0%})" for face in faces if (e := face.expression)]
    which = "" if len(named) == len(faces) else f", the {len(named)} largest of them"
    read = f"{which} read as {listed(named)}" if named else ""
    caption = f"The frame with the largest face, at {clock(still.time)}: {count}{read}."
    return Picture(caption, written.getvalue())


def _clocks(times: Sequence[float]) -> str:
    """Return moments in words; of many the first few."""
    shown = list(dict.fromkeys(map(clock, times)))
    if len(shown) > 8:
        shown = [*shown[:7], f"{len(shown) - 7} more"]
    return listed(shown)
