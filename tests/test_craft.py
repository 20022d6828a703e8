"""The corpus written by the rules of the craft."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music.arranging.events import BASS, DRUMS, Event
from emsync.music.notes import HIGHEST_PITCH, LOWEST_PITCH, TICK_SECONDS
from emsync.music.planning.grid import METRES
from emsync.music.planning.plan import QUALITIES, Chord, Plan
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.harmony_labels import label_of_chord
from emsync.music.transformer.tokens import decode, tick_of_tokens
from emsync.training.corpus import Piece, read_shard
from emsync.training.craft import __main__ as command
from emsync.training.craft.basslines import FAMILIES
from emsync.training.craft.commission import Commission, commission
from emsync.training.craft.composing import compose
from emsync.training.craft.drumming import KITS
from emsync.training.craft.manners import MANNERS
from emsync.training.craft.patterns import STABS, TABLES, Level, double_time, figure, parsed, rhythm
from emsync.training.craft.pieces import piece_of
from emsync.training.craft.progressions import BLUES, JAZZ, LOOPS, degrees, functional
from emsync.training.craft.voicing import led

SOME = range(40)
Written = tuple[Commission, Plan, list[Event], Piece]


@pytest.fixture(scope="module")
def pieces() -> list[Written]:
    written = []
    for number in SOME:
        job = commission(5, number)
        plan, notes = compose(job)
        written.append((job, plan, notes, piece_of(job, plan, notes, f"{number}", number)))
    return written


numbers = st.integers(min_value=0, max_value=10**6)


@settings(max_examples=25, deadline=None)
@given(number=numbers)
def test_any_piece_can_be_played_and_keeps_its_bars(number: int) -> None:
    job = commission(1, number)
    plan, notes = compose(job)
    piece = piece_of(job, plan, notes, "any", number)
    assert all(LOWEST_PITCH <= note.pitch <= HIGHEST_PITCH for note in notes)
    assert all(0 <= note.start < note.end for note in notes)
    said = decode(piece.tokens)
    assert len(set(np.diff(said.bars))) == 1
    assert len(said.notes) >= len(notes) - 2  # nothing is lost on the way into tokens
    ticks = set(job.grid.ticks_of(list(plan.hits)).tolist())
    assert ticks <= set(said.chords)
    assert 30 <= said.length * TICK_SECONDS <= 125


@settings(max_examples=25, deadline=None)
@given(number=numbers)
def test_a_chord_begins_at_every_hit_and_the_piece_ends_at_home(number: int) -> None:
    plan, notes = compose(commission(2, number))
    steps = [chord.step for chord in plan.chords]
    assert all(a < b for a, b in pairwise(steps))
    assert set(plan.hits) <= set(steps)
    assert not any(hit < step < hit + 24 for hit in plan.hits for step in steps)
    assert plan.cadence == steps[-1] and plan.chords[-1].root == plan.sections[-1].key
    last = {n.pitch % 12 for n in notes if n.start == plan.cadence and n.group != DRUMS}
    assert last <= set(plan.chords[-1].tones) and plan.chords[-1].root in last


def test_the_same_seed_writes_the_same_piece_and_another_number_another(
    pieces: list[Written],
) -> None:
    again = commission(5, 3)
    assert (piece_of(again, *compose(again), "3", 3).tokens == pieces[3][3].tokens).all()
    assert len({piece.tokens.tobytes() for *_, piece in pieces}) == len(pieces)


def test_labels_say_what_the_notes_do(pieces: list[Written]) -> None:
    for job, plan, _, piece in pieces:
        clock = tick_of_tokens(piece.tokens)
        assert (piece.tokens[piece.heard_from] == v.BAR).all()
        assert len(piece.heard) == len(plan.sections)
        wanted = job.grid.ticks_of([section.step for section in plan.sections])
        assert (clock[piece.heard_from] == wanted).all()
        at = job.grid.steps_of(clock[piece.harmony_from])
        for step, label in zip(at.tolist(), piece.harmony.tolist(), strict=True):
            assert label == label_of_chord(plan.chord_at(step))
        assert piece.style > 0 and piece.bpm == pytest.approx(job.bpm)
        assert (piece.valence, piece.arousal) == (job.moods[0].valence, job.moods[0].arousal)


def test_notes_keep_to_the_chords(pieces: list[Written]) -> None:
    shares, roots = [], []
    for _, plan, notes, _ in pieces:
        inside = total = rooted = bass = 0
        for note in notes:
            if note.group == DRUMS:
                continue
            chord = plan.chord_at(note.start)
            total += note.end - note.start
            inside += (note.end - note.start) * (note.pitch % 12 in chord.tones)
            bass += note.group == BASS
            rooted += note.group == BASS and note.pitch % 12 == chord.lowest
        shares.append(inside / total)
        roots += [rooted / bass] if bass else []
    assert min(shares) > 0.6 and np.mean(shares) > 0.85
    assert np.mean(roots) > 0.5


def test_hardly_anything_rubs(pieces: list[Written]) -> None:
    shares = []
    for _, plan, notes, _ in pieces:
        sounding = np.zeros((plan.end + 200, 130), dtype=bool)
        for note in notes:
            if note.group != DRUMS:
                sounding[note.start : note.end, note.pitch] = True
        shares.append((sounding[:, :-1] & sounding[:, 1:]).any(axis=1).mean())
    assert np.mean(shares) < 0.016 and max(shares) < 0.12


def test_themes_return() -> None:
    """A section that comes again over the same chords has the same melody."""
    compared = 0
    for number in range(60):
        job = commission(5, number)
        plan, notes = compose(job)
        bar = plan.metre.bar
        sung: dict[tuple[object, ...], list[tuple[int, int]]] = {}
        for section in plan.sections:
            if section.lead is None or plan.hits:
                continue
            for place in range(3):
                line = section.step + place * bar
                inside = [chord for chord in plan.chords if line <= chord.step < line + bar]
                chords = tuple((c.step - line, c.root, c.quality) for c in inside)
                key = (section.letter, place, section.valence, section.key, chords)
                melody = [
                    (n.start - line, n.pitch)
                    for n in notes
                    if n.lead and line <= n.start < line + bar
                ]
                if key in sung and plan.section_at(line + bar) is section:
                    before = sung[key]
                    compared += 1
                    assert {start for start, _ in before} == {start for start, _ in melody}
                sung[key] = melody
    assert compared > 10


def test_mood_is_in_tempo_and_mode() -> None:
    jobs = [commission(6, number) for number in range(300)]
    arousal = [job.moods[0].arousal for job in jobs]
    assert np.corrcoef(arousal, [job.bpm for job in jobs])[0, 1] > 0.85
    assert min(arousal) < -0.9 and max(arousal) > 0.9
    one_mood = [job for job in jobs[:140] if len(job.moods) == 1]
    mode = [piece_of(job, *compose(job), "", 0).majorness for job in one_mood]
    assert np.corrcoef([job.moods[0].valence for job in one_mood], mode)[0, 1] > 0.6
    assert {job.manner.name for job in [commission(6, n) for n in range(1500)]} == {
        manner.name for manner in MANNERS
    }


def test_every_pattern_fits_its_metre() -> None:
    tables = [*TABLES.values(), *FAMILIES.values(), STABS]
    for table in tables:
        for metre, texts in table.items():
            for text in texts:
                bars = parsed(text, METRES[metre].bar)
                assert all(bars), text
                assert all(e.offset + e.length <= METRES[metre].bar for bar in bars for e in bar)
                twice = double_time(text)
                assert twice is None or parsed(twice, METRES[metre].bar)
    for kit in KITS.values():
        for metre, rows in kit.items():
            for row in (*rows.low, *rows.back, *rows.top, *rows.more):
                assert not row or parsed(row, METRES[metre].bar)
    with pytest.raises(ValueError, match="does not divide"):
        parsed("a-a-a", 48)


def test_tables_of_progressions_can_be_read() -> None:
    for table in (LOOPS, JAZZ, BLUES):
        for texts in table.values():
            assert all(len(degrees(text)) >= 4 for text in texts)


@given(seed=st.integers(0, 10**6), energy=st.floats(0, 1), seconds=st.floats(0.9, 5))
def test_drawn_patterns_can_be_played(seed: int, energy: float, seconds: float) -> None:
    import random

    rng = random.Random(seed)
    for metre, found in METRES.items():
        level = Level(energy, seconds)
        stroke = level.stroke(rng, found.bar)
        for text in (figure(rng, metre, stroke, short=True), rhythm(rng, metre, energy)):
            assert parsed(text, found.bar)[0][0].offset == 0
        assert level.choose(rng, TABLES["block"][metre], found.bar)
    walk = functional(rng, minor=bool(seed % 2), length=8)
    assert len(walk) == 8 and walk[0].root == 0


@given(
    root=st.integers(0, 11),
    quality=st.sampled_from(sorted(QUALITIES)),
    other=st.sampled_from(sorted(QUALITIES)),
    voices=st.integers(3, 4),
)
def test_voices_hold_the_chord_and_move_little(
    root: int, quality: str, other: str, voices: int
) -> None:
    first = led(Chord(0, root, quality).tones, (), 50, 74, voices)
    second = led(Chord(0, (root + 5) % 12, other).tones, first, 50, 74, voices)
    assert len(first) == voices and list(first) == sorted(set(first))
    tones = Chord(0, root, quality).tones
    assert {p % 12 for p in first} <= set(tones)
    assert tones[1] in {p % 12 for p in first}  # the third, or what is in its place
    moved = [abs(a - b) for a, b in zip(first, second, strict=True)]
    assert np.mean(moved) <= 5


def test_the_command_writes_a_shard_and_midi_files(tmp_path: Path) -> None:
    arguments = ["-o", str(tmp_path), "--pieces", "4", "--seed", "9", "--processes", "1"]
    command.main([*arguments, "--midi", str(tmp_path / "midi"), "--midi-pieces", "1"])
    pieces = read_shard(tmp_path / "craft.npz")
    assert [piece.source for piece in pieces] == ["craft"] * 4
    assert {piece.tier for piece in pieces} == {"synthetic"}
    job = commission(9, 2)
    assert (pieces[2].tokens == piece_of(job, *compose(job), "", 2).tokens).all()
    import pretty_midi

    (midi,) = (tmp_path / "midi").glob("*.mid")
    assert sum(len(one.notes) for one in pretty_midi.PrettyMIDI(str(midi)).instruments) > 100


def test_splits_are_by_number() -> None:
    job = commission(0, 0)
    done = compose(job)
    splits = [piece_of(job, *done, "", number).split for number in range(100)]
    assert [splits.count(name) for name in ("train", "valid", "test")] == [94, 3, 3]
