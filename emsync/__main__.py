"""The command line: `python -m emsync film.mp4 -o scored.mp4`, and `python -m emsync weights`."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from emsync import __version__
from emsync.errors import Cancelled, EmsyncError
from emsync.progress import CancelToken, Progress
from emsync.settings import Settings
from emsync.wording import listed

INTERRUPTED = 130
STAGE_WORDS = {
    "probe": "reading the film",
    "scenes": "finding the cuts",
    "emotion": "reading the emotion",
    "compose": "composing",
    "render": "playing the music",
    "mux": "joining picture and sound",
}


def _number(low: float, high: float, above: bool = False) -> Callable[[str], float]:
    """An argparse type: a number in [low, high], or in (low, high] with `above`."""

    def convert(text: str) -> float:
        value = float(text)
        if not (low < value if above else low <= value) or not value <= high:
            bracket = "(" if above else "["
            raise argparse.ArgumentTypeError(f"{text} is not in {bracket}{low:g}, {high:g}]")
        return value

    convert.__name__ = "number"
    return convert


def parser() -> argparse.ArgumentParser:
    """The options, with the paper's defaults."""
    standard = Settings()
    made = argparse.ArgumentParser(
        prog="python -m emsync",
        description="Compose music for a film: its mood follows the film's emotion, its strong "
        "chords fall on the film's cuts.",
        epilog="To install what the experts need: python -m emsync weights --help. "
        "Exit status: 0 done, 1 the film or this machine has a problem (see the message), "
        "2 wrong usage, 130 interrupted.",
    )
    made.add_argument("film", type=Path, help="any film that FFmpeg reads")
    made.add_argument("-o", "--output", type=Path, required=True, help="scored film, MP4")
    made.add_argument("--midi", type=Path, help="also write the music as MIDI")
    made.add_argument("--wav", type=Path, help="also write the sound as WAV")
    made.add_argument("--report", type=Path, help="also write the report as JSON")
    made.add_argument("--overwrite", action="store_true", help="replace files that exist")
    mood = made.add_argument_group("mood")
    mood.add_argument(
        "--range",
        type=_number(0, 1, above=True),
        default=standard.mood.valence_arousal_range,
        metavar="R",
        help="valence-arousal range r: how far moods reach from neutral (default: %(default)s)",
    )
    mood.add_argument(
        "--mood-mode",
        choices=("mean", "draw"),
        default=standard.mood.mode,
        help="mean of the emotions, or a draw from them (default: %(default)s)",
    )
    mood.add_argument(
        "--mood",
        type=_number(-1, 1),
        nargs=2,
        metavar=("VALENCE", "AROUSAL"),
        help="compose for this mood instead of the film's, both in [-1, 1]",
    )
    mood.add_argument(
        "--mood-curve",
        choices=("constant", "scenes"),
        default=standard.mood.curve,
        help="one mood for the whole film, or the mood of its scenes (default: %(default)s)",
    )
    mood.add_argument(
        "--mood-at",
        type=float,
        nargs=3,
        action="append",
        default=[],
        metavar=("SECONDS", "VALENCE", "AROUSAL"),
        help="from this moment on, this mood; may be given several times",
    )
    experts = made.add_argument_group("experts")
    experts.add_argument(
        "--experts",
        type=_experts,
        default=standard.experts.names,
        metavar="NAMES",
        help="who looks at the film, where their weights are installed: 'none', or some of "
        f"{','.join(standard.experts.names)} (default: all)",
    )
    experts.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default=standard.experts.device,
        help="where the experts run (default: %(default)s, the GPU if there is one)",
    )
    music = made.add_argument_group("music")
    music.add_argument(
        "--sensitivity",
        type=_number(0, 8),
        default=standard.music.sensitivity,
        metavar="SECONDS",
        help="a chord this close to a cut counts as on it (default: %(default)s)",
    )
    music.add_argument(
        "--instruments",
        choices=("fewer", "more"),
        default=standard.music.instruments,
        help="ask for fewer or more instrument groups (default: %(default)s)",
    )
    music.add_argument("--seed", type=_seed, default=standard.seed, help="(default: %(default)s)")
    music.add_argument(
        "--openings",
        type=int,
        choices=range(1, 33),
        metavar="N",
        default=standard.music.openings,
        help="beginnings to choose from, by their mood, 1 to 32 (default: %(default)s)",
    )
    music.add_argument(
        "--candidates",
        type=int,
        choices=range(1, 5),
        default=standard.music.candidates,
        help="pieces to choose the best from (default: %(default)s)",
    )
    music.add_argument(
        "--temperature",
        type=_number(0.1, 3),
        default=standard.music.temperature,
        help="(default: %(default)s)",
    )
    music.add_argument(
        "--top-p",
        type=_number(0, 1, above=True),
        default=standard.music.top_p,
        help="(default: %(default)s)",
    )
    music.add_argument(
        "--late-tolerance",
        type=_tolerance,
        default=standard.music.late_tolerance,
        metavar="SECONDS",
        help="how late a chord may come after its cut to stay on the beat; 'none' for the paper's "
        "Algorithm 1 as it stands (default: %(default)s)",
    )
    music.add_argument(
        "--no-end-on-chord",
        dest="end_on_chord",
        action="store_false",
        help="let the music fade out instead of ending on a chord",
    )
    music.add_argument(
        "--compare-untold",
        action="store_true",
        help="also compose the same seed untold of the cuts, for the report",
    )
    music.add_argument(
        "--guidance",
        type=_number(0, 5),
        default=standard.music.guidance,
        metavar="W",
        help="how much the mood is insisted on; 1 is the model as it is, more takes twice "
        "as long (default: %(default)s)",
    )
    music.add_argument("--weights", type=Path, help="folder of another generator")
    sound = made.add_argument_group("sound")
    sound.add_argument(
        "--original-sound",
        choices=("replace", "keep"),
        default=standard.sound.original_sound,
        help="replace the film's own sound or keep it under the music (default: %(default)s)",
    )
    made.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")
    made.add_argument("--version", action="version", version=f"EMSYNC {__version__}")
    return made


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**31:
        raise argparse.ArgumentTypeError("a seed is a whole number from 0 to 2147483647")
    return value


