"""The command line: `python -m emsync film.mp4 -o scored.mp4`, and the commands batch, weights."""

import argparse
import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from emsync import __version__
from emsync.errors import Cancelled, EmsyncError
from emsync.leftovers import own_folder, remove_leftovers, remove_partials
from emsync.presets import (
    PROGRAMS,
    as_in_the_paper,
    changed,
    check_together,
    choices_of,
    one_line,
    read_preset,
    value_of,
    write_preset,
)
from emsync.progress import CancelToken, Progress
from emsync.settings import Settings

if TYPE_CHECKING:
    from emsync.emotion.mapping import Mood
    from emsync.music.checkpoint import Checkpoint
    from emsync.pipeline import Analysis
    from emsync.report import Recorded

INTERRUPTED = 130
_PARTIAL = (".emsync-", ".partial")
"""Around the number of the process, the name of a file that is not complete yet."""
STAGE_WORDS = {
    "probe": "reading the film",
    "scenes": "finding the cuts",
    "emotion": "reading the emotion",
    "compose": "composing",
    "render": "playing the music",
    "mux": "joining picture and sound",
}


KNOBS = {
    "range": "mood.valence_arousal_range",
    "mood_mode": "mood.mode",
    "mood_curve": "mood.curve",
    "experts": "experts.names",
    "device": "experts.device",
    "sensitivity": "music.sensitivity",
    "method": "music.method",
    "style": "music.style",
    "metre": "music.metre",
    "tonic": "music.tonic",
    "mode": "music.mode",
    "slowest": "music.slowest",
    "fastest": "music.fastest",
    "density": "music.density",
    "melody": "music.melody",
    "chords": "music.chords",
    "theme": "music.theme",
    "instruments": "music.instruments",
    "groups": "music.groups",
    "seed": "seed",
    "openings": "music.openings",
    "opening": "music.opening",
    "candidates": "music.candidates",
    "keep": "music.keep",
    "temperature": "music.temperature",
    "top_p": "music.top_p",
    "late_tolerance": "music.late_tolerance",
    "end_on_chord": "music.end_on_chord",
    "compare_untold": "music.compare_untold",
    "guidance": "music.guidance",
    "primer": "music.primer",
    "original_sound": "sound.original_sound",
    "balance": "sound.balance_decibels",
    "loudness": "sound.loudness",
    "program": "sound.programs",
    "soundfont": "sound.soundfont",
}
"""Options, as argparse stores them, and the settings that they are."""


def parser(standard: Settings | None = None) -> argparse.ArgumentParser:
    """The options for one film.

    Args:
        standard: what holds where no option is given; the paper's defaults if None.
    """
    made = argparse.ArgumentParser(
        prog="python -m emsync",
        description="Compose music for a film: its mood follows the film's emotion, its strong "
        "chords fall on the film's cuts.",
        epilog="All films of a folder: python -m emsync batch --help. "
        "To install what the experts need: python -m emsync weights --help. "
        "Exit status: 0 done, 1 the film or this machine has a problem (see the message), "
        "2 wrong usage, 130 interrupted.",
    )
    made.add_argument("film", type=Path, help="any film that FFmpeg reads")
    made.add_argument("-o", "--output", type=Path, required=True, help="scored film, MP4")
    made.add_argument("--midi", type=Path, help="also write the music as MIDI")
    made.add_argument("--wav", type=Path, help="also write the sound as WAV")
    made.add_argument(
        "--stems",
        type=Path,
        metavar="FOLDER",
        help="also write a WAV file per instrument group into this folder, made if needed",
    )
    made.add_argument("--report", type=Path, help="also write the report as JSON")
    made.add_argument("--overwrite", action="store_true", help="replace files that exist")
    origin = made.add_mutually_exclusive_group()
    _add_preset(origin)
    origin.add_argument(
        "--from-report",
        type=Path,
        metavar="FILE",
        help="compose as this report says: the same film, weights and machine give the same MIDI; "
        "the film is not analysed again. Options beside it win",
    )
    _add_knobs(made, standard or Settings())
    return made


