"""MuVi-Sync as it is published: music videos as features, chords, loudness and note density.

vevo_chord/lab_v2_norm/all/ID.lab        "key C major", then "second chord", in C or A minor
vevo_emotion/6c_l14p/all/ID.lab          a line of names, then "second p p p p p p"
vevo_motion, vevo_scene_offset, vevo_loudness, vevo_note_density: all/ID.lab, "second value"
vevo_semantic/all/2d/clip_l14p/ID.npy    (seconds, 768) float32
vevo_meta/split/v1/{train,val,test}.txt  ids, one a line
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from emsync.errors import EmsyncError
from emsync.music.video2music.features import EMOTIONS, OTHER_FEATURES, padded
from emsync.music.video2music.vocabulary import (
    BY_SYMBOL,
    CHORDS,
    END,
    OUTPUTS,
    PAD,
    QUALITIES,
    QUALITY_END,
    QUALITY_PAD,
    ROOT_END,
    ROOT_PAD,
    ROOTS,
    key_value,
)

Split = Literal["train", "val", "test"]
SECONDS: Final = 300
"""Of every song: shorter ones are filled, longer ones cut."""

_FITTING: Final[dict[str, tuple[str, ...]]] = {
    "exciting": ("maj", "sus4", "7"),
    "fearful": ("dim", "min7", "dim7", "hdim7"),
    "tense": ("dim", "sus4", "min7", "7"),
    "sad": ("min7", "min", "sus2"),
    "relaxing": ("maj", "maj6", "maj7"),
    "neutral": (),
}
"""Qualities of the chords that fit each emotion."""


@dataclass(frozen=True)
class Song:
    """One music video as the networks are given it, and what they are to say.

    Inputs of the transformer are the first 299 seconds, targets the last 299.
    """

    name: str
    key: float
    """0 for major, 1 for minor."""
    chords: np.ndarray
    """(300,) ids, END after the last chord where there is room for it, then PAD."""
    roots: np.ndarray
    """(300,) as the network is given them."""
    qualities: np.ndarray
    """(300,) likewise."""
    features: np.ndarray
    """(300, 776) float32, zeros after the end: semantics, scene offset + 1, motion, emotion."""
    emotion: np.ndarray
    """(300, 6) probabilities, zeros after the end."""
    dynamics: np.ndarray
    """(300, 2) note density and loudness, zeros after the end."""

    @property
    def semantic(self) -> int:
        """Return the width of the semantic vectors."""
        return self.features.shape[1] - OTHER_FEATURES

    @property
    def emotion_targets(self) -> np.ndarray:
        """Return which outputs fit the emotion of each target second, (299, 159) uint8.

        Seconds of END and PAD have that one alone; where no emotion is known, it counts as
        exciting, as in the published code.
        """
        strongest = self.emotion.argmax(1)
        rows = _FITTING_ROWS[strongest]  # (300, 159)
        for token in (END, PAD):
            rows[self.chords == token] = np.eye(OUTPUTS, dtype=np.uint8)[token]
        return rows[1:]

    @property
    def emotion_certainty(self) -> np.ndarray:
        """Return the probability of the strongest emotion of each target second, (299,)."""
        return np.asarray(self.emotion.max(1)[1:])


def _fitting_rows() -> np.ndarray:
    """Return which outputs fit each emotion, (6, 159) uint8, at all twelve roots."""
    rows = np.zeros((len(EMOTIONS), OUTPUTS), np.uint8)
    for row, emotion in zip(rows, EMOTIONS, strict=True):
        for quality in _FITTING[emotion]:
            row[1 + QUALITIES.index(quality) : CHORDS : len(QUALITIES)] = 1
    assert len(ROOTS) * len(QUALITIES) == CHORDS - 1
    return rows


_FITTING_ROWS: Final = _fitting_rows()


def read_split(folder: Path, split: Split) -> list[Song]:
    """Read the songs of one split.

    Raises:
        EmsyncError: a file is missing or is not as published.
    """
    path = folder / "vevo_meta" / "split" / "v1" / f"{split}.txt"
    names = [name.strip() for name in _text(path).splitlines() if name.strip()]
    if not names:
        raise EmsyncError(f"{path} names no songs.")
    return [read_song(folder, name) for name in names]


def read_song(folder: Path, name: str) -> Song:
    """Read one song; `name`: its id.

    Raises:
        EmsyncError: a file is missing or is not as published.
    """
    head, *lines = _text(folder / "vevo_chord" / "lab_v2_norm" / "all" / f"{name}.lab").splitlines()
    chords, roots, qualities = _chords(name, [line.split()[1] for line in lines if line.strip()])
    emotion = padded(_lab(folder / "vevo_emotion" / "6c_l14p", name, 6, skip=1), SECONDS)
    offsets, motion, loudness, density = (
        _lab(folder / f"vevo_{kind}", name, 1)
        for kind in ("scene_offset", "motion", "loudness", "note_density")
    )
    parts = (_semantic(folder, name), offsets + 1, motion)
    return Song(
        name,
        key_value(head),
        chords,
        roots,
        qualities,
        np.column_stack([*(padded(part, SECONDS) for part in parts), emotion]),
        emotion,
        np.column_stack([padded(density, SECONDS), padded(loudness, SECONDS)]),
    )


def _chords(name: str, symbols: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, roots and qualities of a song's chords, (300,) int64 each, END and PAD added."""
    unknown = sorted(set(symbols) - set(BY_SYMBOL))
    if unknown:
        raise EmsyncError(f"Song {name} has a chord that is not known: {unknown[0]}.")
    rows = [(one.id, one.root, one.quality) for one in map(BY_SYMBOL.__getitem__, symbols)]
    rows = [*rows[:SECONDS], (END, ROOT_END, QUALITY_END)][:SECONDS]
    rows += [(PAD, ROOT_PAD, QUALITY_PAD)] * (SECONDS - len(rows))
    ids, roots, qualities = np.array(rows, np.int64).T
    return ids, roots, qualities


def _lab(folder: Path, name: str, columns: int, skip: int = 0) -> np.ndarray:
    """Return the values of a lab file, (seconds, columns) float32, without its seconds."""
    path = folder / "all" / f"{name}.lab"
    try:
        rows = [line.split()[1:] for line in _text(path).splitlines()[skip:] if line.strip()]
        return np.array(rows, np.float32).reshape(len(rows), columns)
    except ValueError as problem:
        raise EmsyncError(f"{path} cannot be read: {problem}.") from problem


def _semantic(folder: Path, name: str) -> np.ndarray:
    """Return the semantic vectors of a song, (seconds, width) float32."""
    path = folder / "vevo_semantic" / "all" / "2d" / "clip_l14p" / f"{name}.npy"
    try:
        rows = np.asarray(np.load(path, allow_pickle=False), np.float32)
        if rows.ndim != 2:
            raise ValueError("it is no table")
    except (OSError, ValueError) as problem:
        raise EmsyncError(f"{path} cannot be read: {problem}.") from problem
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as problem:
        raise EmsyncError(
            f"{path} cannot be read: {problem}. Give a folder that is laid out as MuVi-Sync is "
            "(zenodo.org/records/10057093)."
        ) from problem
