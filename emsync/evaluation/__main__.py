"""How good a generator is: writes one Markdown table and one JSON.

Sections, each with what it needs:

  likelihood   NLL, top-1 and top-5 on the test split, tier by tier (--shards)
  boundaries   share of cuts that strong chords hit, beside no boundaries and chance
  emotion      whether asked valence and arousal are heard, over a 5 × 5 grid
  statistics   musical statistics beside those of the test split (--shards)
  av-align     whether the onsets of scored films meet their motion (--av-films)
  speed        tokens a second, beside the full recomputation of the published code
  tags         how far a track is from a reference track in what it sounds like (--tags)
  composers    the composers side by side on the same films (--compare-films, and --tagger for what
               the music sounds like)
  musicianship what a musician would check, of every way of composing beside real music (--shards)

Without --only every section but the last runs whose input is given. Time goes into composing: by
default 20 films of a minute three times over (boundaries), 100 pieces of half a minute (emotion),
each once as it comes and once with the best of eight openings of ten seconds, and 64 (statistics),
five hours and a half of music in all. With the shipped weights that takes about 20 minutes on one
free core, 3 s a minute of music and the likelihood some minutes more; AV-Align takes 20 s a minute
of film, the comparison of the composers as much and the time of scoring it three times. The
musicianship composes 60 pieces of a minute with each way as the app does, one by one with all their
candidates: about ten minutes a way. The files are written anew after each section.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from emsync.errors import EmsyncError
from emsync.evaluation.alignment import adherence
from emsync.evaluation.av_align import av_align
from emsync.evaluation.composers import compare_composers, plain
from emsync.evaluation.emotion_control import emotion_control
from emsync.evaluation.likelihood import likelihood
from emsync.evaluation.musicianship.requests import WAYS
from emsync.evaluation.musicianship.running import REAL_WINDOWS, Keeper, musicianship
from emsync.evaluation.speed import speed
from emsync.evaluation.statistics import musical_statistics
from emsync.evaluation.table import markdown
from emsync.evaluation.tags import load_tagger, tag_distance
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.transformer.candidates import OPENING_SECONDS
from emsync.music.transformer.checkpoint import Checkpoint, load
from emsync.process.command import parser_of
from emsync.settings import MusicSettings
from emsync.training.corpus import Piece, read_shard


@dataclass(frozen=True)
class Measurement:
    """What the sections are run on."""

    options: argparse.Namespace
    checkpoint: Checkpoint
    settings: MusicSettings

    @cached_property
    def pieces(self) -> list[Piece]:
        """All pieces of the shards."""
        paths = sorted(self.options.shards.glob("*.npz"))
        if not paths:
            raise EmsyncError(
                f"No shards were found in {self.options.shards}. Make some with "
                "`python -m emsync.training.corpus`."
            )
        return [piece for path in paths for piece in read_shard(path)]


Advance = Callable[[float], None]


def _likelihood(on: Measurement, advance: Advance) -> Any:
    return [asdict(tier) for tier in likelihood(on.checkpoint.model, on.pieces)]


def _boundaries(on: Measurement, advance: Advance) -> Any:
    options = on.options
    return asdict(adherence(on.checkpoint, on.settings, options.films, options.seed, advance))


def _emotion(on: Measurement, advance: Advance) -> Any:
    """Measure single draws, and pieces whose openings were chosen, as they are when composing."""
    options = on.options
    listener = load_regressor()
    ways = {"single": on.settings}
    if options.piece_seconds >= 2 * OPENING_SECONDS:  # openings of shorter pieces are not chosen
        ways["chosen"] = replace(on.settings, openings=MusicSettings.openings)

    def share_of(way: int) -> Advance:
        return lambda share: advance((way + share) / len(ways))

    return {
        name: asdict(
            emotion_control(
                on.checkpoint,
                settings,
                listener,
                options.pieces,
                options.seed,
                options.piece_seconds,
                share_of(way),
            )
        )
        for way, (name, settings) in enumerate(ways.items())
    }


def _statistics(on: Measurement, advance: Advance) -> Any:
    options = on.options
    return asdict(
        musical_statistics(
            on.checkpoint,
            on.settings,
            on.pieces,
            options.statistics_pieces,
            options.seed,
            options.piece_seconds,
            advance,
        )
    )


def _av_align(on: Measurement, advance: Advance) -> Any:
    films: list[Path] = on.options.av_films

    def share_of(number: int) -> Advance:
        return lambda share: advance((number + share) / len(films))

    return [asdict(av_align(path, advance=share_of(number))) for number, path in enumerate(films)]


def _speed(on: Measurement, advance: Advance) -> Any:
    return [asdict(one) | {"ratio": one.ratio} for one in speed(on.checkpoint.model)]


def _musicianship(on: Measurement, advance: Advance) -> Any:
    options = on.options
    keep = None
    if options.keep_pieces is not None:
        keep = Keeper(options.keep_pieces, options.rolls)
    found = musicianship(
        on.checkpoint,
        on.pieces,
        options.musicianship_pieces,
        options.seed,
        options.ways,
        options.real_windows,
        keep=keep,
        advance=advance,
    )
    if keep is not None:
        keep.draw()
    return asdict(found)


def _composers(on: Measurement, advance: Advance) -> Any:
    options = on.options
    tagger = None if options.tagger is None else load_tagger(options.tagger)
    films, made = options.compare_films, options.out / "composers"
    return plain(compare_composers(films, made, options.seed, tagger, options.weights, advance))


def _tags(on: Measurement, advance: Advance) -> Any:
    folder, generated, reference = on.options.tags
    return asdict(tag_distance(load_tagger(folder), generated, reference))


@dataclass(frozen=True)
class Section:
    """One part of the evaluation."""

    run: Callable[[Measurement, Advance], Any]
    needs: str | None = None
    """Option without which there is nothing to measure."""
    when_named: bool = False
    """Whether it runs only if --only names it, for it takes long."""


SECTIONS = {
    "likelihood": Section(_likelihood, "shards"),
    "boundaries": Section(_boundaries),
    "emotion": Section(_emotion),
    "statistics": Section(_statistics, "shards"),
    "av-align": Section(_av_align, "av_films"),
    "speed": Section(_speed),
    "tags": Section(_tags, "tags"),
    "composers": Section(_composers, "compare_films"),
    "musicianship": Section(_musicianship, "shards", when_named=True),
}


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = parser_of("emsync.evaluation", __doc__)
    made.add_argument("-o", "--out", type=Path, required=True, help="folder for the two files")
    made.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help="run these")
    made.add_argument("--weights", type=Path, help="folder of a generator (default: the shipped)")
    made.add_argument("--shards", type=Path, help="token shards with a test split")
    made.add_argument("--av-films", type=Path, nargs="+", metavar="FILM", help="scored films")
    made.add_argument(
        "--tags",
        type=Path,
        nargs=3,
        metavar=("FOLDER", "GENERATED", "REFERENCE"),
        help="folder of the tagger (fetched if empty, 29 MB), and two files with sound",
    )
    made.add_argument(
        "--compare-films", type=Path, nargs="+", metavar="FILM", help="that all composers score"
    )
    made.add_argument(
        "--tagger", type=Path, metavar="FOLDER", help="of the tagger, for the composers (as above)"
    )
    made.add_argument("--films", type=int, default=20, help="of a minute, for boundaries (20)")
    made.add_argument("--pieces", type=int, default=4, help="a mood, for emotion (4)")
    made.add_argument("--statistics-pieces", type=int, default=64, help="for statistics (64)")
    made.add_argument("--piece-seconds", type=float, default=30.0, help="of a piece, for both (30)")
    made.add_argument(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=list(WAYS),
        metavar="WAY",
        help=f"to compose, for musicianship: {', '.join(WAYS)} (all)",
    )
    made.add_argument(
        "--musicianship-pieces", type=int, default=60, metavar="N", help="of a minute, a way (60)"
    )
    made.add_argument(
        "--real-windows",
        type=int,
        default=REAL_WINDOWS,
        metavar="N",
        help="minutes of the test split beside them, at most (%(default)s)",
    )
    made.add_argument(
        "--keep-pieces", type=Path, metavar="FOLDER", help="for their MIDI files and measures"
    )
    made.add_argument(
        "--rolls", action="store_true", help="draw the piano rolls of the pieces that are kept"
    )
    for knob in ("temperature", "top-p", "guidance"):
        default = getattr(MusicSettings, knob.replace("-", "_"))
        made.add_argument(
            f"--{knob}", type=float, default=default, help="as in composing (%(default)s)"
        )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument(
        "--device", choices=("cpu", "cuda"), default=None, help="default: the graphics card if any"
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the sections, print the table; returns the exit status."""
    made = parser()
    options = made.parse_args(arguments)
    given = {name: not one.needs or getattr(options, one.needs) for name, one in SECTIONS.items()}
    for name in options.only or ():
        if not given[name]:
            made.error(f"{name} needs --{str(SECTIONS[name].needs).replace('_', '-')}")
    if options.device is None:
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.rolls and options.keep_pieces is None:
        made.error("--rolls needs --keep-pieces")
    usual = [name for name, one in SECTIONS.items() if not one.when_named]
    chosen = [name for name in SECTIONS if name in (options.only or usual) and given[name]]
    try:
        table = measure(options, chosen)
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(table, end="")
    return 0


