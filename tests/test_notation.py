"""Scores: what is read of them is what was composed, and a musician can read it."""

import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import free_piece, planned_piece

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.evaluation.scores import farthest_note, faults_of, measure, table
from emsync.music.composition import Composition
from emsync.music.notes import GROUPS, Note
from emsync.music.planning.plan import QUALITIES
from emsync.performance.midi_file import write_performance
from emsync.performance.notation import pdf
from emsync.performance.notation.directions import chord_of, mood_words, time_code
from emsync.performance.notation.engrave import engrave
from emsync.performance.notation.metre import BAR, DIVISIONS, Bar, Metre, lay_page
from emsync.performance.notation.musicxml import compress, musicxml, write_musicxml
from emsync.performance.notation.pdf import musescore, write_pdf
from emsync.performance.notation.percussion import DRUMS, drum_of
from emsync.performance.notation.placing import Placer, Tone
from emsync.performance.notation.rhythm import Symbol, write_bar
from emsync.performance.notation.score import Part, Score
from emsync.performance.notation.spelling import ToSpell, key_named, letter, spell
from emsync.performance.notation.staves import divide
from emsync.performance.notation.voices import Chord, separate
from emsync.performance.performer import perform
from emsync.performance.tempo_map import tempo_map_of_bars
from emsync.progress import CancelToken
from emsync.settings import PerformanceSettings, Settings

PAST_BARS = (0.0, 2.464, 5.192, 7.808, 10.216, 12.944, 15.504, 18.344, 20.776)
"""Of a piece drawn freely: bars of about four quarters at 93 a minute, none like the other."""
METRES = [Metre(4, 4), Metre(3, 4), Metre(6, 8), Metre(5, 8), Metre(7, 16), Metre(5, 4)]
needs_musescore = pytest.mark.skipif(musescore() is None, reason="MuseScore is not installed")
SAID_OF_ITSELF = (
    r"convert <.*", r"\s*to <.*>", r"\.\.\. success!",
    r"instr '.*', tick .*: element already exists",
    r"chord 0x[0-9a-f]+ note 0x[0-9a-f]+ pitch \d+",
)  # fmt: skip
"""What MuseScore 3.2 prints of every file: what it does, and two lines for its own developers, when
drums follow each other and when it writes drums as MusicXML."""


def score_of(piece: Composition, title: str = "A Film") -> Score:
    return engrave(piece, perform(piece, PerformanceSettings(), 3), title)


@cache
def examples() -> dict[str, Composition]:
    """Pieces of every metre, with and without a plan, a pickup, swing, and changes of mood."""
    lines = [round(at + 0.61, 3) for at in PAST_BARS]
    pickup = [Note("piano", 60 + at, 0.15 * at, 0.15 * at + 0.1) for at in range(4)]
    pickup += [Note("piano", 64, at, at + 0.5) for at in lines]
    changing = MoodCurve((0.0, 15.0), (Mood(-0.6, -0.4), Mood(0.6, 0.7)))
    return {
        "pop": planned_piece(),
        "jazz": planned_piece(30.0, (5.3, 11.1), Mood(0.5, 0.5), style="jazz"),
        "waltz": planned_piece(30.0, (5.3, 11.1), Mood(-0.5, 0.5), "3/4", style="waltz"),
        "six": planned_piece(30.0, (5.3, 11.1), Mood(-0.5, -0.3), "6/8"),
        "changing": planned_piece(36.0, (5.3, 15.0, 24.2), changing, style="cinematic"),
        "free": free_piece(PAST_BARS, 22.0, 93.2, hits=(10.216,)),
        "pickup": free_piece(lines, 23.0, 93.2, pickup),
    }


EXAMPLES = ("pop", "jazz", "waltz", "six", "changing", "free", "pickup")


# Durations ----------------------------------------------------------------------------------------


def drawn(metre: Metre, *spans: tuple[int, int]) -> list[Symbol]:
    """What is drawn of one voice that has notes at `spans`, in divisions."""
    chords = [Chord(start, end, (Tone(60, start, end),)) for start, end in spans]
    return list(write_bar(chords, Bar(1, 0, metre)))


