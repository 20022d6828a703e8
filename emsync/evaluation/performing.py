"""Velocities against real performances: `python -m emsync.evaluation.performing FOLDER`.

FOLDER holds the archives and the index that `emsync.training.corpus` reads. Recorded performances
are those pieces of `SOURCES` whose notes keep to no beat grid (a score that a program plays does)
and whose velocities vary: ASAP (Foscarin et al. 2020) and the evaluation set of GiantMIDI-Piano
(Kong et al. 2022), both piano. POP909 (Wang et al. 2020) was played to a beat, so that it tells how
much the beat has to do with loudness.

Printed are the spread of real velocities, how well rules and whoever else performs predict them on
pieces held out, and the same statistics of MIDI files that EMSYNC wrote.
"""

import argparse
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emsync.music.midi import group_of
from emsync.performance.context import PIANO, Context, bare_context, strength_of
from emsync.performance.loudness import intended
from emsync.settings import PerformanceSettings
from emsync.training.corpus import files_of, read_index

SOURCES = ("asap", "giantmidi_eval")
ON_BEAT_SOURCE = "pop909"
LEAST_NOTES = 64
LEAST_DEVIATION = 4.0
"""Steps of velocity; pieces with less were written, not played."""
OFF_GRID = 0.3
"""Concentration of onsets around sixteenths, of 1, below which a piece was not written in them."""
PERCENTILES = (5, 25, 50, 75, 95)

Predict = Callable[[Context], np.ndarray]
"""From what is to be seen of notes to their velocities, on any scale, float64 (notes,)."""


@dataclass(frozen=True)
class Recording:
    """The notes of one piece, all of one piano, sorted by start."""

    name: str
    source: str
    split: str
    context: Context
    velocity: np.ndarray
    """float64 (notes,)."""
    quarters: np.ndarray
    """When notes begin, by the file's beat, float64 (notes,)."""

    @property
    def is_played(self) -> bool:
        """Return whether somebody played it without a grid."""
        turns = np.exp(2j * np.pi * 4 * self.quarters)
        return bool(abs(turns.mean()) < OFF_GRID and self.velocity.std() >= LEAST_DEVIATION)


def recordings(folder: Path, source: str) -> Iterator[Recording]:
    """Yield the pieces of a source with `LEAST_NOTES` pitched notes, whoever or whatever played."""
    index = read_index(folder)
    for row, content in files_of(folder, source, index):
        notes = _notes_of(content)
        if len(notes) >= LEAST_NOTES:
            start, lasting, pitch, velocity, quarters = notes[np.argsort(notes[:, 0])].T
            group = np.full(len(notes), PIANO)
            context = bare_context(group, pitch.astype(np.int64), start, start + lasting)
            name, split = str(row["file"]), str(row["split"])
            yield Recording(name, source, split, context, velocity, quarters)


def _notes_of(content: bytes) -> np.ndarray:
    """Return (notes, 5): start and duration in seconds, pitch, velocity, start in quarters; empty
    for what is no MIDI file. Drums are left out."""
    from symusic import Score

    try:
        score: Any = Score.from_midi(content)
    except (RuntimeError, ValueError):
        return np.zeros((0, 5))
    parts = [np.zeros((0, 5))]
    for written, played in zip(score.tracks, score.to("second").tracks, strict=True):
        if not played.is_drum and len(played.notes):
            one = played.notes.numpy()
            quarters = written.notes.numpy()["time"] / score.ticks_per_quarter
            columns = (one["time"], one["duration"], one["pitch"], one["velocity"], quarters)
            parts.append(np.stack(columns, axis=1).astype(np.float64))
    return np.concatenate(parts)


def by_rule(context: Context) -> np.ndarray:
    """Return the velocities that the rules ask for with the usual settings."""
    return intended(context, PerformanceSettings())


def correlation(predict: Predict, pieces: Iterable[Recording]) -> float:
    """Return the mean over pieces of the correlation of predicted with real velocities.

    A prediction that does not vary, such as the flat one, correlates with nothing: 0.
    """
    found = []
    for piece in pieces:
        answer = predict(piece.context)
        varies = answer.std() > 1e-9
        found.append(float(np.corrcoef(answer, piece.velocity)[0, 1]) if varies else 0.0)
    return float(np.mean(found))


