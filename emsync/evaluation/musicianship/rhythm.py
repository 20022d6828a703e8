"""Rhythm: bars that keep their length, notes on the beat, drums that keep a pattern."""

from dataclasses import dataclass

import numpy as np

from emsync.evaluation.musicianship.piece import MeasuredPiece
from emsync.music.judging.listening import DRUMS, autocorrelation, onset_strength, pitched_of, pulse
from emsync.music.notes import TICK_SECONDS, NoteTable

NAN = float("nan")
LEAST_BARS = 4
"""Lengths of bars, fewer of which say nothing about them."""
OFF_LENGTH = 0.03
"""Ours: about the change of tempo that is just noticed (Drake & Botte 1993)."""
AROUND = 4
"""Bars before and after one, whose usual length is its stretch's."""
CLOSE_TICKS = 1.01
"""A note within a tick of its place on the grid is on it."""
DRIFT_WINDOW, DRIFT_STEP, DRIFT = 1000, 500, 0.04
"""Ticks, ticks, share."""
PULSE_WINDOW = 2000
"""Ticks."""
KICKS, SNARES, KIT = (35, 36), (37, 38, 39, 40), (35, 36, 37, 38, 39, 40)
"""General MIDI percussion."""
CELLS = 16
"""A bar is compared in sixteenths of its own length."""
GROOVE_CELLS = 64
"""Of a bar, for GPS (Wu & Yang 2020)."""


@dataclass(frozen=True)
class Rhythm:
    """NaN where there is too little to tell."""

    bars_off_length: float
    """Share of bars more than 3 % off the median length. Ours."""
    bars_off_stretch: float
    """Share of bars more than 3 % off the median of the nine around them, which lets the tempo
    change from one stretch to the next. Ours."""
    bar_variation: float
    """Standard deviation of the bars' length over its mean. Ours."""
    tempo: float
    """Quarters a minute, if the median bar has four of them."""
    onsets_on_grid: float
    """Share of notes within a tick of a sixteenth or a triplet eighth of their bar. Ours."""
    onsets_on_beat: float
    """Share of notes within a tick of a quarter of their bar. Ours."""
    pulse_clarity: float
    """Largest autocorrelation of the onsets at 60 to 250 beats a minute (Brown 1993)."""
    local_pulse_clarity: float
    """The same in windows of 16 s, mean: it lets the tempo change from scene to scene."""
    tempo_drift: float
    """Share of stretches of 8 s whose beat is more than 4 % off that of the piece. Ours."""
    kick_snare_likeness: float
    """Jaccard likeness of kick and snare in neighbouring bars (Jaccard 1901). Ours."""
    kit_likeness: float
    """The same of all drums."""
    snare_on_backbeat: float
    """Share of snare hits on the second and fourth quarter. Ours."""
    kick_on_one: float
    """Share of bars with a kick on the first sixteenth. Ours."""
    bars_with_drums: float
    """Share of bars in which a drum is hit, in pieces that have drums."""
    bar_likeness: float
    """Mean over the bars of the largest Jaccard likeness to an earlier one, by sixteenth and pitch
    class. Ours."""
    pitched_bar_likeness: float
    """The same without drums."""
    gps: float
    """Grooving pattern similarity: 1 minus the share of 64ths of a bar in which two bars differ in
    whether a note begins, mean over all pairs of bars (Wu & Yang 2020)."""


def rhythm_of(piece: MeasuredPiece) -> Rhythm:
    """Return the measures of rhythm of a piece."""
    strength = onset_strength(piece.notes.start, piece.length)
    beat, clarity = pulse(strength)
    found = _of_bars(piece) if len(piece.bars) > LEAST_BARS else {}
    names = Rhythm.__dataclass_fields__
    told = {
        "pulse_clarity": clarity,
        "local_pulse_clarity": _local_pulse(strength),
        "tempo_drift": _drift(strength, beat),
    }
    return Rhythm(**dict.fromkeys(names, NAN) | found | told)


def _of_bars(piece: MeasuredPiece) -> dict[str, float]:
    lengths = np.diff(piece.bars)
    usual = float(np.median(lengths))
    return {
        "bars_off_length": float((np.abs(lengths / usual - 1) > OFF_LENGTH).mean()),
        "bars_off_stretch": _off_stretch(lengths),
        "bar_variation": float(lengths.std() / lengths.mean()),
        "tempo": 60 / (usual / 4 * TICK_SECONDS),
        **_places(piece, lengths),
        **_drums(piece),
        "bar_likeness": _earlier_likeness(bar_contents(piece, piece.notes)),
        "pitched_bar_likeness": _earlier_likeness(bar_contents(piece, pitched_of(piece.notes))),
        "gps": _groove(piece),
    }


def _off_stretch(lengths: np.ndarray) -> float:
    padded = np.pad(lengths.astype(float), AROUND, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1)
    return float((np.abs(lengths / np.nanmedian(around, axis=1) - 1) > OFF_LENGTH).mean())