def words(symbols: list[Symbol]) -> str:
    """Symbols in short: q. for a dotted quarter, r8 for a rest, ~ for a tie."""
    short = {"whole": "w", "half": "h", "quarter": "q", "eighth": "8", "16th": "16", "32nd": "32"}
    return " ".join(
        ("r" if one.is_rest else "")
        + short[one.kind]
        + "." * one.dots
        + ("~" if one.tied_on else "")
        for one in symbols
    )


@pytest.mark.parametrize(
    ("metre", "spans", "read"),
    [
        ((4, 4), [(0, 96)], "w"),
        ((4, 4), [(24, 72)], "rq h rq"),  # a half note on two hides nothing
        ((4, 4), [(24, 60), (60, 96)], "rq q~ 8 q."),  # but the middle of a bar is seen
        ((4, 4), [(12, 36)], "r8 q r8 rh"),
        ((4, 4), [(12, 48)], "r8 q. rh"),
        ((4, 4), [(0, 42)], "q~ 8. r16 rh"),
        ((4, 4), [(18, 30)], "r8. 16~ 16 r16 r8 rh"),
        ((4, 4), [(0, 84)], "h~ q. r8"),
        ((4, 4), [(84, 96)], "rh rq r8 8"),
        ((3, 4), [(0, 72)], "h."),
        ((3, 4), [(24, 72)], "rq h"),
        ((3, 4), [(0, 24)], "q rq rq"),  # a half rest would hide the second beat
        ((6, 8), [(0, 72)], "h."),
        ((6, 8), [(0, 36)], "q. rq."),
        ((6, 8), [(24, 48)], "rq 8~ 8 r8 r8"),
        ((6, 8), [(12, 36)], "r8 q rq."),
        ((5, 8), [(0, 60)], "q~ q."),
        ((2, 4), [(0, 8), (8, 16), (16, 24)], "8 8 8 rq"),
        ((2, 4), [(0, 16), (16, 24)], "q 8 rq"),
        ((2, 4), [(16, 48)], "rq 8~ q"),
    ],
)
def test_durations_are_written_as_musicians_read_them(
    metre: tuple[int, int], spans: list[tuple[int, int]], read: str
) -> None:
    assert words(drawn(Metre(*metre), *spans)) == read


def test_a_beat_of_three_is_a_tuplet_and_no_other_is() -> None:
    symbols = drawn(Metre(2, 4), (0, 16), (16, 24), (24, 36), (36, 48))
    assert [one.tuplet for one in symbols] == [(3, 2), (3, 2), None, None]
    assert [one.tuplet_edge for one in symbols] == ["start", "stop", "", ""]
    six = drawn(Metre(1, 4), *((at, at + 4) for at in range(0, 24, 4)))
    assert {one.tuplet for one in six} == {(6, 4)} and {one.kind for one in six} == {"16th"}


@pytest.mark.parametrize(
    ("metre", "length", "beams"),
    [
        ((4, 4), 12, "begin continue continue end begin continue continue end"),
        ((3, 4), 12, "begin end begin end begin end"),
        ((6, 8), 12, "begin continue end begin continue end"),
        ((2, 4), 6, "begin continue continue end begin continue continue end"),
    ],
)
def test_beams_show_the_beats(metre: tuple[int, int], length: int, beams: str) -> None:
    bar = Metre(*metre)
    symbols = drawn(bar, *((at, at + length) for at in range(0, bar.length, length)))
    assert " ".join(one.beams[0] for one in symbols) == beams
    dotted = drawn(Metre(1, 4), (0, 18), (18, 24))
    assert [one.beams for one in dotted] == [("begin",), ("end", "backward hook")]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(METRES), st.data())
def test_whatever_is_played_fills_its_bar(metre: Metre, data: st.DataObject) -> None:
    places = range(0, metre.length + 1, 6 if metre.length % 6 == 0 else 3)
    edges = data.draw(st.lists(st.sampled_from(places), unique=True, max_size=8).map(sorted))
    spans = [span for number, span in enumerate(pairwise(edges)) if data.draw(st.booleans())]
    symbols = drawn(metre, *spans)
    lengths = {"whole": 96, "half": 48, "quarter": 24, "eighth": 12, "16th": 6, "32nd": 3}
    at = 0
    for one in symbols:
        assert one.start == at
        at = one.end
        if not one.fills_bar:
            assert one.length == lengths[one.kind] * (1.5 if one.dots else 1)
    assert at == metre.length
    assert list(spans_of(symbols)) == spans
    for one in symbols:
        inner = max((metre.level(place) for place in range(one.start + 1, one.end)), default=-1)
        if one.is_rest and not one.fills_bar and inner >= 2:
            assert (one.length, one.start % 48) == (48, 0)  # half a bar of 4/4
        ends = min(metre.level(one.start), metre.level(one.end))
        assert one.is_rest or ends >= inner - 1 or metre.level(one.end) == BAR == ends


