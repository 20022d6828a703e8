"""Settings as text: preset files, queries of a URL, options of the command line.

What a setting may be stands in `emsync.settings`; Pydantic checks it here. A preset may come from a
stranger: it cannot name files of this machine unless the caller allows it, and it cannot raise the
limits on films.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from emsync.errors import EmsyncError
from emsync.process.files import written_whole
from emsync.process.json_files import read_json
from emsync.settings import (
    GAINS,
    PROGRAMS,
    FilmLimits,
    Kind,
    Levels,
    Names,
    Programs,
    Range,
    Settings,
    Text,
    kinds,
)
from emsync.text import listed, one_line, quoted

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from emsync.music.planning.grid import MetreName

VERSION = 4
VERSIONS = (1, 2, 3, VERSION)
"""That are read. Those of version 1 know only the free method, those up to 2 only notes as they are
written, and those up to 3 only the mix of the published code (`of_its_time`)."""
LARGEST_PRESET = 64_000
"""Bytes; a preset with every setting has 4,000, and the longest chords 4,000 more."""
LONGEST_QUERY = 6_000
"""Characters of a query's names and values. Ours; servers take some 8,000."""
_NUMBER = re.compile(r"[-+]?\d{1,18}(\.\d{1,25})?([eE][-+]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_QUOTIENT = re.compile(r"\d{1,18}/0{0,17}[1-9]\d{0,17}", re.ASCII)


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
    "performance.performer": "flat",
    "sound.width": 0.0,
    "sound.group_balance": 0.0,
    "sound.space": "published",
    "sound.compression": 0.0,
    "sound.limiter": False,
    "sound.loudness": "peak",
}
"""Algorithm 1 as it stands, the numbers of the published code, its two velocities and its mix."""


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Return `settings` with other values for some, by their names such as "music.top_p".

    They are not checked.
    """

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
    without a plan, a beat grid, a choice among openings, an ending, expression or a mix
    (`IN_THE_PAPER`)."""
    return changed(settings, IN_THE_PAPER)


def as_ours(settings: Settings, base: Settings | None = None) -> Settings:
    """Return `settings` with what `as_in_the_paper` changes as in `base`, or as by default; the
    inverse of it for whoever had changed nothing."""
    return changed(settings, {name: attrgetter(name)(base or Settings()) for name in IN_THE_PAPER})


def check_together(settings: Settings) -> None:
    """Check what no setting shows by itself.

    Raises:
        EmsyncError: two settings contradict each other, or there are chords that nobody knows, or
            that have no room in their bar, or moments that are none.
    """
    music = settings.music
    if music.chords and music.method == "planned":
        from emsync.music.planning.chart import parse_chords
        from emsync.music.planning.grid import METRES

        usual: MetreName = "3/4" if music.style == "waltz" else "4/4"
        parse_chords(music.chords, METRES[usual if music.metre == "auto" else music.metre])
    if music.leitmotif:
        from emsync.music.planning.leitmotif import moments_of

        moments_of(music.leitmotif)
    if music.video2music.primer:
        from emsync.music.video2music.vocabulary import read_primer

        read_primer(music.video2music.primer, "C major")
    slowest, fastest = music.slowest, music.fastest
    if slowest is not None and fastest is not None and slowest > fastest:
        raise EmsyncError(
            f"music.slowest must be at most music.fastest, but {slowest:g} is more than "
            f"{fastest:g} quarters a minute. Exchange them, or leave one out."
        )


def of_its_time(plain: object, version: int) -> object:
    """Return nested values with what was the only choice when they were written.

    Up to version 1 that was the method "free", up to version 2 the performer "flat", up to version
    3 the mix of the published code.

    Args:
        plain: of a preset or a report, which have the same versions; what is no group of settings
            stays as it is.
        version: that wrote it.
    """
    only = ["music.method"] if version < 2 else []
    only += ["performance.performer"] if version < 3 else []
    only += [name for name in IN_THE_PAPER if name.startswith("sound.") and version < 4]
    for full in only:
        part, name = full.split(".")
        if isinstance(plain, dict) and isinstance(plain.get(part, {}), dict):
            plain = {**plain, part: {name: IN_THE_PAPER[full], **plain.get(part, {})}}
    return plain


def value_of(name: str, text: str, *, allow_paths: bool = False) -> Any:
    """Return the value that `text` stands for, as in a query or on the command line.

    Args:
        name: of a setting, such as "music.top_p".
        text: "0.7"; "true"; "bass,drums" for names; "piano:4,guitar:24" for programs, "bass:-6" for
            decibels; "none" for no names, no text, no file, or no number where that is allowed.
        allow_paths: whether it may name a file.

    Raises:
        EmsyncError: it stands for no value that the setting may have.
    """
    return _checked(name, _plain_of(name, text), allow_paths, text)


# Presets ----------------------------------------------------------------------------------------


