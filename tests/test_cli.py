"""The command line as a shell sees it: exit status, the two streams, and the files that appear."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import Films

from emsync.emotion.reading import EMOTIONS
from emsync.pipeline import STAGES

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "emsync")


@dataclass(frozen=True)
class Run:
    status: int
    out: str
    err: str


def emsync(*arguments: str | Path) -> Run:
    """Run the command and wait for it."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "CI": "true"},  # some libraries print more there; we must not
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def assert_refused(run: Run, *words: str) -> None:
    """Exit status 1 and one sentence for a person, which has `words` in it."""
    assert run.status == 1, run.err
    assert run.out == ""
    message = run.err.strip().splitlines()[-1]
    assert message.startswith("emsync: ")
    assert message.endswith(".")
    assert "Traceback" not in run.err
    for word in words:
        assert word in message


@dataclass(frozen=True)
class Scored:
    film: Path
    run: Run
    folder: Path
    report: dict[str, object]


@pytest.fixture(scope="module")
def scored(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A film of 3 s, scored once with every kind of result asked for."""
    folder = tmp_path_factory.mktemp("results with a space")
    run = emsync(
        films.plain(),
        "-o", folder / "scored.mp4",
        "--midi", folder / "music.mid",
        "--wav", folder / "music.wav",
        "--report", folder / "report.json",
        "--seed", "7",
        "--candidates", "1",
        "--mood", "0.5", "-0.25",
        "--mood-at", "1.5", "-0.5", "0.75",
        "--instruments", "fewer",
        "--range", "0.6",
    )  # fmt: skip
    assert run.status == 0, run.err
    return Scored(films.plain(), run, folder, json.loads((folder / "report.json").read_text()))


def test_a_film_comes_back_with_music(scored: Scored) -> None:
    with av.open(scored.folder / "scored.mp4") as new, av.open(scored.film) as old:
        assert [stream.type for stream in new.streams] == ["video", "audio"]
        picture, sound = new.streams.video[0], new.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        frame = Fraction(1, 25)
        assert new.duration is not None and old.duration is not None
        assert abs(Fraction(new.duration, av.time_base) - 3) <= frame
        # The sound is ours, and one hears it.
        blocks = [np.abs(block.to_ndarray()).max() for block in new.decode(sound)]
        assert max(blocks) > 0.05
    with av.open(scored.folder / "scored.mp4") as new, av.open(scored.film) as old:
        # Nothing was done to the picture: the demo's packets are still there, byte for byte.
        packets = [
            [bytes(packet) for packet in container.demux(video=0) if packet.size]
            for container in (new, old)
        ]
    assert packets[0] == packets[1]


def test_midi_and_wav_go_with_it(scored: Scored) -> None:
    import wave

    import pretty_midi

    music = pretty_midi.PrettyMIDI(str(scored.folder / "music.mid"))
    notes = [note for instrument in music.instruments for note in instrument.notes]
    assert notes
    assert max(note.start for note in notes) < 3
    with wave.open(str(scored.folder / "music.wav")) as sound:
        assert sound.getnchannels() == 2
        assert sound.getnframes() == 3 * sound.getframerate()


def test_the_report_tells_what_was_asked_and_done(scored: Scored) -> None:
    report = scored.report
    settings, music = report["settings"], report["music"]
    assert isinstance(settings, dict) and isinstance(music, dict)
    assert settings["seed"] == music["seed"] == 7
    assert settings["music"]["instruments"] == "fewer"
    assert settings["mood"]["valence_arousal_range"] == 0.6
    mood = report["mood"]
    assert isinstance(mood, dict)
    assert (mood["valence"], mood["arousal"]) == (0.5, -0.25)
    assert mood["given_by_user"]
    assert [(part["start"], part["valence"]) for part in mood["curve"]] == [(0, 0.5), (1.5, -0.5)]
    assert (music["faults"], music["hits"]["same_seed_without"]) == ([], None)
    assert [candidate["seed"] for candidate in music["candidates"]] == [7]
    assert music["quality"]["seconds"] == pytest.approx(3)
    assert music["weights_tiers"] == ["free", "synthetic"]
    assert report["picture"] == {
        "stream_copied": True,
        "note": "The picture is the film's own, untouched.",
        "frames_lost": 0,
    }
    emotion = report["emotion"]
    assert isinstance(emotion, dict)
    assert list(emotion["probabilities"]) == list(EMOTIONS)
    assert sum(emotion["probabilities"].values()) == pytest.approx(1)
    seconds = report["seconds_per_stage"]
    assert isinstance(seconds, dict) and tuple(seconds) == STAGES
    # A report may be passed on: it says nothing about where things lie on this machine.
    assert str(scored.film.parent) not in json.dumps(report)


def test_progress_goes_to_standard_error_only(scored: Scored) -> None:
    assert scored.run.out == ""
    lines = scored.run.err.splitlines()
    stages = ["reading the film", "finding the cuts", "composing", "playing the music"]
    at = [lines.index(stage) for stage in stages]
    assert at == sorted(at)
    assert "scored.mp4" in lines[-1]
    assert "\r" not in scored.run.err and "\033" not in scored.run.err


def test_no_leftovers_beside_the_results(scored: Scored) -> None:
    names = {path.name for path in scored.folder.iterdir()}
    assert names == {"scored.mp4", "music.mid", "music.wav", "report.json"}


def test_nothing_is_overwritten_unless_asked(films: Films, tmp_path: Path) -> None:
    taken = tmp_path / "taken.mp4"
    taken.write_text("precious")
    assert_refused(emsync(films.plain(), "-o", taken), "taken.mp4", "--overwrite")
    assert taken.read_text() == "precious"
    run = emsync(films.plain(), "-o", taken, "--overwrite", "--quiet", "--candidates", "1")
    assert run == Run(0, "", "")
    with av.open(taken) as film:
        assert film.streams.video


def test_a_film_that_is_not_there(tmp_path: Path) -> None:
    assert_refused(emsync(tmp_path / "gone.mp4", "-o", tmp_path / "out.mp4"), "gone.mp4")
    assert not list(tmp_path.iterdir())


def test_a_text_that_calls_itself_a_film(tmp_path: Path) -> None:
    fake = tmp_path / "fake.mp4"
    fake.write_text("Once upon a time\n" * 1000)
    assert_refused(emsync(fake, "-o", tmp_path / "out.mp4"), "film")
    assert [path.name for path in tmp_path.iterdir()] == ["fake.mp4"]


def test_a_mood_after_the_end(films: Films, tmp_path: Path) -> None:
    run = emsync(films.plain(), "-o", tmp_path / "out.mp4", "--mood-at", "3", "0", "0", "-q")
    assert_refused(run, "3 s", "film", "3.00 s")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(films: Films, tmp_path: Path) -> None:
    assert_refused(emsync(films.plain(), "-o", tmp_path / "no" / "out.mp4"), "folder", "out.mp4")


def test_the_film_itself_is_never_the_result(films: Films) -> None:
    before = films.plain().read_bytes()
    assert_refused(emsync(films.plain(), "-o", films.plain(), "--overwrite"), "plain.mp4")
    assert films.plain().read_bytes() == before


def test_two_results_with_one_name(films: Films, tmp_path: Path) -> None:
    both = tmp_path / "both"
    assert_refused(emsync(films.plain(), "-o", both, "--midi", both), "same name")


def test_weights_that_are_not_there(films: Films, tmp_path: Path) -> None:
    run = emsync(films.plain(), "-o", tmp_path / "out.mp4", "--weights", tmp_path)
    assert_refused(run, "weights")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--range", "0"],
        ["--range", "1.5"],
        ["--range", "nan"],
        ["--range", "wide"],
        ["--mood", "2", "0"],
        ["--mood", "0"],
        ["--mood-mode", "median"],
        ["--mood-at", "-1", "0", "0"],
        ["--mood-at", "1", "0", "1.5"],
        ["--mood-at", "nan", "0", "0"],
        ["--mood-at", "1", "0", "0", "--mood-at", "1", "1", "1"],
        ["--mood-curve", "wavy"],
        ["--mood-curve", "scenes", "--mood", "0", "0"],
        ["--mood-curve", "scenes", "--mood-at", "1", "0", "0"],
        ["--sensitivity", "-1"],
        ["--instruments", "many"],
        ["--seed", "-1"],
        ["--seed", "2147483648"],
        ["--seed", "1.5"],
        ["--candidates", "0"],
        ["--temperature", "0"],
        ["--top-p", "1.1"],
        ["--guidance", "-1"],
        ["--original-sound", "louder"],
    ],
    ids=" ".join,
)
def test_wrong_values_are_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    run = emsync("film.mp4", "-o", tmp_path / "out.mp4", *arguments)
    assert (run.status, run.out) == (2, "")
    assert f"argument {arguments[0]}" in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize("arguments", [[], ["film.mp4"], ["-o", "out.mp4"], ["--nonsense"]])
def test_wrong_usage_shows_the_usage(arguments: list[str]) -> None:
    run = emsync(*arguments)
    assert (run.status, run.out) == (2, "")
    assert run.err.startswith("usage: python -m emsync")


def test_help_goes_to_standard_output() -> None:
    run = emsync("--help")
    assert (run.status, run.err) == (0, "")
    for option in ("--report", "--range", "--sensitivity", "--instruments", "--seed"):
        assert option in run.out


@pytest.mark.parametrize(
    ("stage", "kill"),
    [("finding the cuts", "Ctrl-C"), ("composing", "Ctrl-C"), ("finding the cuts", "SIGTERM")],
)
def test_stopping_it_stops_everything_and_leaves_nothing(
    films: Films, tmp_path: Path, stage: str, kill: str
) -> None:
    film = films.silent(60, 25, "640x360")
    temporary, results = tmp_path / "temporary", tmp_path / "results"
    temporary.mkdir()
    results.mkdir()
    process = subprocess.Popen(
        [*COMMAND, str(film), "-o", str(results / "out.mp4")],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever runs the tests in the background ignores Ctrl-C, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == stage:
                break
        time.sleep(0.3)
        if kill == "Ctrl-C":  # as in a terminal, the whole group gets the signal
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        told = process.communicate(timeout=20)[1]
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert told.strip().splitlines()[-1] == "emsync: interrupted."
    assert "Traceback" not in told
    assert not list(results.iterdir())
    assert not list(temporary.iterdir())
    assert_gone(lambda: _mentions(film))


def assert_gone(still_there: Callable[[], bool]) -> None:
    """What was killed may take a moment to go."""
    until = time.monotonic() + 5
    while still_there():
        assert time.monotonic() < until
        time.sleep(0.1)


def _mentions(film: Path) -> bool:
    """Whether a process of this machine has `film` in its arguments."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(film) in path.read_bytes().decode(errors="replace"):
                return True
        except OSError:
            continue
    return False
