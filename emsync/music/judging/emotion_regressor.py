"""Hearing the mood of a piece from its notes: valence and arousal by regression.

Seventy numbers that music psychology ties to mood (mode, tempo, density, register, articulation,
rhythm; surveyed by Gabrielsson & Lindström 2010) go into a linear regression on labelled pieces.
`weights/emotion-regressor/README.md` says what it can and cannot hear.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.weights import folder as weights_folder

SHIPPED = Path(__file__).resolve().parents[3] / "weights" / "emotion-regressor"
FILE = "regressor.safetensors"
MINIMUM_NOTES = 16

MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
"""Probe-tone ratings of the twelve pitch classes (Krumhansl & Kessler 1982)."""

_TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6), "augmented": (0, 4, 8)}
_DRUMS = {
    "kick": (35, 36),
    "snare": (37, 38, 39, 40),
    "hat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50),
    "cymbal": (49, 51, 52, 53, 55, 57, 59),
}
_SIXTEENTHS = 16


def features(notes: NoteTable, bars: Sequence[int] | np.ndarray) -> dict[str, float]:
    """Return what the regressor looks at, by name; rates and shares, so that a piece may be of any
    length.

    Args:
        notes: at least one note, times in ticks.
        bars: ticks at which bars begin, ascending.
    """
    begin, end = int(notes.start.min()), int(notes.end.max())
    seconds = max((end - begin) * TICK_SECONDS, 1.0)
    found: dict[str, float] = {}
    lengths = [b - a for a, b in pairwise(bars) if b > a]
    bar = float(median(lengths)) if lengths else 250.0
    found["log bar seconds"] = np.log(bar * TICK_SECONDS)
    found["log density"] = np.log(len(notes) / seconds)
    for index, group in enumerate(GROUPS):
        own = notes.take(notes.group == index)
        found[f"{group} density"] = np.log1p(len(own) / seconds)
        found[f"{group} sounds"] = float(len(own) > 0)
        if group != "drums":
            found |= _register(own, group)
    drums = notes.take(notes.group == GROUPS.index("drums"))
    for name, pitches in _DRUMS.items():
        found[f"{name} rate"] = np.log1p(np.isin(drums.pitch, pitches).sum() / seconds)
    pitched = notes.take(notes.group != GROUPS.index("drums"))
    found |= _harmony(pitched)
    found |= _rhythm("pitched", pitched, bars, bar)
    found |= _rhythm("drum", drums, bars, bar)
    return found


def _register(notes: NoteTable, group: str) -> dict[str, float]:
    """Pitch and articulation of one group; the middle of the keyboard where it is silent."""
    if not len(notes):
        return {f"{group} {what}": 0.0 for what in ("pitch", "spread", "length", "voices")}
    length = (notes.end - notes.start) * TICK_SECONDS
    return {
        f"{group} pitch": (float(notes.pitch.mean()) - 60) / 12,
        f"{group} spread": float(notes.pitch.std()) / 12,
        f"{group} length": float(np.log(length).mean()),
        f"{group} voices": len(notes) / len(np.unique(notes.start)),
    }


def _harmony(notes: NoteTable) -> dict[str, float]:
    """Mode, pitch classes counted from the tonic, and the kinds of chord that sound."""
    names = [f"degree {i}" for i in range(12)] + [f"{kind} triads" for kind in _TRIADS]
    if not len(notes):
        return dict.fromkeys([*names, "majorness", "key clarity", "entropy"], 0.0)
    weight = np.minimum(notes.end - notes.start, round(2 / TICK_SECONDS))
    histogram = np.bincount(notes.pitch % 12, weights=weight, minlength=12)
    histogram = histogram / histogram.sum()
    major, minor = key_fits(histogram, MAJOR_PROFILE), key_fits(histogram, MINOR_PROFILE)
    tonic = int(np.argmax(np.maximum(major, minor)))
    sounding = histogram[histogram > 0]
    found = {f"degree {i}": float(x) for i, x in enumerate(np.roll(histogram, -tonic))}
    found["majorness"] = float(major.max() - minor.max())
    found["key clarity"] = float(max(major.max(), minor.max()))
    found["entropy"] = float(-(sounding * np.log(sounding)).sum())
    return found | _triads(notes)


def key_fits(histogram: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Correlation of a pitch-class histogram with a profile in the twelve keys; 0 where flat."""
    if not histogram.std():
        return np.zeros(12)
    keys = np.stack([np.roll(profile, tonic) for tonic in range(12)])
    out: np.ndarray = np.corrcoef(histogram, keys)[0, 1:]
    return out