def to_plain(settings: Settings, files: Literal["none", "name", "path"] = "none") -> dict[str, Any]:
    """Return all settings as nested values for JSON. `from_plain` is the inverse, but for files.

    Args:
        settings: any.
        files: what is said of the files that they name: nothing, their name, or where they are.
    """
    plain: dict[str, Any] = {}
    for name in kinds():
        *groups, own = name.split(".")
        part = plain
        for group in groups:
            part = part.setdefault(group, {})
        value = attrgetter(name)(settings)
        if isinstance(value, Path):
            value = {"none": None, "name": value.name, "path": str(value.resolve())}[files]
        elif isinstance(value, Fraction):
            value = _shortest(value)
        elif isinstance(kinds()[name].bound, Programs | Levels):
            value = dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        part[own] = value
    return plain


def from_plain(
    plain: object, base: Settings | None = None, *, allow_paths: bool = False
) -> Settings:
    """Return the settings in nested values, such as JSON gives.

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
    """Return the settings of a preset file; arguments as for `from_plain`.

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
        return from_plain(of_its_time(asked, version), base, allow_paths=allow_paths)
    except EmsyncError as problem:
        raise EmsyncError(f"The preset {quoted(path.name)} cannot be used. {problem}") from problem


# Queries ----------------------------------------------------------------------------------------


def to_query(settings: Settings, base: Settings | None = None) -> str:
    """Return all that differs from `base` as the query of a URL: "music.temperature=1.2&seed=3".

    Files that the settings name are left out, as nobody else has them.
    """
    base = base or Settings()
    texts = {}
    for name, kind in kinds().items():
        value = attrgetter(name)(settings)
        if kind.type is not Path and value != attrgetter(name)(base):
            texts[name] = _text_of(name, value)
    return urlencode(texts, safe=",:/")


def from_query(
    query: Mapping[str, str], base: Settings | None = None, *, allow_paths: bool = False
) -> Settings:
    """Return the settings of a URL; arguments and errors as for `from_plain`.

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
        if name not in kinds():
            raise _unknown(name)
        values[name] = value_of(name, text, allow_paths=allow_paths)
    return _with(base or Settings(), values)


# One setting ------------------------------------------------------------------------------------


def _flat(plain: object, prefix: str) -> Iterator[tuple[str, object]]:
    """Yield (name, value) of every setting in nested values.

    Raises:
        EmsyncError: there is no setting or no group of that name, or a group is none.
    """
    if not isinstance(plain, dict):
        raise EmsyncError(
            f"{prefix.rstrip('.') or 'The settings'} must be a group of names with values, not "
            f"{_shown(plain)}."
        )
    for key, value in plain.items():
        name = f"{prefix}{key}"
        if name in kinds():
            yield name, value
        elif any(known.startswith(f"{name}.") for known in kinds()):
            yield from _flat(value, f"{name}.")
        else:
            raise _unknown(name)


def _unknown(name: str) -> EmsyncError:
    import difflib

    near = difflib.get_close_matches(name[:60], kinds(), 1)
    advice = f"Did you mean {near[0]}?" if near else "Leave it out."
    return EmsyncError(f"There is no setting {_shown(name)}. {advice}")


def _with(base: Settings, values: Mapping[str, Any]) -> Settings:
    """Return `base` with checked `values`, which may lower the limits on films but not raise them.

    Raises:
        EmsyncError: they do; or as `check_together`.
    """
    for name, value in values.items():
        if name.startswith("limits.") and value > attrgetter(name)(base):
            raise EmsyncError(
                f"{name} must be at most {attrgetter(name)(base):.12g} here, not {_shown(value)}."
            )
    made = changed(base, values)
    check_together(made)
    return made


def _checked(name: str, plain: object, allow_paths: bool, said: object = None) -> Any:
    """Return the value of a setting out of what JSON gave.

    Args:
        name: of the setting.
        plain: what JSON gave.
        allow_paths: whether it may name a file.
        said: what the sentence is about if it is not `plain`.

    Raises:
        EmsyncError: it does not fit.
    """
    from pydantic import ValidationError

    if kinds()[name].type is Path and plain is not None and not allow_paths:
        raise EmsyncError(
            f"{name} may not be set here: it would name a file of the machine that composes. "
            "Leave it out."
        )
    try:
        return _adapter(name).validate_python(plain)
    except ValidationError:
        shown = _shown(plain if said is None else said)
        raise EmsyncError(f"{name} must be {_wanted(name)}, not {shown}.") from None


@cache
def _adapter(name: str) -> "TypeAdapter[Any]":
    """Return what makes the value of a setting out of what JSON gives, or refuses to."""
    from pydantic import TypeAdapter

    kind = kinds()[name]
    checked = _checked_type(kind)
    return TypeAdapter(checked | None if kind.optional else checked)


def _checked_type(kind: Kind) -> Any:
    """Return what a setting may be as a type with Pydantic's checks."""
    from pydantic import AfterValidator, Field, PlainValidator, Strict

    match kind.bound:
        case Range() as bound if kind.type is Fraction:
            return Annotated[Fraction, PlainValidator(lambda plain: _fraction(plain, bound))]
        case Range(low, high, above):
            least = Field(gt=low) if above else Field(ge=low)
            return Annotated[kind.type, Strict(), least, Field(le=high)]
        case Names(known, least):
            names = tuple[Literal[known], ...]  # type: ignore[valid-type]
            return Annotated[names, Field(min_length=least), AfterValidator(_each_once)]
        case Programs(groups):
            program = Annotated[int, Strict(), Field(ge=PROGRAMS.low, le=PROGRAMS.high)]
            chosen = dict[Literal[groups], program]  # type: ignore[valid-type]
            return Annotated[chosen, AfterValidator(_pairs)]
        case Levels(groups):
            decibels = Annotated[float, Strict(), Field(ge=GAINS.low, le=GAINS.high)]
            return Annotated[dict[Literal[groups], decibels], AfterValidator(_pairs)]  # type: ignore[valid-type]
        case Text(most):
            return Annotated[str, Strict(), Field(max_length=most), AfterValidator(_tidy)]
    if kind.type is Path:
        return Annotated[Path, PlainValidator(_path)]
    return Annotated[bool, Strict()] if kind.type is bool else kind.type


