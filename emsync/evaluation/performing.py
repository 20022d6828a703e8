"""Velocities against real performances: `python -m emsync.evaluation.performing FOLDER`.

FOLDER holds the archives and the index that `emsync.training.corpus` reads. Recorded performances
are those pieces of `SOURCES` whose notes keep to no beat grid (a score that a program plays does)
and whose velocities vary: ASAP (Foscarin et al. 2020) and the evaluation set of GiantMIDI-Piano
(Kong et al. 2022), both piano. POP909 (Wang et al. 2020) was played to a beat, so that it tells how
much the beat has to do with loudness.

Printed are the spread of real velocities, how well rules and whoever else performs predict them on
pieces held out, and the same statistics of MIDI files that EMSYNC wrote.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from emsync.music.midi import group_of
from emsync.performance.context import strength_of
from emsync.process.command import parser_of
from emsync.training.recordings import (
    LEAST_DEVIATION,
    LEAST_NOTES,
    SOURCES,
    Predict,
    Recording,
    by_rule,
    correlation,
    recordings,
)

ON_BEAT_SOURCE = "pop909"
PERCENTILES = (5, 25, 50, 75, 95)


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
    parser = parser_of("emsync.evaluation.performing", __doc__)
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