def batch_parser(standard: Settings | None = None) -> argparse.ArgumentParser:
    """The options for a folder of films; `standard` as for `parser`."""
    made = argparse.ArgumentParser(
        prog="python -m emsync batch",
        description="Score every film in a folder, one after the other. Each gets a folder of its "
        "own with the scored film, MIDI, WAV and report; table.csv has a line for each. Films that "
        "are done already are skipped, so an interrupted batch goes on where it stopped.",
        epilog="Exit status: 0 all done, 1 a film failed (see the table) or this machine has a "
        "problem, 2 wrong usage, 130 interrupted.",
    )
    made.add_argument("folder", type=Path, help="with the films; folders in it are not looked into")
    made.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    made.add_argument(
        "--stems", action="store_true", help="also write a WAV file per instrument group"
    )
    made.add_argument(
        "--overwrite", action="store_true", help="replace what was scored with other settings"
    )
    _add_preset(made)
    _add_knobs(made, standard or Settings())
    return made


def _add_preset(made: argparse._ActionsContainer) -> None:
    made.add_argument(
        "--preset",
        type=Path,
        metavar="FILE",
        help="settings from a file; options beside it win",
    )


def _add_knobs(made: argparse.ArgumentParser, standard: Settings) -> None:
    """Options that are settings, and those that a film and a folder share."""

    def knob(group: argparse._ArgumentGroup, option: str, help: str, **more: Any) -> None:
        dest = option.removeprefix("--").replace("-", "_")
        name = KNOBS[dest]
        more.setdefault("default", _value(standard, name))
        if isinstance(more["default"], bool):
            more["action"] = argparse.BooleanOptionalAction
        elif choices_of(name) and isinstance(more["default"], str):
            more["choices"] = choices_of(name)
        else:
            more.setdefault("type", _setting(name))
        group.add_argument(option, help=help, **more)

    made.add_argument(
        "--save-preset",
        type=Path,
        metavar="FILE",
        help="also write all settings to a file, for --preset; --mood and --mood-at are not among "
        "them",
    )
    mood = made.add_argument_group("mood")
    knob(
        mood,
        "--range",
        "valence-arousal range r: how far moods reach from neutral (default: %(default)s)",
        metavar="R",
    )
    knob(mood, "--mood-mode", "mean of the emotions, or a draw from them (default: %(default)s)")
    mood.add_argument(
        "--mood",
        type=_unit,
        nargs=2,
        metavar=("VALENCE", "AROUSAL"),
        help="compose for this mood instead of the film's, both in [-1, 1]",
    )
    knob(
        mood,
        "--mood-curve",
        "one mood for the whole film, or the mood of its scenes (default: %(default)s)",
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
    knob(
        experts,
        "--experts",
        "who looks at the film, where their weights are installed: 'none', or some of "
        f"{','.join(Settings().experts.names)} (default: all)",
        metavar="NAMES",
    )
    knob(
        experts,
        "--device",
        "where the experts run (default: %(default)s, the GPU if there is one)",
    )
    _add_plan(made.add_argument_group("what music"), knob)
    music = made.add_argument_group("how it is drawn")
    knob(
        music,
        "--sensitivity",
        "a chord this close to a cut counts as on it (default: %(default)s)",
        metavar="SECONDS",
    )
    knob(
        music,
        "--instruments",
        "ask for fewer or more instrument groups (default: %(default)s)",
    )
    knob(
        music,
        "--groups",
        f"groups that may play, some of {','.join(Settings().music.groups)} (default: all)",
        metavar="NAMES",
    )
    knob(music, "--seed", "(default: %(default)s)")
    knob(
        music,
        "--openings",
        "beginnings to choose from, by their mood, 1 to 32 (default: %(default)s)",
        metavar="N",
    )
    knob(
        music,
        "--opening",
        "go on from this one of them, counted from 1, as an earlier report says; 'none' for the "
        "most promising (default: %(default)s)",
        metavar="N",
    )
    knob(
        music,
        "--candidates",
        "pieces to choose the best from, 1 to 4 (default: %(default)s)",
        metavar="N",
    )
    knob(
        music,
        "--keep",
        "take this one of the candidates, counted from 1 in the order of drawing; 'none' for the "
        "best (default: %(default)s)",
        metavar="N",
    )
    knob(music, "--temperature", "higher is more daring (default: %(default)s)")
    knob(music, "--top-p", "lower is safer (default: %(default)s)")
    knob(
        music,
        "--late-tolerance",
        "how late a chord may come after its cut to stay on the beat; 'none' for the paper's "
        "Algorithm 1 as it stands (default: %(default)s)",
        metavar="SECONDS",
    )
    knob(music, "--end-on-chord", "end on a chord instead of fading out (default: %(default)s)")
    knob(
        music,
        "--compare-untold",
        "also compose the same seed untold of the cuts, for the report (default: %(default)s)",
    )
    knob(
        music,
        "--guidance",
        "how much the mood is insisted on; 1 is the model as it is, more takes twice "
        "as long (default: %(default)s)",
        metavar="W",
    )
    knob(
        music,
        "--primer",
        "MIDI file whose last seconds the piece goes on from, or 'none' (default: %(default)s)",
        metavar="FILE",
    )
    music.add_argument("--weights", type=Path, help="folder of another generator")
    sound = made.add_argument_group("sound")
    knob(
        sound,
        "--original-sound",
        "replace the film's own sound, keep it under the music, or keep it as it is and duck the "
        "music under speech (default: %(default)s)",
    )
    knob(
        sound,
        "--balance",
        "the music against the film's own sound, -24 to 24 (default: %(default)s)",
        metavar="DB",
    )
    knob(
        sound,
        "--loudness",
        "level by the peak, -3 dB, or by loudness, -14 LUFS (default: %(default)s)",
    )
    knob(
        sound,
        "--program",
        "General MIDI program of a group, counted from 0, such as piano=4; may be given several "
        "times",
        metavar="GROUP=N",
        action="extend",
        type=_program,
        default=list(standard.sound.programs),
    )
    knob(
        sound,
        "--soundfont",
        "SF2 file to play with, or 'none' for the installed one (default: %(default)s)",
        metavar="FILE",
    )
    made.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")
    made.add_argument("--version", action="version", version=f"EMSYNC {__version__}")


def _add_plan(music: argparse._ArgumentGroup, knob: Callable[..., None]) -> None:
    """Options on what kind of music it is to be; `knob` adds one that is a setting."""
    music.add_argument(
        "--as-in-paper",
        action="store_true",
        help="Algorithm 1 and its numbers as published, without a plan, a choice among openings "
        "or an ending; options beside it win",
    )
    knob(
        music,
        "--method",
        "write a plan of chords and form first, and then the notes on its beat grid; or draw token "
        "by token as Algorithm 1 does, which obeys none of the following (default: %(default)s)",
    )
    knob(music, "--style", "auto: as the mood suggests (default: %(default)s)")
    knob(music, "--metre", "auto: 4/4, unless another comes as easily (default: %(default)s)")
    knob(music, "--tonic", "key note; auto: any, by the seed (default: %(default)s)")
    knob(music, "--mode", "scale; auto: as the mood suggests (default: %(default)s)")
    tempo = "quarters a minute, 40 to 220, or 'none' (default: as the mood suggests)"
    knob(music, "--slowest", f"at least so many {tempo}", metavar="BPM")
    knob(music, "--fastest", f"at most so many {tempo}", metavar="BPM")
    knob(music, "--density", "how many voices play at once; auto: by mood (default: %(default)s)")
    knob(music, "--melody", "write a melody over the accompaniment (default: %(default)s)")
    knob(
        music,
        "--chords",
        "chords to play, a bar between two strokes, over and over, such as 'Am | F C | G', or "
        "'none' (default: chords of its own)",
        metavar="CHORDS",
    )
    knob(
        music,
        "--theme",
        "MIDI file whose melody is the theme, or 'none' (default: a theme of its own)",
        metavar="FILE",
    )


def _value(settings: Settings, name: str) -> Any:
    value: Any = attrgetter(name)(settings)
    return value


def _setting(name: str) -> Callable[[str], Any]:
    """An argparse type: the value of a setting, checked as in a preset."""

    def convert(text: str) -> Any:
        try:
            return value_of(name, text, allow_paths=True)
        except EmsyncError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from None

    return convert


def _program(text: str) -> Any:
    """An argparse type: "piano=4" as the programs that a setting holds."""
    group, equals, program = text.partition("=")
    if not equals or "," in text:
        raise argparse.ArgumentTypeError(
            f"“{text}” is not a group and a program {PROGRAMS}, such as piano=4"
        )
    return _setting("sound.programs")(f"{group}:{program}")


def _unit(text: str) -> float:
    """An argparse type: valence or arousal."""
    value = float(text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in [-1, 1]")
    return value


_unit.__name__ = "number"


def settings_of(options: argparse.Namespace, standard: Settings | None = None) -> Settings:
    """The request's settings; what is no option is as in `standard`."""
    values = {name: getattr(options, dest) for dest, name in KNOBS.items()}
    values["sound.programs"] = tuple(dict(values["sound.programs"]).items())
    return changed(standard or Settings(), values)


def _check_moods(
    made: argparse.ArgumentParser, options: argparse.Namespace, standard: Settings
) -> None:
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
    if options.mood and 0 in moments:
        made.error("argument --mood-at: 0 seconds is where --mood already says what to begin with")
    asked = options.mood_curve != standard.mood.curve
    if options.mood_curve == "scenes" and asked and (options.mood or options.mood_at):
        made.error("argument --mood-curve: scenes are not followed where --mood or --mood-at tell")


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
        self.told = ""


def _targets(options: argparse.Namespace) -> dict[str, Path]:
    """Where each file of the result goes; checked before any work is done."""
    names = {
        "video": options.output,
        "midi": options.midi,
        "wav": options.wav,
        "report": options.report,
        "preset": options.save_preset,
    }
    names |= {f"stem {group}": path for group, path in _stem_targets(options).items()}
    targets = {name: path for name, path in names.items() if path is not None}
    for name, path in targets.items():
        if path.resolve() == options.film.resolve():
            raise EmsyncError(f"{path} is the film itself. Choose another name for the result.")
        if path.is_dir():
            raise EmsyncError(f"{path} is a folder. Give the name of a file in it.")
        if path.exists() and not options.overwrite:
            raise EmsyncError(f"{path} exists already. Choose another name, or add --overwrite.")
        folder = path.resolve().parent
        if name.startswith("stem ") and not folder.exists():
            path = options.stems
            folder = path.resolve().parent
        if not folder.is_dir():
            raise EmsyncError(f"There is no folder {folder} to write {path.name} into.")
        try:
            remove_partials(folder, *_PARTIAL)
            _partial(path).touch()
            _partial(path).unlink()
        except OSError as problem:
            raise EmsyncError(f"{path} cannot be written: {problem.strerror}.") from problem
    if len({path.resolve() for path in targets.values()}) < len(targets):
        raise EmsyncError("Two results have the same name. Give each file its own.")
    return targets


def _stem_targets(options: argparse.Namespace) -> dict[str, Path]:
    """Where the sound of each group goes, if it plays."""
    if options.stems is None:
        return {}
    return {group: options.stems / f"{group}.wav" for group in Settings().music.groups}


def _check_files(settings: Settings) -> None:
    """Read what the settings name, so that what is wrong is said before the long stages."""
    if settings.music.primer is not None:
        from emsync.music.primer import read_primer

        _check_file(settings.music.primer)
        read_primer(settings.music.primer, 1, settings.music.primer_seconds)
    if settings.music.theme is not None:
        from emsync.music.primer import read_theme_notes

        _check_file(settings.music.theme)
        read_theme_notes(settings.music.theme)
    if settings.sound.soundfont is not None:
        head = _check_file(settings.sound.soundfont)
        if head[:4] != b"RIFF" or head[8:12] != b"sfbk":
            raise EmsyncError(
                f"“{settings.sound.soundfont}” is not a SoundFont. Choose an SF2 file."
            )


def _check_file(path: Path) -> bytes:
    """The first bytes of a file that can be read."""
    if path.exists() and not path.is_file():
        raise EmsyncError(f"“{path}” is not a file. Give the name of a file.")
    try:
        with path.open("rb") as file:
            return file.read(12)
    except FileNotFoundError as problem:
        raise EmsyncError(f"There is no file “{path}”. Check the name and the folder.") from problem
    except OSError as problem:
        raise EmsyncError(f"“{path}” cannot be read: {problem.strerror}.") from problem


def _moods(options: argparse.Namespace) -> "tuple[Mood | None, tuple[tuple[float, Mood], ...]]":
    """What --mood and --mood-at ask for."""
    from emsync.emotion.mapping import Mood

    mood = None if options.mood is None else Mood(*options.mood)
    return mood, tuple((at, Mood(*point)) for at, *point in sorted(options.mood_at))


def run(
    options: argparse.Namespace, standard: Settings, recorded: "Recorded | None" = None
) -> None:
    """Score one film as the options say.

    Args:
        options: of `parser`.
        standard: the settings of what is no option.
        recorded: compose as this report says, instead of analysing the film.

    Raises:
        EmsyncError: with the sentence to show.
        Cancelled: interrupted.
    """
    targets = _targets(options)
    settings = settings_of(options, standard)
    _check_files(settings)
    if "preset" in targets:
        write_preset(settings, targets.pop("preset"), allow_paths=True)
    from emsync.emotion.panel import Panel, standard_experts
    from emsync.music.checkpoint import load
    from emsync.pipeline import analyse, score
    from emsync.report import write_report
    from emsync.sound.stems import write_stems
    from emsync.sound.synth import load_library

    mood, changes = _moods(options)
    cancel = CancelToken()
    teller = _Teller(sys.stderr)
    tell = (lambda _: None) if options.quiet else teller
    try:
        remove_leftovers()
        with own_folder() as folder:
            load_library()
            if recorded is None:
                checkpoint = load(options.weights)
                # One film, one look: an expert's models go as soon as it has looked.
                panel = Panel(standard_experts(), keep=False) if options.experts else None
                analysis = analyse(options.film, settings, tell, cancel, panel)
            else:
                checkpoint = load(options.weights or _recorded_weights(recorded))
                analysis = _recorded_analysis(options.film, settings, recorded, checkpoint)
                if mood or changes or settings.mood != recorded.settings.mood:
                    recorded = None  # from here on: another mood is asked for
            result = score(
                analysis,
                folder,
                settings,
                tell,
                cancel,
                checkpoint,
                mood,
                changes if recorded is None else recorded.curve,
            )
            if recorded is not None:
                asked = replace(result.piece, mood=recorded.mood, mood_given=recorded.mood_given)
                result = replace(result, piece=asked)
                write_report(result)
            made = {what: getattr(result, what) for what in ("video", "midi", "wav", "report")}
            if options.stems is not None:
                options.stems.mkdir(exist_ok=True)
                sounds = write_stems(
                    result.midi,
                    analysis.film.duration,
                    settings.sound,
                    settings.sound.soundfont,
                    folder,
                    cancel,
                )
                made |= {f"stem {group}": path for group, path in sounds.items()}
            for what, path in targets.items():
                if what in made:
                    _move(made[what], path)
                elif options.overwrite:  # a group that played in the piece that is replaced
                    path.unlink(missing_ok=True)
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


def _recorded_weights(recorded: "Recorded") -> Path:
    """The folder of the generator that a report names, if it comes with EMSYNC."""
    from emsync.music.checkpoint import SHIPPED

    for folder in SHIPPED.iterdir():
        if folder.name == recorded.weights:
            return folder
    raise EmsyncError(
        f"The piece was composed with the weights “{recorded.weights}”, which do not come with "
        "EMSYNC. Name their folder with --weights."
    )


def _recorded_analysis(
    film: Path, settings: Settings, recorded: "Recorded", checkpoint: "Checkpoint"
) -> "Analysis":
    """The film as it was read for the report; what is not as it was then is said."""
    from emsync.film.probe import probe
    from emsync.music.emotion_regressor import load_regressor

    if recorded.primer is not None and settings.music.primer is None:
        raise EmsyncError(
            f"The piece went on from “{recorded.primer}”, and the report does not say where that "
            "file is. Name it with --primer."
        )
    if recorded.theme is not None and settings.music.theme is None:
        raise EmsyncError(
            f"The theme of the piece is in “{recorded.theme}”, and the report does not say where "
            "that file is. Name it with --theme."
        )
    analysis = recorded.analysis(probe(film, settings.limits))
    for sentence in recorded.differences(
        analysis.film, settings, checkpoint.sha256, load_regressor().sha256
    ):
        print(f"emsync: not as in the report: {sentence}", file=sys.stderr)
    return analysis


def run_batch(options: argparse.Namespace, standard: Settings) -> int:
    """Score the films of a folder; returns the exit status.

    Raises:
        EmsyncError: there is nothing to begin with; with the sentence to show.
        Cancelled: interrupted.
    """
    settings = settings_of(options, standard)
    _check_files(settings)
    if options.save_preset is not None:
        if options.save_preset.exists() and not options.overwrite:
            raise EmsyncError(
                f"{options.save_preset} exists already. Choose another name, or add --overwrite."
            )
        write_preset(settings, options.save_preset, allow_paths=True)
    from emsync.batch import Order, films_in, score_films, table, write_table
    from emsync.emotion.panel import Panel, standard_experts
    from emsync.music.checkpoint import load
    from emsync.sound.synth import load_library

    films = films_in(options.folder, options.output)
    order = Order(settings, *_moods(options), options.stems, options.overwrite)
    load_library()
    checkpoint = load(options.weights)
    panel = Panel(standard_experts()) if options.experts else None
    teller = _Teller(sys.stderr)

    def announce(number: int, film: Path) -> None:
        if not options.quiet:
            teller.finish()
            print(f"{one_line(film.name)} ({number} of {len(films)})", file=sys.stderr, flush=True)

    tell = (lambda _: None) if options.quiet else teller
    try:
        rows = score_films(
            films, options.output, order, checkpoint, panel, announce, tell, CancelToken()
        )
    finally:
        if not options.quiet:
            teller.finish()
    write_table(rows, options.output / "table.csv")
    letters = sys.stdout.encoding or "utf-8"
    print(table(rows).encode(letters, "replace").decode(letters))
    return 1 if any(row.problem for row in rows) else 0


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
    begin, end = _PARTIAL
    return target.with_name(f"{begin}{os.getpid()}{end}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        match arguments[:1]:  # films of these names are ./weights and ./batch
            case ["weights"]:
                from emsync.weights_command import run as run_weights

                run_weights(arguments[1:])
            case ["batch"]:
                options, standard, _ = _options(batch_parser, arguments[1:])
                return run_batch(options, standard)
            case _:
                run(*_options(parser, arguments))
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print("emsync: The disk is full. Make room and try again.", file=sys.stderr)
        return 1
    except (Cancelled, KeyboardInterrupt):
        print("emsync: interrupted.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _options(
    make: Callable[[Settings], argparse.ArgumentParser], arguments: list[str]
) -> "tuple[argparse.Namespace, Settings, Recorded | None]":
    """The options; the settings that hold where none is given; the report to follow, if any.

    A preset, a report or the paper gives the defaults of a second reading, so that options beside
    it win.
    """
    standard, recorded = Settings(), None
    made = make(standard)
    options = made.parse_args(arguments)
    report = getattr(options, "from_report", None)
    if options.preset is not None:
        standard = read_preset(options.preset, allow_paths=True)
    elif report is not None:
        from emsync.report import read_report

        recorded = read_report(report)
        standard = recorded.settings
    if options.as_in_paper:
        standard = as_in_the_paper(standard)
    if standard != Settings():
        made = make(standard)
        options = made.parse_args(arguments)
    _check_moods(made, options, standard)
    settings = settings_of(options, standard)
    try:
        check_together(settings)
    except EmsyncError as problem:
        made.error(str(problem))
    if recorded is not None and settings.experts != standard.experts:
        made.error(
            "argument --from-report: the film is not analysed again, so --experts and --device "
            "change nothing"
        )
    return options, standard, recorded


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for name in ("SIGTERM", "SIGHUP"):  # they tidy up as Ctrl-C does; Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    sys.exit(main())
