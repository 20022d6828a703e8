"""Composes with every way, and measures what comes out beside real music."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.errors import EmsyncError
from emsync.evaluation.musicianship import MeasuredPiece, measure, piece_of
from emsync.evaluation.musicianship.comparing import Reference, Set, reference_of, set_of
from emsync.evaluation.musicianship.requests import WAYS, Request, requests_for
from emsync.evaluation.rolls import PIECES_FILE, Roll, described, draw_sheets, roll_of
from emsync.evaluation.statistics import crops_of
from emsync.music.chords import strong_chords
from emsync.music.composition import Composition
from emsync.music.judging.emotion_regressor import EmotionRegressor, load_regressor
from emsync.music.judging.listening import class_weights, key_of, pitched_of
from emsync.music.midi import write_midi
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.compose import compose_all
from emsync.music.transformer.tokens import decode
from emsync.progress import CancelToken, silent_share
from emsync.training.corpus import Piece

SECONDS = 60.0
LEAST_GROUPS = 3
"""In a real window: what is composed has as many."""
REAL_WINDOWS = 120
NEAR = 0.1
"""Seconds: sound this far from a picture is not yet noticed apart (ITU-R BT.1359: 125 ms late)."""
SYNTHETIC = "synthetic"
"""Tier of what programs wrote; each of its sources is a set of its own, not real music."""

Keep = Callable[[str, Request, Composition, dict[str, float]], None]
"""Told every composed piece: the way, what was asked, the music and its measures."""


@dataclass(frozen=True)
class Obeyed:
    """How far the pieces of one way do what was asked. NaN where nothing was asked."""

    valence_with_majorness: float
    """Pearson correlation over the films of one mood."""
    arousal_with_tempo: float
    arousal_with_notes: float
    """Notes that begin a second."""
    valence_changes: float
    """Share of the changes of scene in which majorness goes the asked way."""
    arousal_changes: float
    """The same of arousal as the regressor hears it."""
    note_changes: float
    """The same of arousal by the notes a second."""
    changes: int
    strong_chords: float
    """Share of the cuts with three notes or more of guitar or piano that begin together within
    `NEAR` and last two beats or nearly."""
    cuts: int
    mean_warp: float
    """Share by which the tempo between hit points differs from the piece's, mean of the stretches;
    NaN without a grid."""
    largest_warp: float
    faulty: float
    """Share of the pieces that were told to have faults."""
    seconds_a_minute: float
    """Seconds that it takes to compose a minute of music."""


@dataclass(frozen=True)
class Musicianship:
    """All sets of pieces beside the real ones."""

    seconds: float
    seed: int
    real: Reference
    sets: dict[str, Set]
    obeyed: dict[str, Obeyed]


def real_windows(
    pieces: Sequence[Piece], most: int, seed: int, seconds: float = SECONDS
) -> tuple[list[MeasuredPiece], dict[str, int]]:
    """Return windows of the test split with three groups or more, one a piece, and their sources.

    The sources take turns, so that a large one does not drown the others.
    """
    by_source: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece.split == "test" and piece.groups >= LEAST_GROUPS:
            by_source.setdefault(piece.source, []).append(piece)
    found: dict[str, list[MeasuredPiece]] = {}
    for number, (source, some) in enumerate(sorted(by_source.items())):
        draws = np.random.default_rng([seed, 30, number])
        for index in draws.permutation(len(some)).tolist():
            if len(found.get(source, [])) >= most:
                break
            window = _window(some[index], draws, seconds)
            if window is not None:
                found.setdefault(source, []).append(window)
    taken: list[tuple[str, MeasuredPiece]] = []
    for turn in range(most):
        taken += [
            (source, windows[turn]) for source, windows in found.items() if turn < len(windows)
        ]
    taken = taken[:most]
    return [window for _, window in taken], dict(Counter(source for source, _ in taken))


def _window(piece: Piece, draws: np.random.Generator, seconds: float) -> MeasuredPiece | None:
    crops = [
        crop
        for crop in crops_of(decode(piece.tokens), seconds)
        if len(np.unique(crop.notes.group)) >= LEAST_GROUPS and len(crop.notes) >= seconds
    ]
    return MeasuredPiece.of(crops[int(draws.integers(len(crops)))]) if crops else None


def played(composition: Composition) -> MeasuredPiece:
    """Return a composed piece as it sounds: film seconds in ticks."""
    rows = [
        (
            GROUPS.index(note.group),
            note.pitch,
            round(note.start / TICK_SECONDS),
            max(round(note.end / TICK_SECONDS), round(note.start / TICK_SECONDS) + 1),
        )
        for note in composition.notes
    ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    bars = np.round(np.array(composition.bars) / TICK_SECONDS).astype(np.int64)
    velocity = np.array([note.velocity for note in composition.notes])
    length = round(composition.seconds / TICK_SECONDS)
    return piece_of(NoteTable(*columns), bars[bars >= 0], length, velocity)


def musicianship(
    checkpoint: Checkpoint,
    pieces: Sequence[Piece],
    count: int,
    seed: int,
    ways: Sequence[str] = tuple(WAYS),
    real: int = REAL_WINDOWS,
    seconds: float = SECONDS,
    keep: Keep | None = None,
    advance: Callable[[float], None] = silent_share,
) -> Musicianship:
    """Compose `count` pieces with every way and measure them beside windows of the test split.

    Raises:
        EmsyncError: the test split has fewer than two such windows.
    """
    written = [piece for piece in pieces if piece.tier != SYNTHETIC]
    windows, sources = real_windows(written, real, seed, seconds)
    if len(windows) < 2:
        raise EmsyncError(
            f"The test split of the shards has fewer than two pieces of {seconds:g} s with "
            f"{LEAST_GROUPS} instrument groups to compare."
        )
    reference = [measure(window) for window in windows]
    sets: dict[str, Set] = {}
    obeyed: dict[str, Obeyed] = {}
    requests, regressor = requests_for(count, seconds, seed), load_regressor()
    for number, way in enumerate(ways):
        answers, measures = [], []
        composing = 0.0
        for request in requests:
            began = time.monotonic()
            composition = compose_all(
                checkpoint,
                request.curve,
                request.cuts,
                request.seconds,
                WAYS[way],
                request.seed,
                CancelToken(),
                silent_share,
            )[0]
            composing += time.monotonic() - began
            piece = played(composition)
            measures.append(measure(piece))
            if keep is not None:
                keep(way, request, composition, measures[-1])
            answers.append(_answer(request, composition, piece, regressor))
            advance((number + (request.number + 1) / count) / len(ways))
        sets[way] = set_of(measures, reference)
        obeyed[way] = _obeyed(answers, composing / (count * seconds / 60))
    for source in sorted({piece.source for piece in pieces if piece.tier == SYNTHETIC}):
        made, _ = real_windows([p for p in pieces if p.source == source], real, seed, seconds)
        if made:
            sets[source] = set_of([measure(window) for window in made], reference)
    return Musicianship(seconds, seed, reference_of(reference, sources), sets, obeyed)


@dataclass(frozen=True)
class _Answer:
    """What one film asked for and what came back."""

    asked: tuple[float, float] | None
    """Valence and arousal; None where they change."""
    majorness: float
    tempo: float
    note_rate: float
    turns: tuple[tuple[float, float, float, float, float], ...]
    """Of each change of scene: asked valence and arousal after minus before, and what is heard of
    both: majorness, the regressor's arousal and notes a second."""
    hit: tuple[bool, ...]
    warps: tuple[float, ...]
    faulty: bool


