"""Passages composed anew: nothing else changes, hits stay, seams join, reports replay."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio
import numpy as np
import pytest
from browsing import open_page, running_app
from conftest import Films
from pieces import compose, free_piece, planned_piece

from emsync.__main__ import main
from emsync.emotion.curve import MoodRequest
from emsync.emotion.mapping import Mood
from emsync.errors import Cancelled, EmsyncError
from emsync.evaluation.seams import joined
from emsync.interface.page import build
from emsync.interface.passage_area import can_be_recomposed, parts_of
from emsync.interface.records import Outcome, Playing
from emsync.interface.studio import Studio
from emsync.music.composer import COMPOSERS
from emsync.music.composition import Composition
from emsync.music.judging.seams import roughness, seam_at
from emsync.music.notes import GROUPS, TICK_SECONDS, Note, NoteTable, table_of
from emsync.music.passage import Passage, bars_between, passage_of
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import Checkpoint, load
from emsync.music.transformer.decoding import generate
from emsync.music.transformer.passage import notes_in_steps, recompose
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.tokens import decode, encode
from emsync.progress import CancelToken, silent_share
from emsync.report.read import read_report
from emsync.settings import MusicSettings, Settings

CUTS = (2.7, 7.9, 13.3, 18.2)
SECONDS = 24.0
QUICK = MusicSettings(openings=1, redraws=0)


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load()


@pytest.fixture(scope="module")
def piece(shipped: Checkpoint) -> Composition:
    return compose(shipped, Mood(0.6, 0.3), CUTS, SECONDS, QUICK, 4, CancelToken(), silent_share)


def anew(
    shipped: Checkpoint,
    piece: Composition,
    first: int,
    last: int,
    groups: tuple[str, ...] = GROUPS,
    seed: int = 1,
) -> Composition:
    passage = passage_of(piece.bars, first, last, groups, seed)
    return recompose(shipped, piece, passage, QUICK, CancelToken(), silent_share)


def edges(piece: Composition, passage: Passage) -> tuple[float, float]:
    ends = (*piece.bars, piece.seconds)
    return ends[passage.first - 1], ends[passage.last]


def split(
    piece: Composition, passage: Passage
) -> tuple[list[tuple[Note, bool]], list[tuple[Note, bool]]]:
    """What lies wholly in the passage and belongs to its groups, and everything else."""
    start, end = edges(piece, passage)
    inside: list[tuple[Note, bool]] = []
    outside: list[tuple[Note, bool]] = []
    for note, lead in zip(piece.notes, piece.lead, strict=True):
        within = start - TICK_SECONDS <= note.start and note.end <= end + TICK_SECONDS
        (inside if within and note.group in passage.groups else outside).append((note, lead))
    return inside, outside


PASSAGES = [
    (3, 4, GROUPS, 1),
    (1, 2, GROUPS, 2),
    (5, 5, GROUPS, 3),
    (2, 6, ("strings",), 4),
    (2, 6, ("piano", "guitar"), 5),
    (4, 7, ("drums",), 6),
    (3, 8, ("bass",), 7),
]


@pytest.mark.parametrize(("first", "last", "groups", "seed"), PASSAGES)
def test_nothing_else_changes_and_something_does(
    shipped: Checkpoint,
    piece: Composition,
    first: int,
    last: int,
    groups: tuple[str, ...],
    seed: int,
) -> None:
    made = anew(shipped, piece, first, last, groups, seed)
    passage = made.passages[-1]
    (before, stays), (new, rest) = split(piece, passage), split(made, passage)
    assert rest == stays, "a note outside the passage is another"
    assert Counter(new) != Counter(before), "the passage is as it was"
    assert made.bars == piece.bars and made.symbols == piece.symbols
    # Every hit has the strong chord that it had.
    assert all(boundary.hit is not None for boundary in piece.boundaries)
    assert made.boundaries == piece.boundaries and made.score == piece.score
    # Nobody sounds a pitch twice at once.
    by_voice: dict[tuple[str, int], list[Note]] = {}
    for note in sorted(made.notes, key=lambda note: note.start):
        by_voice.setdefault((note.group, note.pitch), []).append(note)
    for notes in by_voice.values():
        assert all(one.end <= other.start + 1e-6 for one, other in pairwise(notes))
    # All of it lies in the key.
    assert made.plan is not None and made.grid is not None
    table, _ = notes_in_steps(made)
    at = (passage.first - 1) * made.plan.metre.bar, passage.last * made.plan.metre.bar
    for group, pitch, start, end in zip(
        table.group, table.pitch, table.start, table.end, strict=True
    ):
        if group != GROUPS.index("drums") and at[0] <= start < at[1] and end - start >= 12:
            assert pitch % 12 in made.plan.scale_at(int(start))


def test_the_end_is_composed_anew_and_comes_to_rest(
    shipped: Checkpoint, piece: Composition
) -> None:
    made = anew(shipped, piece, len(piece.bars) - 2, len(piece.bars))
    assert made.notes != piece.notes and made.plan is not None
    last = max(note.start for note in made.notes)
    assert last == pytest.approx(piece.boundaries[-1].hit, abs=0.001)
    ringing = [note for note in made.notes if note.start == last and note.group != "drums"]
    assert {note.pitch % 12 for note in ringing} <= set(made.plan.chords[-1].tones)


def test_the_same_seed_gives_the_same_and_passages_add_up(
    shipped: Checkpoint, piece: Composition
) -> None:
    one = anew(shipped, piece, 3, 5)
    assert anew(shipped, piece, 3, 5).notes == one.notes
    assert anew(shipped, piece, 3, 5, seed=2).notes != one.notes
    two = anew(shipped, one, 6, 7)
    assert [(each.first, each.last) for each in two.passages] == [(3, 5), (6, 7)]
    assert split(two, two.passages[1])[1] == split(one, two.passages[1])[1]
    assert "In bars 6 to 7" in two.remarks[-1]


def test_the_sketch_shows_the_piece_with_the_passage_growing(
    shipped: Checkpoint, piece: Composition
) -> None:
    shown: list[tuple[NoteTable, str]] = []
    passage = Passage(3, 6, GROUPS, 1)
    recompose(
        shipped, piece, passage, QUICK, CancelToken(), silent_share,
        lambda notes, doing: shown.append((notes, doing)),
    )  # fmt: skip
    assert shown and all(doing == "Composing bars 3 to 6 anew" for _, doing in shown)
    stays = table_of(note for note, _ in split(piece, passage)[1])
    rows = set(zip(stays.group, stays.pitch, stays.start, strict=True))
    first = shown[0][0]
    assert rows <= set(zip(first.group, first.pitch, first.start, strict=True))


def test_who_cancels_gets_the_piece_as_it_was(shipped: Checkpoint, piece: Composition) -> None:
    cancel, shares = CancelToken(), []

    def advance(share: float) -> None:
        shares.append(share)
        cancel.cancel()

    with pytest.raises(Cancelled):
        recompose(shipped, piece, Passage(3, 8, GROUPS, 1), QUICK, cancel, advance)
    assert len(shares) == 1


def test_what_cannot_be_is_said(shipped: Checkpoint, piece: Composition) -> None:
    count = len(piece.bars)
    with pytest.raises(EmsyncError, match=f"The piece has {count} bars"):
        passage_of(piece.bars, 3, count + 1, (), 0)
    with pytest.raises(EmsyncError, match="no instrument group “oboe”"):
        passage_of(piece.bars, 1, 2, ("oboe",), 0)
    with pytest.raises(EmsyncError, match=f"The piece has {count} bars"):
        recompose(
            shipped, piece, Passage(3, count + 1, GROUPS, 0), QUICK, CancelToken(), silent_share
        )
    free = free_piece([0.0, 2.0, 4.0], 6.0, 120.0)
    with pytest.raises(EmsyncError, match="drawn without a plan"):
        recompose(shipped, free, Passage(1, 1, GROUPS, 0), QUICK, CancelToken(), silent_share)
    with pytest.raises(EmsyncError, match="only bass and drums are to play"):
        quiet = replace(QUICK, groups=("bass", "drums"))
        recompose(
            shipped, piece, Passage(1, 3, ("strings",), 0), quiet, CancelToken(), silent_share
        )
    # In the last bar nothing begins: the last chord of the bar before sounds on.
    with pytest.raises(EmsyncError, match=f"In bar {count} nothing else was found"):
        recompose(
            shipped, piece, Passage(count, count, GROUPS, 0), QUICK, CancelToken(), silent_share
        )
    assert not COMPOSERS["video2music"].recomposes


def test_what_is_given_is_heard_by_the_generator_as_it_is(shipped: Checkpoint) -> None:
    """Bass, drums and strings take their place in the tokens, and the piano is drawn around them,
    so that both are read in the order of real music."""
    made = planned_piece()
    assert made.plan is not None and made.grid is not None
    table, _ = notes_in_steps(made)
    bars = 8 * made.grid.metre.bar
    others = [GROUPS.index(group) for group in ("bass", "drums", "strings")]
    table = table.take(np.isin(table.group, others) & (table.end <= bars))
    clock = made.grid.ticks_of
    table = NoteTable(table.group, table.pitch, clock(table.start), clock(table.end))
    tick, given = 0, []
    for token in encode(table, drum_offs=False).tolist():
        tick += v.shift_ticks(token)
        if not v.shift_ticks(token):
            given.append((tick, token))
    brief = Brief(
        0.4, 0.3, (), int(clock(bars)) * TICK_SECONDS, 1, grid=made.grid, plan=made.plan,
        given=tuple(given),
    )  # fmt: skip
    settings = replace(QUICK, groups=("piano",), repetition_coefficient=0.0, late_tolerance=None)
    (piece,) = generate(shipped.model, [brief], settings, CancelToken(), silent_share)
    said = decode(piece.tokens)
    assert {GROUPS[group] for group in said.notes.group} == {"bass", "drums", "piano", "strings"}
    assert list(said.bars) == clock(range(0, bars, made.grid.metre.bar)).tolist()
    kept = said.notes.take(said.notes.group != GROUPS.index("piano"))

    def rows(notes: NoteTable) -> set[tuple[int, ...]]:
        drums = notes.group == GROUPS.index("drums")
        ends = np.where(drums, 0, notes.end)  # nobody ends a drum hit
        return set(zip(notes.group, notes.pitch, notes.start, ends, strict=True))

    assert rows(kept) == rows(table)
    # At one time step what begins is written before what ends.
    ended = False
    for token in piece.tokens:
        if v.shift_ticks(token) or token in (v.BAR, v.CHORD):
            ended = False
        else:
            on = v.note_of(token)[2]
            assert not (on and ended and token in {each for _, each in given})
            ended = ended or not on


@pytest.mark.parametrize("asked", ["9-", "3-2", "0", "scene", "scene2-3", "-1", "x"])
def test_a_part_that_makes_no_sense_is_wrong_usage(
    asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["film.mp4", "-o", "out.mp4", f"--again={asked}"])
    assert ended.value.code == 2 and "argument --again" in capsys.readouterr().err


def test_a_part_without_its_report_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["film.mp4", "-o", "out.mp4", "--again", "3-4"])
    assert "name the report of the piece with --from-report" in capsys.readouterr().err


def test_scenes_become_the_bars_that_they_mostly_fill() -> None:
    bars = [0.0, 2.0, 4.0, 6.0]
    assert bars_between(bars, 0.0, 4.2) == (1, 2)
    assert bars_between(bars, 3.8, 6.1) == (3, 3)
    assert bars_between(bars, 4.1, 8.0) == (3, 4)
    assert bars_between(bars, 6.2, 6.9) == (4, 4)
    assert bars_between(bars, 2.1, 2.4) == (2, 2)


def test_a_join_with_other_music_is_rougher_than_none(piece: Composition) -> None:
    assert piece.plan is not None
    table, lead = notes_in_steps(piece)
    bar = piece.plan.metre.bar
    lines = range(2 * bar, piece.plan.end - 2 * bar, bar)
    for line in lines:
        later = table.start >= line
        strange = NoteTable(
            table.group,
            table.pitch + np.where(later & (table.group != GROUPS.index("drums")), 6, 0),
            table.start,
            table.end,
        )
        whole = seam_at(table, lead, piece.plan, line)
        assert roughness(seam_at(strange, lead, piece.plan, line), whole) > 3
        assert roughness(whole, whole) == 0


@pytest.mark.slow
def test_seams_are_about_as_smooth_as_unbroken_music(shipped: Checkpoint) -> None:
    found = joined(shipped, 4, 3, GROUPS, 5, lambda words: None)
    new, old = (np.mean([roughness(seam) for seam in some]) for some in (found.anew, found.before))
    assert len(found.anew) >= 20 and new < 1.3 * old
    assert np.mean(found.same) < 0.7


@pytest.mark.slow
def test_a_report_replays_its_passages(films: Films, tmp_path: Path) -> None:
    film, report = films.uneven(), tmp_path / "report.json"

    def run(name: str, *more: object) -> bytes:
        midi = tmp_path / f"{name}.mid"
        words = [film, "-o", tmp_path / f"{name}.mp4", "--midi", midi, "-q", *more]
        assert main([*map(str, words)]) == 0
        return midi.read_bytes()

    plain = ("--experts", "none", "--openings", "1", "--report", report)
    first = run("first", *plain)
    changed = tmp_path / "changed.json"
    asked = ("--again", "2-3", "--again-groups", "strings,piano,guitar", "--again-seed", "3")
    again = run("again", "--from-report", report, *asked, "--report", changed)
    assert again != first
    told = json.loads(changed.read_text())["music"]["passages"]
    assert told == [{"bars": [2, 3], "groups": ["guitar", "piano", "strings"], "seed": 3}]
    assert read_report(changed).passages == (Passage(2, 3, ("guitar", "piano", "strings"), 3),)
    assert run("replayed", "--from-report", changed) == again
    assert run("first again", "--from-report", report) == first

    plain_report = json.loads(changed.read_text())
    for bars, groups, sentence in (
        ([3, 2], ["piano"], "Bars 3 to 2 are no passage"),
        ([1, "2"], ["piano"], r"music\.passages\[0\]\.bars\[1\] must be a whole number"),
        ([1, 2], ["oboe"], "names a group that is none"),
        ([1, 2], ["strings", "piano"], "in their order"),
    ):
        plain_report["music"]["passages"] = [{"bars": bars, "groups": groups, "seed": 3}]
        changed.write_text(json.dumps(plain_report))
        with pytest.raises(EmsyncError, match=sentence):
            read_report(changed)


# The page and programs ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_part_becomes_a_version_of_its_take(films: Films, tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.films.choose("page", films.uneven())
    settings = replace(Settings(), music=replace(Settings().music, openings=1))
    job = studio.compose("page", settings, MoodRequest(None, False, ()))
    assert job is not None and job.done.wait(300) and job.error is None
    first = job.take.versions[0]
    playing = Playing.of(settings)
    with pytest.raises(EmsyncError, match="The piece has"):
        studio.recompose("page", (3, 99), (), playing)
    assert len(parts_of(first.piece)) == 1 + len(first.piece.analysis.reading.scenes)

    job = studio.recompose("page", (2, 3), ("piano", "strings"), playing)
    assert job is not None and studio.recompose("page", (2, 3), (), playing) is None
    assert job.done.wait(300) and job.error is None and job.outcome == Outcome.ADDED
    take = job.take
    assert [version.label for version in take.versions] == ["A", "B"] and take.shown == 1
    second = take.versions[1].piece.composition
    assert second.passages[0].groups == ("piano", "strings")
    piece, passage = first.piece.composition, second.passages[0]
    assert split(second, passage)[1] == split(piece, passage)[1]

    # A program that knows the link does the same.
    (again,) = (one.fn for one in build(studio).fns.values() if one.api_name == "again")
    assert again is not None
    for bars, groups, sentence in (
        ([0, 2], None, "A part is"),
        ([1, 2], ["oboe"], "no instrument group"),
        ([1, "2"], None, "A part is"),
    ):
        with pytest.raises(gradio.Error, match=sentence):
            asyncio.run(again(take.token, bars, groups, 7))
    with pytest.raises(gradio.Error, match="no such take"):
        asyncio.run(again("unknown", [1, 2], None, 7))
    *files, token = asyncio.run(again(take.token, [1, 2], None, 7))
    assert token == take.token and len(take.versions) == 3
    told = json.loads(Path(files[3]).read_text())["music"]["passages"]
    assert [one["bars"] for one in told] == [[2, 3], [1, 2]] and told[1]["seed"] == 7
    studio.close()


def test_pieces_of_other_composers_are_not_offered() -> None:
    free = SimpleNamespace(settings=Settings(), composition=free_piece([0.0, 2.0], 4.0, 120.0))
    assert not can_be_recomposed(free)  # type: ignore[arg-type]
    other = replace(Settings(), music=replace(Settings().music, composer="video2music"))
    planned = SimpleNamespace(settings=other, composition=planned_piece())
    assert not can_be_recomposed(planned)  # type: ignore[arg-type]
    planned.settings = Settings()
    assert can_be_recomposed(planned)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_scene_is_composed_anew_on_the_page(films: Films, browser: Any, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with running_app(tmp_path) as app, open_page(browser, app.url, 1366, 900) as visit:
        page = visit.page
        page.wait_for_selector("#em-film button")
        page.set_input_files("#em-film input[type=file]", films.uneven())
        page.wait_for_selector("#em-compose:has-text('about')", timeout=60_000)
        assert not page.is_visible("#em-passage")
        page.click("#em-compose")
        page.wait_for_selector("#em-passage", timeout=200_000)
        page.click("#em-passage button:has-text('Compose a part anew')")
        page.click("#em-stage .scene >> nth=0", force=True)
        page.wait_for_function(
            "() => document.querySelector('#em-passage-part input').value.startsWith('Scene 1')",
            timeout=20_000,
        )
        page.click("#em-passage-part input")
        page.click("#em-passage [role=option]:has-text('Scene 2')")
        page.wait_for_function(
            "() => document.querySelector('#em-passage-first input').value !== '1'", timeout=20_000
        )
        found = Axe().run(page, context="#em-passage").response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
        others = page.locator("#em-passage-groups label input")
        others.last.uncheck()
        before = page.evaluate("document.querySelector('#em-film-file').href")
        page.wait_for_selector("#em-compose:enabled", timeout=60_000)
        page.click("#em-passage-compose")
        page.wait_for_function(
            "before => (document.querySelector('#em-film-file')?.href ?? before) !== before",
            arg=before,
            timeout=200_000,
        )
        page.wait_for_selector("#em-status:has-text('Version B is new.')", timeout=20_000)
        assert page.locator("#em-versions article").count() == 2
        # What was asked for stands there still, for another try.
        assert page.input_value("#em-passage-part input").startswith("Scene 2")
        assert [box.is_checked() for box in others.all()].count(False) == 1
        assert visit.complaints == []