def beat_correlation(piece: Recording) -> float:
    """Return how much of a piece's velocities goes with beats, eighths and sixteenths, -1 to 1."""
    count = np.ones(len(piece.quarters))
    # Within the second quarter of a bar, as files of `ON_BEAT_SOURCE` tell beats but no bars.
    strength = strength_of(1 + piece.quarters % 1, 4 * count, count)
    if not strength.std() or not piece.velocity.std():
        return 0.0
    return float(np.corrcoef(strength, piece.velocity)[0, 1])


def statistics_of(path: Path) -> dict[str, float]:
    """Return spread of velocity and its correlation with the beat in a MIDI file of EMSYNC's.

    The correlation is the mean of those of the pitched groups, as the recordings have one each.
    """
    import pretty_midi

    music = pretty_midi.PrettyMIDI(str(path))
    loud: list[int] = []
    found = []
    for part in music.instruments:
        group = group_of(part.program, part.is_drum)
        if part.is_drum or group is None or not part.notes:
            continue
        velocity = np.array([note.velocity for note in part.notes], dtype=np.float64)
        ticks = [music.time_to_tick(note.start) for note in part.notes]
        bars = [music.time_to_tick(at) for at in music.get_downbeats()]
        bar = np.maximum(np.searchsorted(bars, ticks, side="right") - 1, 0)
        place = (np.array(ticks) - np.array(bars)[bar]) / music.resolution
        count = np.ones(len(place))
        strength = np.minimum(strength_of(place, 4 * count, count), 0.2)
        loud += [note.velocity for note in part.notes]
        if strength.std() and velocity.std() and len(place) >= LEAST_NOTES / 2:
            found.append(float(np.corrcoef(strength, velocity)[0, 1]))
    return {
        "notes": float(len(loud)),
        "mean": float(np.mean(loud)),
        "deviation": float(np.std(loud)),
        "with_beat": float(np.mean(found)) if found else 0.0,
    }


def spread(values: Sequence[float]) -> str:
    """Write the percentiles of values."""
    shown = (f"{value:6.2f}" for value in np.percentile(values, PERCENTILES))
    return " ".join(shown)


def held_out(pieces: Iterable[Recording]) -> list[Recording]:
    """Return the pieces that nothing was fitted to."""
    return [piece for piece in pieces if piece.split != "train"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m emsync.evaluation.performing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="archives of MIDI files with an index")
    parser.add_argument("midi", type=Path, nargs="*", help="MIDI files of EMSYNC's")
    options = parser.parse_args(arguments)
    print(report(options.folder, options.midi))


def report(folder: Path, midi: Sequence[Path], more: dict[str, Predict] | None = None) -> str:
    """Return all statistics as text; `more` predict velocities beside the rules."""
    out = io.StringIO()
    predictions: dict[str, Predict] = {
        "flat": lambda context: np.zeros(len(context)),
        "rules": by_rule,
        **(more or {}),
    }
    print(f"percentiles {', '.join(map(str, PERCENTILES))}", file=out)
    for source in SOURCES:
        played = [piece for piece in recordings(folder, source) if piece.is_played]
        deviations = [float(piece.velocity.std()) for piece in played]
        print(f"{source}: {len(played)} played, deviation {spread(deviations)}", file=out)
        aside = held_out(played)
        for name, predict in predictions.items():
            found = correlation(predict, aside)
            print(f"  {name}: correlation {found:.3f} on {len(aside)} held out", file=out)
    beats = [
        beat_correlation(piece)
        for piece in recordings(folder, ON_BEAT_SOURCE)
        if piece.velocity.std() >= LEAST_DEVIATION
    ]
    print(f"{ON_BEAT_SOURCE}: {len(beats)} pieces, with the beat {spread(beats)}", file=out)
    for path in midi:
        told = ", ".join(f"{name} {value:.2f}" for name, value in statistics_of(path).items())
        print(f"{path.name}: {told}", file=out)
    return out.getvalue().rstrip()


if __name__ == "__main__":
    main()
