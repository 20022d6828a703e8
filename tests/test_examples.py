"""The example films: complete, scored as long as they are, playable, and unlike one another."""

import json
import subprocess
from functools import cache
from itertools import combinations
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest

from emsync.film.film import Film
from emsync.film.frames import iter_audio, read_audio, stream_frames
from emsync.film.probe import probe
from emsync.film.scenes import ThresholdDetector
from emsync.process.files import digest
from emsync.progress import CancelToken
from emsync.report.read import read_report
from emsync.settings import CutSettings
from examples.__main__ import EXAMPLES, EXAMPLES_FOLDER, Example, main

REPOSITORY = EXAMPLES_FOLDER.parent
LARGEST_FILM, LARGEST_FOLDER, LARGEST_OF_ALL = 1_900_000, 3_200_000, 9_000_000
"""Bytes; every clone carries them."""

every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.name))


@cache
def film_of(example: Example) -> Film:
    return probe(example.film)


@cache
def scored_of(example: Example) -> Film:
    return probe(example.folder / "scored.mp4")


@cache
def report_of(example: Example) -> dict[str, Any]:
    plain = json.loads((example.folder / "report.json").read_text(encoding="utf-8"))
    assert isinstance(plain, dict)
    return plain


@every_example
def test_the_folder_is_complete_and_credited(example: Example) -> None:
    names = {path.name for path in example.folder.iterdir()}
    asked = {"scored.mp4", "music.mid", "report.json", "sheet.json", "example.json", "credits.txt"}
    assert names - {"film.mp4"} == asked and example.film.is_file()
    told = json.loads((example.folder / "example.json").read_text(encoding="utf-8"))
    assert (example.folder / told["film"]).resolve() == example.film and told["title"]
    credit = (example.folder / "credits.txt").read_text(encoding="utf-8")
    assert "CC0" in credit and "free-5m" in credit
    assert (REPOSITORY / f"examples/{example.name}.py").is_file() and example.name in credit


def test_all_are_small_enough_for_every_clone() -> None:
    folders = [sum(file.stat().st_size for file in one.folder.iterdir()) for one in EXAMPLES]
    assert max(one.film.stat().st_size for one in EXAMPLES) <= LARGEST_FILM
    assert max(folders) <= LARGEST_FOLDER
    every = [path for path in EXAMPLES_FOLDER.rglob("*") if path.suffix not in (".py", ".pyc")]
    assert sum(path.stat().st_size for path in every if path.is_file()) <= LARGEST_OF_ALL


@every_example
def test_the_scored_film_shows_the_very_pictures_of_the_film(example: Example) -> None:
    film, scored = film_of(example), scored_of(example)
    assert abs(scored.duration - film.duration) <= 1 / film.frame_rate
    assert scored.frame_count == film.frame_count
    assert (scored.width, scored.height) == (film.width, film.height)
    assert packets(example.film) == packets(example.folder / "scored.mp4")


@every_example
def test_browsers_play_it_from_its_first_bytes_on(example: Example) -> None:
    path = example.folder / "scored.mp4"
    for film in (film_of(example), scored_of(example)):
        assert film.video_codec == "h264"
    assert scored_of(example).has_audio and codec_of_sound(path) == "aac"
    for file in (path, example.film):
        content = file.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")