def measure(options: argparse.Namespace, sections: list[str]) -> str:
    """Run the sections and return the table; both files are written anew after each section.

    Raises:
        EmsyncError: something that a section needs is missing. What was measured before is kept.
    """
    checkpoint = load(options.weights)
    checkpoint.model.to(options.device)
    # One draw a piece: what the generator does by itself. `_emotion` measures the choice as well.
    settings = MusicSettings(
        temperature=options.temperature,
        top_p=options.top_p,
        guidance=options.guidance,
        openings=1,
    )
    figures: dict[str, Any] = {
        "weights": checkpoint.name,
        "weights_sha256": checkpoint.sha256,
        "machine": machine(checkpoint.device),
        "sampling": asdict(settings),
        "seed": options.seed,
        "left_out": [name for name in SECTIONS if name not in sections],
        "seconds": {},
    }
    on = Measurement(options, checkpoint, settings)
    options.out.mkdir(parents=True, exist_ok=True)
    table = markdown(figures)
    for name in sections:
        began = time.monotonic()
        figures[name] = SECTIONS[name].run(on, _Telling(name))
        figures["seconds"][name] = time.monotonic() - began
        print(f"{name}: done in {figures['seconds'][name]:.0f} s", file=sys.stderr)
        text = json.dumps(_without_nan(figures), indent=1, allow_nan=False) + "\n"
        (options.out / "evaluation.json").write_text(text)
        table = markdown(figures)
        (options.out / "evaluation.md").write_text(table)
    return table


class _Telling:
    """Prints a line to standard error with every tenth that is done."""

    def __init__(self, name: str) -> None:
        self.name, self.told = name, 0
        self.began = time.monotonic()

    def __call__(self, share: float) -> None:
        if int(10 * share) > self.told and share < 1:
            self.told = int(10 * share)
            passed = time.monotonic() - self.began
            print(f"{self.name}: {10 * self.told} % after {passed:.0f} s", file=sys.stderr)


def machine(device: str) -> dict[str, Any]:
    """Return what the figures that depend on speed were measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }


def _cpu_name() -> str:
    """Return the processor as Linux names it; elsewhere what Python knows."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