_seed.__name__ = "seed"


def _experts(text: str) -> tuple[str, ...]:
    """An argparse type: names of experts between commas, or "none"."""
    known = Settings().experts.names
    wanted = () if text == "none" else tuple(name.strip() for name in text.split(","))
    for name in wanted:
        if name not in known:
            raise argparse.ArgumentTypeError(
                f"there is no expert {name!r}; there are {listed(known)}"
            )
    return wanted


def _tolerance(text: str) -> float | None:
    return None if text == "none" else _number(0, 1)(text)


_tolerance.__name__ = "number"


def settings_of(options: argparse.Namespace) -> Settings:
    """The request's settings."""
    standard = Settings()
    return replace(
        standard,
        seed=options.seed,
        experts=replace(standard.experts, names=options.experts, device=options.device),
        mood=replace(
            standard.mood,
            valence_arousal_range=options.range,
            mode=options.mood_mode,
            curve=options.mood_curve,
        ),
        music=replace(
            standard.music,
            sensitivity=options.sensitivity,
            instruments=options.instruments,
            openings=options.openings,
            candidates=options.candidates,
            temperature=options.temperature,
            top_p=options.top_p,
            late_tolerance=options.late_tolerance,
            guidance=options.guidance,
            end_on_chord=options.end_on_chord,
            compare_untold=options.compare_untold,
        ),
        sound=replace(standard.sound, original_sound=options.original_sound),
    )