@every_example
def test_music_sounds_from_start_to_end(example: Example) -> None:
    rate = 8000
    sound = read_audio(scored_of(example), rate, CancelToken())
    assert len(sound) / rate == pytest.approx(float(film_of(example).duration), abs=0.1)
    # The first 3 s may be an upbeat, and the last 3 s fade.
    blocks = sound[3 * rate : -3 * rate]
    blocks = blocks[: len(blocks) // (2 * rate) * 2 * rate].reshape(-1, 2 * rate)
    assert np.sqrt((blocks**2).mean(axis=1)).min() > 0.01
    loudest = max(
        float(np.abs(block).max())
        for block in iter_audio(scored_of(example), 44_100, CancelToken(), channels=2)
    )
    assert 0.2 < loudest <= 1


@every_example
def test_the_film_has_cuts_for_the_music_to_meet(example: Example) -> None:
    detector = ThresholdDetector(CutSettings())
    for frame in stream_frames(film_of(example), CancelToken(), 160):
        detector.add_frame(frame)
    assert sum(cut.kept for cut in detector.cuts) >= 3
    recorded = read_report(example.folder / "report.json").cuts
    assert [(cut.time, cut.kept) for cut in detector.cuts] == [
        (pytest.approx(float(cut.time), abs=1e-6), cut.kept) for cut in recorded
    ]


@every_example
def test_strong_chords_of_the_midi_fall_on_the_cuts(example: Example) -> None:
    starts: dict[float, int] = {}
    for part in pretty_midi.PrettyMIDI(str(example.folder / "music.mid")).instruments:
        if not part.is_drum and part.program < 32:  # guitars, pianos
            for note in part.notes:
                starts[note.start] = starts.get(note.start, 0) + 1
    chords = np.array([start for start, notes in starts.items() if notes >= 3])
    cuts = [float(cut.time) for cut in read_report(example.folder / "report.json").cuts if cut.kept]
    off = [np.abs(chords - cut).min() for cut in cuts]
    assert max(off) <= 0.2, off


@every_example
def test_the_report_tells_of_this_film_and_of_the_shipped_weights(example: Example) -> None:
    recorded = read_report(example.folder / "report.json")
    assert recorded.film_sha256 == digest(example.film)
    weights = REPOSITORY / "weights" / recorded.weights
    assert recorded.weights == "free-5m"
    assert report_of(example)["music"]["weights_tiers"] == ["free", "synthetic"]
    assert recorded.weights_sha256 == digest(next(weights.glob("*.safetensors")))
    assert recorded.settings == example.settings
    assert report_of(example)["music"]["faults"] == []


@every_example
def test_the_sheet_is_that_of_the_report(example: Example) -> None:
    sheet = json.loads((example.folder / "sheet.json").read_text(encoding="utf-8"))
    report = report_of(example)
    assert len(sheet["notes"]) == report["music"]["notes"]
    assert sheet["seconds"] == pytest.approx(report["film"]["seconds"], abs=0.001)
    assert sheet["scenes"] and all(scene["picture"] for scene in sheet["scenes"])


def test_the_films_have_moods_of_their_own() -> None:
    moods = [report_of(one)["mood"] for one in EXAMPLES]
    for one, other in combinations(moods, 2):
        apart = hypot(one["valence"] - other["valence"], one["arousal"] - other["arousal"])
        assert apart > 0.2, (one, other)


def test_one_film_has_a_sound_of_its_own_to_keep_and_one_has_none() -> None:
    heard = {one.name: film_of(one).has_audio for one in EXAMPLES}
    assert heard == {"landscapes": True, "storm": True, "carnival": False}


@pytest.mark.parametrize("name", ["storm", "carnival"])
def test_a_film_is_what_its_script_draws(name: str) -> None:
    """A frame of each shot, but for what the compression takes."""
    from importlib import import_module

    from examples.drawing import RATE, finished

    example = next(one for one in EXAMPLES if one.name == name)
    shots = import_module(f"examples.{name}").SHOTS
    firsts = np.cumsum([0, *(round(seconds * RATE) for seconds, _ in shots)])
    assert film_of(example).frame_count == firsts[-1]
    wanted = {int(first) + 10: number for number, first in enumerate(firsts[:-1])}
    for count, frame in enumerate(stream_frames(film_of(example), CancelToken(), 160)):
        if count in wanted:
            number = wanted[count]
            drawn = shots[number][1](np.random.default_rng(number + 1))(10 / RATE)
            picture = finished(drawn, np.random.default_rng(0))
            small = picture.reshape(90, 4, 160, 4, 3).mean(axis=(1, 3))
            assert np.abs(small - frame.pixels).mean() < 8, f"shot {number}"


def test_an_example_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sunrise"])
    assert "no example sunrise" in capsys.readouterr().err


def packets(path: Path) -> str:
    """A hash of all pictures as they are coded."""
    from emsync.film.ffmpeg import ffmpeg_executable

    done = subprocess.run(
        [ffmpeg_executable(), "-v", "error", "-i", path, "-map", "0:v", "-c", "copy",
         "-bsf:v", "h264_mp4toannexb", "-f", "md5", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def codec_of_sound(path: Path) -> str:
    import av

    with av.open(str(path)) as file:
        return file.streams.audio[0].codec_context.name
