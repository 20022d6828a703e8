"""The options of the command line: which of them turn which setting, and how they are read."""

import argparse
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emsync import __version__
from emsync.commands.again import add_again
from emsync.commands.option_types import setting_type, unit_type
from emsync.commands.sound_options import add_sound
from emsync.errors import EmsyncError
from emsync.presets import (
    as_in_the_paper,
    changed,
    check_together,
    read_preset,
)
from emsync.settings import Settings, choices_of

if TYPE_CHECKING:
    from emsync.emotion.curve import MoodRequest
    from emsync.report.read import Recorded

KNOBS = {
    "range": "mood.valence_arousal_range",
    "mood_mode": "mood.mode",
    "mood_curve": "mood.curve",
    "experts": "experts.names",
    "device": "experts.device",
    "composer": "music.composer",
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
    "leitmotif": "music.leitmotif",
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
    "first_chords": "music.video2music.primer",
    "longest_chord": "music.video2music.repeats",
    "silence": "music.video2music.silence",
    "arpeggio": "music.video2music.pattern",
    "velocity": "music.video2music.velocity",
    "transpose": "music.video2music.transpose",
    "smooth_emotion": "music.video2music.smooth_emotion",
    "clip_every": "music.video2music.clip_every",
    "clip_pictures": "music.video2music.most_on_cpu",
    "mood_counts": "music.video2music.mood_counts",
    "accents": "music.video2music.accents",
    "performer": "performance.performer",
    "expression": "performance.expression",
    "original_sound": "sound.original_sound",
    "audio_track": "sound.audio_track",
    "balance": "sound.balance_decibels",
    "loudness": "sound.loudness",
    "space": "sound.space",
    "width": "sound.width",
    "group_balance": "sound.group_balance",
    "compression": "sound.compression",
    "sample_rate": "sound.sample_rate",
    "bit_depth": "sound.bit_depth",
    "program": "sound.programs",
    "gain": "sound.gains",
    "soundfont": "sound.soundfont",
}
"""Options, as argparse stores them, and the settings that they are."""