def _check_moods(made: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Wrong usage if the moods asked for make no sense by themselves or together."""
    for seconds, valence, arousal in options.mood_at:
        if not (seconds >= 0 and -1 <= valence <= 1 and -1 <= arousal <= 1):
            made.error(
                "argument --mood-at: expected seconds of at least 0, and valence and arousal in "
                "[-1, 1]"
            )
    moments = [seconds for seconds, _, _ in options.mood_at]
    if len(set(moments)) < len(moments):
        made.error("argument --mood-at: two moods for the same moment")
    if options.mood_curve == "scenes" and (options.mood or options.mood_at):
        made.error("argument --mood-curve: scenes are not followed where --mood or --mood-at tell")
    if options.mood and 0 in moments:
        made.error("argument --mood-at: 0 seconds is where --mood already says what to begin with")


class _Teller:
    """Progress on standard error: one line on a terminal, one line a stage elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.told = ""

    def __call__(self, progress: Progress) -> None:
        words = STAGE_WORDS[progress.stage]
        if progress.detail:
            words += f" ({progress.detail.lower()})"
        if self.stream.isatty():
            left = (
                ""
                if progress.seconds_left is None
                else f", about {progress.seconds_left:.0f} s left"
            )
            print(
                f"\r\033[K{words} {progress.fraction:4.0%}{left}",
                end="",
                file=self.stream,
                flush=True,
            )
        elif self.told != words:
            print(words, file=self.stream, flush=True)
        self.told = words

    def finish(self) -> None:
        if self.stream.isatty() and self.told:
            print("\r\033[K", end="", file=self.stream, flush=True)


def _targets(options: argparse.Namespace) -> dict[str, Path]:
    """Where each file of the result goes; checked before any work is done."""
    names = {
        "video": options.output,
        "midi": options.midi,
        "wav": options.wav,
        "report": options.report,
    }
    targets = {name: path for name, path in names.items() if path is not None}
    for path in targets.values():
        if path.resolve() == options.film.resolve():
            raise EmsyncError(f"{path} is the film itself. Choose another name for the result.")
        if path.is_dir():
            raise EmsyncError(f"{path} is a folder. Give the name of a file in it.")
        if path.exists() and not options.overwrite:
            raise EmsyncError(f"{path} exists already. Choose another name, or add --overwrite.")
        if not path.resolve().parent.is_dir():
            raise EmsyncError(
                f"There is no folder {path.resolve().parent} to write {path.name} into."
            )
        try:
            _partial(path).touch()
            _partial(path).unlink()
        except OSError as problem:
            raise EmsyncError(f"{path} cannot be written: {problem.strerror}.") from problem
    if len({path.resolve() for path in targets.values()}) < len(targets):
        raise EmsyncError("Two results have the same name. Give each file its own.")
    return targets


def run(options: argparse.Namespace) -> None:
    """Score one film as the options say.

    Raises:
        EmsyncError: with the sentence to show.
        Cancelled: interrupted.
    """
    targets = _targets(options)
    from emsync.emotion.mapping import Mood
    from emsync.emotion.panel import Panel, standard_experts
    from emsync.music.checkpoint import load
    from emsync.pipeline import analyse, score
    from emsync.sound.synth import load_library

    settings = settings_of(options)
    mood = None if options.mood is None else Mood(*options.mood)
    changes = [(at, Mood(*point)) for at, *point in sorted(options.mood_at)]
    cancel = CancelToken()
    teller = _Teller(sys.stderr)
    tell = (lambda _: None) if options.quiet else teller
    try:
        with tempfile.TemporaryDirectory(prefix="emsync-") as folder:
            load_library()
            checkpoint = load(options.weights)
            # One film, one look: an expert's models go as soon as it has looked.
            panel = Panel(standard_experts(), keep=False) if options.experts else None
            analysis = analyse(options.film, settings, tell, cancel, panel)
            result = score(
                analysis, Path(folder), settings, tell, cancel, checkpoint, mood, changes
            )
            for name, path in targets.items():
                _move(getattr(result, name), path)
    finally:
        if not options.quiet:
            teller.finish()
    if not options.quiet:
        hit = result.composition.score
        print(f"Emotion read by: {analysis.reading.source}.", file=sys.stderr)
        print(
            f"{options.output}: {float(analysis.film.duration):.2f} s, valence "
            f"{result.mood.valence:+.2f}, arousal {result.mood.arousal:+.2f}, "
            f"{hit.strong_chords} of {hit.boundaries} cuts met by a strong chord.",
            file=sys.stderr,
        )


def _move(made: Path, target: Path) -> None:
    """Move across file systems such that `target` appears whole."""
    partial = _partial(target)
    try:
        shutil.copyfile(made, partial)
        partial.replace(target)
    except OSError as problem:
        raise EmsyncError(f"{target} cannot be written: {problem.strerror}.") from problem
    finally:
        partial.unlink(missing_ok=True)


def _partial(target: Path) -> Path:
    """Where `target` is written until it is complete; of this process alone."""
    return target.with_name(f".emsync-{os.getpid()}.partial")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["weights"]:  # a film of that name is ./weights
            from emsync.weights_command import run as run_weights

            run_weights(arguments[1:])
            return 0
        made = parser()
        options = made.parse_args(arguments)
        _check_moods(made, options)
        run(options)
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except (Cancelled, KeyboardInterrupt):
        print("emsync: interrupted.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for name in ("SIGTERM", "SIGHUP"):  # they tidy up as Ctrl-C does; Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    sys.exit(main())