def spans_of(symbols: list[Symbol]) -> Iterator[tuple[int, int]]:
    """What sounds, ties joined."""
    start = 0
    for one in symbols:
        if one.is_rest:
            continue
        start = start if one.tied_back else one.start
        if not one.tied_on:
            yield start, one.end


def placed(*quarters: float) -> list[float]:
    """Where a drummer's strokes are written, who plays them at 60 quarters a minute."""
    notes = [Note("drums", 42, at, at + 0.1) for at in quarters]
    page = lay_page(tempo_map_of_bars([0.0, 4.0], 8.0, 60.0), 0.0, 4.0)
    placer = Placer(page, notes)
    return [round(placer.place(note.start) / DIVISIONS, 3) for note in notes]


def test_beats_are_divided_as_they_are_played() -> None:
    assert placed(0.01, 0.27, 0.49, 0.76) == [0, 0.25, 0.5, 0.75]
    assert placed(0.0, 0.32, 0.68) == [0, 0.333, 0.667]
    assert placed(0.02, 0.66) == [0, 0.667]  # swing
    assert placed(0.0, 0.71, 1.0) == [0, 0.75, 1]  # and a late sixteenth
    assert placed(*(1 + at / 6 + 0.01 for at in range(6))) == [
        1, 1.167, 1.333, 1.5, 1.667, 1.833,
    ]  # fmt: skip
    assert placed(0.06, 0.31, 0.56, 0.81) == [0, 0.25, 0.5, 0.75]  # late, but even
    assert placed(0.97) == [1.0]


# Voices and staves --------------------------------------------------------------------------------


def tones(*rows: tuple[int, int, int], lead: bool = False) -> list[Tone]:
    return [Tone(pitch, start, end, lead) for pitch, start, end in rows]


def test_a_melody_over_a_held_chord_has_a_voice_of_its_own() -> None:
    held = tones((48, 0, 96), (55, 0, 96))
    line = tones((72, 0, 24), (74, 24, 48), (76, 48, 72), (77, 72, 96), lead=True)
    upper, lower = separate([*held, *line])
    assert [chord.tones[0].pitch for chord in upper] == [72, 74, 76, 77]
    assert [(c.start, c.end, [t.pitch for t in c.tones]) for c in lower] == [(0, 96, [48, 55])]


def test_a_long_note_is_not_cut_short_by_what_moves_below_it() -> None:
    moving = tones(*((pitch, at, at + 24) for at in (24, 48, 72) for pitch in (55, 60)))
    upper, lower = separate([*tones((76, 0, 96)), *moving])
    assert [(chord.start, chord.end) for chord in upper] == [(0, 96)]
    assert [(chord.start, len(chord.tones)) for chord in lower] == [(24, 2), (48, 2), (72, 2)]


def test_broken_chords_that_ring_are_one_voice() -> None:
    ringing = tones(*((pitch, 12 * at, 12 * at + 24) for at, pitch in enumerate((48, 55, 60, 64))))
    upper, lower = separate(ringing)
    assert len(upper) == 4 and not lower
    assert all(a.end >= b.start for a, b in pairwise(upper))


def test_a_bass_has_one_voice() -> None:
    (line,) = separate(tones((36, 0, 96), (43, 24, 48), (40, 48, 96)), most=1)
    assert [chord.tones[0].pitch for chord in line] == [36, 43, 40]


def test_hands_have_what_they_can_reach_and_the_right_one_the_melody() -> None:
    chord = tones((36, 0, 24), (43, 0, 24), (52, 0, 24), (64, 0, 24), (67, 0, 24), (72, 0, 24))
    upper, lower = divide(chord)
    assert [t.pitch for t in lower] == [36, 43, 52] or [t.pitch for t in lower] == [36, 43]
    low_melody = [*tones((36, 0, 24), (40, 0, 24)), *tones((55, 0, 24), lead=True)]
    upper, lower = divide(low_melody)
    assert [t.pitch for t in upper] == [55] and [t.pitch for t in lower] == [36, 40]
    triad = tones((60, 0, 24), (64, 0, 24), (67, 0, 24))
    assert [len(hand) for hand in divide(triad)] == [3, 0]


