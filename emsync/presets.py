"""Settings as text: preset files, queries of a URL, options of the command line; and what is
allowed in them.

A preset may come from a stranger. It cannot name files of this machine unless the caller allows
it, and it cannot raise the limits on films.
"""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

from emsync.errors import EmsyncError
from emsync.process.files import written_whole
from emsync.process.json_files import read_json
from emsync.settings import ExpertSettings, FilmLimits, MusicSettings, Settings
from emsync.text import listed, one_line, quoted

if TYPE_CHECKING:
    from emsync.music.planning.grid import MetreName

VERSION = 2
VERSIONS = (1, VERSION)
"""That are read. Those of version 1 know only the free method (`of_its_time`)."""
LARGEST_PRESET = 64_000
"""Bytes; a preset with every setting has 3,000, and the longest chords 4,000 more."""
LONGEST_QUERY = 6_000
"""Characters of a query's names and values. Ours; servers take some 8,000."""
LONGEST_TEXT = 4_000
"""Characters of a setting that is any text. Ours: chords for half an hour, two a bar."""

_NUMBER = re.compile(r"[-+]?\d{1,18}(\.\d{1,25})?([eE][-+]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_QUOTIENT = re.compile(r"\d{1,18}/0{0,17}[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may have: from `low` to `high`, or only those above `low`."""

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: float | Fraction) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f"{'above' if self.above else 'from'} {self.low:.12g} to {self.high:.12g}"


RANGES = {
    "limits.seconds": Range(0, FilmLimits.seconds, above=True),
    "limits.pixels": Range(0, FilmLimits.pixels, above=True),
    "limits.bytes": Range(0, FilmLimits.bytes, above=True),
    "limits.side": Range(0, FilmLimits.side, above=True),
    "limits.frames": Range(0, FilmLimits.frames, above=True),
    "limits.look_seconds": Range(0, FilmLimits.look_seconds, above=True),
    "limits.look_memory": Range(0, FilmLimits.look_memory, above=True),
    "cuts.threshold": Range(0, 1),
    "cuts.minimum_gap": Range(0.5, 600),
    "experts.frames": Range(1, 16),
    "experts.per_scene": Range(1, 16),
    "experts.most_frames": Range(1, 128),
    "experts.still_seconds": Range(0.1, 60),
    "experts.most_stills": Range(1, 480),
    "experts.still_side": Range(64, 1920),
    "experts.chunk_seconds": Range(0.5, 10),
    "experts.most_chunks": Range(1, 512),
    "experts.patience": Range(0, 600),
    "experts.patience_per_second": Range(0, 10),
    "mood.valence_arousal_range": Range(0, 1, above=True),
    "music.slowest": Range(40, 220),
    "music.fastest": Range(40, 220),
    "music.harmony": Range(0, 10),
    "music.sensitivity": Range(0, 8),
    "music.primer_seconds": Range(0, 60, above=True),
    "music.temperature": Range(0.1, 3),
    "music.top_p": Range(0, 1, above=True),
    "music.repetition_coefficient": Range(0, 2),
    "music.maximum_offset": Range(1, 60),
    "music.late_tolerance": Range(0, 1),
    "music.openings": Range(1, 32),
    "music.opening": Range(1, 32),
    "music.candidates": Range(1, 4),
    "music.redraws": Range(0, 4),
    "music.keep": Range(1, 20),
    "music.quality.longest_silence": Range(0, 600),
    "music.quality.longest_loop": Range(0, 600),
    "music.quality.longest_note": Range(0, 600),
    "music.quality.lowest_density": Range(0, 1000),
    "music.quality.highest_density": Range(0, 1000),
    "music.quality.empty_bars": Range(0, 1),
    "music.quality.repeated_bars": Range(0, 1),
    "music.quality.clusters": Range(0, 1),
    "music.quality.register": Range(0, 127),
    "music.quality.shortest": Range(0, 600),
    "music.guidance": Range(0, 5),
    "sound.sample_rate": Range(8_000, 48_000),
    "sound.peak_decibels": Range(-60, 0),
    "sound.fade_seconds": Range(0, 60),
    "sound.lufs": Range(-60, -5),
    "sound.true_peak_decibels": Range(-60, 0),
    "sound.original_gain_decibels": Range(-60, 20),
    "sound.duck_decibels": Range(-60, 0),
    "sound.balance_decibels": Range(-24, 24),
    "seed": Range(0, 2**31 - 1),
}
"""Of every setting that is a number. Ours; what costs time or memory is bounded so that no request
takes a host for itself."""

PROGRAMS = Range(0, 127)
"""General MIDI, counted from 0."""

_NAMES = {
    "experts.names": ExpertSettings.names,
    "music.groups": MusicSettings.groups,
    "sound.programs": MusicSettings.groups,
}
"""Of which settings that are lists of names may have each once."""
_NOT_EMPTY = {"music.groups"}

IN_THE_PAPER: dict[str, Any] = {
    "music.method": "free",
    "music.temperature": 1.35,
    "music.top_p": 0.6,
    "music.repetition_coefficient": 0.4,
    "music.late_tolerance": None,
    "music.openings": 1,
    "music.opening": None,
    "music.redraws": 0,
    "music.end_on_chord": False,
}
"""Algorithm 1 as it stands, and the numbers of the published code."""


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """`settings` with other values for some, by their names such as "music.top_p"; unchecked."""

    def within(part: Any, prefix: str) -> Any:
        changes = {}
        for one in fields(part):
            name, old = prefix + one.name, getattr(part, one.name)
            if is_dataclass(old):
                changes[one.name] = within(old, name + ".")
            elif name in values:
                changes[one.name] = values[name]
        return replace(part, **changes)

    made: Settings = within(settings, "")
    return made


def as_in_the_paper(settings: Settings) -> Settings:
    """Return `settings` with music composed by Algorithm 1 as published: one piece, token by token,
    without a plan, a beat grid, a choice among openings or an ending (`IN_THE_PAPER`)."""
    return changed(settings, IN_THE_PAPER)


def as_ours(settings: Settings, base: Settings | None = None) -> Settings:
    """Return `settings` with what `as_in_the_paper` changes as in `base`, or as by default; the
    inverse of it for whoever had changed nothing."""
    return changed(settings, {name: attrgetter(name)(base or Settings()) for name in IN_THE_PAPER})


def check_together(settings: Settings) -> None:
    """Check what no setting shows by itself.

    Raises:
        EmsyncError: two settings contradict each other, or there are chords that nobody knows, or
            that have no room in their bar.
    """
    music = settings.music
    if music.chords and music.method == "planned":
        from emsync.music.planning.chart import parse_chords
        from emsync.music.planning.grid import METRES

        usual: MetreName = "3/4" if music.style == "waltz" else "4/4"
        parse_chords(music.chords, METRES[usual if music.metre == "auto" else music.metre])
    slowest, fastest = music.slowest, music.fastest
    if slowest is not None and fastest is not None and slowest > fastest:
        raise EmsyncError(
            f"music.slowest must be at most music.fastest, but {slowest:g} is more than "
            f"{fastest:g} quarters a minute. Exchange them, or leave one out."
        )


def of_its_time(plain: object) -> object:
    """Return nested values of version 1 with the method that was the only one then, "free"."""
    if not isinstance(plain, dict):
        return plain
    music = plain.get("music", {})
    if not isinstance(music, dict):
        return plain
    return {**plain, "music": {"method": "free", **music}}


def value_of(name: str, text: str, *, allow_paths: bool = False) -> Any:
    """The value that `text` stands for, as in a query or on the command line.

    Args:
        name: of a setting, such as "music.top_p".
        text: "0.7"; "true"; "bass,drums" for names; "piano:4,guitar:24" for programs; "none" for
            no names, no text, no file, or no number where that is allowed.
        allow_paths: whether it may name a file.

    Raises:
        EmsyncError: it stands for no value that the setting may have.
    """
    return _checked(name, _plain_of(name, text), allow_paths, text)


def choices_of(name: str) -> tuple[str, ...]:
    """The words that a setting has to choose from; none if it is not chosen from words."""
    words: tuple[str, ...] = get_args(_hints()[name])
    return words


# Presets ----------------------------------------------------------------------------------------


def to_plain(settings: Settings, files: Literal["none", "name", "path"] = "none") -> dict[str, Any]:
    """All settings as nested values for JSON. `from_plain` is the inverse, but for files.

    Args:
        settings: any.
        files: what is said of the files that they name: nothing, their name, or where they are.
    """
    plain: dict[str, Any] = {}
    for name in _hints():
        *groups, own = name.split(".")
        part = plain
        for group in groups:
            part = part.setdefault(group, {})
        value = attrgetter(name)(settings)
        if isinstance(value, Path):
            value = {"none": None, "name": value.name, "path": str(value.resolve())}[files]
        elif isinstance(value, Fraction):
            value = _shortest(value)
        elif name == "sound.programs":
            value = dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        part[own] = value
    return plain


def from_plain(
    plain: object, base: Settings | None = None, *, allow_paths: bool = False
) -> Settings:
    """Settings out of nested values, such as JSON gives.

    Args:
        plain: what is missing is as in `base`.
        base: the defaults of whoever runs this; the paper's if None. Its limits on films stay
            the highest there are.
        allow_paths: whether they may name files of this machine.

    Raises:
        EmsyncError: a setting is unknown, of another type, out of its range, or not allowed.
    """
    return _with(
        base or Settings(),
        {name: _checked(name, value, allow_paths) for name, value in _flat(plain, "")},
    )


def write_preset(settings: Settings, path: Path, *, allow_paths: bool = False) -> None:
    """Write all settings as JSON; the file appears whole or not at all.

    Limits on films that are the standard ones are left out: they are up to whoever reads it.

    Args:
        settings: any.
        path: replaced if it exists.
        allow_paths: also say where the files lie that they name. A preset that is passed on
            should not.

    Raises:
        EmsyncError: the file cannot be written.
    """
    plain = to_plain(settings, "path" if allow_paths else "none")
    if settings.limits == FilmLimits():
        del plain["limits"]
    text = json.dumps({"emsync_preset": VERSION, "settings": plain}, indent=1, allow_nan=False)
    with written_whole(path, str(path)) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_preset(path: Path, base: Settings | None = None, *, allow_paths: bool = False) -> Settings:
    """The settings of a preset file; arguments as for `from_plain`.

    One of version 1 that does not say otherwise asks for the free method, as when it was written.

    Raises:
        EmsyncError: it cannot be read, is no preset, is of a later version; or as `from_plain`.
    """
    plain = read_json(path, LARGEST_PRESET)
    if not isinstance(plain, dict) or "emsync_preset" not in plain:
        raise EmsyncError(
            f"{quoted(path.name)} is not a preset. Choose one that --save-preset wrote."
        )
    version = plain["emsync_preset"]
    if version not in VERSIONS or isinstance(version, bool):
        raise EmsyncError(
            f"The preset {quoted(path.name)} has version {_shown(version)}, but this "
            f"EMSYNC reads version {VERSION} and those before it. Use the EMSYNC that wrote it."
        )
    unknown = plain.keys() - {"emsync_preset", "settings"}
    try:
        if unknown:
            raise EmsyncError(
                f"Beside “settings” there is {_shown(min(unknown))}, which means nothing. "
                "Leave it out."
            )
        asked = plain.get("settings", {})
        asked = asked if version == VERSION else of_its_time(asked)
        return from_plain(asked, base, allow_paths=allow_paths)
    except EmsyncError as problem:
        raise EmsyncError(f"The preset {quoted(path.name)} cannot be used. {problem}") from problem


# Queries ----------------------------------------------------------------------------------------


def to_query(settings: Settings, base: Settings | None = None) -> str:
    """The query of a URL with all that differs from `base`, such as "music.temperature=1.2&seed=3".

    Files that the settings name are left out, as nobody else has them.
    """
    base = base or Settings()
    texts = {}
    for name, hint in _hints().items():
        value = attrgetter(name)(settings)
        if Path not in get_args(hint) and value != attrgetter(name)(base):
            texts[name] = _text_of(name, value)
    return urlencode(texts, safe=",:/")


def from_query(
    query: Mapping[str, str], base: Settings | None = None, *, allow_paths: bool = False
) -> Settings:
    """The settings of a URL; arguments and errors as for `from_plain`.

    Names that begin with two underscores are the host's own (`__theme`) and passed over.
    """
    if sum(len(name) + len(text) for name, text in query.items()) > LONGEST_QUERY:
        raise EmsyncError(
            f"The settings in the address are too long: at most {LONGEST_QUERY} characters are "
            "read. Shorten it."
        )
    values = {}
    for name, text in query.items():
        if name.startswith("__"):
            continue
        if name not in _hints():
            raise _unknown(name)
        values[name] = value_of(name, text, allow_paths=allow_paths)
    return _with(base or Settings(), values)


# One setting ------------------------------------------------------------------------------------


@cache
def _hints() -> dict[str, Any]:
    """Every setting's name, such as "music.quality.register", and its type."""

    def within(part: type, prefix: str) -> Iterator[tuple[str, Any]]:
        for name, hint in get_type_hints(part).items():
            if is_dataclass(hint):
                yield from within(hint, f"{prefix}{name}.")  # type: ignore[arg-type]
            else:
                yield prefix + name, hint

    return dict(within(Settings, ""))


def _flat(plain: object, prefix: str) -> Iterator[tuple[str, object]]:
    """(name, value) of every setting in nested values."""
    if not isinstance(plain, dict):
        raise EmsyncError(
            f"{prefix.rstrip('.') or 'The settings'} must be a group of names with values, not "
            f"{_shown(plain)}."
        )
    for key, value in plain.items():
        name = f"{prefix}{key}"
        if name in _hints():
            yield name, value
        elif any(known.startswith(f"{name}.") for known in _hints()):
            yield from _flat(value, f"{name}.")
        else:
            raise _unknown(name)


def _unknown(name: str) -> EmsyncError:
    near = difflib.get_close_matches(name[:60], _hints(), 1)
    advice = f"Did you mean {near[0]}?" if near else "Leave it out."
    return EmsyncError(f"There is no setting {_shown(name)}. {advice}")


def _with(base: Settings, values: Mapping[str, Any]) -> Settings:
    """`base` with checked `values`, which may lower the limits on films but not raise them."""
    for name, value in values.items():
        if name.startswith("limits.") and value > attrgetter(name)(base):
            raise EmsyncError(
                f"{name} must be at most {attrgetter(name)(base):.12g} here, not {_shown(value)}."
            )
    made = changed(base, values)
    check_together(made)
    return made


def _checked(name: str, plain: object, allow_paths: bool, said: object = None) -> Any:
    """The value of a setting out of what JSON gave; a sentence about `said` if it does not fit."""
    hint = _hints()[name]
    if get_origin(hint) is UnionType:
        if plain is None:
            return None
        (hint,) = (kind for kind in get_args(hint) if kind is not NoneType)
    if hint is Path and not allow_paths:
        raise EmsyncError(
            f"{name} may not be set here: it would name a file of the machine that composes. "
            "Leave it out."
        )
    try:
        return _fitting(name, hint, plain)
    except ValueError:
        shown = _shown(plain if said is None else said)
        raise EmsyncError(f"{name} must be {_wanted(name)}, not {shown}.") from None


def _fitting(name: str, hint: Any, plain: object) -> Any:
    """As `_checked`, for a setting of type `hint`; ValueError if it does not fit."""
    if name in _NAMES:
        return _names(name, plain)
    if hint is str:
        return _text(plain)
    if hint is bool and isinstance(plain, bool):
        return plain
    if get_origin(hint) is Literal and plain in get_args(hint):
        return plain
    if hint is Path and isinstance(plain, str) and plain and b"\0" not in os.fsencode(plain):
        return Path(plain)
    if hint in (int, float, Fraction):
        return _number(hint, plain, RANGES[name])
    raise ValueError


def _text(plain: object) -> str:
    """Lines of text without blanks around their words; ValueError if it is none, too long, or has
    letters in it that cannot be shown."""
    if not isinstance(plain, str) or len(plain) > LONGEST_TEXT:
        raise ValueError
    lines = [" ".join(line.split()) for line in plain.strip().splitlines()]
    if not all(line.isprintable() for line in lines):
        raise ValueError
    return "\n".join(lines)


def _number(hint: Any, plain: object, within: Range) -> Any:
    """A number of type `hint`; ValueError if it is none or not `within`."""
    if hint is Fraction and isinstance(plain, str) and _QUOTIENT.fullmatch(plain):
        plain = Fraction(plain)
    kinds = (int,) if hint is int else (int, float, Fraction)
    if not isinstance(plain, kinds) or isinstance(plain, bool) or plain not in within:
        raise ValueError
    return hint(str(plain))  # 0.1 means a tenth, as written


def _names(name: str, plain: object) -> tuple[Any, ...]:
    """A list of names, or programs by the names of their groups; ValueError if it is not."""
    kind = dict if name == "sound.programs" else list
    if not isinstance(plain, kind) or (not plain and name in _NOT_EMPTY):
        raise ValueError
    if not all(isinstance(word, str) and word in _NAMES[name] for word in plain):
        raise ValueError
    if isinstance(plain, dict):
        return tuple((group, _number(int, plain[group], PROGRAMS)) for group in plain)
    if len(set(plain)) < len(plain):
        raise ValueError
    return tuple(plain)


def _plain_of(name: str, text: str) -> object:
    """What JSON would have given for the text of a setting; the text if it is nothing like it."""
    hint = _hints()[name]
    if hint is str:
        return "" if text == "none" else text
    if text == "none" and get_origin(hint) is UnionType:
        return None
    if name in _NAMES:
        words = [] if text == "none" else [word.strip() for word in text.split(",")]
        if name != "sound.programs":
            return words
        pairs = [word.partition(":") for word in words]
        programs = {group: int(program) for group, _, program in pairs if _WHOLE.fullmatch(program)}
        return programs if len(programs) == len(words) else text
    if hint is bool:
        return {"true": True, "false": False}.get(text, text)
    kinds = {hint, *get_args(hint)}
    if int in kinds:
        return int(text) if _WHOLE.fullmatch(text) else text
    return float(text) if kinds & {float, Fraction} and _NUMBER.fullmatch(text) else text


def _text_of(name: str, value: Any) -> str:
    """What `value_of` reads as `value`."""
    if value in (None, (), ""):
        return "none"
    if name == "sound.programs":
        return ",".join(f"{group}:{program}" for group, program in value)
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shortest(value: Fraction) -> int | float | str:
    """A fraction as a number where JSON's decimals hold it, else as "1/3"."""
    if value.denominator == 1:
        return value.numerator
    return float(value) if Fraction(str(float(value))) == value else str(value)


def _wanted(name: str) -> str:
    """What a setting must be, as the end of a sentence."""
    hint = _hints()[name]
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    if name == "sound.programs":
        known = listed(_NAMES[name])
        return f"programs {PROGRAMS} for groups out of {known}, each once, such as piano:4"
    if name in _NAMES:
        least = ", one at least" if name in _NOT_EMPTY else ", or none"
        return f"names out of {listed(_NAMES[name])}, each once{least}"
    if get_origin(hint) is Literal:
        return " or ".join(f"“{word}”" for word in kinds)
    if hint is str:
        return f"chords such as “Am | F C | G”, in at most {LONGEST_TEXT} characters"
    if hint is bool:
        return "true or false"
    words = "a file name" if Path in kinds else f"a number {RANGES[name]}"
    if int in (hint, *kinds):
        words = f"a whole number {RANGES[name]}"
    return f"{words}, or none" if get_origin(hint) is UnionType else words


def _shown(value: object) -> str:
    """A stranger's value in a sentence."""
    if isinstance(value, str):
        return f"“{one_line(value, 40)}”"
    return one_line(json.dumps(value, default=str), 40)