def _triads(notes: NoteTable) -> dict[str, float]:
    """Share of half-seconds whose pitch classes hold a triad of each kind."""
    step = round(0.5 / TICK_SECONDS)
    first, last = notes.start // step, (notes.end - 1) // step
    frames = int(last.max()) + 1
    sounding = np.zeros((frames + 1, 12))
    np.add.at(sounding, (first, notes.pitch % 12), 1)
    np.add.at(sounding, (last + 1, notes.pitch % 12), -1)
    on = sounding.cumsum(axis=0)[:frames] > 0
    heard = max(int(on.any(axis=1).sum()), 1)
    found = {}
    for kind, triad in _TRIADS.items():
        roots = [np.all([on[:, (root + x) % 12] for x in triad], axis=0) for root in range(12)]
        found[f"{kind} triads"] = float(np.any(roots, axis=0).sum()) / heard
    return found


def _rhythm(
    name: str, notes: NoteTable, bars: Sequence[int] | np.ndarray, bar: float
) -> dict[str, float]:
    """Return where in the bar the notes begin, in sixteen parts, folded to the beat."""
    names = [f"{name} sixteenth {i}" for i in range(4)] + [f"{name} beat {i}" for i in range(4)]
    if not len(notes) or not len(bars):
        return dict.fromkeys([*names, f"{name} between"], 0.0)
    starts = np.asarray(bars)
    at = np.searchsorted(starts, notes.start, side="right") - 1
    within = ((notes.start - starts[np.maximum(at, 0)]) / bar * _SIXTEENTHS) % _SIXTEENTHS
    nearest = np.round(within).astype(int) % _SIXTEENTHS
    share = np.bincount(nearest, minlength=_SIXTEENTHS) / len(notes)
    found = {f"{name} sixteenth {i}": float(share[i::4].sum()) for i in range(4)}
    found |= {f"{name} beat {i}": float(share[4 * i]) for i in range(4)}
    found[f"{name} between"] = float((np.abs(within - np.round(within)) > 0.2).mean())
    return found


@dataclass(frozen=True)
class Heard:
    """The mood of a piece as the regressor hears it: both in [-1, 1], NaN for too few notes."""

    valence: float
    arousal: float


@dataclass(frozen=True)
class EmotionRegressor:
    """A linear regression. Arrays float32."""

    names: tuple[str, ...]
    """The features, in the order of the inputs."""
    centre: np.ndarray
    """(features,) subtracted from the inputs."""
    scale: np.ndarray
    """(features,) by which the inputs are divided, then clipped to four either way."""
    weight: np.ndarray
    """(features, 2) for valence and arousal."""
    bias: np.ndarray
    """(2,)."""
    sha256: str = ""
    """Of its weights, in hexadecimal digits."""

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Map (pieces, features) → (pieces, 2) valence and arousal in [-1, 1].

        Two standard deviations of the labelled music on either side fill the range.
        """
        x = np.clip((inputs - self.centre) / self.scale, -4, 4)
        out: np.ndarray = np.clip(x @ self.weight + self.bias, -1, 1)
        return out

    def hear(self, notes: NoteTable, bars: Sequence[int] | np.ndarray) -> Heard:
        """Return the mood of a piece of ten seconds or more; it was fitted to windows of 45 s.

        Args:
            notes: times in ticks, as `tokens.decode` gives them.
            bars: ticks at which bars begin.
        """
        if len(notes) < MINIMUM_NOTES:
            return Heard(math.nan, math.nan)
        found = features(notes, bars)
        inputs = np.array([[found[name] for name in self.names]], dtype=np.float32)
        valence, arousal = self(inputs)[0].tolist()
        return Heard(valence, arousal)


def load_regressor(folder: Path = SHIPPED) -> EmotionRegressor:
    """Load the regressor that ships, or the one in `folder`.

    Raises:
        WeightsError: it is missing or not what was saved.
    """
    with weights_folder.refusing(
        lambda problem: (
            f"The emotion regressor in {folder} is missing or damaged: {problem}. Fetch the whole "
            "repository again, weights included."
        )
    ):
        stored = weights_folder.load(folder)
        names = tuple(stored.card["features"])
        return EmotionRegressor(names=names, sha256=stored.sha256, **stored.arrays())


def save_regressor(regressor: EmotionRegressor, folder: Path, card: dict[str, object]) -> None:
    """Write a regressor as `emsync.weights.folder` describes; the features' names are added."""
    arrays = {name: getattr(regressor, name) for name in ("centre", "scale", "weight", "bias")}
    full = {**card, "features": list(regressor.names)}
    weights_folder.save(arrays, folder, full, "single")
