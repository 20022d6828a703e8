"""Presets and queries: every setting goes out and comes back, and nothing else gets in."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync import presets
from emsync.errors import EmsyncError
from emsync.presets import from_plain, from_query, read_preset, to_plain, to_query, write_preset
from emsync.settings import (
    LONGEST_TEXT,
    RANGES,
    FilmLimits,
    MusicSettings,
    Settings,
    choices_of,
)

FILES = {"music.primer", "music.theme", "sound.soundfont"}
TEXTS = {"music.chords"}


def leaves(part: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every setting, found without the code under test."""
    for one in fields(part):
        value = getattr(part, one.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{one.name}.")
        else:
            yield prefix + one.name, value


STANDARD = dict(leaves(Settings()))
# Makes Pydantic's checks, so that no property is timed with them.
assert from_plain(to_plain(Settings())) == Settings()
WHOLE = {"music.keep", "music.opening", "music.video2music.clip_every", "sound.audio_track"} | {
    name for name, value in STANDARD.items() if type(value) is int
}
NUMBERS_OR_NONE = {
    *("music.keep", "music.opening", "music.slowest", "music.fastest", "sound.audio_track"),
    "music.video2music.clip_every",
}
"""Numbers that are none by default, so that their values do not show what they are."""
OPTIONAL = NUMBERS_OR_NONE | {"music.late_tolerance"}


def values(name: str) -> st.SearchStrategy[Any]:
    """All that a setting may be."""
    standard = STANDARD[name]
    if name in FILES:
        word = st.text("aZ0 äß-_", min_size=1)
        return st.none() | st.builds(lambda word: Path.cwd() / f"{word}.file", word)
    if name == "sound.programs":
        programs = st.dictionaries(st.sampled_from(MusicSettings.groups), st.integers(0, 127))
        return programs.map(lambda chosen: tuple(chosen.items()))
    if name == "sound.gains":
        gains = st.dictionaries(st.sampled_from(MusicSettings.groups), st.floats(-60, 12))
        return gains.map(lambda chosen: tuple(chosen.items()))
    if isinstance(standard, tuple):
        some = st.lists(st.sampled_from(standard), unique=True, min_size=name == "music.groups")
        return some.map(tuple)
    if isinstance(standard, bool):
        return st.booleans()
    if name == "music.video2music.primer":
        chords = st.lists(st.sampled_from(("C", "Am", "F#m7", "G:sus4", "N")), max_size=9)
        return chords.map(" ".join)
    if name == "music.leitmotif":
        moments = st.lists(st.sampled_from(("7", "12.5", "1:05", "1:02:03")), max_size=5)
        return moments.map(" ".join)
    if name in TEXTS:
        bars = st.lists(st.sampled_from(("Am", "F C", "F#m7b5/C", "Bbmaj7")), max_size=9)
        return bars.map(" | ".join)
    if isinstance(standard, str):
        return st.sampled_from(choices_of(name))
    within = RANGES[name]
    if name in WHOLE:
        number = st.integers(int(within.low) + within.above, int(within.high))
        return number | st.none() if name in OPTIONAL else number
    if isinstance(standard, Fraction):
        low, high = Fraction(str(within.low)), Fraction(str(within.high))
        return st.fractions(low, high, max_denominator=10**9) | st.sampled_from([low, high])
    decimal = st.floats(within.low, within.high, exclude_min=within.above)
    return decimal | st.none() if name in OPTIONAL else decimal


def in_order(settings: Settings) -> Settings:
    """The same, the slower of its two tempi first."""
    slowest, fastest = settings.music.slowest, settings.music.fastest
    if slowest is None or fastest is None:
        return settings
    tempi = dict(zip(("music.slowest", "music.fastest"), sorted((slowest, fastest)), strict=True))
    return presets.changed(settings, tempi)


SOME_SETTINGS = st.fixed_dictionaries({}, optional={name: values(name) for name in STANDARD}).map(
    lambda chosen: in_order(presets.changed(Settings(), chosen))
)


@given(SOME_SETTINGS)
def test_settings_come_back_from_json(settings: Settings) -> None:
    text = json.dumps(to_plain(settings, "path"), allow_nan=False)
    assert from_plain(json.loads(text), allow_paths=True) == settings


@given(SOME_SETTINGS)
def test_settings_come_back_from_a_query_but_for_files(settings: Settings) -> None:
    query = to_query(settings)
    without = presets.changed(settings, dict.fromkeys(FILES))
    assert from_query(dict(parse_qsl(query, strict_parsing=bool(query)))) == without
    told = {name for name, _ in parse_qsl(query)}
    assert told == {name for name, value in leaves(without) if value != STANDARD[name]}


def test_a_query_is_short_and_readable() -> None:
    standard = Settings()
    assert to_query(standard) == ""
    music = replace(standard.music, temperature=1.2, groups=("bass", "drums"), late_tolerance=None)
    sound = replace(standard.sound, programs=(("piano", 4), ("guitar", 24)))
    assert to_query(replace(standard, music=music, sound=sound, seed=3)) == (
        "music.groups=bass,drums&music.temperature=1.2&music.late_tolerance=none"
        "&sound.programs=piano:4,guitar:24&seed=3"
    )


def test_a_preset_is_a_file_with_every_setting_and_no_place_of_this_machine(
    tmp_path: Path,
) -> None:
    settings = presets.changed(
        Settings(), {"seed": 5, "cuts.minimum_gap": Fraction(2, 3), "music.primer": tmp_path / "p"}
    )
    preset = tmp_path / "preset.json"
    write_preset(settings, preset)
    written = json.loads(preset.read_text())
    assert written["emsync_preset"] == 4
    assert set(dict(flat(written["settings"]))) == {
        name for name in STANDARD if not name.startswith("limits.")
    }
    assert str(tmp_path) not in preset.read_text()
    assert read_preset(preset) == presets.changed(settings, {"music.primer": None})
    write_preset(settings, preset, allow_paths=True)
    assert read_preset(preset, allow_paths=True) == settings
    assert [path.name for path in tmp_path.iterdir()] == ["preset.json"]


def flat(plain: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        if isinstance(value, dict) and prefix + key not in ("sound.programs", "sound.gains"):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_every_number_has_a_range_that_holds_its_default() -> None:
    numbers = {
        name: value
        for name, value in STANDARD.items()
        if isinstance(value, int | float | Fraction) and not isinstance(value, bool)
    }
    assert NUMBERS_OR_NONE | numbers.keys() == set(RANGES)
    for name, value in numbers.items():
        assert value in RANGES[name], name


def test_every_candidate_that_can_be_drawn_can_be_asked_for() -> None:
    most = RANGES["music.candidates"].high * (RANGES["music.redraws"].high + 1)
    assert str(RANGES["music.keep"]) == f"from 1 to {most}"
    third = from_query({"music.keep": "3"})
    assert third.music.keep == 3 and to_query(third) == "music.keep=3"
    assert from_query({"music.keep": "none"}, third) == Settings()


def test_settings_of_before_a_setting_was_there_are_read() -> None:
    """As in the reports and presets of an earlier EMSYNC."""
    before = to_plain(Settings(seed=8))
    assert before["music"].pop("keep", 0) is None
    assert from_plain(before) == Settings(seed=8)


def test_a_preset_of_before_the_plans_asks_for_the_music_of_its_time(tmp_path: Path) -> None:
    """Whatever has changed since: it holds all settings of then."""
    plain = to_plain(presets.changed(Settings(), {"music.repetition_coefficient": 0.4, "seed": 8}))
    del plain["performance"]
    mix = {"width": 0.0, "group_balance": 0.0, "space": "published", "compression": 0.0,
           "limiter": False, "loudness": "peak"}  # fmt: skip
    for since in mix:
        del plain["sound"][since]
    for since in ("method", "style", "metre", "tonic", "mode", "slowest", "fastest", "density",
                  "melody", "chords", "theme", "leitmotif", "harmony"):  # fmt: skip
        del plain["music"][since]
    path = tmp_path / "preset.json"
    path.write_text(json.dumps({"emsync_preset": 1, "settings": plain}))
    made = read_preset(path)
    assert (made.music.method, made.music.repetition_coefficient) == ("free", 0.4)
    mix = {f"sound.{name}": value for name, value in mix.items()}
    flat = {"performance.performer": "flat", **mix}
    then = from_plain({**plain, "music": {**plain["music"], "method": "free"}})
    assert made == presets.changed(then, flat)
    path.write_text(json.dumps({"emsync_preset": 1}))
    assert read_preset(path) == presets.changed(Settings(), {"music.method": "free", **flat})
    path.write_text(json.dumps({"emsync_preset": 2}))
    assert read_preset(path) == presets.changed(Settings(), flat)
    path.write_text(json.dumps({"emsync_preset": 3}))
    assert read_preset(path) == presets.changed(Settings(), mix)
    asked = {"emsync_preset": 3, "settings": {"sound": {"loudness": "lufs"}}}
    path.write_text(json.dumps(asked))
    assert read_preset(path) == presets.changed(Settings(), {**mix, "sound.loudness": "lufs"})
    path.write_text(json.dumps({"emsync_preset": 4}))
    assert read_preset(path) == Settings()


@given(SOME_SETTINGS)
def test_as_in_the_paper_is_a_switch_that_touches_nothing_else(settings: Settings) -> None:
    paper = presets.as_in_the_paper(settings)
    music = paper.music
    assert (music.method, music.temperature, music.top_p) == ("free", 1.35, 0.6)
    assert (music.openings, music.redraws, music.repetition_coefficient) == (1, 0, 0.4)
    assert music.late_tolerance is None and not music.end_on_chord
    assert from_plain(to_plain(paper, "path"), allow_paths=True) == paper
    changes = {name for name, value in leaves(paper) if value != dict(leaves(settings))[name]}
    assert changes <= presets.IN_THE_PAPER.keys()
    ours = presets.as_ours(paper)
    assert presets.as_ours(settings) == ours
    assert {name: value for name, value in leaves(ours) if name in presets.IN_THE_PAPER} == {
        name: STANDARD[name] for name in presets.IN_THE_PAPER
    }


def test_the_slowest_tempo_is_not_above_the_fastest() -> None:
    with pytest.raises(
        EmsyncError, match=r"music\.slowest must be at most music\.fastest.*Exchange"
    ):
        from_plain({"music": {"slowest": 120, "fastest": 90}})
    base = from_query({"music.fastest": "90"})
    with pytest.raises(EmsyncError, match="120 is more than 90 quarters a minute"):
        from_query({"music.slowest": "120"}, base)
    same = from_query({"music.slowest": "90"}, base)
    assert (same.music.slowest, same.music.fastest) == (90, 90)
    assert from_query({"music.slowest": "none"}, same) == base


def test_chords_are_lines_of_text() -> None:
    lines = from_plain({"music": {"chords": "  Am |\tF   C\r\n\n G7 "}})
    assert lines.music.chords == "Am | F C\n\nG7"
    assert from_query(dict(parse_qsl(to_query(lines)))) == lines
    assert to_query(from_plain({"music": {"chords": "Am|F"}})) == "music.chords=Am%7CF"
    assert to_query(Settings(), lines) == "music.chords=none"
    assert from_query({"music.chords": "none"}, lines) == Settings()
    # What only Algorithm 1 is asked for is not read as chords: it obeys none.
    assert from_query({"music.chords": "H", "music.method": "free"}).music.chords == "H"
    in_six = {"music.chords": "Am F@6.5", "music.metre": "6/8"}
    assert from_query(in_six).music.chords == "Am F@6.5"
    with pytest.raises(EmsyncError, match="outside its bar of 4/4"):
        from_query({**in_six, "music.metre": "auto"})
    longest = " | ".join(["F#m7b5"] * (LONGEST_TEXT // 9))
    assert from_query({"music.chords": longest}).music.chords == longest


def test_what_is_missing_is_as_whoever_runs_it_has_it() -> None:
    host = presets.changed(Settings(), {"seed": 9, "limits.seconds": 60.0})
    assert from_plain({}, host) == from_query({}, host) == host
    assert from_plain({"music": {}}, host) == host
    assert from_plain({"seed": 1}, host).limits.seconds == 60


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"music": {"temprature": 1}}, ["“music.temprature”", "music.temperature?"]),
        ({"colour": 1}, ["“colour”", "Leave it out"]),
        ({"": {}}, ["There is no setting"]),
        ({"music": 1}, ["music must be a group", "not 1"]),
        ([], ["The settings must be a group"]),
        ({"music": {"temperature": 5}}, ["music.temperature", "a number from 0.1 to 3", "not 5"]),
        ({"music": {"temperature": "1.2"}}, ["music.temperature", "not “1.2”"]),
        ({"music": {"temperature": True}}, ["music.temperature", "not true"]),
        ({"music": {"temperature": None}}, ["music.temperature", "not null"]),
        ({"music": {"top_p": 0}}, ["music.top_p", "above 0 to 1", "not 0"]),
        ({"music": {"candidates": 2.0}}, ["music.candidates", "a whole number from 1 to 4"]),
        ({"music": {"openings": 10**40}}, ["music.openings", "from 1 to 32"]),
        ({"music": {"keep": 0}}, ["music.keep", "a whole number from 1 to 20, or none", "not 0"]),
        ({"music": {"keep": 2.0}}, ["music.keep"]),
        ({"music": {"late_tolerance": 2}}, ["music.late_tolerance", "or none"]),
        ({"music": {"end_on_chord": 1}}, ["music.end_on_chord", "true or false"]),
        ({"music": {"chords": 1}}, ["music.chords", "“Am | F C | G”", "not 1"]),
        ({"music": {"chords": ["Am"]}}, ["music.chords"]),
        ({"music": {"chords": "Am\0"}}, ["music.chords", "not “Am?”"]),
        ({"music": {"chords": "Am | " * 900}}, ["music.chords", "at most 4000 characters"]),
        ({"music": {"chords": "Am | \ud800"}}, ["music.chords"]),
        ({"music": {"chords": "Am | H | C"}}, ["'H' is not known", "Cmaj7"]),
        ({"music": {"chords": "C D E F G A B", "metre": "3/4"}}, ["7 chords in one bar", "6 fit"]),
        ({"music": {"method": "planed"}}, ["music.method", "“planned” or “free”"]),
        ({"music": {"metre": "5/4"}}, ["music.metre", "“3/4”"]),
        ({"music": {"slowest": 39}}, ["music.slowest", "from 40 to 220, or none"]),
        ({"music": {"harmony": 11}}, ["music.harmony", "from 0 to 10"]),
        ({"music": {"theme": "/etc/passwd"}}, ["music.theme may not be set here"]),
        ({"music": {"instruments": "many"}}, ["music.instruments", "“fewer” or “more”"]),
        ({"music": {"groups": []}}, ["music.groups", "one at least"]),
        ({"music": {"groups": ["bass", "bass"]}}, ["music.groups", "each once"]),
        ({"music": {"groups": "bass"}}, ["music.groups", "names out of bass"]),
        ({"music": {"groups": [["bass"]]}}, ["music.groups"]),
        ({"experts": {"names": ["clip", "nose"]}}, ["experts.names", "clip, beats"]),
        ({"experts": {"most_stills": 10**9}}, ["experts.most_stills", "from 1 to 480"]),
        ({"cuts": {"minimum_gap": "1/0"}}, ["cuts.minimum_gap", "not “1/0”"]),
        ({"cuts": {"minimum_gap": "1e9999999"}}, ["cuts.minimum_gap"]),
        ({"sound": {"programs": {"piano": 128}}}, ["sound.programs", "0 to 127", "piano:4"]),
        ({"sound": {"programs": {"flute": 1}}}, ["sound.programs", "piano"]),
        ({"sound": {"programs": [["piano", 4]]}}, ["sound.programs"]),
        ({"sound": {"gains": {"drums": 12.5}}}, ["sound.gains", "-60 to 12", "drums:-6"]),
        ({"sound": {"gains": {"flute": 0}}}, ["sound.gains", "drums"]),
        ({"sound": {"gains": {"drums": float("nan")}}}, ["sound.gains"]),
        ({"seed": -1}, ["seed must be a whole number from 0 to 2147483647"]),
        ({"seed": 1.5}, ["seed must be a whole number"]),
        ({"music": {"primer": "/etc/passwd"}}, ["music.primer may not be set here"]),
        ({"sound": {"soundfont": "a.sf2"}}, ["sound.soundfont may not be set here"]),
        ({"limits": {"seconds": 1801}}, ["limits.seconds", "above 0 to 1800"]),
        ({"limits": {"bytes": 0}}, ["limits.bytes"]),
        ({"seed": "line\nline" * 100}, ["“line?line", "…”"]),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(plain: object, words: list[str]) -> None:
    with pytest.raises(EmsyncError) as caught:
        from_plain(plain)
    for word in words:
        assert word in str(caught.value)
    assert str(caught.value)[-1] in ".?"
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", sorted(RANGES))
@pytest.mark.parametrize("what", ["too low", "too high", "not a number"])
def test_no_number_leaves_its_range(name: str, what: str) -> None:
    within = RANGES[name]
    bad = {"too low": within.low - 1, "too high": within.high * 2 + 100}.get(what)
    if bad is not None and name in WHOLE:
        bad = int(bad)
    with pytest.raises(EmsyncError, match=f"^{name} must be"):
        from_query({name: "nan" if bad is None else str(bad)})


def test_a_preset_cannot_raise_what_a_host_accepts() -> None:
    host = Settings(limits=FilmLimits(seconds=60))
    with pytest.raises(EmsyncError, match=r"limits\.seconds must be at most 60 here, not 61"):
        from_plain({"limits": {"seconds": 61}}, host)
    assert from_query({"limits.seconds": "30"}, host).limits.seconds == 30


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"music.temperature": "hot"}, ["music.temperature", "not “hot”"]),
        ({"music.temperature": "inf"}, ["music.temperature"]),
        ({"music.temperature": ""}, ["music.temperature", "not “”"]),
        ({"music.candidates": "1_0"}, ["music.candidates", "whole number"]),
        ({"music.candidates": "none"}, ["music.candidates"]),
        ({"music.keep": "best"}, ["music.keep", "whole number", "or none", "not “best”"]),
        ({"music.end_on_chord": "True"}, ["true or false"]),
        ({"music.groups": "none"}, ["music.groups", "one at least"]),
        ({"sound.programs": "piano:4,piano:5"}, ["sound.programs", "each once"]),
        ({"sound.programs": "piano"}, ["sound.programs"]),
        ({"sound.gains": "piano:-6,piano:0"}, ["sound.gains", "each once"]),
        ({"sound.gains": "piano:loud"}, ["sound.gains"]),
        ({"music.primer": "/etc/passwd"}, ["music.primer may not be set here"]),
        ({"music.theme": "/etc/passwd"}, ["music.theme may not be set here"]),
        ({"seed": "1" * 7000}, ["too long"]),
        ({"sed": "1"}, ["Did you mean seed?"]),
        ({"music": "1"}, ["“music”"]),
    ],
    ids=str,
)
def test_a_wrong_query_is_told(query: dict[str, str], words: list[str]) -> None:
    with pytest.raises(EmsyncError) as caught:
        from_query(query)
    for word in words:
        assert word in str(caught.value)


