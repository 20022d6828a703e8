"""The arrangement obeys its plan, and sounds like music rather than like a draw."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music.arranging import Arrangement, Theme, arrange, theme_of
from emsync.music.arranging.bass import write_bass
from emsync.music.arranging.comping import write_comping
from emsync.music.arranging.drums import KICK, write_drums
from emsync.music.arranging.events import Event, section_spans
from emsync.music.arranging.lead import sing, write_melody, write_tune
from emsync.music.arranging.patterns import Pattern, is_adrift, steadiness
from emsync.music.arranging.theme import key_of_line, tune_of
from emsync.music.arranging.voicing import voice_chord
from emsync.music.chords import strong_chords
from emsync.music.notes import GROUPS, NoteTable
from emsync.music.planning.grid import METRES, MetreName
from emsync.music.planning.plan import QUALITIES, Chord, ModeName, Plan, Section
from emsync.settings import MusicSettings

BASS, DRUMS, GUITAR, PIANO, STRINGS = range(5)
EVERYBODY = GROUPS
LOOPS = {
    "major": ((0, ""), (9, "m"), (5, ""), (7, "7")),
    "minor": ((0, "m"), (8, "maj7"), (5, "m"), (7, "7")),
}
STYLES = ("cinematic", "piano", "pop", "rock", "jazz", "electronic", "folk", "waltz")


def plan_of(
    letters: str = "ABA",
    bars: int = 8,
    key: int = 0,
    mode: ModeName = "major",
    metre: MetreName = "4/4",
    hits: tuple[int, ...] = (),
    arousal: float = 0.0,
    energy: float = 0.5,
    groups: tuple[str, ...] = EVERYBODY,
    lead: str | None = "strings",
    style: str = "pop",
    cadence: bool = True,
) -> Plan:
    """Return a plan of sections of equal length over a loop of four chords, a bar each."""
    bar = METRES[metre].bar
    length = bars * bar
    end = len(letters) * length + 2 * bar
    last = len(letters) * length
    loop = LOOPS[mode]
    hits = tuple(hit for hit in hits if hit < last - 12)
    chords = {
        line * bar: Chord(line * bar, (key + loop[line % 4][0]) % 12, loop[line % 4][1])
        for line in range(last // bar)
    }
    chords[last] = Chord(last, key, loop[0][1])
    for hit in hits:
        before = max(step for step in chords if step <= hit)
        chords[hit] = replace(chords[before], step=hit)
    sections = tuple(
        Section(at * length, letter, key, mode, 0.0, arousal, energy, groups, lead)
        for at, letter in enumerate(letters)
    )
    ordered = tuple(chords[step] for step in sorted(chords))
    return Plan(METRES[metre], ordered, sections, hits, last if cadence else None, end, style)


def table(rows: list[tuple[int, int, int, int]]) -> NoteTable:
    """Return (group, pitch, start, end) as a table in the order of a draw."""
    columns = np.array(sorted(rows, key=lambda r: (r[2], r[0], r[1])), dtype=np.int64)
    return NoteTable(*columns.reshape(-1, 4).T)


def tremolo(plan: Plan, every: int = 6, groups: tuple[int, ...] = (2, 3, 4)) -> NoteTable:
    """Return what the generator writes at its worst: one chord struck again and again by all."""
    rows = [
        (group, pitch + group, step, step + every)
        for step in range(0, plan.end, every)
        for group in groups
        for pitch in (57, 60, 64, 69)
    ]
    rows += [(BASS, 33, step, step + 12) for step in range(0, plan.end, 12)]
    rows += [(DRUMS, 36 + 6 * (step % 24 > 0), step, step + 3) for step in range(0, plan.end, 12)]
    return table(rows)


def draw(plan: Plan, seed: int) -> NoteTable:
    """Return notes at random places, pitches and lengths: nothing that a plan could expect."""
    rng = random.Random(seed)
    return table(
        [
            (rng.randrange(5), rng.randrange(28, 96), start, start + rng.randrange(1, 60))
            for start in (rng.randrange(plan.end) for _ in range(plan.end // 4))
        ]
    )


def rows_of(made: Arrangement) -> list[tuple[int, int, int, int, bool]]:
    """Return (group, pitch, start, end, melody) of each note."""
    n = made.notes
    columns = (n.group, n.pitch, n.start, n.end)
    return list(zip(*(c.tolist() for c in columns), made.lead.tolist(), strict=True))


def melody_of(made: Arrangement) -> list[tuple[int, int, int]]:
    """Return (start, end, pitch) of the melody."""
    return [(start, end, pitch) for _, pitch, start, end, lead in rows_of(made) if lead]


plans = st.builds(
    plan_of,
    letters=st.sampled_from(["A", "AB", "AABA", "ABCA"]),
    bars=st.integers(1, 6),
    key=st.integers(0, 11),
    mode=st.sampled_from(["major", "minor"]),
    metre=st.sampled_from(["4/4", "3/4", "6/8"]),
    hits=st.sampled_from([(), (0,), (30,), (0, 24), (18, 48), (6, 36)]),
    arousal=st.sampled_from([-0.8, 0.0, 0.8]),
    energy=st.sampled_from([0.05, 0.5, 0.95]),
    groups=st.sampled_from(
        [EVERYBODY, ("piano",), ("strings",), ("guitar", "bass", "drums"), ("piano", "strings")]
    ),
    lead=st.sampled_from([None, "strings", "piano", "guitar"]),
    style=st.sampled_from(STYLES),
    cadence=st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(plan=plans, seed=st.integers(0, 10**6))
def test_any_draw_becomes_a_piece_that_obeys_any_plan(plan: Plan, seed: int) -> None:
    made = arrange(draw(plan, seed), plan, MusicSettings(), seed)
    n = made.notes
    assert (n.end > n.start).all() and (n.end <= plan.end).all() and (n.start >= 0).all()
    order = np.lexsort((n.pitch, n.group, n.start))
    assert (order == np.arange(len(n))).all()
    assert set(strong_chords(n, 12.0).tolist()) >= set(plan.hits)
    for group in set(n.group.tolist()):
        for pitch in set(n.pitch[n.group == group].tolist()):
            own = (n.group == group) & (n.pitch == pitch)
            assert (n.end[own][:-1] <= n.start[own][1:]).all(), "a pitch sounds twice"
    for group, pitch, start, end, lead in rows_of(made):
        section = plan.section_at(start)
        ringing = plan.cadence is not None and start == plan.cadence
        if GROUPS[group] not in section.groups and not lead:
            assert start in plan.hits or ringing
        if group == DRUMS:
            continue
        assert pitch % 12 in plan.scale_at(start) or group == BASS or lead
        if group in (GUITAR, PIANO, STRINGS) and not lead and end - start >= 24:
            assert pitch % 12 in plan.chord_at(start).tones
    tune = melody_of(made)
    assert all(a[1] <= b[0] for a, b in pairwise(tune)), "the melody is one voice"
    if plan.cadence is not None:
        assert n.start.max() <= plan.cadence


@settings(deadline=None, max_examples=15)
@given(plan=plans, seed=st.integers(0, 10**6))
def test_the_same_seed_gives_the_same_piece(plan: Plan, seed: int) -> None:
    first, second = (arrange(draw(plan, seed), plan, MusicSettings(), seed) for _ in range(2))
    assert rows_of(first) == rows_of(second)


def test_only_groups_that_are_allowed_play() -> None:
    allowed = ("strings", "bass")
    plan = plan_of(hits=(96,))
    made = arrange(draw(plan, 1), plan, MusicSettings(groups=allowed), 1)
    assert {GROUPS[g] for g in made.notes.group.tolist()} <= set(allowed)


def test_an_empty_draw_is_written_in_full() -> None:
    plan = plan_of()
    made = arrange(table([]), plan, MusicSettings(), 3)
    for group in range(5):
        starts = made.notes.start[made.notes.group == group]
        edges = [0, *starts.tolist(), plan.end]
        assert max(b - a for a, b in pairwise(edges)) <= 3 * plan.metre.bar, GROUPS[group]


def test_a_wall_of_tremolo_becomes_one_moving_group_where_the_mood_is_calm() -> None:
    def arranged(arousal: float) -> tuple[Counter[int], NoteTable]:
        plan = plan_of(arousal=arousal, energy=0.3, lead=None, mode="minor")
        n = arrange(tremolo(plan, 3), plan, MusicSettings(), 2).notes
        rates = {
            group: len(np.unique(n.start[n.group == group])) * 12 / plan.end
            for group in (GUITAR, PIANO, STRINGS)
        }
        return Counter(rates), n

    def onsets_a_beat(arousal: float) -> Counter[int]:
        return arranged(arousal)[0]

    calm = onsets_a_beat(-0.7)
    assert sorted(calm.values())[1] < 0.6, "more than one group moves"
    ((moving, rate),) = calm.most_common(1)
    notes = arranged(-0.7)[1]
    together = (notes.group == moving).sum() / len(np.unique(notes.start[notes.group == moving]))
    assert rate > 1.5 and together < 1.8, "chords are struck again and again"
    assert sorted(onsets_a_beat(0.8).values())[1] > 0.6, "drive is lost"


@pytest.mark.parametrize("energy", [0.1, 0.5, 1.0])
def test_voices_stay_few_enough_to_be_heard(energy: float) -> None:
    plan = plan_of(energy=energy, hits=(96, 240, 500))
    n = arrange(tremolo(plan), plan, MusicSettings(), 5).notes
    pitched = n.take(n.group != DRUMS)
    steps = np.arange(0, plan.end, 3)
    voices = [
        len(set(pitched.pitch[(pitched.start <= step) & (pitched.end > step)].tolist()))
        for step in steps
    ]
    assert np.mean(np.array(voices) >= 8) <= 0.12
    starts = Counter(pitched.start.tolist())
    spared = {*plan.hits, plan.cadence}
    assert max(count for step, count in starts.items() if step not in spared) <= 7


def test_a_hit_is_struck_once_and_held_for_two_beats() -> None:
    plan = plan_of(hits=(54, 150, 330))
    made = arrange(tremolo(plan), plan, MusicSettings(), 1)
    for hit in plan.hits:
        chord = [
            (group, pitch)
            for group, pitch, start, end, lead in rows_of(made)
            if start == hit and end >= hit + 24 and group in (GUITAR, PIANO) and not lead
        ]
        assert 3 <= len(chord) <= 5
        assert {pitch % 12 for _, pitch in chord} <= set(plan.chord_at(hit).tones)
        again = [
            start
            for group, pitch, start, _, _ in rows_of(made)
            if (group, pitch) in chord and hit < start < hit + 24
        ]
        assert not again
        lowest = [p for g, p, start, _, _ in rows_of(made) if g == BASS and start == hit]
        assert [p % 12 for p in lowest] == [plan.chord_at(hit).lowest]


def test_all_end_together_on_the_tonic_and_the_melody_steps_into_it() -> None:
    for seed in range(8):
        plan = plan_of(key=seed, mode=("minor", "major")[seed % 2])
        made = arrange(tremolo(plan), plan, MusicSettings(), seed)
        assert plan.cadence is not None
        last = [row for row in rows_of(made) if row[2] == plan.cadence]
        assert {row[0] for row in last} == set(range(5))
        assert all(row[3] == plan.end for row in last if row[0] != DRUMS)
        assert {p % 12 for g, p, *_ in last if g != DRUMS} <= set(plan.chord_at(plan.end).tones)
        *_, before, final = melody_of(made)
        assert final[2] % 12 == plan.chord_at(plan.cadence).root
        assert abs(final[2] - before[2]) in (1, 2)


def test_a_letter_returns_note_by_note_where_the_chords_are_the_same() -> None:
    plan = plan_of("ABA", bars=8)
    made = arrange(tremolo(plan), plan, MusicSettings(), 9)
    length = 8 * plan.metre.bar
    back = 2 * length

    def sounding(offset: int) -> set[tuple[int, int, int]]:
        inside = range(offset, offset + length - 96)
        return {
            (g, p, start - offset)
            for g, p, start, _, _ in rows_of(made)
            if start in inside and g != DRUMS
        }

    first, again, other = sounding(0), sounding(back), sounding(length)
    assert len(first & again) > 0.9 * len(first | again)
    assert len(first & other) < 0.8 * len(first | other)


@pytest.mark.parametrize("quality", sorted(QUALITIES))
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_voices_move_little_and_lie_open_in_the_bass(quality: str, size: int) -> None:
    before: tuple[int, ...] = ()
    for root in (0, 5, 7, 2, 9, 4, 0):
        chord = Chord(0, root, quality)
        voicing = voice_chord(chord, size, 60, 48, 76, before)
        assert len(voicing) == size and list(voicing) == sorted(set(voicing))
        assert {pitch % 12 for pitch in voicing} <= set(chord.tones)
        if size >= 2 and quality in ("", "m"):
            assert chord.tones[1] in {pitch % 12 for pitch in voicing}, "no third"
        assert all(b - a >= 3 or a >= 52 for a, b in pairwise(voicing)), "mud"
        if before:
            assert max(abs(a - b) for a, b in zip(before, voicing, strict=True)) <= 9
        before = voicing


def test_common_tones_stay() -> None:
    c, a = Chord(0, 0, ""), Chord(0, 9, "m")
    first = voice_chord(c, 3, 62, 48, 76)
    second = voice_chord(a, 3, 62, 48, 76, first)
    assert len(set(first) & set(second)) == 2


@pytest.mark.parametrize("metre", ["4/4", "3/4", "6/8"])
@pytest.mark.parametrize("arousal", [-0.8, 0.0, 0.8])
def test_melodies_are_singable(metre: MetreName, arousal: float) -> None:
    steps, leaps, strong, arches = [], [], [], []
    for seed in range(12):
        mode: ModeName = ("major", "minor")[seed % 2]
        plan = plan_of("AB", 8, seed, mode, metre, arousal=arousal)
        line = write_melody(plan, "A", 64, 86, random.Random(seed))
        assert len(line) >= 12
        assert all(64 <= pitch <= 86 for _, _, pitch in line)
        assert all(a[1] <= b[0] for a, b in pairwise(line))
        assert line[-1][1] <= plan.sections[1].step
        moves = [abs(b[2] - a[2]) for a, b in pairwise(line)]
        steps += [move <= 2 for move in moves if move]
        leaps += [move > 9 for move in moves]
        strong += [
            pitch % 12 in plan.chord_at(start).tones
            for start, _, pitch in line
            if start % plan.metre.bar == 0
        ]
        third = len(line) // 3
        arches.append(
            np.mean([p for *_, p in line[third:]]) - np.mean([p for *_, p in line[:third]])
        )
        breath = [b[0] - a[1] for a, b in pairwise(line)]
        assert max(breath) >= 3, "no breath"
    assert np.mean(steps) >= 0.6
    assert np.mean(leaps) <= 0.03
    assert np.mean(strong) >= 0.75
    assert np.mean(arches) > 0


def test_a_melody_repeats_its_motif() -> None:
    returning = []
    for seed in range(20):
        plan = plan_of("A", 8, mode=("major", "minor")[seed % 2])
        line = write_melody(plan, 0, 64, 86, random.Random(seed))
        shapes = Counter(
            tuple((b[0] - a[0], b[2] - a[2]) for a, b in pairwise(line[at : at + 5]))
            for at in range(len(line) - 4)
        )
        returning.append(sum(n for n in shapes.values() if n > 1) / sum(shapes.values()))
    assert np.mean(returning) >= 0.3


def test_no_section_no_melody() -> None:
    with pytest.raises(ValueError, match="no section 'Z'"):
        write_melody(plan_of(), "Z", 64, 86, random.Random(0))


def test_a_tune_follows_into_another_mode_and_key() -> None:
    plan = plan_of("A", 4)
    tune = write_tune(plan, section_spans(plan)[0], random.Random(4))
    moved = plan_of("A", 4, key=5, mode="minor")
    there = sing(tune, plan, section_spans(plan)[0], 60, 84)
    here = sing(tune, moved, section_spans(moved)[0], 60, 84)
    assert all(p % 12 in moved.scale_at(start) for start, _, p in here)
    contour = [np.sign(b[2] - a[2]) for a, b in pairwise(there)]
    again = [np.sign(b[2] - a[2]) for a, b in pairwise(here)]
    size = min(len(contour), len(again))
    assert np.mean(np.array(contour[:size]) == np.array(again[:size])) > 0.75


FRERE_JACQUES = (60, 62, 64, 60, 60, 62, 64, 60, 64, 65, 67, 64, 65, 67)
LENGTHS = (12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 24, 12, 12, 24)


def jacques(transposed: int = 0) -> list[tuple[int, int, int]]:
    """Return the beginning of a song that everybody knows, as (start, end, pitch) in steps."""
    starts = np.cumsum((0, *LENGTHS[:-1])).tolist()
    return [
        (start, start + length, pitch + transposed)
        for start, length, pitch in zip(starts, LENGTHS, FRERE_JACQUES, strict=True)
    ]


def test_a_theme_is_the_line_on_top_of_the_busiest_group() -> None:
    quarter = 40
    rows = [
        (PIANO, pitch + 12, start * quarter // 12, end * quarter // 12)
        for start, end, pitch in jacques()
    ]
    rows += [(PIANO, 48, at, at + 80) for at in range(0, 640, 80)]
    rows += [(STRINGS, 55, at, at + 160) for at in range(0, 640, 160)]
    theme = theme_of(table(rows), quarter)
    assert theme is not None
    assert list(theme.notes) == jacques(12)
    assert key_of_line(theme.notes) == (0, "major")


def test_a_theme_returns_in_every_section_of_letter_a_in_its_mode() -> None:
    plan = plan_of("ABA", bars=8, key=9, mode="minor")
    theme = Theme(tuple(jacques()))
    made = arrange(tremolo(plan), plan, MusicSettings(), 2, theme)
    expected = {note.offset for note in tune_of(theme, plan.metre).notes}
    bar = plan.metre.bar
    for begin in (0, 16 * bar):
        line = [row for row in melody_of(made) if begin <= row[0] < begin + 4 * bar]
        assert expected <= {start - begin for start, _, _ in line}
        assert all(pitch % 12 in plan.scale_at(start) for start, _, pitch in line)
    without = arrange(tremolo(plan), plan, MusicSettings(), 2)
    assert melody_of(without) != melody_of(made)


def test_a_theme_of_nothing_is_none() -> None:
    assert theme_of(table([(BASS, 40, 0, 12)] * 8), 12) is None


def test_the_accompaniment_stays_below_the_melody() -> None:
    plan = plan_of(lead="piano", groups=("piano", "strings", "bass"), arousal=-0.5)
    rows = rows_of(arrange(tremolo(plan), plan, MusicSettings(), 4))
    crossed = sum(
        any(not m and g != DRUMS and a < end and b > start and p > pitch for g, p, a, b, m in rows)
        for _, pitch, start, end, lead in rows
        if lead
    )
    assert crossed == 0


def test_no_melody_is_written_that_was_not_asked_for() -> None:
    plan = plan_of()
    assert not arrange(tremolo(plan), plan, MusicSettings(melody=False), 1).lead.any()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("metre", ["4/4", "3/4", "6/8"])
def test_written_bass_lines_tell_the_harmony(style: str, metre: MetreName) -> None:
    plan = plan_of(metre=metre, energy=0.6)
    line = write_bass(plan, style, random.Random(1))
    at = {start: pitch for start, _, pitch in line}
    told = [at[c.step] % 12 == c.lowest for c in plan.chords if c.step in at]
    assert all(told)
    assert len(told) > 0.9 * len(plan.chords) or style == "electronic"
    assert all(28 <= pitch <= 52 for pitch in at.values())
    assert all(a[1] <= b[0] for a, b in pairwise(sorted(line)))


def test_jazz_walks() -> None:
    plan = plan_of(style="jazz")
    line = write_bass(plan, "jazz", random.Random(2))
    moves = [abs(b[2] - a[2]) for a, b in pairwise(line)]
    assert np.mean([move in range(1, 6) for move in moves]) > 0.9
    assert Counter(end - start for start, end, _ in line).most_common(1)[0][0] == 12


@pytest.mark.parametrize("style", STYLES)
def test_written_drums_keep_a_groove_and_fill_before_a_section(style: str) -> None:
    plan = plan_of("AB", 8, energy=0.6)
    hits = [(start, key) for start, _, key in write_drums(plan, style, random.Random(3))]
    bar = plan.metre.bar
    bars = [{(s - b * bar, k) for s, k in hits if s // bar == b} for b in range(16)]
    assert bars[1] == bars[2] == bars[5]
    assert bars[7] != bars[6], "no fill"
    assert (8 * bar, KICK) in hits


def test_the_drawn_groove_is_kept_and_made_steady() -> None:
    plan = plan_of("A", 8, energy=0.5, style="rock")
    groove = {(0, 36), (18, 36), (24, 38), (30, 42), (42, 42)}
    rng = random.Random(0)
    rows = [
        (DRUMS, key, line * 48 + at, line * 48 + at + 3)
        for line in range(8)
        for at, key in groove
        if line in (2, 3) or rng.random() < 0.7
    ]
    n = arrange(table(rows), plan, MusicSettings(), 1).notes
    drums = n.take(n.group == DRUMS)
    for line in range(1, 7):
        inside = drums.start // 48 == line
        hits = set(
            zip((drums.start[inside] % 48).tolist(), drums.pitch[inside].tolist(), strict=True)
        )
        assert hits == groove


def test_comping_is_led() -> None:
    plan = plan_of(lead=None)
    chords: dict[int, list[int]] = {}
    for start, _, pitch in write_comping(plan, "pop", "piano", random.Random(1)):
        chords.setdefault(start, []).append(pitch)
    moves = [
        sum(abs(a - b) for a, b in zip(sorted(x), sorted(y), strict=True))
        for x, y in pairwise(chords.values())
    ]
    assert max(moves) <= 9


def test_jazz_swings_except_at_hit_points() -> None:
    plan = plan_of(style="jazz", hits=(54,), arousal=0.5)
    n = arrange(tremolo(plan), plan, MusicSettings(), 1).notes
    straight = set(n.start[n.start % 12 == 6].tolist())
    assert straight <= {54}
    assert (n.start % 12 == 8).sum() > 20


def test_the_beat_goes_on_through_a_hit() -> None:
    """Whatever else was to sound begins as if there were no hit, and stays on top."""
    hits = tuple(range(60, 1100, 132))
    for seed, energy in enumerate((0.35, 0.5, 0.7)):
        plan = plan_of(hits=hits, energy=energy, arousal=energy - 0.3)
        notes = tremolo(plan, every=12)
        made = rows_of(arrange(notes, plan, MusicSettings(), seed))
        plain = rows_of(arrange(notes, replace(plan, hits=()), MusicSettings(), seed))

        def tops(rows: list[tuple[int, int, int, int, bool]]) -> dict[int, int]:
            found: dict[int, int] = {}
            for group, pitch, start, _, _ in rows:
                if group in (GUITAR, PIANO, STRINGS):
                    found[start] = max(pitch, found.get(start, 0))
            return found

        here, there = tops(made), tops(plain)
        begun = {start for _, _, start, _, _ in made}
        assert {start for _, _, start, _, _ in plain} <= begun
        same = [here[start] == top for start, top in there.items() if start in here]
        assert len(same) >= 0.97 * len(there) and np.mean(same) > 0.95


def test_a_chord_turned_over_disturbs_nobody_but_the_bass() -> None:
    plan = plan_of(letters="A", hits=(72, 168), lead=None, cadence=False)
    turned = replace(
        plan,
        hits=(),
        chords=tuple(
            replace(chord, bass=chord.tones[1]) if chord.step in plan.hits else chord
            for chord in plan.chords
        ),
    )
    level = replace(turned, chords=tuple(c for c in turned.chords if c.step not in plan.hits))
    for seed in range(4):
        notes = draw(plan, seed)
        one, other = (
            [row for row in rows_of(arrange(notes, made, MusicSettings(), seed)) if row[0] != BASS]
            for made in (turned, level)
        )
        assert one == other


def drums_of(made: Arrangement) -> set[tuple[int, int]]:
    """Return (start, key) of each stroke."""
    return {(start, key) for group, key, start, _, _ in rows_of(made) if group == DRUMS}


def test_drums_that_lose_the_beat_give_way_to_the_styles_own() -> None:
    plan = plan_of(letters="A", arousal=0.4, energy=0.6, lead=None, cadence=False)
    steady = [(DRUMS, 42, step, step + 3) for step in range(0, 384, 6)]
    stumbling = [
        (DRUMS, 43, line + at, line + at + 3) for line in range(0, 384, 48) for at in (3, 15, 33)
    ]
    kept = drums_of(arrange(table(steady), plan, MusicSettings(), 1))
    assert {step for step, key in kept if key == 42 and step < 336} == set(range(6, 336, 6))
    written = drums_of(arrange(table(stumbling), plan, MusicSettings(), 1))
    assert written and 43 not in {key for step, key in written if step < 336}


def test_without_drums_somebody_else_keeps_the_beat() -> None:
    """A limping rhythm of chords is no ground to sing on, in calm music and in moved."""
    limping = [
        (PIANO, pitch, line + at, line + at + 6)
        for line in range(0, 384, 48)
        for at in (0, 9, 21, 45)
        for pitch in (57, 60, 64)
    ]
    for arousal, energy in ((-0.4, 0.4), (0.5, 0.7)):
        plan = plan_of(
            letters="A",
            arousal=arousal,
            energy=energy,
            groups=("piano", "strings"),
            lead=None,
            cadence=False,
        )
        made = arrange(table(limping), plan, MusicSettings(), 2)
        begun = {start for group, _, start, _, _ in rows_of(made) if group == PIANO}
        following = [start + 6 in begun or start + 12 in begun for start in begun if start < 360]
        assert np.mean(following) >= 0.7


@pytest.mark.parametrize(
    ("strokes", "steady"),
    [(range(0, 96, 12), 1.0), (range(0, 96, 6), 1.0), ((0, 24, 48, 72), 0.0), ((3, 15, 45), 1 / 3)],
)
def test_steadiness_is_the_share_of_strokes_that_a_pulse_goes_on_from(
    strokes: Sequence[int], steady: float
) -> None:
    counted = dict.fromkeys(strokes, 1)
    assert steadiness(counted, 96, METRES["4/4"]) == pytest.approx(steady)
    assert steadiness({}, 96, METRES["4/4"]) == 0


def test_busy_chords_that_keep_no_beat_are_adrift() -> None:
    def pattern(*starts: int) -> Pattern:
        bars = [[e for e in starts if e // 48 == line] for line in range(2)]
        return tuple(tuple(Event(GUITAR, 60, at % 48, at % 48 + 3) for at in bar) for bar in bars)

    metre = METRES["4/4"]
    assert is_adrift(pattern(*range(0, 96, 9)), metre)
    assert not is_adrift(pattern(*range(0, 96, 12)), metre)
    assert not is_adrift(pattern(*range(6, 96, 12), *range(9, 96, 12)), metre)
    # Few strokes blur nothing, wherever they are.
    assert not is_adrift(pattern(0, 33, 57), metre)
