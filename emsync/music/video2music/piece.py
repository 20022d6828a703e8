"""A piece as it will be heard, and what it is worth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.chords import strong_chords
from emsync.music.composition import (
    CHORD_VELOCITY,
    BoundaryHit,
    BoundaryScore,
    Candidate,
    tick_off,
)
from emsync.music.judging.emotion_regressor import EmotionRegressor
from emsync.music.judging.quality import PieceQuality, faults, quality_of
from emsync.music.notes import TICK_SECONDS, Note, NoteTable, table_of
from emsync.music.video2music.arpeggio import BEATS_PER_MINUTE, CHORD_BEATS, play
from emsync.music.video2music.vocabulary import Chord, transposition
from emsync.music.video2music.voicing import lead_voices, written_notes
from emsync.music.video2music.writing import Dynamics
from emsync.settings import MusicSettings, Video2MusicSettings

GROUP = "piano"
BEAT_SECONDS = 60.0 / BEATS_PER_MINUTE
BAR_SECONDS = 4 * BEAT_SECONDS


@dataclass(frozen=True)
class Judged:
    """A candidate with its music. Times in seconds of the film."""

    candidate: Candidate
    chords: tuple[Chord, ...]
    notes: tuple[Note, ...]
    boundaries: tuple[BoundaryHit, ...]
    score: BoundaryScore
    quality: PieceQuality


def notes_of(
    chords: Sequence[Chord],
    dynamics: Dynamics,
    key: str,
    settings: Video2MusicSettings,
    seconds: float,
    accents: Sequence[float] = (),
) -> tuple[Note, ...]:
    """Return the notes of a piece, cut at `seconds`, in the order of their starts.

    Args:
        chords: one a second.
        dynamics: of at least as many seconds.
        key: of the piece, see `vocabulary.KEYS`.
        settings: which rules hold.
        seconds: length of the film.
        accents: seconds at which the chord of the moment is struck whole.
    """
    semitones = transposition(key) if settings.transpose else 0
    symbols = [chord.symbol for chord in chords]
    played = play(
        symbols,
        dynamics.loudness.tolist(),
        dynamics.density.tolist(),
        semitones,
        settings.pattern,
        settings.velocity,
    )
    rows = [
        (one.pitch, one.start * BEAT_SECONDS, one.length * BEAT_SECONDS, one.velocity)
        for one in played
    ]
    voiced = lead_voices(map(written_notes, symbols))
    for at in accents:
        if int(at) < len(voiced):
            length = CHORD_BEATS * BEAT_SECONDS
            rows += [(pitch + semitones, at, length, CHORD_VELOCITY) for pitch in voiced[int(at)]]
    return tuple(
        Note(GROUP, pitch, start, min(start + length, seconds), velocity)
        for pitch, start, length, velocity in sorted(rows, key=lambda row: (row[1], row[0]))
        if start < seconds
    )


def judge(
    chords: Sequence[Chord],
    notes: tuple[Note, ...],
    curve: MoodCurve,
    cuts: Sequence[float],
    seconds: float,
    settings: MusicSettings,
    regressor: EmotionRegressor,
    seed: int,
) -> Judged:
    """Return what a piece is worth.

    Cuts are hit by the notes alone: three or more that begin together and last two beats.
    Arpeggios have none of these, so a piece without accents hits no cut, whenever its chords
    change.

    Args:
        chords: one a second.
        notes: from `notes_of`.
        curve: moods asked for.
        cuts: kept cuts, seconds, ascending.
        seconds: length of the film.
        settings: limits of quality; how near to a cut a chord hits it.
        regressor: hears the mood.
        seed: of this candidate.
    """
    table, length = table_of(notes), max(1, round(seconds / TICK_SECONDS))
    bars = [round(at / TICK_SECONDS) for at in bar_times(seconds)]
    quality = quality_of(table, bars, length)
    heard = _heard(table, bars, curve, seconds, regressor)
    strong = strong_chords(table, BEAT_SECONDS / TICK_SECONDS) * TICK_SECONDS
    open_cuts, hits = dict(enumerate(cuts)), dict[int, float]()
    for at in strong.tolist():
        number = tick_off(open_cuts, at, settings.sensitivity)
        if number is not None:
            hits[number] = at
    return Judged(
        Candidate(
            seed,
            faults(quality, settings.quality),
            len(hits),
            heard,
            _distance(heard, curve, seconds),
            quality.groups,
        ),
        tuple(chords),
        notes,
        tuple(BoundaryHit(at, hits.get(number)) for number, at in enumerate(cuts)),
        BoundaryScore(len(cuts), 0, len(hits)),
        quality,
    )


def bar_times(seconds: float) -> list[float]:
    """Return where bars begin: every two seconds, four beats, from 0 on."""
    return [number * BAR_SECONDS for number in range(math.ceil(seconds / BAR_SECONDS))]


def changes_of(chords: Sequence[Chord]) -> list[tuple[float, str]]:
    """Return the symbols of chords, one a second, each with the second from which it holds."""
    return [
        (float(at), chord.symbol)
        for at, chord in enumerate(chords)
        if not at or chord.symbol != chords[at - 1].symbol
    ]


def _heard(
    table: NoteTable,
    bars: Sequence[int],
    curve: MoodCurve,
    seconds: float,
    regressor: EmotionRegressor,
) -> tuple[Mood | None, ...]:
    """Return the mood heard in each stretch of the curve; None where there are too few notes."""
    found: list[Mood | None] = []
    for start, end, _ in curve.stretches(seconds):
        first, last = start / TICK_SECONDS, end / TICK_SECONDS
        within = table.take((table.start >= first) & (table.start < last))
        heard = regressor.hear(within, [bar for bar in bars if first <= bar < last])
        found.append(None if math.isnan(heard.valence) else Mood(heard.valence, heard.arousal))
    return tuple(found)


def _distance(heard: Sequence[Mood | None], curve: MoodCurve, seconds: float) -> float:
    """Return the mean distance of the moods heard from those asked for, see `Candidate`."""
    total = 0.0
    for (start, end, asked), mood in zip(curve.stretches(seconds), heard, strict=True):
        apart = (
            2.0
            if mood is None
            else (abs(mood.valence - asked.valence) + abs(mood.arousal - asked.arousal)) / 2
        )
        total += (end - start) * apart
    return total / seconds