def _places(piece: MeasuredPiece, lengths: np.ndarray) -> dict[str, float]:
    """Return where in their bars the notes begin."""
    start = piece.notes.start
    bar = np.searchsorted(piece.bars, start, side="right") - 1
    within = (bar >= 0) & (bar < len(piece.bars) - 1)
    length = lengths[bar[within]]
    share = (start[within] - piece.bars[bar[within]]) / np.maximum(length, 1)

    def off(cells: int) -> np.ndarray:
        return np.abs(share * cells - np.round(share * cells)) / cells * length

    if not within.any():
        return {}
    return {
        "onsets_on_grid": float((np.minimum(off(16), off(12)) <= CLOSE_TICKS).mean()),
        "onsets_on_beat": float((off(4) <= CLOSE_TICKS).mean()),
    }


def _drift(strength: np.ndarray, beat: int) -> float:
    lags = np.arange(max(20, int(beat * 0.88)), int(beat * 1.12) + 2)
    ratios = []
    for begin in range(0, len(strength) - DRIFT_WINDOW, DRIFT_STEP):
        some = strength[begin : begin + DRIFT_WINDOW]
        if some.sum() >= 6:  # fewer onsets have no beat
            ratios.append(lags[int(autocorrelation(some, lags).argmax())] / beat)
    return float((np.abs(np.array(ratios) - 1) > DRIFT).mean()) if ratios else NAN


def _local_pulse(strength: np.ndarray) -> float:
    begins = range(0, max(len(strength) - PULSE_WINDOW, 0) + 1, PULSE_WINDOW // 2)
    windows = [strength[begin : begin + PULSE_WINDOW] for begin in begins]
    return float(np.mean([pulse(some)[1] for some in windows]))


def bar_contents(
    piece: MeasuredPiece, notes: NoteTable, cells: int = CELLS, pitches: int = 12
) -> np.ndarray:
    """Return (bars, cells * pitches) bool: what begins in which cell of each whole bar.

    Args:
        piece: whose bars they are.
        notes: those that count.
        cells: equal parts of a bar; a note belongs to the one whose start is nearest.
        pitches: 12 for pitch classes, 128 for pitches, 1 for whether anything begins.
    """
    lengths = np.diff(piece.bars)
    out = np.zeros((len(lengths), cells, pitches), dtype=bool)
    bar = np.searchsorted(piece.bars, notes.start, side="right") - 1
    within = (bar >= 0) & (bar < len(lengths))
    bar, start, pitch = bar[within], notes.start[within], notes.pitch[within]
    cell = np.round((start - piece.bars[bar]) / lengths[bar] * cells).astype(int) % cells
    out[bar, cell, pitch % pitches] = True
    return out.reshape(len(lengths), -1)


def _likeness(bars: np.ndarray) -> np.ndarray:
    """Return (bars, bars): their Jaccard likeness; NaN between two empty ones."""
    numbers = bars.astype(np.float64)
    both = numbers @ numbers.T
    size = numbers.sum(axis=1)
    either = size[:, None] + size[None, :] - both
    with np.errstate(invalid="ignore"):
        return np.asarray(both / either)


def _earlier_likeness(bars: np.ndarray) -> float:
    likeness = _likeness(bars)
    full = [number for number in range(2, len(bars)) if bars[number].any()]
    return float(np.mean([likeness[number, :number].max() for number in full])) if full else NAN


def _neighbour_likeness(bars: np.ndarray) -> float:
    likeness = np.diagonal(_likeness(bars), offset=1)
    known = likeness[~np.isnan(likeness)]
    return float(known.mean()) if len(known) else NAN


def _drums(piece: MeasuredPiece) -> dict[str, float]:
    drums = piece.notes.take(piece.notes.group == DRUMS)

    def bars(*pitches: int) -> np.ndarray:
        """Return (bars, sixteenths): where these drums are hit."""
        some = drums.take(np.isin(drums.pitch, pitches)) if pitches else drums
        return bar_contents(piece, some, pitches=1)

    found: dict[str, float] = {}
    kit = drums.take(np.isin(drums.pitch, KIT))
    if len(kit) > 8:
        found["kick_snare_likeness"] = _neighbour_likeness(bar_contents(piece, kit, pitches=128))
    if len(drums) > 16:
        whole, snare = bar_contents(piece, drums, pitches=128), bars(*SNARES)
        found["kit_likeness"] = _neighbour_likeness(whole)
        if snare.sum() > 4:
            found["snare_on_backbeat"] = float(snare[:, (4, 12)].sum() / snare.sum())
        found["kick_on_one"] = float(bars(*KICKS)[:, 0].mean())
        found["bars_with_drums"] = float(bars().any(axis=1).mean())
    return found


def _groove(piece: MeasuredPiece) -> float:
    begins = bar_contents(piece, piece.notes, GROOVE_CELLS, pitches=1).astype(np.float64)
    size = begins.sum(axis=1)
    differing = size[:, None] + size[None, :] - 2 * begins @ begins.T
    pairs = np.triu_indices(len(begins), 1)
    return float(1 - differing[pairs].mean() / GROOVE_CELLS)
