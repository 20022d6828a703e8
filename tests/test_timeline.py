"""The timeline of a scored film: what the player is given agrees with what was composed."""

import base64
import io
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from conftest import Films
from PIL import Image

from emsync.emotion.features.report import FeatureReport
from emsync.emotion.reading import EMOTIONS
from emsync.film.scenes import Cut
from emsync.interface.music_words import with_signs
from emsync.interface.timeline import sketch_of, timeline_of
from emsync.music.composer import Draft
from emsync.music.notes import TICK_SECONDS, Note, table_of
from emsync.music.transformer.tokens import decode
from emsync.pipeline import analyse, score
from emsync.progress import CancelToken
from emsync.results import Result
from emsync.settings import Settings


@pytest.fixture(scope="module")
def result(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A film of 6 s, red and then blue from 4.4 s on, scored."""
    film = films.render(
        "red and blue.mp4",
        "-f", "lavfi", "-i", "color=0xA03020:s=320x240:r=25:d=4.4",
        "-f", "lavfi", "-i", "color=0x60C0F0:s=320x240:r=25:d=1.6",
        "-filter_complex", "[0:v][1:v]concat=n=2:v=1[v]", "-map", "[v]",
        "-pix_fmt", "yuv420p", "-c:v", "libx264",
    )  # fmt: skip
    settings = replace(Settings(), music=replace(Settings().music, openings=1))
    cancel = CancelToken()
    analysis = analyse(film, settings, lambda _: None, cancel)
    folder = tmp_path_factory.mktemp("scored")
    return score(analysis, folder, settings, lambda _: None, cancel)


def heard(modality: str, text: str) -> FeatureReport:
    return FeatureReport(
        modality, "ran", "", None, (), 0.0, "cpu", transcript=(((0.5, 2.25), text),)
    )


def test_the_timeline_is_the_composition_in_plain_values(result: Result) -> None:
    timeline = json.loads(json.dumps(timeline_of(result), allow_nan=False))
    piece = result.composition
    assert timeline["seconds"] == pytest.approx(6, abs=0.05)
    assert len(timeline["notes"]) == len(piece.notes) > 20
    assert {
        (timeline["groups"][group], pitch, start, end, velocity, lead)
        for group, pitch, start, end, velocity, lead in timeline["notes"]
    } == {
        (note.group, note.pitch, round(note.start, 3), round(note.end, 3), note.velocity, lead)
        for note, lead in zip(piece.notes, piece.lead, strict=True)
    }
    starts = [note[2] for note in timeline["notes"]]
    assert starts == sorted(starts)
    assert timeline["chords"] == pytest.approx(piece.chords, abs=5e-4)
    assert f"{len(piece.notes)} notes on " in timeline["words"]


def test_the_plan_is_on_the_timeline(result: Result) -> None:
    timeline, piece = timeline_of(result), result.composition
    plan, grid = piece.plan, piece.grid
    assert plan is not None and grid is not None
    starts = grid.seconds_of([chord.step for chord in plan.chords])
    assert [at for at, _ in timeline["symbols"]] == pytest.approx(starts.tolist(), abs=5e-4)
    assert [name for _, name in timeline["symbols"]] == [
        with_signs(chord.symbol) for chord in plan.chords
    ]
    assert [letter for _, letter in timeline["sections"]] == [one.letter for one in plan.sections]
    assert timeline["bars"] == pytest.approx(piece.bars, abs=5e-4) and len(timeline["bars"]) > 1
    assert plan.style in timeline["plan"] and plan.sections[0].mode in timeline["plan"]
    assert timeline["words"].startswith(timeline["plan"])


def test_the_timeline_of_a_piece_drawn_freely_has_no_plan(result: Result) -> None:
    free = replace(
        result.composition, plan=None, grid=None, lead=(), symbols=(), sections=(), chart=""
    )
    timeline = timeline_of(replace(result, piece=replace(result.piece, composition=free)))
    assert (
        timeline["bars"] == timeline["symbols"] == timeline["sections"] == []
        and timeline["plan"] == ""
    )
    assert {note[5] for note in timeline["notes"]} == {0}


def test_boundaries_and_cuts_are_those_of_the_film(result: Result) -> None:
    result = replace(
        result,
        piece=replace(
            result.piece,
            analysis=replace(
                result.analysis,
                cuts=(*result.analysis.cuts, Cut(Fraction(5), 0.4567, False)),
            ),
        ),
    )
    timeline = timeline_of(result)
    assert [(cut["time"], cut["kept"]) for cut in timeline["cuts"]] == [(4.4, True), (5.0, False)]
    assert timeline["cuts"][1]["score"] == 0.457
    assert timeline["boundaries"][0]["asked"] == 4.4
    assert timeline["boundaries"][0]["kind"] == "cut"
    for shown, boundary in zip(timeline["boundaries"], result.composition.boundaries, strict=True):
        assert (shown["hit"] is None) == (boundary.hit is None)
        if boundary.hit is not None:
            assert shown["hit"] - shown["asked"] == pytest.approx(shown["offset"], abs=2e-3)


def test_each_scene_has_its_mood_and_its_own_picture(result: Result) -> None:
    first, second = timeline_of(result)["scenes"]
    assert (first["start"], first["end"], second["start"]) == (0, 4.4, 4.4)
    for shown, scene in zip((first, second), result.analysis.reading.scenes, strict=True):
        assert shown["share"] == round(max(scene.probabilities), 3)
        highest, next_highest = sorted(scene.probabilities)[:-3:-1]
        if shown["emotion"] == "mixed":
            assert highest - next_highest < 0.1, "no emotion wins clearly"
        else:
            assert scene.probabilities[EMOTIONS.index(shown["emotion"])] == highest
        assert -1 <= shown["valence"] <= 1
        assert -1 <= shown["arousal"] <= 1
    for shown, strongest in ((first, 0), (second, 2)):
        head, _, data = shown["picture"].partition(",")
        assert head == "data:image/jpeg;base64"
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        assert pixels.mean(axis=(0, 1)).argmax() == strongest


def test_a_reading_out_of_a_report_has_no_pictures(result: Result) -> None:
    analysis = replace(result.analysis, pictures=())
    timeline = timeline_of(replace(result, piece=replace(result.piece, analysis=analysis)))
    assert [scene["picture"] for scene in timeline["scenes"]] == ["", ""]


def test_what_is_said_and_what_is_read_stand_apart(result: Result) -> None:
    assert timeline_of(result)["said"] == timeline_of(result)["read"] == []
    reports = (heard("asr", "Hello."), heard("ocr", "THE END"), heard("clip", "no words"))
    reading = replace(result.analysis.reading, reports=reports)
    analysis = replace(result.analysis, reading=reading)
    timeline = timeline_of(replace(result, piece=replace(result.piece, analysis=analysis)))
    assert timeline["said"] == [{"start": 0.5, "end": 2.25, "text": "Hello."}]
    assert timeline["read"] == [{"start": 0.5, "end": 2.25, "text": "THE END"}]


def test_the_curve_is_what_was_composed_for(result: Result) -> None:
    timeline = timeline_of(result)
    stretches = result.curve.stretches(float(result.analysis.film.duration))
    assert [
        (shown["start"], shown["end"], shown["valence"], shown["arousal"])
        for shown in timeline["curve"]
    ] == [
        (round(start, 3), round(end, 3), round(mood.valence, 3), round(mood.arousal, 3))
        for start, end, mood in stretches
    ]


def test_a_sketch_has_the_notes_drawn_so_far() -> None:
    notes = (Note("piano", 60, 0.0, 1.0), Note("bass", 40, 0.504, 2.0), Note("piano", 64, 3.0, 5.0))
    draft = Draft(lambda: table_of(notes), "Writing the piece")
    sketch = sketch_of(draft, 4.0)
    assert json.loads(json.dumps(sketch)) == sketch
    assert sketch["words"] == "Writing the piece"
    assert [(sketch["groups"][note[0]], *note[1:]) for note in sketch["notes"]] == [
        ("piano", 60, 0.0, 1.0),
        ("bass", 40, 0.504, 2.0),
        ("piano", 64, 3.0, 5.0),
    ]
    assert sketch_of(draft, 2.5)["notes"] == sketch["notes"][:2]
    assert sketch_of(Draft(lambda: table_of(()), ""), 4.0)["notes"] == []


def test_a_sketch_of_half_a_piece_is_its_beginning(result: Result) -> None:
    tokens = result.composition.written

    def sketched(tokens: tuple[int, ...]) -> list[list[float]]:
        notes: list[list[float]] = sketch_of(Draft(lambda: decode(tokens).notes, ""), 6.0)["notes"]
        return notes

    half = sketched(tokens[: len(tokens) // 2])
    until = decode(tokens[: len(tokens) // 2]).length * TICK_SECONDS
    whole = {tuple(note) for note in sketched(tokens)}
    over = {tuple(note) for note in half if note[3] < until - 0.1}
    assert over
    assert over <= whole
