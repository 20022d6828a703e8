"""Texture and dynamics: how many voices, how close together, who plays how."""

from dataclasses import dataclass

import numpy as np

from emsync.evaluation.musicianship.piece import MeasuredPiece
from emsync.music.judging.listening import DRUMS, pitched_of, sounding_cells, within_semitones
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable

NAN = float("nan")
MANY_VOICES = 8
MUD_BELOW = 52
"""MIDI pitch E3: thirds below it blur (Adler, The Study of Orchestration: low interval limits)."""
HARSH = (1, 11, 13)
"""Semitones: minor second, major seventh, minor ninth."""
SHORT_SECONDS = 0.1
LEAST_NOTES = 9
"""Notes of a group, fewer of which say nothing about how it plays."""


@dataclass(frozen=True)
class Texture:
    """Shares are of time unless said otherwise. NaN where there is too little to tell. Ours."""

    voices: float
    """Pitches that sound at once, mean."""
    time_without_pitch: float
    """In which no pitched note sounds."""
    time_with_many_voices: float
    """In which eight pitches or more sound."""
    minor_second_time: float
    """In which two pitches a semitone apart sound."""
    mud_time: float
    """In which two pitches up to four semitones apart sound below E3."""
    harsh_pairs: float
    """Share of the sounding pairs that are a minor second, major seventh or minor ninth."""
    note_rate: float
    """Notes that begin a second."""
    pitched_rate: float
    drum_rate: float
    groups: float
    """Instrument groups that sound."""
    bass_length: float
    """Median length of its notes, seconds."""
    bass_pitch: float
    """Mean MIDI pitch."""
    bass_at_once: float
    """Notes that begin together, mean."""
    guitar_length: float
    guitar_pitch: float
    guitar_at_once: float
    piano_length: float
    piano_pitch: float
    piano_at_once: float
    strings_length: float
    strings_pitch: float
    strings_at_once: float
    note_length: float
    """Median over the pitched notes, seconds."""
    mean_pitch: float
    short_notes: float
    """Share of the pitched notes shorter than 0.1 s."""
    velocities: float
    """Different velocities; NaN where they are not known."""
    velocity_deviation: float
    """Their standard deviation."""


def texture_of(piece: MeasuredPiece) -> Texture:
    """Return the measures of texture of a piece."""
    notes, seconds = piece.notes, piece.length * TICK_SECONDS
    pitched = pitched_of(notes)
    lengths = (pitched.end - pitched.start) * TICK_SECONDS
    groups: dict[str, float] = {}
    for name in GROUPS:
        if name != "drums":
            groups |= _group(pitched.take(pitched.group == GROUPS.index(name)), name)
    return Texture(
        note_rate=len(notes) / seconds,
        pitched_rate=len(pitched) / seconds,
        drum_rate=float((notes.group == DRUMS).sum() / seconds),
        groups=float(len(np.unique(notes.group))),
        note_length=float(np.median(lengths)) if len(pitched) else NAN,
        mean_pitch=float(pitched.pitch.mean()) if len(pitched) else NAN,
        short_notes=float((lengths < SHORT_SECONDS).mean()) if len(pitched) else NAN,
        velocities=NAN if piece.velocity is None else float(len(np.unique(piece.velocity))),
        velocity_deviation=NAN if piece.velocity is None else float(piece.velocity.std()),
        **_sounding(pitched, piece.length),
        **groups,
    )


def _sounding(pitched: NoteTable, length: int) -> dict[str, float]:
    sounding = sounding_cells(pitched, length)
    voices = sounding.sum(axis=1)
    harsh = sum(int((sounding[:, :-step] & sounding[:, step:]).sum()) for step in HARSH)
    pairs = float((voices * (voices - 1) / 2).sum())
    return {
        "voices": float(voices.mean()),
        "time_without_pitch": float((voices == 0).mean()),
        "time_with_many_voices": float((voices >= MANY_VOICES).mean()),
        "minor_second_time": float(within_semitones(sounding, 1).mean()),
        "mud_time": float(within_semitones(sounding[:, :MUD_BELOW], 1, 2, 3, 4).mean()),
        "harsh_pairs": harsh / max(pairs, 1.0),
    }


def _group(own: NoteTable, name: str) -> dict[str, float]:
    if len(own) < LEAST_NOTES:
        return {f"{name}_{what}": NAN for what in ("length", "pitch", "at_once")}
    return {
        f"{name}_length": float(np.median(own.end - own.start) * TICK_SECONDS),
        f"{name}_pitch": float(own.pitch.mean()),
        f"{name}_at_once": len(own) / len(np.unique(own.start)),
    }