# Spelling -----------------------------------------------------------------------------------------


def named(
    key: str, pitches: list[int], chord: tuple[int, str] | None = None, line: bool = True
) -> str:
    """Names of a line, or of a chord, in a key."""
    notes = []
    for place, pitch in enumerate(pitches):
        near = [n for n in range(len(pitches)) if n != place and (abs(n - place) == 1 or not line)]
        if line:
            near = [n for n in near if 0 < abs(pitches[n] - pitch) <= 2]
        notes.append(ToSpell(pitch, key_named(key), chord, tuple(near)))
    marks = {0: "", 1: "#", 2: "##", -1: "b", -2: "bb"}
    return " ".join(step + marks[alter] for step, alter in map(letter, spell(notes)))


@pytest.mark.parametrize(
    ("key", "pitches", "chord", "names"),
    [
        ("C", [60, 62, 64, 65, 67, 69, 71], None, "C D E F G A B"),
        ("Db", [61, 63, 65, 66, 68, 70, 72], None, "Db Eb F Gb Ab Bb C"),
        ("F#m", [66, 68, 69, 71, 73, 74, 76], None, "F# G# A B C# D E"),
        ("Am", [64, 66, 68, 69], None, "E F# G# A"),  # melodic minor rises
        ("Am", [69, 67, 65, 64], None, "A G F E"),  # and falls as the key does
        ("Cm", [67, 69, 71, 72], None, "G A B C"),
        ("G#m", [67, 68], (3, "7"), "F## G#"),  # leading note of G sharp minor
        ("C", [65, 68, 72], (5, "m"), "F Ab C"),  # borrowed from minor
        ("C", [64, 68, 71], (4, ""), "E G# B"),  # dominant of A minor
        ("C", [67, 66, 67], None, "G F# G"),
        ("F", [70, 71, 72], None, "Bb B C"),
        ("Bb", [62, 65, 68, 71], (11, "dim7"), "D F Ab B"),
        ("Eb", [63, 67, 70, 73], (3, "7"), "Eb G Bb Db"),
        ("Ebm", [63, 66, 70, 71], None, "Eb Gb Bb Cb"),
    ],
)
def test_pitches_are_spelled_in_the_key(
    key: str, pitches: list[int], chord: tuple[int, str] | None, names: str
) -> None:
    assert named(key, pitches, chord, line=chord is None) == names


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("root", range(12))
def test_chords_are_stacks_of_thirds_in_every_key(quality: str, root: int) -> None:
    """Each letter once: a third is never written as a second."""
    for key in ("C", "Eb", "Am", "F#m"):
        pitches = [60 + root + interval for interval in QUALITIES[quality]]
        steps = [name[0] for name in named(key, pitches, (root, quality), line=False).split()]
        assert len(set(steps)) == len(steps), (key, root, quality, steps)


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [("Am7", (9, "m7", None)), ("C/E", (0, "", 4)), ("F#dim", (6, "dim", None)),
     ("Bbmaj7", (10, "maj7", None)), ("D:min6", None), ("Ehdim7", (4, "m7b5", None)), ("N", None)],
)  # fmt: skip
def test_chord_symbols_are_read(symbol: str, meant: tuple[int, str, int | None] | None) -> None:
    assert chord_of(symbol) == meant


def test_moments_and_moods_in_words() -> None:
    assert time_code(65.34) == "1:05.3" and time_code(59.96) == "1:00.0"
    assert mood_words(Mood(-0.5, -0.3)) == "dark, calm"
    assert mood_words(Mood(0.1, 0.1)) == "neutral"


# Whole pieces -------------------------------------------------------------------------------------


