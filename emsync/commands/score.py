"""The command `python -m emsync film.mp4 -o scored.mp4`: score one film."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emsync.commands.again import passages_asked
from emsync.commands.checks import PDF, check_files, check_free, check_scores
from emsync.commands.interrupt import cancelled_by_signals
from emsync.commands.options import mood_request, settings_of
from emsync.commands.progress import StatusLine
from emsync.errors import EmsyncError
from emsync.presets import write_preset
from emsync.process.files import (
    process_folder,
    remove_stale_files,
    remove_stale_folders,
    written_whole,
)
from emsync.progress import CancelToken
from emsync.settings import Settings
from emsync.text import quoted

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis
    from emsync.music.composer import Composer
    from emsync.music.passage import Passage
    from emsync.report.read import Recorded
    from emsync.results import Result


def run(
    options: argparse.Namespace, standard: Settings, recorded: "Recorded | None" = None
) -> None:
    """Score one film as the options say.

    Args:
        options: of `emsync.commands.options.parser`.
        standard: the settings of what is no option.
        recorded: compose as this report says, instead of analysing the film.

    Raises:
        EmsyncError: with the sentence to show.
        Cancelled: interrupted.
    """
    targets = _targets(options)
    settings = settings_of(options, standard)
    check_files(settings)
    if "preset" in targets:
        write_preset(settings, targets.pop("preset"), allow_paths=True)
    line = StatusLine(options.quiet)
    try:
        remove_stale_folders()
        with process_folder() as folder:
            if recorded is None:
                result = _score(options, settings, folder, line)
            else:
                result = _score_again(options, settings, folder, line, recorded)
            made = {what: getattr(result, what) for what in ("video", "midi", "wav", "report")}
            if options.quantised_midi is not None:
                made["quantised"] = _quantised(result, folder)
            made |= _scores(result, options.score, folder)
            if options.stems is not None:
                options.stems.mkdir(exist_ok=True)
                made |= _stems(result, folder)
            for what, path in targets.items():
                if what in made:
                    _move(made[what], path)
                elif options.overwrite:  # a group that played in the piece that is replaced
                    path.unlink(missing_ok=True)
    finally:
        line.clear()
    if not options.quiet:
        print(_summary(result, options.output), file=sys.stderr)


def _score(
    options: argparse.Namespace, settings: Settings, folder: Path, line: StatusLine
) -> "Result":
    """Analyse the film and score it into `folder`; arguments and errors as for `run`."""
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.music.composer import open_composer
    from emsync.pipeline import analyse, score
    from emsync.sound.synth import load_library

    load_library()
    composer = open_composer(settings.music.composer, options.weights)
    # One film, one look: an expert's models go as soon as it has looked.
    panel = Panel(standard_experts(), keep=False) if options.experts else None
    tell = line.show_progress
    with cancelled_by_signals() as cancel:
        analysis = analyse(options.film, settings, tell, cancel, panel)
        return score(analysis, folder, settings, tell, cancel, composer, mood_request(options))


def _score_again(
    options: argparse.Namespace,
    settings: Settings,
    folder: Path,
    line: StatusLine,
    recorded: "Recorded",
) -> "Result":
    """Score the film as a report says, into `folder`; arguments and errors as for `run`."""
    from emsync.emotion.curve import MoodRequest
    from emsync.music.composer import open_composer
    from emsync.pipeline import compose_pieces, perform, recompose
    from emsync.sound.synth import load_library

    load_library()
    weights = options.weights or _recorded_weights(recorded)
    composer = open_composer(settings.music.composer, weights)
    analysis = _recorded_analysis(options.film, settings, recorded, composer)
    request = mood_request(options)
    same = request == MoodRequest() and settings.mood == recorded.settings.mood
    asked = recorded.request if same else request
    tell = line.show_progress
    with cancelled_by_signals() as cancel:
        piece, *_ = compose_pieces(analysis, settings, tell, cancel, composer, asked)
        if same:
            # The report's moods are asked for as if a user had: it tells who asked for them.
            piece = replace(piece, mood=recorded.mood, mood_given=recorded.mood_given)
        passages = _recorded_passages(settings, recorded, same)
        for passage in (*passages, *passages_asked(options, piece)):
            piece = recompose(piece, passage, tell, cancel, composer)
        return perform(piece, folder, settings.sound, tell, cancel)


def _recorded_passages(
    settings: Settings, recorded: "Recorded", same_mood: bool
) -> "tuple[Passage, ...]":
    """Return what was composed anew of a report's piece; nothing where options make it another."""
    asked, then = (
        replace(one, primer=None, theme=None) for one in (settings.music, recorded.settings.music)
    )
    if asked == then and same_mood and settings.seed == recorded.settings.seed:
        return recorded.passages
    if recorded.passages:
        print(
            "emsync: not as in the report: the piece is another by the options beside it, so the "
            "parts that were composed anew are left out.",
            file=sys.stderr,
        )
    return ()


