"""What the film sounds like: BEATs listens to chunks of it (Chen et al. 2022, arXiv 2212.09058).

Vectors: one item a chunk that has sound, (items, 768) float32: the mean over the patches of the
encoder's last layer, before the classifier, as in VEMOCLAP's published demo. Chunks last 3 s and
overlap by half (thesis 5.2.1). The demo leaves out what is left after the last whole step, and
films shorter than a chunk; here the last chunk ends with the sound, and a shorter film is one chunk
whose padding is masked. Chunks of silence have no vector.

Labels: the model's own probabilities of AudioSet's 527 classes, averaged over chunks.

Opinions: one a chunk with sound. `EVIDENCE` says which emotions speak out of which classes; the six
probabilities are the mean of its rows, weighted by the probabilities of the classes. Most sounds
carry no mood, so the certainty is the probability that at least one class of the table is heard, as
if they were independent: a road says next to nothing. Ours; not measured on labelled films.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.features.expert import MODALITIES, ShareCallback
from emsync.emotion.features.report import FeatureReport, Opinion, Stretch
from emsync.emotion.reading import EMOTIONS
from emsync.errors import WeightsError
from emsync.film.footage import SOUND_RATE, Footage
from emsync.process.gpu import free_gpu
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings
from emsync.text import clock
from emsync.weights import store as weights

if TYPE_CHECKING:
    from emsync.emotion.features.beats.encoder import BeatsEncoder

WEIGHTS = "beats"

BATCH = {"cpu": 2, "cuda": 32}
"""Chunks at a time; two take less than a second on a slow core, so that a request can be cancelled
soon, and more are not faster there."""
SILENCE = 1e-8
"""Mean square of a chunk (-80 dB) below which there is nothing to hear; as for the cues."""
SHOWN = 5
"""Labels of the film that are shown."""

LAUGHTER = {"joy": 1.0}
WEEPING = {"sadness": 1.0}
SHOUTING = {"anger": 0.6, "fear": 0.2, "surprise": 0.2}
SHOOTING = {"fear": 0.7, "anger": 0.3}
CRASH = {"fear": 0.5, "surprise": 0.5}
BODY = {"disgust": 0.6, "joy": 0.4}

EVIDENCE: Mapping[str, Mapping[str, float]] = {
    # Music, by the moods that AudioSet's listeners were asked for.
    "Happy music": {"joy": 1.0},
    "Funny music": {"joy": 0.8, "surprise": 0.2},
    "Sad music": {"sadness": 1.0},
    "Tender music": {"joy": 0.5, "sadness": 0.5},
    "Exciting music": {"joy": 0.5, "surprise": 0.3, "anger": 0.1, "fear": 0.1},
    "Angry music": {"anger": 1.0},
    "Scary music": {"fear": 1.0},
    # Voices.
    "Laughter": LAUGHTER,
    "Baby laughter": LAUGHTER,
    "Giggle": LAUGHTER,
    "Snicker": LAUGHTER,
    "Belly laugh": LAUGHTER,
    "Chuckle, chortle": LAUGHTER,
    "Cheering": {"joy": 0.8, "surprise": 0.2},
    "Applause": {"joy": 0.8, "surprise": 0.2},
    "Whoop": {"joy": 0.7, "surprise": 0.3},
    "Children playing": {"joy": 1.0},
    "Crying, sobbing": WEEPING,
    "Baby cry, infant cry": {"sadness": 0.7, "anger": 0.3},
    "Whimper": {"sadness": 0.7, "fear": 0.3},
    "Whimper (dog)": {"sadness": 0.7, "fear": 0.3},
    "Wail, moan": {"sadness": 0.8, "fear": 0.2},
    "Groan": {"sadness": 0.5, "disgust": 0.5},
    "Shout": SHOUTING,
    "Yell": SHOUTING,
    "Bellow": SHOUTING,
    "Battle cry": {"anger": 0.8, "fear": 0.2},
    "Screaming": {"fear": 0.7, "surprise": 0.2, "anger": 0.1},
    "Gasp": {"surprise": 0.7, "fear": 0.3},
    "Growling": {"anger": 0.6, "fear": 0.4},
    "Roar": {"anger": 0.4, "fear": 0.6},
    "Burping, eructation": BODY,
    "Fart": BODY,
    # Things.
    "Gunshot, gunfire": SHOOTING,
    "Machine gun": SHOOTING,
    "Fusillade": SHOOTING,
    "Artillery fire": SHOOTING,
    "Explosion": {"fear": 0.6, "surprise": 0.3, "anger": 0.1},
    "Civil defense siren": {"fear": 1.0},
    "Fire alarm": {"fear": 0.6, "surprise": 0.4},
    "Smash, crash": CRASH,
    "Shatter": CRASH,
    "Bang": CRASH,
}
"""AudioSet's classes that carry a mood by the ordinary meaning of their names, and the shares of
the emotions in it. Ours."""

DOUBT = 0.2
"""Part of every share that is spread evenly over all six: a laugh can be bitter. Ours."""

_CPU_SECONDS = 0.4  # per chunk, of one slow core
_LOADING_SECONDS = 2.0


@dataclass(frozen=True)
class _Model:
    """What stays loaded.

    Attributes:
        device: "cpu" or "cuda".
        encoder: in half precision on "cuda".
        names: of the classes, in the encoder's order.
        table: (classes, 6), see `evidence_of`.
    """

    device: str
    encoder: "BeatsEncoder"
    names: tuple[str, ...]
    table: np.ndarray


class BeatsExpert:
    """What there is to hear and what mood it carries, by BEATs; see the module."""

    modality = "beats"
    title = MODALITIES["beats"].title
    weights: tuple[str, ...] = (WEIGHTS,)

    def __init__(self) -> None:
        self._model: _Model | None = None

    def expected_seconds(self, film_seconds: float, device: str) -> float:
        """Return an estimate: for the CPU as measured on one core, for a GPU guessed."""
        settings = ExpertSettings()
        steps = 2 * film_seconds / settings.chunk_seconds - 1
        chunks = min(settings.most_chunks, max(1.0, steps))
        loaded = self._model is not None and self._model.device == device
        per_chunk = {"cpu": _CPU_SECONDS, "cuda": 0.01}[device]
        return (0.0 if loaded else _LOADING_SECONDS) + chunks * per_chunk

    def prepare(self, device: str) -> None:
        """Load BEATs, see `Expert.prepare`."""
        if self._model is not None and self._model.device == device:
            return
        self.release()
        from emsync.emotion.features.beats.checkpoint import load

        beats = load(weights.find(WEIGHTS))
        encoder = beats.encoder.half() if device == "cuda" else beats.encoder
        self._model = _Model(device, encoder.to(device), beats.names, evidence_of(beats.names))

    def run(
        self, footage: Footage, settings: ExpertSettings, tell: ShareCallback, cancel: CancelToken
    ) -> FeatureReport:
        """Listen to chunks of the sound, see `Expert.run`."""
        began = time.perf_counter()
        model = self._model
        if model is None:
            raise RuntimeError("prepare comes first")
        sound = footage.sound[: round(footage.seconds * SOUND_RATE)]
        length = max(round(settings.chunk_seconds * SOUND_RATE), model.encoder.shortest)
        starts = chunk_starts(len(sound), length, settings.most_chunks)
        chunks = [sound[start : start + length] for start in starts]
        stretches = [
            (start / SOUND_RATE, (start + len(chunk)) / SOUND_RATE)
            for start, chunk in zip(starts, chunks, strict=True)
        ]
        heard = [i for i, chunk in enumerate(chunks) if np.square(chunk).mean() >= SILENCE]
        silent = len(chunks) - len(heard)
        if not heard:
            return FeatureReport(
                modality=self.modality,
                status="no such content",
                detail="The sound of the film is silence." if chunks else "The film has no sound.",
                vectors=None,
                findings=(),
                seconds=time.perf_counter() - began,
                device=model.device,
            )
        vectors, probabilities = _listen(model, [chunks[i] for i in heard], length, tell, cancel)
        of_vectors = tuple(stretches[i] for i in heard)
        opinions = [
            opinion_of(stretch, row, model.table)
            for stretch, row in zip(of_vectors, probabilities, strict=True)
        ]
        return FeatureReport(
            modality=self.modality,
            status="ran",
            detail=f"Listened to {len(heard)} stretch{'es' * (len(heard) > 1)} of "
            f"{len(chunks[0]) / SOUND_RATE:.3g} s over the film"
            + (f"; {silent} more were silence" if silent else "")
            + ". Laughter, screams, sad music and the like speak for a mood.",
            vectors=vectors,
            findings=_findings(model.names, probabilities, of_vectors, silent, footage.scenes),
            seconds=time.perf_counter() - began,
            device=model.device,
            stretches=of_vectors,
            opinions=tuple(opinion for opinion in opinions if opinion is not None),
        )

    def release(self) -> None:
        """Let go of the model."""
        model, self._model = self._model, None
        if model is not None and model.device == "cuda":
            del model
            free_gpu()


def open_expert() -> BeatsExpert:
    """Return the expert, of which nothing is loaded yet."""
    return BeatsExpert()


def chunk_starts(samples: int, length: int, most: int) -> list[int]:
    """Return where the chunks of a sound start, in samples, ascending.

    Each overlaps with the next by half; the last ends with the sound and may overlap by more. A
    sound shorter than a chunk gets one, and no sound none.

    Args:
        samples: of the sound.
        length: samples of a chunk, at least 2.
        most: in all, at least 1; of more, an even choice is taken.
    """
    if not samples:
        return []
    last = max(0, samples - length)
    starts = [*range(0, last, length // 2), last]
    if len(starts) <= most:
        return starts
    return [starts[i] for i in np.linspace(0, len(starts) - 1, most).round().astype(int)]


def evidence_of(names: Sequence[str]) -> np.ndarray:
    """Return `EVIDENCE` with `DOUBT`, (classes, 6), in the order of `names`.

    Rows of classes without evidence are zero.
    """
    table = np.zeros((len(names), len(EMOTIONS)))
    for row, name in zip(table, names, strict=True):
        if name in EVIDENCE:
            shares = [EVIDENCE[name].get(emotion, 0.0) for emotion in EMOTIONS]
            row[:] = (1 - DOUBT) * np.array(shares) + DOUBT / len(EMOTIONS)
    return table


def opinion_of(stretch: Stretch, probabilities: np.ndarray, table: np.ndarray) -> Opinion | None:
    """Return what a chunk's labels say of the mood; None if none of them can say anything.

    Args:
        stretch: of the chunk.
        probabilities: (classes,) of the labels, each by itself in [0, 1].
        table: (classes, 6), see `evidence_of`.
    """
    # The probability that at least one class that carries a mood is there.
    certainty = 1 - float(np.prod(1 - probabilities[table.any(axis=1)]))
    if certainty <= 0:
        return None
    said = probabilities @ table  # (6,)
    return Opinion(stretch, tuple((said / said.sum()).tolist()), certainty)


def _listen(
    model: _Model,
    chunks: Sequence[np.ndarray],
    length: int,
    tell: ShareCallback,
    cancel: CancelToken,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (chunks, 768) float32 vectors and (chunks, classes) float64 probabilities.

    Raises:
        WeightsError: the weights give no numbers.
        Cancelled: the request was cancelled.
    """
    import torch

    size = BATCH[model.device]
    vectors, probabilities = [], []
    for start in range(0, len(chunks), size):
        cancel.check()
        batch = chunks[start : start + size]
        lengths = None
        if len(batch[0]) < length:  # only the one chunk of a short film
            lengths = torch.tensor([len(batch[0])], device=model.device)
            batch = [np.pad(batch[0], (0, length - len(batch[0])))]
        sounds = torch.from_numpy(np.stack(batch)).to(model.device)  # (batch, length)
        with torch.inference_mode():
            vector, logits = model.encoder(sounds, lengths)  # (batch, 768), (batch, classes)
            vectors.append(vector.float().cpu().numpy())
            probabilities.append(torch.sigmoid(logits.double()).cpu().numpy())
        tell(min(start + size, len(chunks)) / len(chunks))
    joined = np.concatenate(vectors), np.concatenate(probabilities)
    if not all(np.isfinite(numbers).all() for numbers in joined):
        raise WeightsError(
            "The BEATs weights give results that are no numbers, so they must be damaged. Delete "
            f"their folder and run: python -m emsync weights pull {WEIGHTS}"
        )
    return joined


def _findings(
    names: Sequence[str],
    probabilities: np.ndarray,
    stretches: Sequence[Stretch],
    silent: int,
    scenes: Sequence[Stretch],
) -> tuple[tuple[str, str], ...]:
    """Return findings on the film, and on each scene in which something can be heard."""
    mean = probabilities.mean(axis=0)
    best = np.argsort(-mean, kind="stable")[:SHOWN]
    findings = [("Film as a whole", ", ".join(f"{names[i]} ({mean[i]:.0%})" for i in best))]
    for start, end in scenes:
        shared = [max(0.0, min(b, end) - max(a, start)) for a, b in stretches]
        if any(shared):
            inside = np.average(probabilities, axis=0, weights=shared)
            first = int(inside.argmax())
            findings.append(
                (f"{clock(start)} to {clock(end)}", f"{names[first]} ({inside[first]:.0%})")
            )
    if silent:
        findings.append(("Stretches of silence", f"{silent} of {silent + len(stretches)}"))
    return tuple(findings)