def parser(standard: Settings | None = None) -> argparse.ArgumentParser:
    """Return the options for one film.

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
    made.add_argument(
        "--quantised-midi",
        type=Path,
        metavar="FILE",
        help="also write the music as MIDI with every note on the beat grid, for notation",
    )
    made.add_argument(
        "--score",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="also write the music as a score to read: .musicxml or .mxl for notation programs, or "
        ".pdf, which needs MuseScore or Verovio; may be given several times",
    )
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
    add_again(made)
    _add_knobs(made, standard or Settings())
    return made


def batch_parser(standard: Settings | None = None) -> argparse.ArgumentParser:
    """Return the options for a folder of films; `standard` is as for `parser`."""
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
    """Add the option that reads settings from a file."""
    made.add_argument(
        "--preset",
        type=Path,
        metavar="FILE",
        help="settings from a file; options beside it win",
    )


def _add_knobs(made: argparse.ArgumentParser, standard: Settings) -> None:
    """Add the options that are settings, and those that a film and a folder share."""

    def knob(group: argparse._ArgumentGroup, option: str, help: str, **more: Any) -> None:
        """Add an option that is a setting, with its default, choices and checks."""
        dest = option.removeprefix("--").replace("-", "_")
        name = KNOBS[dest]
        more.setdefault("default", _value(standard, name))
        if isinstance(more["default"], bool):
            more["action"] = argparse.BooleanOptionalAction
        elif choices_of(name) and isinstance(more["default"], str):
            more["choices"] = choices_of(name)
        else:
            more.setdefault("type", setting_type(name))
        group.add_argument(option, help=help, **more)

    made.add_argument(
        "--save-preset",
        type=Path,
        metavar="FILE",
        help="also write all settings to a file, for --preset; --mood and --mood-at are not among "
        "them",
    )
    _add_mood(made, knob)
    _add_plan(made.add_argument_group("what music"), knob)
    _add_drawing(made.add_argument_group("how it is drawn"), knob)
    _add_video2music(made.add_argument_group("only with --composer video2music"), knob)
    add_sound(made.add_argument_group("sound"), knob, standard)
    made.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")
    made.add_argument("--version", action="version", version=f"EMSYNC {__version__}")


def _add_mood(made: argparse.ArgumentParser, knob: Callable[..., None]) -> None:
    """Add options on the mood and on who reads it; `knob` adds one that is a setting."""
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
        type=unit_type,
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


def _add_drawing(music: argparse._ArgumentGroup, knob: Callable[..., None]) -> None:
    """Add options on how the notes are drawn; `knob` adds one that is a setting."""
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


def _add_video2music(music: argparse._ArgumentGroup, knob: Callable[..., None]) -> None:
    """Add options of one composer alone; `knob` adds one that is a setting."""
    knob(
        music,
        "--first-chords",
        "chords to begin with, one a second, in C major or A minor whatever the key, such as "
        "'C Am F G', or 'none' for the tonic (default: %(default)s)",
        metavar="CHORDS",
    )
    knob(
        music,
        "--longest-chord",
        "seconds that one chord holds at most (default: %(default)s)",
        metavar="SECONDS",
    )
    knob(music, "--silence", "there may be seconds without a chord (default: %(default)s)")
    knob(
        music,
        "--arpeggio",
        "what chooses the arpeggio: the loudness, as in either of the published scripts; or the "
        "note density, as in the paper (default: %(default)s)",
    )
    knob(music, "--velocity", "from the loudness, by either rule (default: %(default)s)")
    knob(music, "--transpose", "move the notes to the key (default: %(default)s)")
    knob(
        music,
        "--smooth-emotion",
        "average the film's emotion over so many seconds; the paper: 5 (default: %(default)s)",
        metavar="SECONDS",
    )
    knob(
        music,
        "--clip-every",
        "seconds between the pictures that CLIP looks at; 'none': 1 on a GPU, on a CPU as many as "
        "--clip-pictures lets it (default: %(default)s)",
        metavar="SECONDS",
    )
    knob(
        music,
        "--clip-pictures",
        "pictures of a film that CLIP looks at on a CPU (default: %(default)s)",
        metavar="N",
    )
    knob(
        music,
        "--mood-counts",
        "another mood than the film's own takes the place of what is seen (default: %(default)s)",
    )
    knob(music, "--accents", "strike the chord whole on each kept cut (default: %(default)s)")


def _add_plan(music: argparse._ArgumentGroup, knob: Callable[..., None]) -> None:
    """Add options on what kind of music it is to be; `knob` adds one that is a setting."""
    knob(music, "--composer", "who composes (default: %(default)s)")
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
    knob(
        music,
        "--leitmotif",
        "moments in whose scenes the theme returns, such as '0:12 1:05', or 'none' (default: where "
        "the form brings it back)",
        metavar="MOMENTS",
    )


def _value(settings: Settings, name: str) -> Any:
    value: Any = attrgetter(name)(settings)
    return value


def settings_of(options: argparse.Namespace, standard: Settings | None = None) -> Settings:
    """Return the settings that the options ask for; what is no option is as in `standard`."""
    values = {name: getattr(options, dest) for dest, name in KNOBS.items()}
    for name in ("sound.programs", "sound.gains"):
        values[name] = tuple(dict(values[name]).items())
    return changed(standard or Settings(), values)


def mood_request(options: argparse.Namespace) -> "MoodRequest":
    """Return what --mood and --mood-at ask for."""
    from emsync.emotion.curve import MoodRequest
    from emsync.emotion.mapping import Mood

    mood = None if options.mood is None else Mood(*options.mood)
    changes = tuple((at, Mood(*point)) for at, *point in sorted(options.mood_at))
    return MoodRequest(mood, changes=changes)


def _check_moods(
    made: argparse.ArgumentParser, options: argparse.Namespace, standard: Settings
) -> None:
    """End with wrong usage if the moods make no sense by themselves or together."""
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


def read_options(
    make: Callable[[Settings], argparse.ArgumentParser], arguments: list[str]
) -> "tuple[argparse.Namespace, Settings, Recorded | None]":
    """Read the command line, ending with wrong usage where it makes no sense.

    A preset, a report or the paper gives the defaults of a second reading, so that options beside
    it win.

    Args:
        make: `parser` or `batch_parser`.
        arguments: the words of the command line.

    Returns:
        The options; the settings that hold where none is given; the report to follow, if any.

    Raises:
        EmsyncError: the preset or the report cannot be used.
    """
    standard, recorded = Settings(), None
    made = make(standard)
    options = made.parse_args(arguments)
    report = getattr(options, "from_report", None)
    if options.preset is not None:
        standard = read_preset(options.preset, allow_paths=True)
    elif report is not None:
        from emsync.report.read import read_report

        recorded = read_report(report)
        standard = recorded.settings
    if options.as_in_paper:
        standard = as_in_the_paper(standard)
    if standard != Settings():
        made = make(standard)
        options = made.parse_args(arguments)
    _check_moods(made, options, standard)
    if getattr(options, "again", None) is not None and recorded is None:
        made.error("argument --again: name the report of the piece with --from-report")
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
