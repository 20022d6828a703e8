"""Musical statistics of generated pieces beside those of real music that was never trained on.

The statistics are those of MusPy (Dong et al. 2020) and of the Jazz Transformer (Wu & Yang 2020),
on pieces of the same length. How far two sets of pieces lie apart is told in standard deviations
of the real music, next to how far two halves of the real music lie apart: nearer than that no
generator needs to come.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np

from emsync.errors import EmsyncError
from emsync.evaluation.alignment import MINIMUM_GAP
from emsync.evaluation.composing import compose_briefs
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.decoding import DecodedPiece
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.tokens import DecodedTokens, decode
from emsync.progress import silent_share
from emsync.settings import InstrumentCount, MusicSettings
from emsync.training.corpus import Piece

CELLS = 16
"""A bar is looked at as so many cells of equal length: sixteenths in 4/4."""
SHORT, MEDIUM, LONG = (3.0, 8.0), (8.0, 15.0), (15.0, np.inf)
"""Seconds between repetitions that count as short, medium and long (Wu & Yang 2020)."""
LEAST_PAIRS = 4
"""Pairs of bars at one distance, fewer of which say nothing about repetition."""
SECONDS = 30.0
CROPS_A_PIECE = 8
HALVINGS = 20

_SCALES = np.stack([np.roll([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], tonic) for tonic in range(12)])
"""(12, 12): the pitch classes of each major scale; the natural minor scales are the same twelve."""


@dataclass(frozen=True)
class Statistics:
    """Of one piece. NaN where the piece is too empty to tell; drums have no pitch."""

    pitch_class_entropy: float
    """Bits, 0 to 3.58 (the logarithm of 12), over the pitch classes of the notes."""
    scale_consistency: float
    """Share of the notes that lie in the scale that fits best, of all major and minor ones."""
    groove_consistency: float
    """1 minus the share of cells in which neighbouring bars differ in whether a note begins."""
    polyphony: float
    """Pitches that sound at once, on average over the time in which any sounds."""
    note_density: float
    """Notes that begin a second, drums included."""
    empty_bar_rate: float
    """Share of the bars in which no note begins."""
    structure_short: float
    """Likeness of bars 3 to 8 s apart, see `repetition`; 0 to 1."""
    structure_medium: float
    """8 to 15 s apart."""
    structure_long: float
    """15 s apart and more."""


NAMES = tuple(field.name for field in fields(Statistics))


def statistics_of(piece: DecodedTokens) -> Statistics:
    """Return all statistics of a piece; bars are taken from one BAR to the next."""
    pitched = piece.notes.take(piece.notes.group != GROUPS.index("drums"))
    bars = np.unique(np.array(piece.bars, dtype=np.int64))
    classes = np.bincount(pitched.pitch % 12, minlength=12).astype(float)
    seconds = piece.length * TICK_SECONDS
    onsets = _cells(piece.notes, bars)
    return Statistics(
        pitch_class_entropy=_entropy(classes),
        scale_consistency=_ratio((_SCALES @ classes).max(), classes.sum()),
        groove_consistency=_groove(onsets),
        polyphony=_polyphony(pitched),
        note_density=_ratio(len(piece.notes), seconds),
        empty_bar_rate=_ratio((~onsets.any(axis=(1, 2))).sum(), len(onsets)),
        **{
            f"structure_{name}": repetition(piece, *span)
            for name, span in (("short", SHORT), ("medium", MEDIUM), ("long", LONG))
        },
    )


def repetition(piece: DecodedTokens, shortest: float, longest: float) -> float:
    """Return how much the piece repeats itself at the best distance of `shortest` to `longest`
    seconds.

    A bar is a vector of 16 cells × 12 pitch classes, 1 where a pitched note begins. At a distance
    of n bars the likeness is the mean cosine between the vectors of bars n apart, over the pairs
    in which both bars have notes; the result is the largest over all distances that have
    `LEAST_PAIRS` such pairs, where a distance of n bars is n times the median bar. This is a plain
    stand-in for the structureness indicator of Wu & Yang (2020), which takes the largest fitness
    of Müller's scape plot over the same spans: it sees exact repetition alone, not transposed or
    varied one.

    Returns:
        0 (no note comes again) to 1 (every bar does); NaN without such a distance.
    """
    bars = np.unique(np.array(piece.bars, dtype=np.int64))
    if len(bars) < 2:
        return float("nan")
    pitched = piece.notes.take(piece.notes.group != GROUPS.index("drums"))
    vectors = _cells(pitched, bars).reshape(len(bars) - 1, -1).astype(float)
    length = np.linalg.norm(vectors, axis=1)
    bar_seconds = float(np.median(np.diff(bars))) * TICK_SECONDS
    best = float("nan")
    for distance in range(1, len(vectors)):
        if not shortest <= distance * bar_seconds < longest:
            continue
        both = length[:-distance] * length[distance:]
        dot = (vectors[:-distance] * vectors[distance:]).sum(1)
        if np.count_nonzero(both) >= LEAST_PAIRS:
            best = float(np.fmax(best, (dot[both > 0] / both[both > 0]).mean()))
    return best


def _cells(notes: NoteTable, bars: np.ndarray) -> np.ndarray:
    """Return (bars - 1, 16, 12) bool: in which cell of which bar a note of which pitch class
    begins.

    A note belongs to the cell whose start is nearest, so that notes off by a tick stay together.
    """
    count = max(len(bars) - 1, 0)
    cells = np.zeros((count * CELLS, 12), dtype=bool)
    if count:
        starts = bars[:-1, None] + np.diff(bars)[:, None] * np.arange(CELLS) / CELLS
        edges = np.append(starts.ravel(), bars[-1])
        cell = np.searchsorted((edges[:-1] + edges[1:]) / 2, notes.start, side="right")
        within = (notes.start >= bars[0]) & (cell < len(cells))
        cells[cell[within], notes.pitch[within] % 12] = True
    return cells.reshape(count, CELLS, 12)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _entropy(counts: np.ndarray) -> float:
    if not counts.any():
        return float("nan")
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _groove(onsets: np.ndarray) -> float:
    if len(onsets) < 2:
        return float("nan")
    begins = np.asarray(onsets.any(axis=2))
    return float(1 - (begins[1:] != begins[:-1]).mean())


def _polyphony(pitched: NoteTable) -> float:
    if not len(pitched):
        return float("nan")
    changes = np.zeros((int(pitched.end.max()) + 1, 128), dtype=np.int32)
    np.add.at(changes, (pitched.start, pitched.pitch), 1)
    np.add.at(changes, (pitched.end, pitched.pitch), -1)
    sounding = (changes.cumsum(0) > 0).sum(1)
    return float(sounding[sounding > 0].mean())


def crop(piece: DecodedTokens, begin: int, ticks: int) -> DecodedTokens:
    """Return the notes, bars and chords that begin in `ticks` ticks from `begin` on, moved to 0."""
    notes = piece.notes.take((piece.notes.start >= begin) & (piece.notes.start < begin + ticks))
    table = NoteTable(
        notes.group, notes.pitch, notes.start - begin, np.minimum(notes.end - begin, ticks)
    )
    bars, chords = (
        tuple(at - begin for at in times if begin <= at < begin + ticks)
        for times in (piece.bars, piece.chords)
    )
    return DecodedTokens(table, bars, chords, ticks)


def crops_of(piece: DecodedTokens, seconds: float) -> list[DecodedTokens]:
    """Return at most `CROPS_A_PIECE` stretches of `seconds` that begin with a bar and do not
    overlap."""
    ticks = round(seconds / TICK_SECONDS)
    begins: list[int] = []
    for bar in piece.bars:
        if bar + ticks <= piece.length and (not begins or bar >= begins[-1] + ticks):
            begins.append(bar)
    chosen = np.linspace(0, len(begins) - 1, min(len(begins), CROPS_A_PIECE)).round().astype(int)
    return [crop(piece, begins[i], ticks) for i in chosen]


def _known(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[~np.isnan(values)])


def _mean(values: np.ndarray) -> float:
    """Without NaN; NaN if nothing remains."""
    known = _known(values)
    return _ratio(known.sum(), len(known))


def wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """Return the first Wasserstein distance of two samples, in their unit: the area between their
    cumulative distributions. NaN in the samples is left out; NaN if nothing remains."""
    one, other = np.sort(_known(one)), np.sort(_known(other))
    if not len(one) or not len(other):
        return float("nan")
    values = np.sort(np.concatenate([one, other]))
    share, other_share = (
        np.searchsorted(sample, values[:-1], side="right") / len(sample) for sample in (one, other)
    )
    return float((np.abs(share - other_share) * np.diff(values)).sum())


@dataclass(frozen=True)
class Comparison:
    """One statistic of the generated and of the real pieces. Means without NaN."""

    statistic: str
    generated: float
    real: float
    deviation: float
    """Standard deviation of the real pieces."""
    distance: float
    """Wasserstein distance of the generated from the real pieces, in deviations."""
    floor: float
    """The same between two halves of the real music, with as many pieces on each side."""


@dataclass(frozen=True)
class MusicalStatistics:
    """Generated pieces beside crops of the test split."""

    generated: int
    crops: int
    pieces: int
    """Of the test split, from which the crops were taken."""
    compared: int
    """Pieces on each side of every distance: distances of small samples are larger."""
    seconds: float
    sources: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def compare(
    generated: Sequence[Statistics], real: Sequence[Sequence[Statistics]], seed: int
) -> tuple[tuple[Comparison, ...], int]:
    """Return the comparison of every statistic, and how many pieces were on each side.

    The real music is halved `HALVINGS` times, piece by piece, so that no piece is in both halves.
    As many crops of the two halves are held against each other (the floor) as generated pieces
    against those of the first; both distances are means over the halvings.

    Args:
        generated: one a piece.
        real: for each real piece, those of its crops.
        seed: of the halvings.
    """
    table = np.array([astuple(one) for one in generated])
    real_tables = [np.array([astuple(one) for one in crops]) for crops in real]
    whole = np.concatenate(real_tables)
    generator = np.random.default_rng(seed)
    samples, counts = [], []
    for _ in range(HALVINGS):
        order = generator.permutation(len(real_tables))
        middle = len(order) // 2
        samples.append(
            [np.concatenate([real_tables[i] for i in half]) for half in np.split(order, [middle])]
        )
        counts += [len(half) for half in samples[-1]]
    count = min(len(table), *counts)
    pairs = [
        [sample[generator.permutation(len(sample))[:count]] for sample in (table, *halves)]
        for halves in samples
    ]
    found = []
    for column, name in enumerate(NAMES):
        known = _known(whole[:, column])
        deviation = float(known.std()) if len(known) else float("nan")
        distance, floor = (
            _ratio(
                _mean(np.array([wasserstein(p[i][:, column], p[1][:, column]) for p in pairs])),
                deviation,
            )
            for i in (0, 2)
        )
        means = _mean(table[:, column]), _mean(whole[:, column])
        found.append(Comparison(name, *means, deviation, distance, floor))
    return tuple(found), count


def musical_statistics(
    checkpoint: Checkpoint,
    settings: MusicSettings,
    pieces: Sequence[Piece],
    count: int,
    seed: int,
    seconds: float = SECONDS,
    advance: Callable[[float], None] = silent_share,
) -> MusicalStatistics:
    """Compose `count` pieces and compare them with the test split of `pieces`.

    Of the test split only the sources that the generator was trained on count, where its card
    names them. Each composed piece is told what is known of a crop of the test split, drawn at
    random: valence, arousal, instrument count, and as boundaries its strong chords, those at least
    4 s apart, as the kept cuts of a film are.

    Raises:
        EmsyncError: the test split has fewer than two pieces of that length.
    """
    sources = checkpoint.card.get("sources")
    test = [
        piece
        for piece in pieces
        if piece.split == "test" and (not isinstance(sources, list) or piece.source in sources)
    ]
    crops = [(piece, crops_of(decode(piece.tokens), seconds)) for piece in test]
    crops = [(piece, some) for piece, some in crops if some]
    if len(crops) < 2:
        raise EmsyncError(
            f"The test split of the shards has fewer than two pieces of {seconds:g} s to compare."
        )
    all_crops = [(piece, one) for piece, some in crops for one in some]
    draws = np.random.default_rng([seed, 3]).integers(len(all_crops), size=count)
    drawn = [all_crops[number] for number in draws]
    composed: list[DecodedPiece] = []

    def share_of(before: int, more: int) -> Callable[[float], None]:
        return lambda share: advance((before + share * more) / count)

    instruments: InstrumentCount
    for instruments in ("fewer", "more"):
        briefs = [
            Brief(piece.valence, piece.arousal, _thinned(one.chords), seconds, seed + number)
            for number, (piece, one) in enumerate(drawn)
            if (piece.groups >= v.MORE_INSTRUMENTS_FROM) == (instruments == "more")
        ]
        asked = replace(settings, instruments=instruments)
        composed += compose_briefs(checkpoint, briefs, asked, share_of(len(composed), len(briefs)))
    length = round(seconds / TICK_SECONDS)
    generated = [statistics_of(crop(decode(piece.tokens), 0, length)) for piece in composed]
    real = [[statistics_of(one) for one in some] for _, some in crops]
    comparisons, compared = compare(generated, real, seed)
    return MusicalStatistics(
        generated=len(generated),
        crops=len(all_crops),
        pieces=len(crops),
        compared=compared,
        seconds=seconds,
        sources=tuple(sorted({piece.source for piece, _ in crops})),
        comparisons=comparisons,
    )


def _thinned(chords: Sequence[int]) -> tuple[float, ...]:
    """Return seconds of the chords (ticks) that are at least 4 s after the one kept before."""
    kept: list[float] = []
    for tick in chords:
        at = tick * TICK_SECONDS
        if not kept or at >= kept[-1] + MINIMUM_GAP:
            kept.append(at)
    return tuple(kept)