def symbols_of(part: Part) -> Iterator[Symbol]:
    for staff in part.staves:
        for bar in staff.bars:
            for voice in bar:
                yield from voice


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_note_is_on_the_page_where_it_sounds(name: str) -> None:
    piece = examples()[name]
    score = score_of(piece)
    page = score.page
    for part in score.parts:
        up = 12 if part.group == "bass" else 0
        asked = [n for n in piece.notes if n.group == part.group and n.start < piece.seconds]
        written = [
            (page.seconds_at(one.start), tone.pitch - up)
            for one in symbols_of(part)
            if not one.tied_back
            for tone in one.tones
        ]
        # Where nothing has to give way all are there; freely drawn ones may fall together.
        least = 0.9 if name == "free" else 0.98
        if part.group == "drums":
            least = 0.85  # of two snares at once one is written
        assert least * len(asked) <= len(written) <= len(asked), part.group
        for at, pitch in written:
            off = min(abs(n.start - at) for n in asked if n.pitch == pitch)
            assert off < (0.11 if name == "free" else 0.09), part.group


@pytest.mark.parametrize("name", EXAMPLES)
def test_pages_can_be_read(name: str) -> None:
    """Two voices a staff at most, each fills its bars, and rests are few."""
    piece = examples()[name]
    score = score_of(piece)
    notes, rests, short_rests = 0, 0, 0
    for part in score.parts:
        assert len(part.staves) <= 2
        for staff in part.staves:
            assert len(staff.bars) == len(score.page.bars)
            for bar, voices in zip(score.page.bars, staff.bars, strict=True):
                assert 1 <= len(voices) <= 2
                for voice in voices:
                    assert [one.start for one in voice] == [bar.start, *(o.end for o in voice[:-1])]
                    assert voice[-1].end == bar.end
                    rests += sum(one.is_rest and not one.fills_bar for one in voice)
                    short_rests += sum(one.is_rest and one.length < 12 for one in voice)
                    notes += sum(not one.is_rest for one in voice)
    if piece.plan is not None:  # the others are a few notes, or random ones
        assert rests < 0.3 * notes and short_rests < 0.08 * notes


@pytest.mark.parametrize("name", EXAMPLES)
def test_accidentals_say_what_sounds(name: str) -> None:
    """Read as a musician does, by key signature and the signs before in the bar."""
    root = ElementTree.fromstring(musicxml(score_of(examples()[name])))
    seen = 0
    for part in root.iter("part"):
        key = 0
        for bar in part.iter("measure"):
            key = int(bar.findtext("attributes/key/fifths") or key)
            given = dict.fromkeys("FCGDAEB"[: max(key, 0)], 1)
            given |= dict.fromkeys("BEADGCF"[: max(-key, 0)], -1)
            signs: dict[Any, int] = {}
            for at, note in sorted(timed(bar), key=lambda row: row[0]):
                if note.find("tie[@type='stop']") is not None:
                    assert note.find("accidental") is None  # the tie has brought it along
                    continue
                if note.find("pitch") is None:
                    continue
                step, octave = note.findtext("pitch/step"), note.findtext("pitch/octave")
                line = (note.findtext("staff"), step, octave)
                sign = note.findtext("accidental")
                if sign is not None:
                    signs[line] = SIGNS[sign]
                    seen += 1
                heard = signs.get(line, given.get(step or "", 0))
                assert heard == int(note.findtext("pitch/alter") or 0), (at, line)
    assert seen or name == "pickup"


SIGNS = {"flat-flat": -2, "flat": -1, "natural": 0, "sharp": 1, "double-sharp": 2}


def timed(measure: ElementTree.Element) -> Iterator[tuple[int, ElementTree.Element]]:
    """The notes of a bar with their places in it."""
    at, before = 0, 0
    for element in measure:
        length = int(element.findtext("duration") or 0)
        if element.tag == "backup":
            at -= length
        elif element.tag == "forward":
            at += length
        elif element.tag == "note":
            if element.find("chord") is None:
                before = at
                at += length
            yield before, element


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_notes_in_any_bars_can_be_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bars = rng.uniform(0, 2.5) + np.cumsum(rng.uniform(0.05, 6, int(rng.integers(1, 12))))
    seconds = float(bars[-1] + rng.uniform(0.2, 4))
    count = int(rng.integers(1, 120))
    starts, lengths = rng.uniform(0, 0.999 * seconds, count), 0.002 + rng.exponential(0.5, count)
    groups, pitches = rng.integers(len(GROUPS), size=count), rng.integers(21, 109, count)
    ends = np.minimum(starts + lengths, seconds)
    rows = zip(groups, pitches.tolist(), starts.tolist(), ends.tolist(), strict=True)
    notes = [Note(GROUPS[group], pitch, start, end) for group, pitch, start, end in rows]
    score = score_of(free_piece(bars.tolist(), seconds, float(rng.uniform(40, 220)), notes))
    for part in score.parts:
        for staff in part.staves:
            for bar, voices in zip(score.page.bars, staff.bars, strict=True):
                for voice in voices:
                    assert [one.start for one in voice] == [bar.start, *(o.end for o in voice[:-1])]
                    assert voice[-1].end == bar.end
    ElementTree.fromstring(musicxml(score))


