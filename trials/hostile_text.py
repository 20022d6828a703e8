"""Presets, reports, addresses, moods and tokens made to do harm: each is read, or refused."""

import copy
import functools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emsync.emotion.curve import MoodCurve
from emsync.errors import EmsyncError
from emsync.film.probe import probe
from emsync.interface.mood_editor import MOST_SCENES, fresh, request_of
from emsync.music.composer import ComposerWeights
from emsync.music.transformer.tokens import decode, encode, tick_of_tokens
from emsync.presets import from_query, read_preset, write_preset
from emsync.report.read import read_report
from emsync.settings import FilmLimits, MoodSettings, Settings
from trials import seeds
from trials.hostile_midi import END, primer
from trials.hostile_soundfonts import font
from trials.lures import NAMES, READ, REFUSED, Unmarked, due, little_memory, sentence
from trials.trial import Wrong

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, -(10**39), 1e308, -1e308, 5e-324, 0.1, "", "x", "none",
    "/etc/nothing", "../../secret", "\0", "\ud800", "a\nb\x1b[31m", "9" * 400, [], {}, [[]], [None],
    [{}], {"": None}, {"x": {"y": {}}}, "x" * 2000, [0] * 400,
)  # fmt: skip
"""Values where others are expected."""
RAW = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "[" * 10_000 + "]" * 10_000,
       '{"a":' * 10_000 + "1" + "}" * 10_000, '"\\ud800"', '{"a": 1, "a": 2}')  # fmt: skip
"""JSON that Python's writer does not write."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in a value; of lists only to the first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(
        value, list
    ) else ()  # fmt: skip
    for key, one in inner:
        yield from places(one, (*path, key))


def altered(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return a copy of a value with another one at a place."""
    if not path:
        return other
    made = copy.deepcopy(value)
    part = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = other
    return made


def preset(path: Path, folder: Path) -> str:
    """Return what comes of a preset file.

    Raises:
        Wrong: neither settings nor a sentence.
    """
    try:
        made = read_preset(path)
    except EmsyncError as error:
        return sentence(error, folder)
    limits = FilmLimits()
    if made.music.primer or made.sound.soundfont:
        raise Wrong("a preset named a file of this machine")
    if any(getattr(made.limits, name) > most for name, most in asdict(limits).items()):
        raise Wrong("a preset raised the limits")
    return "read"


def report(path: Path, folder: Path) -> str:
    """Return what comes of a report: that it can be shown and written, or a sentence.

    Raises:
        Wrong: neither.
    """
    try:
        recorded = read_report(path)
    except EmsyncError as error:
        return sentence(error, folder)
    for word in (recorded.film, recorded.weights, recorded.film_sha256):
        if not word.isprintable():
            raise Wrong(f"{word!r} cannot be shown")
    str(recorded).encode()
    if recorded.settings.music.primer or recorded.settings.sound.soundfont:
        raise Wrong("a report named a file of this machine")
    MoodCurve(*zip(*recorded.request.changes, strict=True))
    return "read"


def _report_file() -> Path:
    return Path(__file__).resolve().parents[1] / "examples" / "carnival" / "report.json"