def _targets(options: argparse.Namespace) -> dict[str, Path]:
    """Return where each file of the result goes, by what it holds.

    Raises:
        EmsyncError: one of them cannot be written.
    """
    names = {
        "video": options.output,
        "midi": options.midi,
        "quantised": options.quantised_midi,
        "wav": options.wav,
        "report": options.report,
        "preset": options.save_preset,
    }
    if options.stems is not None:
        groups = Settings().music.groups  # a stem is written for those of them that play
        names |= {f"stem {group}": options.stems / f"{group}.wav" for group in groups}
    names |= {f"score {number}": path for number, path in enumerate(options.score)}
    check_scores(options.score)
    targets = {name: path for name, path in names.items() if path is not None}
    for name, path in targets.items():
        if path.resolve() == options.film.resolve():
            raise EmsyncError(f"{path} is the film itself. Choose another name for the result.")
        if path.is_dir():
            raise EmsyncError(f"{path} is a folder. Give the name of a file in it.")
        check_free(path, options.overwrite)
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


def _recorded_weights(recorded: "Recorded") -> Path:
    """Return the folder of the generator that a report names.

    Raises:
        EmsyncError: it does not come with EMSYNC.
    """
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
    """Return the film as it was read for the report, and say what is not as it was then.

    Raises:
        EmsyncError: a file that the piece needs is not named; the film cannot be read or is
            shorter than that of the report.
    """
    from emsync.film.probe import probe

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


def _quantised(result: "Result", folder: Path) -> Path:
    """Write the music as MIDI with every note on the beat grid, and return where."""
    from emsync.performance.midi_file import write_performance
    from emsync.performance.performer import perform
    from emsync.performance.quantise import quantised

    settings = result.settings
    played = perform(result.composition, settings.performance, settings.seed)
    path = folder / "quantised.mid"
    title = result.analysis.film.path.stem
    controls = {group: strip.controls for group, strip in result.mix.strips.items()}
    write_performance(quantised(played)[0], path, title, settings.sound.programs, desk=controls)
    return path


def _scores(result: "Result", wanted: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Write the music as the scores that are wanted, and return where each is."""
    from emsync.performance.notation.musicxml import COMPRESSED, compress
    from emsync.performance.notation.pdf import write_pdf

    made = {}
    for number, path in enumerate(wanted):
        kind = path.suffix.lower()
        made[f"score {number}"] = written = folder / f"score{kind}"
        if kind == PDF:
            with cancelled_by_signals() as cancel:
                write_pdf(result.score, written, cancel)
        elif kind == COMPRESSED:
            compress(result.score, written)
        else:
            made[f"score {number}"] = result.score
    return made


def _stems(result: "Result", folder: Path) -> dict[str, Path]:
    """Write the sound of each group that plays into `folder`; return the files by their names."""
    from emsync.sound.stems import write_stems

    sound = result.settings.sound
    sounds = write_stems(
        result.midi,
        result.analysis.film.duration,
        sound,
        sound.soundfont,
        folder,
        CancelToken(),
        space=result.mix.space,
    )
    return {f"stem {group}": path for group, path in sounds.items()}


def _move(made: Path, target: Path) -> None:
    """Move a file, maybe to another file system; `target` appears whole."""
    with written_whole(target, str(target)) as partial:
        shutil.copyfile(made, partial)


def _summary(result: "Result", output: Path) -> str:
    """Return the lines that say what came of it."""
    from emsync.film.film import choose_sound
    from emsync.sound.stand_in import note

    hit = result.composition.score
    film = choose_sound(result.analysis.film, result.settings.sound.audio_track)
    missing = note(result.mix.lacking, quoted(result.soundfont))
    remarks = " ".join(filter(None, (result.mux.note, film.sound_choice, missing)))
    return (
        f"Emotion read by: {result.analysis.reading.source}.\n"
        f"{remarks}\n"
        f"{output}: {float(result.analysis.film.duration):.2f} s, valence "
        f"{result.mood.valence:+.2f}, arousal {result.mood.arousal:+.2f}, "
        f"{hit.strong_chords} of {hit.boundaries} cuts met by a strong chord."
    )