def _answer(
    request: Request, composition: Composition, piece: MeasuredPiece, regressor: EmotionRegressor
) -> _Answer:
    constant = len(request.curve.moods) == 1
    mood = request.curve.moods[0]
    return _Answer(
        asked=(mood.valence, mood.arousal) if constant else None,
        majorness=_majorness(piece.notes),
        tempo=composition.beats_per_minute,
        note_rate=len(piece.notes) / composition.seconds,
        turns=_turns(request, piece, regressor),
        hit=_hit(request.cuts, composition, piece),
        warps=() if composition.grid is None else tuple(map(abs, composition.grid.warps)),
        faulty=bool(composition.faults),
    )


def _majorness(notes: NoteTable) -> float:
    return key_of(class_weights(pitched_of(notes))).majorness


def _turns(
    request: Request, piece: MeasuredPiece, regressor: EmotionRegressor
) -> tuple[tuple[float, float, float, float, float], ...]:
    heard = []
    for start, end, mood in request.curve.stretches(request.seconds):
        first, last = start / TICK_SECONDS, end / TICK_SECONDS
        notes = piece.notes.take((piece.notes.start >= first) & (piece.notes.start < last))
        bars = piece.bars[(piece.bars >= first) & (piece.bars < last)]
        arousal = regressor.hear(notes, bars.tolist()).arousal if len(notes) else math.nan
        rate = len(notes) / (end - start)
        heard.append((mood.valence, mood.arousal, _majorness(notes), arousal, rate))
    steps = np.diff(np.array(heard), axis=0).tolist()
    return tuple((row[0], row[1], row[2], row[3], row[4]) for row in steps)


