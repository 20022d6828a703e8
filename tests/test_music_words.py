"""A planned piece in words: what kind of music it is, for the page and for screen readers."""

from dataclasses import replace

import pytest

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.interface.music_words import facts_of, in_words, keys_of, kind_of, tempo_of, with_signs
from emsync.music.composition import BoundaryHit, BoundaryScore, Candidate, Composition
from emsync.music.judging.quality import quality_of
from emsync.music.notes import Note, table_of
from emsync.music.planning.chart import chart_of
from emsync.music.planning.grid import METRES, lay_grid
from emsync.music.planning.plan import Chord, ModeName, Plan, Section

GRID = lay_grid(METRES["4/4"], [(0, 16), (8.0, 12)], [4.1, 7.6], 16.0)
"""117 quarters a minute, from 8 s on 156; hit points a little off the eighths."""


def section(step: int, letter: str, key: int, mode: ModeName, lead: str | None) -> Section:
    return Section(step, letter, key, mode, 0.2, 0.1, 0.5, ("piano", "bass"), lead)


def planned(*sections: Section) -> Composition:
    """A piece of 16 s with four chords and two notes, put together by hand."""
    chords = (
        Chord(0, 9, "m"),
        Chord(96, 10, "maj7"),
        Chord(192, 4, "7", bass=8),
        Chord(288, 9, "m"),
    )
    plan = Plan(METRES["4/4"], chords, sections, (96,), 288, GRID.steps, "folk")
    notes = (Note("piano", 69, 0.0, 2.0), Note("bass", 45, 0.0, 1.0))
    (mood,) = (Mood(0.2, 0.1),)
    candidate = Candidate(0, (), 1, (mood,), 0.0, 2)
    at = GRID.seconds_of([one.step for one in sections]).tolist()
    return Composition(
        written=(),
        notes=notes,
        lead=(True, False),
        plan=plan,
        grid=GRID,
        bars=tuple(GRID.seconds_of(GRID.bar_lines).tolist()),
        symbols=tuple(
            zip(GRID.seconds_of([one.step for one in chords]).tolist(),
                (one.symbol for one in chords), strict=True)
        ),
        sections=tuple(zip(at, (one.letter for one in sections), strict=True)),
        chart=chart_of(plan),
        chords=(4.1,),
        boundaries=(BoundaryHit(4.1, 4.1),),
        score=BoundaryScore(1, 1, 1),
        score_without=None,
        ended_on_chord=True,
        quality=quality_of(table_of(notes), [0, 256], 2000),
        faults=(),
        candidates=(candidate,),
        curve=MoodCurve.constant(mood),
        seed=0,
        kept=0,
        seconds=16.0,
        beats_per_minute=GRID.tempo_at(0),
        weights="free-5m",
        weights_sha256="",
        weights_tiers=(),
        regressor_sha256="",
        compose_seconds=1.0,
        tokens_per_second=1.0,
        remarks=(),
    )  # fmt: skip


PIECE = planned(
    section(0, "A", 9, "minor", "piano"),
    section(96, "B", 1, "major", None),
    section(288, "A", 9, "minor", "piano"),
)


def test_key_tempo_metre_and_style_are_told() -> None:
    kind = kind_of(PIECE)
    assert kind == (
        "A minor, then D♭ major, then A minor, 117 to 156 beats a minute, 4/4, folk style"
    )
    words = in_words(PIECE)
    assert words.startswith(f"{kind}. 2 notes on piano and bass, 1 strong chord.")
    free = replace(PIECE, plan=None, grid=None, lead=(), symbols=(), sections=(), chart="")
    assert in_words(free).startswith("2 notes on piano and bass")
    assert kind_of(free) == "" and facts_of(free) == []
    assert tempo_of(free) == "117 beats a minute"


def test_the_reasons_say_how_far_the_beat_gives_way() -> None:
    facts = dict(facts_of(PIECE))
    assert 0.001 < PIECE.warp < 0.04
    assert f"gives way by at most {PIECE.warp:.1%}" in facts["Tempo"]
    assert facts["Form"].startswith("A from 0:00, B from 0:0")
    assert facts["Melody"] == "piano"
    assert facts["Chords"].startswith("Am | ") and "E7/A♭" in facts["Chords"]
    silent = planned(section(0, "A", 9, "minor", None))
    assert dict(facts_of(silent))["Melody"] == "none"


def test_of_many_keys_the_first_are_told() -> None:
    many = planned(*(section(48 * i, "ABCDEF"[i], 2 * i, "dorian", None) for i in range(6)))
    assert many.plan is not None
    told = keys_of(many.plan)
    assert told == "C dorian, then D dorian, then E dorian, then F♯ dorian, and so on"
    alike = planned(section(0, "A", 5, "lydian", None), section(96, "B", 5, "lydian", None))
    assert alike.plan is not None and keys_of(alike.plan) == "F lydian"


@pytest.mark.parametrize(
    ("chart", "shown"),
    [
        ("Bb", "B♭"),
        ("F#m7b5/Bb | Bbmaj7 Ab", "F♯m7♭5/B♭ | B♭maj7 A♭"),
        ("Bdim Cadd9 Csus4@2.5", "Bdim Cadd9 Csus4@2.5"),
        ("", ""),
        ("A:min7 | D#:sus4 | G:maj7", "Am7 | D♯sus4 | Gmaj7"),
    ],
)
def test_chord_symbols_have_the_signs_of_a_score(chart: str, shown: str) -> None:
    assert with_signs(chart) == shown