def test_the_host_s_own_names_are_passed_over() -> None:
    assert from_query({"__theme": "dark", "seed": "4"}) == Settings(seed=4)


PRESET = {"emsync_preset": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["not a JSON file"]),
        ("{", ["not a JSON file"]),
        ("[]", ["not a preset"]),
        ("{}", ["not a preset"]),
        ('"\\ud800"', ["not a preset"]),
        (json.dumps({"emsync_preset": 5}), ["version 5", "reads version 4 and those before"]),
        (json.dumps({"emsync_preset": True}), ["version true"]),
        (json.dumps({"emsync_preset": None}), ["version null"]),
        (json.dumps({**PRESET, "setings": {}}), ["“setings”", "Leave it out"]),
        (json.dumps({**PRESET, "settings": {"seed": -1}}), ["cannot be used", "seed must be"]),
        ('{"emsync_preset": 1, "settings": {"seed": 1, "seed": 2}}', ["“seed” is there twice"]),
        ('{"emsync_preset": 1, "settings": {"seed": NaN}}', ["NaN is no number"]),
        ("1" * 5000, ["not a JSON file"]),
        ("[" * 20_000, ["nested too deep"]),
        (" " * 70_000, ["too large", "64 kB"]),
        ('{"emsync_preset": 1, "settings": {"music": {"primer": "x"}}}', ["may not be set here"]),
    ],
)
def test_a_broken_preset_is_told(content: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "preset.json"
    path.write_text(content)
    with pytest.raises(EmsyncError) as caught:
        read_preset(path)
    for word in [*words, "preset.json"]:
        assert word in str(caught.value)


def test_a_preset_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(EmsyncError, match="There is no file"):
        read_preset(tmp_path / "gone.json")
    with pytest.raises(EmsyncError, match="is not a file"):
        read_preset(tmp_path)
    binary = tmp_path / "preset.json"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(EmsyncError, match="not a JSON file"):
        read_preset(binary)


def test_a_path_that_no_file_system_knows_is_refused() -> None:
    for path in ("a\0b", "\ud800", ""):
        with pytest.raises(EmsyncError, match=r"music\.primer must be a file name, or none"):
            from_plain({"music": {"primer": path}}, allow_paths=True)