def _hit(cuts: Sequence[float], composition: Composition, piece: MeasuredPiece) -> tuple[bool, ...]:
    beat = 60 / composition.beats_per_minute / TICK_SECONDS
    at = strong_chords(piece.notes, beat) * TICK_SECONDS
    return tuple(bool((np.abs(at - cut) <= NEAR).any()) for cut in cuts)


def _obeyed(answers: Sequence[_Answer], seconds_a_minute: float) -> Obeyed:
    constant = [one for one in answers if one.asked is not None]
    valence, arousal = (
        np.array([one.asked[axis] for one in constant if one.asked is not None]) for axis in (0, 1)
    )
    turns = np.array([turn for one in answers for turn in one.turns]).reshape(-1, 5)
    hit = [flag for one in answers for flag in one.hit]
    warps = [warp for one in answers for warp in one.warps]
    return Obeyed(
        valence_with_majorness=_correlation(valence, [one.majorness for one in constant]),
        arousal_with_tempo=_correlation(arousal, [one.tempo for one in constant]),
        arousal_with_notes=_correlation(arousal, [one.note_rate for one in constant]),
        valence_changes=_agreeing(turns[:, 0], turns[:, 2]),
        arousal_changes=_agreeing(turns[:, 1], turns[:, 3]),
        note_changes=_agreeing(turns[:, 1], turns[:, 4]),
        changes=len(turns),
        strong_chords=float(np.mean(hit)) if hit else math.nan,
        cuts=len(hit),
        mean_warp=float(np.mean(warps)) if warps else math.nan,
        largest_warp=max(warps, default=math.nan),
        faulty=float(np.mean([one.faulty for one in answers])),
        seconds_a_minute=seconds_a_minute,
    )


def _correlation(asked: np.ndarray, heard: Sequence[float]) -> float:
    told = np.array(heard)
    if len(told) < 3 or not asked.std() or not told.std():
        return math.nan
    return float(np.corrcoef(asked, told)[0, 1])


def _agreeing(asked: np.ndarray, heard: np.ndarray) -> float:
    """Return the share of steps with the same sign; a step that is not heard goes no way."""
    return float((np.sign(asked) == np.sign(heard)).mean()) if len(asked) else math.nan


class Keeper:
    """Writes every composed piece as MIDI, and a list of what was asked and found."""

    def __init__(self, folder: Path, sheets: bool) -> None:
        """Keep pieces in `folder`; with `sheets` draw their rolls there, ten a sheet."""
        self.folder, self.sheets = folder, sheets
        self.rows: list[dict[str, object]] = []
        self.rolls: dict[str, list[Roll]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(
        self, way: str, request: Request, composition: Composition, measures: dict[str, float]
    ) -> None:
        name = f"{way.replace(' ', '-')}-{request.number:02d}.mid"
        write_midi(
            composition.notes,
            self.folder / name,
            Fraction(request.seconds).limit_denominator(1000),
            composition.beats_per_minute,
        )
        moods = zip(request.curve.starts, request.curve.moods, strict=True)
        roll = roll_of(composition, f"{way} {request.number:02d}")
        self.rows.append(
            {
                "file": name,
                "way": way,
                "seed": request.seed,
                "moods": [[at, mood.valence, mood.arousal] for at, mood in moods],
                "cuts": request.cuts,
                "tempo": composition.beats_per_minute,
                "chart": composition.chart,
                "roll": described(roll),
                "faults": composition.faults,
                "measures": {
                    name: None if math.isnan(value) else value for name, value in measures.items()
                },
            }
        )
        (self.folder / PIECES_FILE).write_text(json.dumps(self.rows) + "\n")
        if self.sheets:
            self.rolls.setdefault(way, []).append(roll)

    def draw(self) -> None:
        """Draw the sheets of all ways, if they are wanted."""
        for way, rolls in self.rolls.items():
            draw_sheets(rolls, self.folder / f"{way.replace(' ', '-')}.png")
