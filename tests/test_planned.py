"""Planned pieces: every hit met, the film covered, what was asked for obeyed, the same again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from pieces import compose

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.music.chords import CHORD_GROUPS
from emsync.music.composition import CHORD_VELOCITY, Composition
from emsync.music.judging.emotion_regressor import load_regressor
from emsync.music.notes import GROUPS, TICK_SECONDS
from emsync.music.planning.grid import LARGEST_WARP
from emsync.music.transformer.candidates import Job
from emsync.music.transformer.checkpoint import Checkpoint, load
from emsync.music.transformer.compose import compose_all
from emsync.music.transformer.planned import Given, draft_of, tempo_of
from emsync.music.transformer.tokens import decode
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings

CUTS = (2.7, 7.9, 13.3, 18.2)
SECONDS = 24.0
QUICK = MusicSettings(openings=1, redraws=0)
MOOD = Mood(0.6, 0.3)


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load()


def composed(
    shipped: Checkpoint,
    mood: Mood | MoodCurve = MOOD,
    seconds: float = SECONDS,
    cuts: tuple[float, ...] = CUTS,
    seed: int = 4,
    **settings: object,
) -> Composition:
    asked = replace(QUICK, **settings)  # type: ignore[arg-type]
    return compose(shipped, mood, cuts, seconds, asked, seed, CancelToken(), silent_share)


@pytest.fixture(scope="module")
def piece(shipped: Checkpoint) -> Composition:
    return composed(shipped)


def test_every_cut_and_the_end_have_a_strong_chord_within_a_few_hundredths(
    piece: Composition,
) -> None:
    assert [one.asked for one in piece.boundaries] == [*CUTS, pytest.approx(22.2)]
    assert [one.kind for one in piece.boundaries] == ["cut"] * 4 + ["ending"]
    for boundary in piece.boundaries:
        assert boundary.hit is not None
        assert -0.0301 <= boundary.hit - boundary.asked <= 0.0601
        struck = [
            note
            for note in piece.notes
            if note.group in CHORD_GROUPS
            and abs(note.start - boundary.hit) < 0.001
            and note.velocity == CHORD_VELOCITY
        ]
        assert len(struck) >= 3
    assert piece.score.strong_chords == piece.score.boundaries == len(CUTS)
    assert piece.warp <= LARGEST_WARP


def test_the_piece_comes_to_rest_on_the_tonic(piece: Composition) -> None:
    assert piece.ended_on_chord and piece.plan is not None
    last = max(note.start for note in piece.notes)
    assert last == pytest.approx(piece.boundaries[-1].hit, abs=0.001)
    final = piece.plan.chords[-1]
    section = piece.plan.sections[-1]
    assert final.root == section.key
    ringing = [note for note in piece.notes if note.start == last and note.group != "drums"]
    assert {note.pitch % 12 for note in ringing} <= set(final.tones)
    assert all(note.end == pytest.approx(SECONDS, abs=0.3) for note in ringing)


def test_notes_bars_symbols_and_sections_lie_within_the_film(piece: Composition) -> None:
    assert all(0 <= note.start < note.end <= SECONDS for note in piece.notes)
    assert len(piece.lead) == len(piece.notes)
    assert all(0 <= at < SECONDS for at in piece.bars)
    assert np.diff(piece.bars) == pytest.approx(float(np.median(np.diff(piece.bars))), rel=0.05)
    assert piece.symbols and piece.sections
    assert [at for at, _ in piece.symbols] == sorted(at for at, _ in piece.symbols)
    changes = [at for at, _ in piece.symbols]
    for boundary in piece.boundaries:
        assert boundary.hit is not None
        assert min(abs(at - boundary.hit) for at in changes) < 0.001


def test_pitched_notes_keep_to_the_key(piece: Composition) -> None:
    """Chord tones and the scale around them; an accompaniment that wanders off is a fault."""
    assert piece.plan is not None and piece.grid is not None
    steps = np.arange(piece.grid.steps)
    seconds = piece.grid.seconds_of(steps)
    outside = total = 0.0
    for note in piece.notes:
        if note.group == "drums":
            continue
        step = int(steps[np.abs(seconds - note.start).argmin()])
        lasting = note.end - note.start
        total += lasting
        outside += lasting * (note.pitch % 12 not in piece.plan.scale_at(step))
    assert outside / total < 0.03


def test_the_same_seed_gives_the_same_piece(shipped: Checkpoint, piece: Composition) -> None:
    again = composed(shipped)
    assert again.notes == piece.notes and again.chart == piece.chart
    assert composed(shipped, seed=5).notes != piece.notes


def test_other_chords_keep_form_and_tempo(shipped: Checkpoint, piece: Composition) -> None:
    """The opening that goes on can be asked for: an edit of the chords is an edit."""
    chart = "C | F | Am | G"
    other = composed(shipped, chords=chart, opening=piece.opening)
    assert other.plan is not None and piece.plan is not None
    assert other.beats_per_minute == piece.beats_per_minute
    assert other.bars == piece.bars
    assert {chord.root for chord in other.plan.chords} <= {0, 5, 9, 7}
    sounding = {note.pitch % 12 for note in other.notes if note.group == "bass"}
    assert {0, 5, 9, 7} <= sounding


def test_an_opening_that_is_not_there_is_told_about(shipped: Checkpoint) -> None:
    with pytest.raises(EmsyncError, match="Opening 30 is asked for"):
        composed(shipped, opening=30)


@pytest.mark.parametrize(("slowest", "fastest"), [(132.0, 136.0), (70.0, 72.0), (100.0, 100.0)])
def test_a_tempo_that_is_asked_for_is_kept(
    shipped: Checkpoint, slowest: float, fastest: float
) -> None:
    made = composed(shipped, seconds=12.0, cuts=(5.0,), slowest=slowest, fastest=fastest)
    assert slowest - 0.01 <= made.beats_per_minute <= fastest + 0.01


def test_arousal_sets_the_tempo_and_changes_it_with_the_mood() -> None:
    def tempo(arousal: float) -> float:
        curve = MoodCurve.constant(Mood(0.0, arousal))
        made = tempo_of(curve, CUTS, SECONDS, MusicSettings(), 0)
        return 60 / (4 * made.sixteenths[0][1] * TICK_SECONDS * made.pace)

    tempos = [tempo(arousal) for arousal in (-0.8, -0.4, 0.0, 0.4, 0.8)]
    assert tempos == sorted(tempos) and tempos[-1] / tempos[0] > 1.7
    curve = MoodCurve((0.0, 13.3), (Mood(0.0, 0.7), Mood(0.0, -0.7)))
    (first, fast), (change, slow) = tempo_of(curve, CUTS, SECONDS, MusicSettings(), 0).sixteenths
    assert (first, change) == (0.0, 13.3) and slow > 1.5 * fast


@pytest.mark.parametrize("bounds", [(98.0, 102.0), (60.0, 61.0), (88.0, 120.0), (150.0, 190.0)])
def test_a_tempo_range_is_kept_to_exactly_however_the_mood_changes(
    bounds: tuple[float, float],
) -> None:
    slowest, fastest = bounds
    asked = MusicSettings(slowest=slowest, fastest=fastest)
    for moods in ((-0.8, 0.8), (0.0, 0.6), (0.8, -0.1, 0.4)):
        curve = MoodCurve(
            tuple(12.0 * i for i in range(len(moods))), tuple(Mood(0.2, a) for a in moods)
        )
        for number in range(8):
            tempo = tempo_of(curve, CUTS, SECONDS, asked, number)
            for _, ticks in tempo.sixteenths:
                played = 60 / (4 * ticks * TICK_SECONDS * tempo.pace)
                assert slowest - 1e-6 <= played <= fastest + 1e-6


@pytest.mark.parametrize("metre", ["3/4", "6/8"])
def test_a_metre_that_is_asked_for_is_kept(shipped: Checkpoint, metre: str) -> None:
    made = composed(shipped, seconds=14.0, cuts=(5.0,), metre=metre)
    assert made.grid is not None and made.grid.metre.name == metre
    quarters = np.diff(made.bars) * made.beats_per_minute / 60
    assert quarters == pytest.approx(3.0, rel=0.06)


def test_key_mode_and_groups_are_obeyed(shipped: Checkpoint) -> None:
    made = composed(
        shipped, seconds=14.0, cuts=(5.0,), tonic="E", mode="minor", groups=("piano", "strings")
    )
    assert made.plan is not None
    assert {(one.key, one.mode) for one in made.plan.sections} == {(4, "minor")}
    assert {note.group for note in made.notes} <= {"piano", "strings"}


def test_without_a_melody_nothing_is_marked_as_one(shipped: Checkpoint) -> None:
    made = composed(shipped, seconds=14.0, cuts=(5.0,), melody=False)
    assert not any(made.lead)


@pytest.mark.slow
def test_a_theme_is_heard_again(shipped: Checkpoint, tmp_path: Path) -> None:
    """A tune that leaps by sixths, as no tune of ours does, in the key of the piece."""
    song = pretty_midi.PrettyMIDI(initial_tempo=120)
    track = pretty_midi.Instrument(0)
    tune = [60, 69, 62, 71, 64, 72, 67, 60]
    track.notes = [
        pretty_midi.Note(90, pitch, 0.5 * i, 0.5 * i + 0.45) for i, pitch in enumerate(tune)
    ]
    song.instruments.append(track)
    path = tmp_path / "tune.mid"
    song.write(str(path))
    asked: dict[str, object] = {
        "tonic": "C",
        "mode": "major",
        "chords": "C | G | Am | C",
        "metre": "4/4",
        "style": "folk",
    }

    def leaping(theme: Path | None) -> float:
        made = composed(shipped, MOOD, 30.0, (), 4, theme=theme, **asked)
        line = [note.pitch for note, lead in zip(made.notes, made.lead, strict=True) if lead]
        assert len(line) > 8
        return float(np.mean(np.abs(np.diff(line)) >= 7))

    assert leaping(path) > 0.3 > leaping(None)


def test_a_theme_without_a_melody_is_told_about(shipped: Checkpoint, tmp_path: Path) -> None:
    song = pretty_midi.PrettyMIDI()
    track = pretty_midi.Instrument(0)
    track.notes = [pretty_midi.Note(90, 60, 0.0, 1.0)]
    song.instruments.append(track)
    song.write(str(tmp_path / "one.mid"))
    with pytest.raises(EmsyncError, match=r"one\.mid. has no melody"):
        composed(shipped, theme=tmp_path / "one.mid")


def test_a_primers_tempo_and_key_go_on(shipped: Checkpoint, tmp_path: Path) -> None:
    song = pretty_midi.PrettyMIDI(initial_tempo=90)
    track = pretty_midi.Instrument(0)
    beat = 60 / 90
    for bar, chord in enumerate([(62, 66, 69), (67, 71, 74), (69, 73, 76), (62, 66, 69)] * 2):
        track.notes += [
            pretty_midi.Note(80, pitch, 4 * beat * bar + beat * i, 4 * beat * bar + beat * (i + 1))
            for i in range(4)
            for pitch in chord
        ]
    song.instruments.append(track)
    song.write(str(tmp_path / "before.mid"))
    made = composed(shipped, primer=tmp_path / "before.mid")
    assert made.plan is not None
    assert (made.plan.sections[0].key, made.plan.sections[0].mode) == (2, "major")
    assert made.beats_per_minute == pytest.approx(90, rel=0.06)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 5.0])
def test_short_films_have_music(shipped: Checkpoint, seconds: float) -> None:
    made = composed(shipped, seconds=seconds, cuts=())
    assert made.notes and all(note.end <= seconds for note in made.notes)


def test_candidates_differ_and_each_can_be_had_again(shipped: Checkpoint) -> None:
    asked = replace(QUICK, candidates=2, openings=3)
    mood = MoodCurve((0.0, 13.3), (Mood(0.7, 0.5), Mood(-0.7, -0.5)))
    pieces = compose_all(shipped, mood, CUTS, SECONDS, asked, 9, CancelToken(), silent_share)
    assert len(pieces) == 2 and pieces[0].notes != pieces[1].notes
    first, second = pieces
    again = compose_all(
        shipped,
        mood,
        CUTS,
        SECONDS,
        replace(asked, keep=second.keep),
        9,
        CancelToken(),
        silent_share,
    )
    assert again[0].notes == second.notes
    assert first.plan is not None
    modes = {one.mode for one in first.plan.sections if one.valence > 0}
    assert "major" in modes and "minor" in {one.mode for one in first.plan.sections}


def test_the_untold_twin_meets_fewer_cuts(shipped: Checkpoint) -> None:
    made = composed(shipped, compare_untold=True, sensitivity=0.1)
    assert made.score_without is not None
    assert made.score_without.strong_chords < made.score.strong_chords


def test_what_is_shown_meanwhile_is_what_will_be_heard(
    shipped: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arrangement in film time, its melody included, as far as the model has written."""
    monkeypatch.setattr("emsync.music.transformer.planned.SHOWN_EVERY", 0.0)
    monkeypatch.setattr("emsync.music.transformer.planned.SHOWN_REST", 0)
    shown: list[tuple[int, ...]] = []
    made = compose_all(
        shipped,
        MOOD,
        CUTS,
        SECONDS,
        QUICK,
        4,
        CancelToken(),
        silent_share,
        lambda tokens, under_way: shown.append(tokens),
    )[0]
    assert len(shown) > 2
    final = {(n.group, n.pitch, round(n.start / TICK_SECONDS)) for n in made.notes}
    half = decode(shown[-1]).notes
    rows = zip(half.group, half.pitch, half.start, strict=True)
    seen = [(GROUPS[group], int(pitch), int(start)) for group, pitch, start in rows]
    assert len(seen) > 20
    assert np.mean([row in final for row in seen]) > 0.5
    melody = {
        (n.pitch, round(n.start / TICK_SECONDS))
        for n, lead in zip(made.notes, made.lead, strict=True)
        if lead
    }
    assert any((pitch, start) in melody for _, pitch, start in seen)


def test_a_new_mood_comes_with_the_chord_of_its_cut(shipped: Checkpoint) -> None:
    """Wherever between a little early and a little late that chord sounds."""
    curve = MoodCurve((0.0, CUTS[2]), (MOOD, Mood(-0.6, -0.4)))
    for number in range(8):
        job = Job(shipped, curve, CUTS, None, SECONDS, QUICK, 4, load_regressor(), CancelToken())
        draft = draft_of(job, Given(), number, 4 + number, CUTS)
        (change,) = draft.brief.changes
        assert change.seconds == draft.brief.boundaries[2]


def test_a_tempo_that_is_asked_for_outweighs_the_primers(shipped: Checkpoint) -> None:
    asked = replace(QUICK, slowest=120.0, fastest=124.0)
    curve = MoodCurve.constant(MOOD)
    job = Job(shipped, curve, CUTS, None, SECONDS, asked, 4, load_regressor(), CancelToken())
    draft = draft_of(job, Given(sixteenth=26), 0, 4, CUTS)
    assert 119.9 <= draft.grid.tempo_at(0) <= 124.1
