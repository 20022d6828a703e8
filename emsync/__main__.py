"""The command line: `python -m emsync film.mp4 -o scored.mp4`, and the commands batch, weights."""

import argparse
import errno
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from emsync.commands.options import batch_parser, parser, read_options, settings_of
from emsync.errors import Cancelled, EmsyncError
from emsync.presets import one_line, write_preset
from emsync.process.files import (
    process_folder,
    remove_stale_files,
    remove_stale_folders,
    written_whole,
)
from emsync.progress import CancelToken, Progress
from emsync.settings import Settings
from emsync.stages import STAGES

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis
    from emsync.emotion.curve import MoodRequest
    from emsync.music.composer import Composer
    from emsync.report.write import Recorded

INTERRUPTED = 130


class _Teller:
    """Progress on standard error: one line on a terminal, one line a stage elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.told = ""

    def __call__(self, progress: Progress) -> None:
        words = STAGES[progress.stage].doing
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
            remove_stale_files(folder)
            with tempfile.TemporaryFile(dir=folder):
                pass
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


def mood_request(options: argparse.Namespace) -> "MoodRequest":
    """Return what --mood and --mood-at ask for."""
    from emsync.emotion.curve import MoodRequest
    from emsync.emotion.mapping import Mood

    mood = None if options.mood is None else Mood(*options.mood)
    changes = tuple((at, Mood(*point)) for at, *point in sorted(options.mood_at))
    return MoodRequest(mood, changes=changes)


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
    from emsync.emotion.curve import MoodRequest
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.music.composer import open_composer
    from emsync.pipeline import analyse, score
    from emsync.report.write import write_report
    from emsync.sound.stems import write_stems
    from emsync.sound.synth import load_library

    request = mood_request(options)
    cancel = CancelToken()
    teller = _Teller(sys.stderr)
    tell = (lambda _: None) if options.quiet else teller
    try:
        remove_stale_folders()
        with process_folder() as folder:
            load_library()
            if recorded is None:
                composer = open_composer(settings.music.composer, options.weights)
                # One film, one look: an expert's models go as soon as it has looked.
                panel = Panel(standard_experts(), keep=False) if options.experts else None
                analysis = analyse(options.film, settings, tell, cancel, panel)
            else:
                composer = open_composer(
                    settings.music.composer, options.weights or _recorded_weights(recorded)
                )
                analysis = _recorded_analysis(options.film, settings, recorded, composer)
                if request != MoodRequest() or settings.mood != recorded.settings.mood:
                    recorded = None  # from here on: another mood is asked for
                else:
                    request = MoodRequest(changes=recorded.curve)
            result = score(
                analysis,
                folder,
                settings,
                tell,
                cancel,
                composer,
                request,
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
    from emsync.music.composer import weights_folder

    if folder := weights_folder(recorded.settings.music.composer, recorded.weights):
        return folder
    raise EmsyncError(
        f"The piece was composed with the weights “{recorded.weights}”, which do not come with "
        "EMSYNC. Name their folder with --weights."
    )


def _recorded_analysis(
    film: Path, settings: Settings, recorded: "Recorded", composer: "Composer"
) -> "Analysis":
    """The film as it was read for the report; what is not as it was then is said."""
    from emsync.film.examine import probe

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
    for sentence in recorded.differences(analysis.film, settings, composer.weights):
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
    from emsync.batch.films import BatchRequest, films_in, score_films, table, write_table
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.music.composer import open_composer
    from emsync.sound.synth import load_library

    films = films_in(options.folder, options.output)
    request = BatchRequest(settings, mood_request(options), options.stems, options.overwrite)
    load_library()
    composer = open_composer(settings.music.composer, options.weights)
    panel = Panel(standard_experts()) if options.experts else None
    teller = _Teller(sys.stderr)

    def announce(number: int, film: Path) -> None:
        if not options.quiet:
            teller.finish()
            print(f"{one_line(film.name)} ({number} of {len(films)})", file=sys.stderr, flush=True)

    tell = (lambda _: None) if options.quiet else teller
    try:
        rows = score_films(
            films, options.output, request, composer, panel, announce, tell, CancelToken()
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
    with written_whole(target, str(target)) as partial:
        shutil.copyfile(made, partial)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        match arguments[:1]:  # films of these names are ./weights and ./batch
            case ["weights"]:
                from emsync.commands.weights import run as run_weights

                run_weights(arguments[1:])
            case ["batch"]:
                options, standard, _ = read_options(batch_parser, arguments[1:])
                return run_batch(options, standard)
            case _:
                run(*read_options(parser, arguments))
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


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for name in ("SIGTERM", "SIGHUP"):  # they tidy up as Ctrl-C does; Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    sys.exit(main())