def _fraction(plain: object, bound: Range) -> Fraction:
    """Return a number or a quotient such as "1/3" as a fraction; ValueError if it is neither."""
    if isinstance(plain, str) and _QUOTIENT.fullmatch(plain):
        plain = Fraction(plain)
    if not isinstance(plain, int | float | Fraction) or isinstance(plain, bool):
        raise ValueError("not a number")
    if plain not in bound:
        raise ValueError("out of range")
    return Fraction(str(plain))  # 0.1 means a tenth, as written


def _pairs(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return what each group is given, as settings hold it."""
    return tuple(values.items())


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names; ValueError if one is there twice."""
    if len(set(names)) < len(names):
        raise ValueError("a name is there twice")
    return names


def _tidy(text: str) -> str:
    """Return lines of text without blanks around words; ValueError if they cannot be shown."""
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    if not all(line.isprintable() for line in lines):
        raise ValueError("letters that cannot be shown")
    return "\n".join(lines)


def _path(plain: object) -> Path:
    """Return the path of a file; ValueError if no file system knows such a name."""
    if not isinstance(plain, str) or not plain or b"\0" in os.fsencode(plain):
        raise ValueError("not a file name")
    return Path(plain)


def _plain_of(name: str, text: str) -> object:
    """Return what JSON would have given for the text of a setting; the text if it is unlike it."""
    kind = kinds()[name]
    if text == "none" and (kind.optional or isinstance(kind.bound, Text)):
        return None if kind.optional else ""
    if isinstance(kind.bound, Names | Programs | Levels):
        words = [] if text == "none" else [word.strip() for word in text.split(",")]
        if isinstance(kind.bound, Names):
            return words
        pairs = [word.partition(":") for word in words]
        form, number = (_NUMBER, float) if isinstance(kind.bound, Levels) else (_WHOLE, int)
        given = {group: number(value) for group, _, value in pairs if form.fullmatch(value)}
        return given if len(given) == len(words) else text
    if kind.type is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind.type is int:
        return int(text) if _WHOLE.fullmatch(text) else text
    return float(text) if kind.type in (float, Fraction) and _NUMBER.fullmatch(text) else text


def _text_of(name: str, value: Any) -> str:
    """Return what `value_of` reads as `value`."""
    if value in (None, (), ""):
        return "none"
    if isinstance(kinds()[name].bound, Programs | Levels):
        return ",".join(f"{group}:{given}" for group, given in value)
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shortest(value: Fraction) -> int | float | str:
    """Return a fraction as a number where JSON's decimals hold it, else as "1/3"."""
    if value.denominator == 1:
        return value.numerator
    return float(value) if Fraction(str(float(value))) == value else str(value)


def _wanted(name: str) -> str:
    """Return what a setting must be, as the end of a sentence."""
    kind = kinds()[name]
    match kind.bound:
        case Range() as bound:
            words = f"a {'whole ' if kind.type is int else ''}number {bound}"
        case Names(known, least):
            number = ", one at least" if least else ", or none"
            words = f"names out of {listed(known)}, each once{number}"
        case Programs(groups):
            among = f"for groups out of {listed(groups)}, each once, such as piano:4"
            words = f"programs {PROGRAMS} {among}"
        case Levels(groups):
            among = f"for groups out of {listed(groups)}, each once, such as drums:-6"
            words = f"decibels {GAINS} {among}"
        case Text(most, example):
            words = f"chords such as “{example}”, in at most {most} characters"
        case None if kind.choices:
            words = " or ".join(f"“{word}”" for word in kind.choices)
        case None:
            words = "true or false" if kind.type is bool else "a file name"
    return f"{words}, or none" if kind.optional else words


def _shown(value: object) -> str:
    """Return a stranger's value as it can stand in a sentence."""
    if isinstance(value, str):
        return f"“{one_line(value, 40)}”"
    return one_line(json.dumps(value, default=str), 40)