def test_hits_sections_scenes_chords_and_tempo_stand_over_the_score() -> None:
    piece = examples()["changing"]
    root = ElementTree.fromstring(musicxml(score_of(piece, "Été à Paris")))
    assert root.findtext("work/work-title") == "Été à Paris"
    assert root.findtext("identification/creator") == "Made with EMSYNC"
    texts = [element.text or "" for element in root.iter("words")]
    for number, one in enumerate(piece.boundaries[:-1], 1):
        assert one.hit is not None
        assert f"Hit {number} {time_code(one.asked)}" in texts
    assert "Scene 1: dark, calm" in texts and "Scene 2: bright, lively" in texts
    assert root.findtext(".//rehearsal") == "A"
    assert len(list(root.iter("harmony"))) > 5
    assert len(list(root.iter("accent"))) >= len(piece.boundaries)
    marks = [float(element.text or 0) for element in root.iter("per-minute")]
    assert marks and all(abs(a / b - 1) > 0.05 for a, b in pairwise(marks))
    # A few signs of loudness for each part, not one for each note.
    for part in root.iter("part"):
        assert 1 <= len(list(part.iter("dynamics"))) <= 6


def test_crescendos_lead_into_hits_where_they_are_played() -> None:
    piece = examples()["pop"]
    score = score_of(piece)
    met = [score.page.place_of(one.hit) for one in piece.boundaries[:-1] if one.hit is not None]
    ends = []
    for part in score.parts:
        assert [one.begins for one in part.wedges] == [True, False] * (len(part.wedges) // 2)
        for begin, end in zip(part.wedges[::2], part.wedges[1::2], strict=True):
            assert 0 < end.at - begin.at <= 4 * DIVISIONS
            assert min(abs(hit - end.at) for hit in met) <= DIVISIONS
            ends.append(end)
    assert len(ends) >= 3
    flat = perform(piece, PerformanceSettings(performer="flat"), 3)
    assert not any(part.wedges for part in engrave(piece, flat, "A Film").parts)


def test_the_pickup_is_a_short_bar_and_silence_before_the_music_is_none() -> None:
    score = score_of(examples()["pickup"])
    first, second = score.page.bars[:2]
    assert (first.number, second.number) == (0, 1)
    assert first.metre.length < second.metre.length
    root = ElementTree.fromstring(musicxml(score))
    assert root.find("part/measure[@number='0'][@implicit='yes']") is not None
    late = planned_piece(20.0, (0.31, 8.0))
    assert late.bars[0] > 0.002
    assert score_of(late).page.bars[0].number == 1
    assert score_of(late).page.seconds_at(0) == pytest.approx(late.bars[0], abs=0.002)


def test_drums_stand_where_drummers_read_them() -> None:
    root = ElementTree.fromstring(musicxml(score_of(examples()["pop"])))
    (listing,) = [one for one in root.iter("score-part") if one.findtext("part-name") == "Drums"]
    keys = {
        midi.get("id"): int(midi.findtext("midi-unpitched") or 0) - 1
        for midi in listing.iter("midi-instrument")
    }
    part = next(one for one in root.iter("part") if one.get("id") == listing.get("id"))
    found = set()
    for note in part.iter("note"):
        instrument = note.find("instrument")
        if instrument is not None:
            key = keys[instrument.get("id")]
            step, octave = note.findtext("unpitched/display-step"), "unpitched/display-octave"
            assert (step, int(note.findtext(octave) or 0)) == (DRUMS[key].step, DRUMS[key].octave)
            assert (note.findtext("notehead") or "normal") == DRUMS[key].head
            found.add(DRUMS[key].name)
    assert {"Bass drum", "Snare", "Closed hi-hat"} <= found
    assert drum_of(3).name == "Percussion 3"


def test_the_bass_is_written_an_octave_above_where_it_sounds() -> None:
    piece = examples()["pop"]
    root = ElementTree.fromstring(musicxml(score_of(piece)))
    (listing,) = [one for one in root.iter("score-part") if one.findtext("part-name") == "Bass"]
    part = next(one for one in root.iter("part") if one.get("id") == listing.get("id"))
    assert part.findtext("measure/attributes/transpose/octave-change") == "-1"
    lowest = min(int(note.findtext("pitch/octave") or 9) for note in part.iter("note"))
    assert lowest == min(n.pitch for n in piece.notes if n.group == "bass") // 12 - 1 + 1


def test_a_compressed_score_holds_the_same(tmp_path: Path) -> None:
    score = score_of(examples()["pop"])
    write_musicxml(score, tmp_path / "a.musicxml")
    for name in ("a.mxl", "b.mxl"):
        compress(tmp_path / "a.musicxml", tmp_path / name)
    assert (tmp_path / "a.mxl").read_bytes() == (tmp_path / "b.mxl").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.mxl") as package:
        assert package.namelist()[0] == "META-INF/container.xml"
        assert package.read("score.musicxml") == (tmp_path / "a.musicxml").read_bytes()


def test_silence_and_a_single_note_can_be_written(schema: Any) -> None:
    one = free_piece([0.0], 2.0, 120.0, [Note("drums", 36, 0.5, 0.6)])
    (part,) = score_of(one).parts
    assert part.group == "drums" and sum(not symbol.is_rest for symbol in symbols_of(part)) == 1
    silent = score_of(replace(one, notes=(), lead=()))
    assert all(symbol.fills_bar for part in silent.parts for symbol in symbols_of(part))
    assert schema.is_valid(musicxml(silent).decode())


# By others ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> Any:
    """The W3C's schema of MusicXML 4.0, which the package musicxml carries."""
    import musicxml as carrier
    from xmlschema import XMLSchema10

    return XMLSchema10(str(Path(carrier.__file__).parent / "generate_classes/musicxml_4_0.xsd"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_scores_are_valid(name: str, schema: Any) -> None:
    text = musicxml(score_of(examples()[name])).decode()
    assert [error.reason for error in schema.iter_errors(text)] == []
    broken = text.replace("<type>quarter</type>", "<type>crotchet</type>", 1)
    assert not schema.is_valid(broken)


def run_musescore(source: Path, made: Path, home: Path) -> list[str]:
    """What MuseScore says of a file that it converts, beside what it says of every file."""
    home.chmod(0o700)
    done = subprocess.run(
        [str(musescore()), "-o", str(made), str(source)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home),
             "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and made.stat().st_size > 500, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line and not any(map_to(line, one) for one in SAID_OF_ITSELF)]


def map_to(line: str, pattern: str) -> bool:
    return re.fullmatch(pattern, line) is not None


@needs_musescore
@pytest.mark.parametrize("name", ["pop", "six", "pickup"])
def test_musescore_opens_midi_and_score_without_a_warning(name: str, tmp_path: Path) -> None:
    piece = examples()[name]
    played = perform(piece, PerformanceSettings(), 3)
    write_performance(played, tmp_path / "a.mid", "A Film")
    write_musicxml(engrave(piece, played, "A Film"), tmp_path / "b.musicxml")
    for source in ("a.mid", "b.musicxml"):
        for kind in ("pdf", "musicxml"):
            made = tmp_path / f"{source}.made.{kind}"
            assert run_musescore(tmp_path / source, made, tmp_path) == []


@needs_musescore
@pytest.mark.parametrize("name", ["pop", "jazz", "six", "waltz"])
def test_musescore_hears_the_notes_that_were_composed(name: str, tmp_path: Path) -> None:
    import pretty_midi

    piece = examples()[name]
    score = score_of(piece)
    write_musicxml(score, tmp_path / "a.musicxml")
    run_musescore(tmp_path / "a.musicxml", tmp_path / "a.mid", tmp_path)
    music = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))
    heard = Counter((n.pitch, p.is_drum) for p in music.instruments for n in p.notes)
    written = Counter(
        (tone.pitch - (12 if part.group == "bass" else 0), part.group == "drums")
        for part in score.parts
        for one in symbols_of(part)
        if not one.tied_back
        for tone in one.tones
    )
    assert heard == written


def test_the_evaluation_tells_good_files_from_bad_ones(tmp_path: Path) -> None:
    piece = examples()["pop"]
    asked = Settings(performance=PerformanceSettings())
    row = measure("a", piece, asked, tmp_path)
    assert row.worst <= 10 and row.notes <= 1 and row.schema == 0
    assert row.written > 0.98 and row.voices <= 2 and row.seconds < 2
    assert (row.pages is not None) == pdf.can_write_pdf() == (tmp_path / "a-1.png").exists()
    assert "largest of 1" in table([row])
    # What is not as it was composed is seen.
    played = perform(piece, PerformanceSettings(), 3)
    late = [replace(note, start=note.start + 0.05, end=note.end + 0.05) for note in played.notes]
    write_performance(replace(played, notes=tuple(late)), tmp_path / "b.mid", "late")
    assert farthest_note(tmp_path / "b.mid", played) > 0.04
    elsewhere = replace(piece, bars=tuple(at + 0.05 for at in piece.bars))
    assert measure("c", elsewhere, asked, tmp_path).median > 40
    text = (tmp_path / "a.musicxml").read_text(encoding="utf-8")
    wrong = text.replace("<duration>24</duration>", "<duration>long</duration>")
    (tmp_path / "d.musicxml").write_text(wrong, encoding="utf-8")
    assert faults_of(tmp_path / "d.musicxml") > 0


@needs_musescore
def test_a_pdf_is_engraved_by_musescore(tmp_path: Path) -> None:
    write_musicxml(score_of(examples()["pop"]), tmp_path / "a.musicxml")
    write_pdf(tmp_path / "a.musicxml", tmp_path / "a.pdf", CancelToken())
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.musicxml", "a.pdf"]
    with pytest.raises(EmsyncError, match="MuseScore could not engrave"):
        write_pdf(tmp_path / "c.musicxml", tmp_path / "c.pdf", CancelToken())
    assert not (tmp_path / "c.pdf").exists()


def test_where_nothing_engraves_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "verovio", None)
    assert not pdf.can_write_pdf()
    with pytest.raises(EmsyncError, match=r"install musescore3.*pip install verovio"):
        write_pdf(tmp_path / "a.musicxml", tmp_path / "a.pdf", CancelToken())


def test_verovio_engraves_where_there_is_no_musescore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in pdf.ENGRAVERS:
        pytest.importorskip(name)
    monkeypatch.setenv("EMSYNC_MUSESCORE", str(tmp_path / "none"))
    write_musicxml(score_of(examples()["pop"]), tmp_path / "a.musicxml")
    write_pdf(tmp_path / "a.musicxml", tmp_path / "a.pdf", CancelToken())
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_symusic_reads_the_midi_file(tmp_path: Path) -> None:
    import symusic

    piece = examples()["pop"]
    played = perform(piece, PerformanceSettings(), 3)
    write_performance(played, tmp_path / "a.mid", "A Film")
    score: Any = symusic.Score(str(tmp_path / "a.mid"), ttype="second")
    starts = np.sort([note.start for track in score.tracks for note in track.notes])
    assert np.abs(starts - np.sort([note.start for note in played.notes])).max() <= 0.001
    assert {track.name for track in score.tracks} == {note.group for note in played.notes}


@pytest.mark.parametrize("name", ["pop", "six"])
def test_music21_reads_midi_file_and_score(name: str, tmp_path: Path) -> None:
    converter = pytest.importorskip("music21").converter
    piece = examples()[name]
    played = perform(piece, PerformanceSettings(), 3)
    write_performance(played, tmp_path / "a.mid", "A Film")
    assert converter.parse(tmp_path / "a.mid").flatten().notes
    score = engrave(piece, played, "A Film")
    write_musicxml(score, tmp_path / "a.musicxml")
    read = converter.parse(tmp_path / "a.musicxml")
    assert len(read.parts) == sum(len(part.staves) for part in score.parts)
    last = score.page.bars[-1].end
    assert read.duration.quarterLength == Fraction(last, DIVISIONS)
