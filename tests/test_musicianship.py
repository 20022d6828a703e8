"""The measures of musicianship on pieces whose answers are known, and the comparison."""

import math
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.emotion.curve import MoodCurve
from emsync.errors import EmsyncError
from emsync.evaluation import rolls
from emsync.evaluation.musicianship import NAMES, measure, piece_of, running
from emsync.evaluation.musicianship.comparing import markdown_of, reference_of, set_of
from emsync.evaluation.musicianship.harmony import Harmony
from emsync.evaluation.musicianship.requests import WAYS, requests_for, spread_moods
from emsync.evaluation.musicianship.rhythm import Rhythm
from emsync.evaluation.musicianship.structure import structureness
from emsync.music.midi import write_midi
from emsync.music.notes import GROUPS, Note, NoteTable, table_of
from emsync.music.transformer.checkpoint import Checkpoint
from emsync.music.transformer.model import MusicTransformer, TransformerSettings
from emsync.music.transformer.tokens import encode
from emsync.settings import MusicSettings
from emsync.training.corpus import Piece

BAR = 240
"""Ticks: 125 quarters a minute."""
BARS = 30
TUNE = (76, 77, 79, 81, 79, 77, 76, 74)
CHORDS = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))


def song(
    bar: int = BAR, chords: Sequence[Sequence[int]] = CHORDS, tune: Sequence[int] = TUNE
) -> NoteTable:
    """C, Am, F, G round and round under a tune in eighths, with kick, snare and bass."""
    rows = []
    for number in range(BARS):
        at, chord = number * bar, chords[number % len(chords)]
        for beat in range(4):
            rows.append(("drums", 36 if beat % 2 == 0 else 38, at + beat * bar // 4, 6))
            rows.append(("bass", min(chord) - 12, at + beat * bar // 4, bar // 4))
        rows += [("guitar", pitch, at, bar) for pitch in chord]
        shift = number % 4 // 2
        rows += [
            ("piano", pitch + shift, at + i * bar // 8, bar // 8) for i, pitch in enumerate(tune)
        ]
    columns = [(GROUPS.index(group), pitch, at, at + ticks) for group, pitch, at, ticks in rows]
    return NoteTable(*np.array(columns, dtype=np.int64).T)


def measured(notes: NoteTable, bar: int = BAR) -> dict[str, float]:
    return measure(piece_of(notes, np.arange(BARS) * bar, BARS * bar))


def test_a_steady_song_has_the_virtues_of_one() -> None:
    found = measured(song())
    assert found["bars_off_length"] == found["bar_variation"] == found["tempo_drift"] == 0
    assert found["tempo"] == pytest.approx(125)
    assert found["onsets_on_grid"] == found["kick_snare_likeness"] == 1
    assert found["bar_likeness"] > 0.9
    assert found["pulse_clarity"] > 0.9 and found["snare_on_backbeat"] == 1
    assert found["gps"] == 1, "every bar has the same rhythm"
    assert found["longest_chord"] <= 3 and found["chord_changes"] == pytest.approx(31, abs=2)
    assert found["different_chords"] * found["chord_changes"] > 0
    assert found["progressions_returning"] == found["bass_in_chord"] == 1
    assert found["key_clarity"] > 0.7 and found["lead_windows"] == 1
    assert found["motifs_returning"] > 0.95
    assert found["voices"] == pytest.approx(5, abs=0.2) and found["groups"] == 4


def test_each_fault_shows_in_its_measure() -> None:
    good, notes = measured(song()), song()
    draws = np.random.default_rng(0)
    moved = replace(notes, start=notes.start + draws.integers(0, 25, len(notes)))
    shaken = measured(replace(moved, end=np.maximum(moved.end, moved.start + 1)))
    assert shaken["onsets_on_grid"] < 0.5 and shaken["pulse_clarity"] < good["pulse_clarity"] - 0.2
    standing = measured(song(chords=CHORDS[:1]))
    assert standing["longest_chord"] > 50 and standing["chord_changes"] == 0
    cluster = measured(song(chords=((60, 61, 62), (64, 65, 66))))
    assert cluster["minor_second_time"] > 0.9 > 0.1 > good["minor_second_time"]
    flat = measured(song(tune=(76,) * 8))
    assert flat["top_line_stays"] > 0.9 and flat["lead_windows"] == 0
    wandering = song()
    piano = wandering.group == GROUPS.index("piano")
    pitches = np.where(piano, draws.integers(60, 90, len(piano)), wandering.pitch)
    assert measured(replace(wandering, pitch=pitches))["motifs_returning"] < 0.2


def test_structure_is_told_from_chance() -> None:
    """Ten seconds of A and ten of B in turn: the fittest stretch is both, of twenty."""

    def chance(seed: int, seconds: int) -> list[tuple[int, int]]:
        draws = np.random.default_rng(seed)
        return [(48 + int(draws.integers(36)), second) for second in range(seconds)
                for _ in range(4)]  # fmt: skip

    def structure(rows: list[tuple[int, int]]) -> dict[str, float]:
        notes = [Note("piano", pitch, at, at + 0.8) for pitch, at in rows]
        return structureness(piece_of(table_of(notes), np.zeros(1, np.int64), 7500))

    ab = [(pitch, at + 10 * part) for part in (0, 1) for pitch, at in chance(part, 10)]
    form = structure([(pitch, at + 20 * turn) for turn in range(3) for pitch, at in ab])
    assert form["si_long"] > form["si_medium"] > form["si_short"] > 0.25
    assert form["si_long"] == pytest.approx(2 / 3, abs=0.01), "two of three turns are covered anew"
    none = structure(chance(7, 60))
    assert none["si_long"] < 0.1 and none["si_medium"] < 0.3
    still = structure([(pitch, at) for at in range(60) for pitch in (60, 64, 67)])
    assert still["si_long"] < 0.1, "standing still is no form"


def test_bars_that_change_their_length_are_told() -> None:
    lengths = np.where(np.arange(BARS - 1) % 3 == 0, BAR + 30, BAR)
    bars = np.concatenate([[0], np.cumsum(lengths)])
    found = measure(piece_of(song(), bars, int(bars[-1]) + BAR))
    assert found["bars_off_length"] == pytest.approx(10 / 29) == found["bars_off_stretch"]
    two_tempi = np.concatenate([np.arange(15) * BAR, 15 * BAR + np.arange(15) * (BAR + 60)])
    notes = song()
    slowed = replace(notes, start=_slowed(notes.start), end=_slowed(notes.end))
    found = measure(piece_of(slowed, two_tempi, int(two_tempi[-1]) + BAR))
    assert found["bars_off_length"] > 0.4 > 0.2 > found["bars_off_stretch"]
    assert found["local_pulse_clarity"] > found["pulse_clarity"] + 0.1


def _slowed(ticks: np.ndarray) -> np.ndarray:
    """Ticks of a song that slows down by a quarter in its middle."""
    middle = 15 * BAR
    later = middle + (ticks - middle) * (BAR + 60) // BAR
    return np.where(ticks < middle, ticks, later)


def test_minor_sounds_less_major() -> None:
    minor = [[pitch - (pitch % 12 in (4, 9, 11)) for pitch in chord] for chord in CHORDS]
    tune = [pitch - (pitch % 12 in (4, 9, 11)) for pitch in TUNE]
    assert (
        measured(song())["majorness"]
        > 0.05
        > -0.05
        > measured(song(chords=minor, tune=tune))["majorness"]
    )


def test_entropy_of_pitch_classes_is_that_of_its_definition() -> None:
    chord, scale = (60, 64, 67, 72), tuple(range(60, 72))
    for pitches, bits in ((chord[:1], 0.0), (chord, 1.5), (scale, math.log2(12))):
        notes = [Note("piano", pitch, 1.92 * bar + 0.1 * i, 1.92 * bar + 0.1 * i + 0.1)
                 for bar in range(BARS) for i, pitch in enumerate(pitches)]  # fmt: skip
        found = measured(table_of(notes))
        assert found["pche_bar"] == pytest.approx(bits) == found["pche_four_bars"]


@given(st.integers(-12, 12), st.integers(0, 11))
@settings(max_examples=4, deadline=None)
def test_harmony_is_the_same_in_every_key_and_order(semitones: int, seed: int) -> None:
    notes = song()
    pitched = notes.group != GROUPS.index("drums")
    moved = replace(notes, pitch=notes.pitch + semitones * pitched)
    moved = moved.take(np.random.default_rng(seed).permutation(len(notes)))
    there, here = measured(moved), measured(notes)
    for field in fields(Harmony):
        assert there[field.name] == pytest.approx(here[field.name]), field.name
    assert there["motifs_returning"] == here["motifs_returning"]
    for field in fields(Rhythm):
        if field.name != "bar_likeness":  # compares drums by pitch class as well
            assert there[field.name] == pytest.approx(here[field.name]), field.name


@given(st.lists(st.tuples(st.sampled_from(GROUPS), st.integers(21, 108), st.integers(0, 199),
                          st.integers(1, 300)), min_size=1, max_size=60),
       st.lists(st.integers(0, 400), max_size=8))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_anything_can_be_measured(rows: list[tuple[str, int, int, int]], bars: list[int]) -> None:
    """Short, empty, drums alone, bars anywhere: never an error, and shares stay shares."""
    notes = [Note(g, p, at / 10, (at + ticks) / 10) for g, p, at, ticks in rows]
    piece = piece_of(table_of(notes), np.array(bars, dtype=np.int64) * 6, 2500)
    found = measure(piece)
    assert tuple(found) == NAMES
    for name, value in found.items():
        if name.endswith(("_time", "likeness", "returning")) or name.startswith("bars_"):
            assert math.isnan(value) or 0 <= value <= 1, (name, value)


def test_a_piece_without_notes_is_refused() -> None:
    with pytest.raises(ValueError, match="without notes"):
        piece_of(table_of(()), np.zeros(0, np.int64), 100)
    with pytest.raises(ValueError, match="without notes"):
        piece_of(table_of([Note("piano", 60, 9.0, 10.0)]), np.zeros(0, np.int64), 100)


# What is asked --------------------------------------------------------------------------------


def test_requests_are_spread_and_repeatable() -> None:
    films = requests_for(60, 60.0, 3)
    assert films == requests_for(60, 60.0, 3) != requests_for(60, 60.0, 4)
    assert films[:20] == requests_for(20, 60.0, 3)
    moods = [(mood.valence, mood.arousal) for mood in spread_moods(64, 3)]
    squares = ((np.array(moods) + 0.8) / 0.4).astype(int) @ (4, 1)
    counts = np.bincount(squares, minlength=16)
    assert counts.min() >= 2 and counts.max() <= 6, "evenly over the plane"
    for film in films:
        assert all(3.99 <= gap <= 6.51 for gap in np.diff((0.0, *film.cuts)))
        assert film.seconds - 1.0 >= film.cuts[-1] >= film.seconds - 7.5
    changing = [film for film in films if len(film.curve.moods) > 1]
    assert len(changing) == 15
    for film in changing:
        assert set(film.curve.starts[1:]) <= set(film.cuts)
        for one, other in zip(film.curve.moods, film.curve.moods[1:], strict=False):
            assert min(abs(one.valence - other.valence), abs(one.arousal - other.arousal)) >= 0.6


def test_the_ways_are_those_that_are_named() -> None:
    assert WAYS["ours"] == type(WAYS["ours"])(), "as the app does by default"
    assert WAYS["as in the paper"].late_tolerance is None and WAYS["as in the paper"].openings == 1
    assert {WAYS[name].method for name in list(WAYS)[2:]} == {"free"}
    assert WAYS["without leaning"].method == "planned"


# Beside each other ----------------------------------------------------------------------------


@cache
def variants(count: int) -> list[dict[str, float]]:
    """Songs that differ in tune and order of chords."""
    made = []
    for seed in range(count):
        draws = np.random.default_rng(seed)
        tune = draws.permutation(TUNE).tolist()
        chords = [CHORDS[i] for i in draws.permutation(4)]
        bar = BAR + 8 * int(draws.integers(4))
        made.append(measured(song(bar, chords, tune), bar))
    return made


def test_distance_is_in_deviations_of_the_real_pieces() -> None:
    real = variants(6)
    same = set_of(real, real)
    assert same.composite == 0 and same.composite_deviation > 0
    moved = [one | {"tempo": one["tempo"] + 20.0} for one in real]
    deviation = float(np.std([one["tempo"] for one in real]))
    assert set_of(moved, real).distance["tempo"] == pytest.approx(20 / deviation)
    unknown = [one | {"gps": math.nan} for one in real]
    assert math.isnan(set_of(unknown, real).mean["gps"])
    assert not math.isnan(set_of(unknown, real).composite)
    reference = reference_of(real, {"s": 6})
    assert 0 < reference.composite_of_halves < 1.5
    assert reference.standing_still == 0


def test_real_windows_come_from_the_test_split_in_turns() -> None:
    notes = song()
    tokens = encode(notes, np.arange(BARS) * BAR, drum_offs=False)
    labels: dict[str, Any] = {
        "valence": 0.1,
        "arousal": 0.2,
        "majorness": 0.1,
        "groups": 4,
        "bpm": 125.0,
    }

    def piece(source: str, split: str = "test", groups: int = 4) -> Piece:
        return Piece("a", source, "free", split, tokens, **(labels | {"groups": groups}))

    pieces = [piece("large")] * 9 + [piece("small")] * 2 + [piece("other", "train")] * 3
    windows, sources = running.real_windows([*pieces, piece("thin", groups=2)], 6, 0, 50.0)
    assert sources == {"large": 4, "small": 2} and len(windows) == 6
    assert all(window.length == 6250 for window in windows)
    assert running.real_windows(pieces, 6, 0, 70.0) == ([], {}), "none is that long"


def test_scene_changes_and_correlations_are_counted() -> None:
    answers = [
        running._Answer((x, -x), 0.2 * x, 100 - 40 * x, 5.0 + x, (), (True, False), (0.02,), False)
        for x in (-0.5, 0.0, 0.5)
    ]
    turns = ((0.8, -0.7, 0.1, 0.2, -3.0), (-0.7, 0.9, -0.2, 0.3, 2.0))
    answers.append(running._Answer(None, 0.0, 90, 5.0, turns, (True, True), (-0.04 * -1,), True))
    found = running._obeyed(answers, 7.0)
    assert found.valence_with_majorness == pytest.approx(1)
    assert found.arousal_with_tempo == pytest.approx(1)
    assert found.arousal_with_notes == pytest.approx(-1)
    assert (found.valence_changes, found.arousal_changes, found.note_changes) == (1, 0.5, 1)
    assert found.strong_chords == 5 / 8 and found.cuts == 8
    assert found.mean_warp == pytest.approx(0.025) and found.largest_warp == 0.04
    assert found.faulty == 0.25 and found.changes == 2


def test_the_table_has_every_measure_and_no_nan() -> None:
    real = variants(6)
    sets = {"ours": set_of(real, real), "mma_synthetic": set_of(real, real)}
    figures = running.Musicianship(60.0, 5, reference_of(real, {"s": 6}), sets, {})
    text = markdown_of(asdict(figures))
    assert "GPS" in text and "PCHE" in text and "SI, 3 to 8 s" in text and "nan" not in text
    assert text.count("\n") >= len(NAMES) + 5
    assert len({line.count("|") for line in text.splitlines()}) == 1


class Composer:
    """In place of the generator: a song at the asked tempo, in the asked mode, hit or missed."""

    def __init__(self) -> None:
        self.asked: list[MusicSettings] = []

    def __call__(
        self,
        _: object,
        curve: MoodCurve,
        cuts: Sequence[float],
        seconds: float,
        settings: MusicSettings,
        *__: object,
    ) -> list[object]:
        self.asked.append(settings)
        mood = curve.moods[0]
        third = 64 if mood.valence > 0 else 63
        beats = 100 + 50 * mood.arousal
        beat = 60 / beats
        notes = [
            Note("piano", pitch, cut, cut + 2.5 * beat) for cut in cuts for pitch in (60, third, 67)
        ]
        notes += [Note("bass", 36, i * beat, i * beat + 0.2) for i in range(int(seconds / beat))]
        free = settings.method == "free"
        composition = SimpleNamespace(
            notes=tuple(notes[len(cuts) // 2 * 3 :] if free else notes),
            lead=(),
            bars=tuple(np.arange(0, seconds, 4 * beat).tolist()),
            seconds=seconds,
            beats_per_minute=beats,
            grid=None if free else SimpleNamespace(warps=(0.01, -0.03)),
            boundaries=[SimpleNamespace(asked=cut) for cut in cuts],
            symbols=(),
            sections=(),
            chart="",
            curve=curve,
            faults=("a fault",) if free else (),
        )
        return [composition]


def test_every_way_is_composed_measured_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    composer = Composer()
    monkeypatch.setattr(running, "compose_all", composer)
    tokens = encode(song(), np.arange(BARS) * BAR, drum_offs=False)
    numbers: dict[str, Any] = {
        "valence": 0.1,
        "arousal": 0.2,
        "majorness": 0.1,
        "groups": 4,
        "bpm": 125.0,
    }
    pieces = [
        Piece(str(i), source, tier, "test", tokens, **numbers)
        for i in range(3)
        for source, tier in (("s", "free"), ("mma", "synthetic"))
    ]
    shares: list[float] = []
    keeper = running.Keeper(tmp_path, sheets=True)
    found = running.musicianship(
        Checkpoint(
            "none",
            MusicTransformer(TransformerSettings(layers=1, heads=2, width=16, inner_width=32)),
            {},
            "0",
        ),
        pieces,
        count=4,
        seed=1,
        ways=["ours", "as in the paper"],
        seconds=50.0,
        keep=keeper,
        advance=shares.append,
    )
    assert shares == sorted(shares) and shares[-1] == 1
    assert composer.asked == [WAYS["ours"]] * 4 + [WAYS["as in the paper"]] * 4
    assert list(found.sets) == ["ours", "as in the paper", "mma"] and found.real.pieces == 3
    ours, paper = found.obeyed["ours"], found.obeyed["as in the paper"]
    assert ours.valence_with_majorness > 0.5 and ours.arousal_with_tempo == pytest.approx(1)
    assert ours.strong_chords == 1 > paper.strong_chords
    assert (ours.largest_warp, ours.mean_warp) == pytest.approx((0.03, 0.02))
    assert math.isnan(paper.largest_warp) and (ours.faulty, paper.faulty) == (0, 1)
    text = markdown_of(asdict(found))
    assert "nan" not in text and "warp, largest |  | 3.00% | – |  |" in text
    names = [f"{way}-{i:02d}.mid" for way in ("as-in-the-paper", "ours") for i in range(4)]
    assert [path.name for path in sorted(tmp_path.glob("*.mid"))] == names
    keeper.draw()
    assert {path.name for path in tmp_path.glob("*.png")} == {"ours.png", "as-in-the-paper.png"}
    assert len(rolls.read_rolls(sorted(tmp_path.glob("*.mid")))) == 8
    with pytest.raises(EmsyncError, match="test split"):
        running.musicianship(None, pieces[1::2], 1, 1, [])  # type: ignore[arg-type]


def test_rolls_are_drawn_and_read_back(tmp_path: Path) -> None:
    notes = [Note("piano", 60 + i % 12, i / 2, i / 2 + 0.4) for i in range(20)]
    notes += [Note("drums", 36, i / 2, i / 2 + 0.1) for i in range(20)]
    path = tmp_path / "a.mid"
    write_midi(notes, path, Fraction(10))
    (plain,) = rolls.read_rolls([path])
    assert len(plain.notes) == 40 and plain.seconds == pytest.approx(9.9, abs=0.1)
    whole = replace(
        plain,
        title="a",
        lead=tuple(note.group == "piano" and note.pitch > 66 for note in plain.notes),
        hits=(4.0,),
        symbols=((0.0, "C"), (4.0, "Am7")),
        sections=((0.0, "A"),),
    )
    listing = f'[{{"file": "a.mid", "roll": {rolls.json.dumps(rolls.described(whole))}}}]'
    (tmp_path / rolls.PIECES_FILE).write_text(listing)
    (again,) = rolls.read_rolls([path])
    assert sum(again.lead) == sum(whole.lead) > 0 and again.symbols == whole.symbols
    assert rolls.main([str(path)] * 3 + ["-o", str(tmp_path / "s.png"), "--per-sheet", "2"]) == 0
    sheets = sorted(tmp_path.glob("s-*.png"))
    assert [sheet.name for sheet in sheets] == ["s-1.png", "s-2.png"]
    assert all(sheet.read_bytes().startswith(b"\x89PNG") for sheet in sheets)
    (tmp_path / "b.mid").write_bytes(b"no midi")
    with pytest.raises(EmsyncError, match="MIDI"):
        rolls.read_rolls([tmp_path / "b.mid"])
