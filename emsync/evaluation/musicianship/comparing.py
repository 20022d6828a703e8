"""Sets of pieces beside each other: the distance of each from real music, measure by measure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emsync.evaluation.musicianship import NAMES

RESAMPLINGS = 200
LONG_CHORD = 12.0
"""Seconds: one triad for longer is standing still. Real music: one window in eight."""
LABELS = {
    "gps": "GPS",
    "pche_bar": "PCHE, bars",
    "pche_four_bars": "PCHE, four bars",
    "si_short": "SI, 3 to 8 s",
    "si_medium": "SI, 8 to 15 s",
    "si_long": "SI, 15 s and more",
}


@dataclass(frozen=True)
class Set:
    """The measures of some pieces of one kind."""

    pieces: int
    mean: dict[str, float]
    """Of each measure, without the pieces in which it cannot be told; NaN if it cannot in any."""
    distance: dict[str, float]
    """d: the mean minus that of the real pieces, in standard deviations of these."""
    composite: float
    """Mean of the absolute distances over all measures."""
    composite_deviation: float
    """Its standard deviation when the pieces of both sets are drawn anew (Efron 1979)."""
    median_longest_chord: float
    """Seconds."""
    standing_still: float
    """Share of pieces with one triad for over `LONG_CHORD`."""


@dataclass(frozen=True)
class Reference:
    """The measures of the real pieces."""

    pieces: int
    sources: dict[str, int]
    """How many of them are from each source."""
    mean: dict[str, float]
    deviation: dict[str, float]
    composite_of_halves: float
    """Mean composite of one half of them beside the other: what cannot be told from real."""
    median_longest_chord: float
    standing_still: float


def rows_of(measures: Sequence[dict[str, float]]) -> np.ndarray:
    """Return (pieces, measures), in the order of `NAMES`."""
    return np.array([[one[name] for name in NAMES] for one in measures]).reshape(-1, len(NAMES))


def _means(rows: np.ndarray) -> np.ndarray:
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _deviations(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(_means((rows - _means(rows)) ** 2), 0.0))


def distances(rows: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return d of each measure; NaN where it cannot be told or real pieces do not differ in it."""
    deviation = _deviations(real)
    spread = np.where(deviation > 1e-9, deviation, np.nan)
    return np.asarray((_means(rows) - _means(real)) / spread)


def _composite(rows: np.ndarray, real: np.ndarray) -> float:
    found = np.abs(distances(rows, real))
    return float(_means(found[:, None])[0])


def reference_of(measures: Sequence[dict[str, float]], sources: dict[str, int]) -> Reference:
    """Return what the other sets are held against."""
    rows = rows_of(measures)
    draws = np.random.default_rng(0)
    halves = []
    for _ in range(RESAMPLINGS):
        order = draws.permutation(len(rows))
        one, other = np.array_split(rows[order], 2)
        halves.append(_composite(one, other))
    longest = rows[:, NAMES.index("longest_chord")]
    return Reference(
        pieces=len(rows),
        sources=sources,
        mean=_named(_means(rows)),
        deviation=_named(_deviations(rows)),
        composite_of_halves=float(np.mean(halves)),
        median_longest_chord=float(np.median(longest)),
        standing_still=float((longest > LONG_CHORD).mean()),
    )


def set_of(measures: Sequence[dict[str, float]], reference: Sequence[dict[str, float]]) -> Set:
    """Return how far some pieces lie from the real ones."""
    rows, real = rows_of(measures), rows_of(reference)
    draws = np.random.default_rng(1)
    again = [
        _composite(
            rows[draws.integers(len(rows), size=len(rows))],
            real[draws.integers(len(real), size=len(real))],
        )
        for _ in range(RESAMPLINGS)
    ]
    longest = rows[:, NAMES.index("longest_chord")]
    return Set(
        pieces=len(rows),
        mean=_named(_means(rows)),
        distance=_named(distances(rows, real)),
        composite=_composite(rows, real),
        composite_deviation=float(np.std(again)),
        median_longest_chord=float(np.median(longest)),
        standing_still=float((longest > LONG_CHORD).mean()),
    )


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, values.tolist(), strict=True))


def markdown_of(found: dict[str, Any]) -> str:
    """Return the table: real music, every set with its distance, and what was asked and heard.

    Args:
        found: `asdict` of a `running.Musicianship`.
    """
    real, sets = found["real"], found["sets"]
    head = [
        f"measure ({found['seconds']:g} s a piece, seed {found['seed']})",
        f"real, {real['pieces']}",
        *(f"{name}, {one['pieces']}" for name, one in sets.items()),
    ]
    rows = [head, ["---"] * len(head)]
    for name in NAMES:
        mean, spread = real["mean"][name], real["deviation"][name]
        rows.append(
            [
                LABELS.get(name, name.replace("_", " ")),
                f"{_number(mean)} ({_number(spread)})",
                *(
                    f"{_number(one['mean'][name])}, d {one['distance'][name]:+.2f}"
                    for one in sets.values()
                ),
            ]
        )
    rows.append(
        [
            "mean abs d over all measures",
            f"halves {real['composite_of_halves']:.2f}",
            *(
                f"{one['composite']:.2f} ± {one['composite_deviation']:.2f}"
                for one in sets.values()
            ),
        ]
    )
    for label, key, form in (
        ("longest stretch on one chord, median s", "median_longest_chord", "{:.1f}"),
        (f"… pieces with over {LONG_CHORD:g} s", "standing_still", "{:.0%}"),
    ):
        rows.append([label, *(form.format(one[key]) for one in (real, *sets.values()))])
    rows += _obeyed(found["obeyed"], list(sets))
    lines = (f"| {' | '.join(row)} |\n" for row in rows)
    return "".join(re.sub(r"(d )?[+-]?\bnan\b%?", "–", line) for line in lines)


def _obeyed(obeyed: dict[str, Any], names: list[str]) -> list[list[str]]:
    """Return the rows of what only composed pieces have: how far they do what was asked."""
    lines: tuple[tuple[str, str, str], ...] = (
        ("asked valence and majorness, r", "valence_with_majorness", "{:+.2f}"),
        ("asked arousal and tempo, r", "arousal_with_tempo", "{:+.2f}"),
        ("asked arousal and notes a second, r", "arousal_with_notes", "{:+.2f}"),
        ("changes of scene that go the asked way: majorness", "valence_changes", "{:.0%}"),
        ("… arousal, as the regressor hears it", "arousal_changes", "{:.0%}"),
        ("… notes a second", "note_changes", "{:.0%}"),
        ("hit points with a strong chord by the notes within 0.1 s", "strong_chords", "{:.0%}"),
        ("warp, mean", "mean_warp", "{:.2%}"),
        ("warp, largest", "largest_warp", "{:.2%}"),
        ("pieces with faults", "faulty", "{:.0%}"),
        ("seconds to compose a minute", "seconds_a_minute", "{:.1f}"),
    )
    return [
        [label, "", *(form.format(obeyed[n][key]) if n in obeyed else "" for n in names)]
        for label, key, form in lines
    ]


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