def example_report() -> dict[str, Any]:
    """Return the report of an example, with short lists."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(one) for key, one in value.items()}
        return [short(one) for one in value[:3]] if isinstance(value, list) else value

    made: dict[str, Any] = short(json.loads(_report_file().read_text("utf-8")))
    made["emotion"]["scenes"] = made["emotion"]["scenes"][:3]
    return made


def example_preset(folder: Path) -> dict[str, Any]:
    """Return a preset with every setting."""
    path = folder / "made.json"
    write_preset(Settings(), path)
    made: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return made


def _wrong_everywhere(
    valid: Callable[[Path], dict[str, Any]], read: Callable[[Path, Path], str], folder: Path
) -> str:
    whole, path, tried = valid(folder), folder / "odd.json", 0
    path.write_text(json.dumps(whole), "utf-8")
    due(read(path, folder), READ)
    for place in places(whole):
        for odd in ODD:
            path.write_text(json.dumps(altered(whole, place, odd)), "utf-8")
            read(path, folder)
            tried += 1
        if len(place) == 1:
            for raw in RAW:
                text = json.dumps(altered(whole, place, "RAW")).replace('"RAW"', raw)
                path.write_text(text, "utf-8")
                read(path, folder)
                tried += 1
    return f"{tried} without harm"


def _try_text(
    valid: Callable[[Path], dict[str, Any]],
    spoil: Callable[[dict[str, Any]], str | bytes],
    must: str,
    read: Callable[[Path, Path], str],
    folder: Path,
) -> str:
    path, content = folder / "odd.json", spoil(valid(folder))
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    )
    with little_memory():
        return due(read(path, folder), must)


def _lying_report(folder: Path) -> str:
    made, path = example_report(), folder / "lies.json"
    made["film"]["sha256"] = made["music"]["weights_sha256"] = "0" * 64
    made["film"]["name"] = "../../../etc/passwd"
    made["music"]["weights"] = "../../elsewhere"
    path.write_text(json.dumps(made))
    recorded = read_report(path)
    film_path = seeds.film("front.mp4", folder)
    ours = ComposerWeights("ours", "1" * 64, "cpu", "2" * 64)
    found = recorded.differences(probe(film_path), recorded.settings, ours)
    if not any("film is not" in one for one in found) or not any("weights" in one for one in found):
        raise Wrong(f"nobody is told that the report lies: {found}")
    return f"told: {found[0]}"


def query(asked: dict[str, str], folder: Path) -> str:
    """Return what comes of the settings in an address.

    Raises:
        Wrong: neither settings nor a sentence.
    """
    try:
        made = from_query(asked)
    except EmsyncError as error:
        return sentence(error, folder)
    if made.music.primer or made.sound.soundfont:
        raise Wrong("an address named a file of this machine")
    return "read"


def _queries(folder: Path) -> str:
    tried = 0
    flat = [".".join(map(str, place)) for place in places(example_preset(folder)["settings"])]
    for name in [*filter(None, flat), "music.primer", "sound.soundfont", "", "x" * 99, "a\0", "é"]:
        for odd in (*ODD, *RAW, "1/0", "1/3", "٣", "0x10", "1_000", " 1", "1e-400", "inf", "nan"):
            query({name: odd if isinstance(odd, str) else str(odd)}, folder)
            tried += 1
    query({str(number): "1" for number in range(10_000)}, folder)
    query({"seed": "1" * 10**7}, folder)
    return f"{tried + 2} without harm"


def mood(value: Any, folder: Path) -> str:
    """Return what comes of what a browser sends for the mood editor.

    Raises:
        Wrong: neither a request nor a sentence.
    """
    try:
        request = request_of(value)
    except EmsyncError as error:
        return sentence(error, folder)
    for one in (request.mood, *(mood for _, mood in request.changes)):
        if one is not None and not (-1 <= one.valence <= 1 and -1 <= one.arousal <= 1):
            raise Wrong(f"a mood that is none: {one}")
    return "read"


def example_mood() -> dict[str, Any]:
    """Return what the browser sends for a film of three scenes."""
    scenes = [{"start": float(at), "read": [0.1, 0.2], "mood": [0.1 * at, -0.5]} for at in range(3)]
    return fresh(MoodSettings()) | {
        "mode": "scenes", "film": [0.1, 0.2], "seconds": 9.0, "scenes": scenes, "edits": 3,
    }  # fmt: skip


def _moods(folder: Path) -> str:
    valid, tried = example_mood(), 0
    if mood(valid, folder) != READ:
        raise Wrong("the right value is refused")
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    others = (*ODD, float("nan"), float("inf"), deep, 10**5000, b"x", {1: 2}, object())
    for place in places(valid):
        for odd in others:
            made = altered(valid, place, odd) if odd is not deep else _shallow(valid, place, deep)
            mood(made, folder)
            tried += 1
    mood(valid | {"scenes": valid["scenes"] * 10**5}, folder)
    mood(valid | {"scenes": valid["scenes"][:1] * (MOST_SCENES + 1)}, folder)
    return f"{tried + 2} without harm"


def _shallow(value: dict[str, Any], place: tuple[Any, ...], other: Any) -> Any:
    """Do as `altered`, for what cannot be copied."""
    return value | {place[0]: other} if place else other


def tokens(numbers: Sequence[int]) -> str:
    """Return what comes of a sequence of tokens: notes that give the same tokens each time.

    Raises:
        Wrong: they do not.
    """
    decoded = decode(numbers)
    notes = decoded.notes
    if len(notes) and not ((notes.end > notes.start).all() and (notes.start >= 0).all()):
        raise Wrong("a note ends before it begins")
    again = encode(notes, decoded.bars, decoded.chords)
    twice = decode(again)
    if len(twice.notes) != len(notes) or twice.bars != decoded.bars:
        raise Wrong(f"{len(notes)} notes become {len(twice.notes)}")
    if len(again) and tick_of_tokens(again)[-1] > decoded.length + 100:
        raise Wrong("the clock runs on")
    return f"read: {len(notes)} notes"


def _token_trials(folder: Path) -> str:
    dice = random.Random(3)
    tried = 0
    for most in (300, 1200, 70_000, 2**40):
        for _ in range(150):
            tokens([dice.randint(-5, most) for _ in range(dice.randint(0, 400))])
            tried += 1
    tokens([2**70, -(2**70), 10**400])
    return f"{tried + 1} without harm"


def texts() -> Iterator[Unmarked]:
    """Yield texts and values of each kind of harm."""
    yield ("preset-wrong-everywhere",
                functools.partial(_wrong_everywhere, example_preset, preset), 120)  # fmt: skip
    yield ("report-wrong-everywhere",
                functools.partial(_wrong_everywhere, lambda _: example_report(), report), 300
        )  # fmt: skip
    yield ("report-lies", _lying_report, 60)
    yield ("address", _queries, 60)
    yield ("mood-editor", _moods, 60)
    yield ("tokens", _token_trials, 60)
    for kind, valid, read in (("preset", example_preset, preset),
                              ("report", lambda _: example_report(), report)):  # fmt: skip
        for name, (spoil, *musts) in _spoiled(f"emsync_{kind}").items():
            must = musts[-1] if kind == "report" else musts[0]
            yield (f"{kind}-{name}",
                        functools.partial(_try_text, valid, spoil, must, read), 30)  # fmt: skip


def _spoiled(marker: str) -> dict[str, tuple[Any, ...]]:
    """Return what is done to a whole file, and what has to come of it.

    The last is what has to come of a report, where that is something else than of a preset.
    """

    def seed(raw: str) -> Callable[[dict[str, Any]], str]:
        """Put this text in place of a number."""
        return lambda whole: json.dumps(altered(whole, ("settings", "seed"), "RAW")).replace(
            '"RAW"', raw
        )  # fmt: skip

    def more(raw: str) -> Callable[[dict[str, Any]], str]:
        """Put this text among the settings."""
        return lambda whole: json.dumps(whole).replace(
            '"settings": {', '"settings": {' + raw + ", ", 1
        )  # fmt: skip

    deep, large = "refused: it is nested too deep", "refused: is too large"
    unread, unknown = "refused: is not a JSON file that can be read", "refused: There is no setting"
    other = f"refused: is not a {marker.removeprefix('emsync_')}"
    version = "refused: version"
    numbers = ",".join(f'"{n}": 1' for n in range(300_000))
    return {
        "whole": (json.dumps, READ),
        "empty": (lambda whole: "", unread), "nothing": (lambda whole: "null", other),
        "list": (lambda whole: "[]", other), "text": (lambda whole: "a file, honestly", unread),
        "bytes": (lambda whole: bytes(range(256)) * 9, unread),
        "deep": (seed("[" * 10_000 + "]" * 10_000), deep),
        "deep-groups": (seed('{"a":' * 10_000 + "1" + "}" * 10_000), deep),
        "unclosed": (seed("[" * 50_000), deep),
        "huge-text": (seed('"' + "x" * 10**7 + '"'), large),
        "huge-number": (seed("1" * 50_000), "refused: a number with 50000 digits"),
        "nan": (seed("NaN"), "refused: NaN is no number"),
        "infinity": (seed("1e999"), "refused: seed must be"),
        "twice": (more('"seed": 1'), "refused: “seed” is there twice"),
        "many-names": (more(numbers), large, unknown),
        "many-groups": (more('"x": [' + "{}," * 10**6 + "{}]"), large, unknown),
        "version": (lambda whole: json.dumps(whole | {marker: "\ud83c"}), version),
        "version-deep": (lambda whole: json.dumps(whole | {marker: [[[[{}]]]]}), version),
        "elsewhere": (lambda whole: json.dumps(whole | {"settings": "/etc/passwd"}),
                      "refused: a group of names with values"),
        "utf-16": (lambda whole: json.dumps(whole).encode("utf-16"), READ),
        "bom": (lambda whole: b"\xef\xbb\xbf" + json.dumps(whole).encode(), READ),
        "nul": (more('"a\\u0000": 1'), unknown),
    }  # fmt: skip


def _odd_names(read: Callable[[Path, Path], str], contents: Sequence[bytes], folder: Path) -> str:
    """Read files that are none: the sentence names each by its odd name."""
    for name in NAMES.values():
        path = folder / name
        due(read(path, folder), REFUSED)
        for content in contents:
            path.write_bytes(content)
            due(read(path, folder), REFUSED)
        path.unlink()
    return f"{len(NAMES) * (1 + len(contents))} without harm"


def named_otherwise() -> Iterator[Unmarked]:
    """Yield odd names of what is no film."""
    head = '{{"emsync_preset": {0}, "emsync_report": {0}, "settings": 1}}'
    texts = [b"", b"[]", b"{", bytes(5_000_001), head.format(1).encode(), head.format(2).encode()]
    silent_song = seeds.midi(END)
    for kind, read, contents in (("preset", preset, texts), ("report", report, texts),
                                 ("midi", primer, [silent_song]),
                                 ("font", font, [b"", b"a SoundFont, honestly"])):  # fmt: skip
        yield (f"name-of-{kind}", functools.partial(_odd_names, read, contents), 120)
