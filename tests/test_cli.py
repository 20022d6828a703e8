"""The command line as a shell sees it: exit status, the two streams, and the files that appear."""

import copy
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
import wave
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from conftest import Films

from emsync.__main__ import main
from emsync.commands.options import parser, read_options, settings_of
from emsync.emotion.reading import EMOTIONS
from emsync.errors import EmsyncError
from emsync.presets import as_in_the_paper, changed, read_preset, to_plain, write_preset
from emsync.report.read import read_report
from emsync.settings import PerformanceSettings, Settings, SoundSettings
from emsync.stages import STAGES

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


def emsync_here(*arguments: str | Path) -> Run:
    """Run the command in this process, which saves the seconds that another needs to begin."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = main([*map(str, arguments)])
        except SystemExit as end:
            assert isinstance(end.code, int)
            status = end.code
    return Run(status, out.getvalue(), err.getvalue())


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
    report: dict[str, Any]


@pytest.fixture(scope="module")
def scored(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A film of 3 s, scored once with every kind of result asked for."""
    folder = tmp_path_factory.mktemp("results with a space")
    run = emsync(
        films.plain(),
        "-o", folder / "scored.mp4",
        "--midi", folder / "music.mid",
        "--quantised-midi", folder / "quantised.mid",
        "--score", folder / "music.musicxml",
        "--score", folder / "music.mxl",
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
    import pretty_midi

    music = pretty_midi.PrettyMIDI(str(scored.folder / "music.mid"))
    notes = [note for instrument in music.instruments for note in instrument.notes]
    assert notes
    assert max(note.start for note in notes) < 3
    on_grid = pretty_midi.PrettyMIDI(str(scored.folder / "quantised.mid"))
    placed = [note for instrument in on_grid.instruments for note in instrument.notes]
    lines = [on_grid.time_to_tick(at) for at in on_grid.get_downbeats()]
    ticks = np.array([on_grid.time_to_tick(note.start) for note in placed])
    line = np.array(lines)[np.searchsorted(lines, ticks, side="right") - 1]
    assert set(((ticks - line) % on_grid.resolution * 12 / on_grid.resolution).tolist()) <= {
        0, 3, 4, 6, 8, 9,
    }  # fmt: skip
    moved = scored.report["performance"]["quantised"]
    assert len(placed) <= len(notes) and 0 < moved["notes"] <= len(notes)
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
    assert isinstance(seconds, dict) and tuple(seconds) == tuple(STAGES)
    # A report may be passed on: it says nothing about where things lie on this machine.
    assert str(scored.film.parent) not in json.dumps(report)


def test_the_report_tells_the_plan(scored: Scored) -> None:
    plan = scored.report["music"]["plan"]
    assert plan["metre"] in ("4/4", "3/4", "6/8") and plan["style"]
    tempi = [one["beats_per_minute"] for one in plan["tempi"]]
    assert scored.report["music"]["beats_per_minute"] in tempi
    assert 0 <= plan["warp"] <= 0.04
    for part in ("tempi", "sections", "chords"):
        starts = [one["start"] for one in plan[part]]
        assert starts == sorted(starts) and 0 <= starts[0] < 1 and starts[-1] < 3.5
    assert {"letter", "tonic", "mode", "energy", "groups", "lead"} < plan["sections"][0].keys()
    first, *_ = plan["chords"]
    assert plan["chart"].startswith(first["symbol"])
    assert 0 <= plan["melody_notes"] <= scored.report["music"]["notes"]


def test_the_examples_of_before_are_replayed_by_the_method_of_their_time(tmp_path: Path) -> None:
    """Their settings are taken as they are, whatever the defaults have become."""
    for name in ("landscapes", "storm", "carnival"):
        report = json.loads((REPOSITORY / "examples" / name / "report.json").read_text())
        settings = report["settings"]["music"]
        report["settings"].pop("performance", None)
        report["emsync_report"] = 1
        for since in ("method", "style", "metre", "tonic", "mode", "slowest", "fastest",
                      "density", "melody", "chords", "theme", "harmony"):  # fmt: skip
            settings.pop(since, None)
        settings["repetition_coefficient"] = 0.4
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(report))
        recorded = read_report(path)
        music = recorded.settings.music
        assert (music.method, music.repetition_coefficient) == ("free", 0.4)
        assert recorded.settings.performance == PerformanceSettings(performer="flat")
        plain = to_plain(recorded.settings)["music"]
        assert {key: plain[key] for key in settings} == settings
        assert recorded.theme is None


def test_reports_of_before_the_performers_play_what_is_written(
    scored: Scored, tmp_path: Path
) -> None:
    report = json.loads(json.dumps(scored.report))
    assert report["settings"]["performance"]["performer"] == "expressive"
    del report["settings"]["performance"], report["performance"]
    path = tmp_path / "report.json"
    for version, performer in ((2, "flat"), (3, "expressive")):
        path.write_text(json.dumps(report | {"emsync_report": version}))
        recorded = read_report(path)
        assert recorded.settings.performance.performer == performer


def test_reports_of_before_the_mix_are_mixed_as_then(scored: Scored, tmp_path: Path) -> None:
    report = json.loads(json.dumps(scored.report))
    for since in ("width", "group_balance", "space", "compression", "limiter", "bit_depth"):
        del report["settings"]["sound"][since]
    report["settings"]["sound"]["loudness"] = "peak"
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report | {"emsync_report": 3}))
    assert read_report(path).settings.sound == as_in_the_paper(Settings()).sound
    path.write_text(json.dumps(report))
    assert read_report(path).settings.sound == SoundSettings(loudness="peak")


def test_the_report_tells_the_mix(scored: Scored) -> None:
    mix = scored.report["sound"]["mix"]
    assert set(mix["strips"]) == set(scored.report["music"]["notes_by_group"])
    assert all(-60 < strip["loudness"] < -10 for strip in mix["strips"].values())
    assert mix["space"]["name"] == "mood" and mix["space"]["reverb"] > 0
    assert mix["heard"]["loudness"] == pytest.approx(-14, abs=0.3)
    assert mix["heard"]["true_peak"] <= -1
    assert mix["reduction"]["compressor"] >= 0 and mix["reduction"]["limiter"] >= 0


def test_the_report_tells_the_performance(scored: Scored) -> None:
    told = scored.report["performance"]
    assert told["notes"] - told["added"] == scored.report["music"]["notes"]
    assert told["time_signatures"] and told["keys"] and told["bars"] > 0
    assert 0 < told["velocity_mean"] < 128


def test_progress_goes_to_standard_error_only(scored: Scored) -> None:
    assert scored.run.out == ""
    lines = scored.run.err.splitlines()
    stages = ["reading the film", "finding the cuts", "composing", "playing the music"]
    at = [lines.index(stage) for stage in stages]
    assert at == sorted(at)
    assert "scored.mp4" in lines[-1]
    assert "\r" not in scored.run.err and "\033" not in scored.run.err


def test_the_music_can_be_read(scored: Scored) -> None:
    text = (scored.folder / "music.musicxml").read_bytes()
    score = ElementTree.fromstring(text)
    assert score.tag == "score-partwise" and score.findall("part/measure/note/duration")
    with zipfile.ZipFile(scored.folder / "music.mxl") as package:
        assert package.read("score.musicxml") == text


def test_scores_that_cannot_be_written_are_refused_at_once(
    films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, output = films.plain(), ("-o", tmp_path / "a.mp4")
    wrong = emsync_here(film, *output, "--score", tmp_path / "a.ly")
    assert_refused(wrong, "a.ly", ".musicxml, .mxl or .pdf")
    monkeypatch.setenv("EMSYNC_MUSESCORE", str(tmp_path / "none"))
    if importlib.util.find_spec("verovio") is None:
        missing = emsync_here(film, *output, "--score", tmp_path / "a.pdf")
        assert_refused(missing, "install musescore3", "pip install verovio")


def test_no_leftovers_beside_the_results(scored: Scored) -> None:
    names = {path.name for path in scored.folder.iterdir()}
    results = {"scored.mp4", "music.mid", "quantised.mid", "music.wav", "report.json"}
    assert names == results | {"music.musicxml", "music.mxl"}


def test_nothing_is_overwritten_unless_asked(films: Films, tmp_path: Path) -> None:
    taken = tmp_path / "taken.mp4"
    taken.write_text("precious")
    assert_refused(emsync_here(films.plain(), "-o", taken), "taken.mp4", "--overwrite")
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
    assert_refused(emsync_here(fake, "-o", tmp_path / "out.mp4"), "film")
    assert [path.name for path in tmp_path.iterdir()] == ["fake.mp4"]


def test_a_mood_after_the_end(films: Films, tmp_path: Path) -> None:
    run = emsync_here(films.plain(), "-o", tmp_path / "out.mp4", "--mood-at", "3", "0", "0", "-q")
    assert_refused(run, "3 s", "film", "3.00 s")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(films: Films, tmp_path: Path) -> None:
    assert_refused(
        emsync_here(films.plain(), "-o", tmp_path / "no" / "out.mp4"), "folder", "out.mp4"
    )


def test_the_film_itself_is_never_the_result(films: Films) -> None:
    before = films.plain().read_bytes()
    assert_refused(emsync_here(films.plain(), "-o", films.plain(), "--overwrite"), "plain.mp4")
    assert films.plain().read_bytes() == before


def test_two_results_with_one_name(films: Films, tmp_path: Path) -> None:
    both = tmp_path / "both"
    assert_refused(emsync_here(films.plain(), "-o", both, "--midi", both), "same name")


def test_weights_that_are_not_there(films: Films, tmp_path: Path) -> None:
    run = emsync_here(films.plain(), "-o", tmp_path / "out.mp4", "--weights", tmp_path)
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
        ["--slowest", "39"],
        ["--fastest", "quick"],
        ["--style", "polka"],
        ["--tonic", "H"],
        ["--chords", "Am\a"],
        ["--candidates", "0"],
        ["--temperature", "0"],
        ["--top-p", "1.1"],
        ["--guidance", "-1"],
        ["--original-sound", "louder"],
        ["--loudness", "loud"],
        ["--balance", "25"],
        ["--groups", "none"],
        ["--groups", "bass,flute"],
        ["--program", "piano"],
        ["--program", "piano=128"],
        ["--program", "flute=1"],
        ["--program", "piano=1,guitar=2"],
        ["--gain", "drums"],
        ["--gain", "drums=13"],
    ],
    ids=" ".join,
)
def test_wrong_values_are_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    run = emsync_here("film.mp4", "-o", tmp_path / "out.mp4", *arguments)
    assert (run.status, run.out) == (2, "")
    assert f"argument {arguments[0]}" in run.err
    assert "Traceback" not in run.err


def say(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Run:
    """Run the command in this process, which is quicker."""
    status = main([*map(str, arguments)])
    told = capsys.readouterr()
    return Run(status, told.out, told.err)


# Presets and other options ----------------------------------------------------------------------


def chosen(*arguments: str | Path) -> Settings:
    """The settings that a command line asks for."""
    options, standard, _ = read_options(parser, ["film.mp4", "-o", "out.mp4", *map(str, arguments)])
    return settings_of(options, standard)


def test_options_are_settings(tmp_path: Path) -> None:
    assert chosen() == Settings()
    options = (
        "--original-sound duck --loudness lufs --balance -3 --groups bass,drums "
        "--program piano=4 --program guitar=24 --gain drums=-60 --gain bass=1.5 "
        "--late-tolerance none --no-end-on-chord --seed 3"
    )
    expected = {
        "sound.original_sound": "duck",
        "sound.loudness": "lufs",
        "sound.balance_decibels": -3.0,
        "music.groups": ("bass", "drums"),
        "sound.programs": (("piano", 4), ("guitar", 24)),
        "sound.gains": (("drums", -60.0), ("bass", 1.5)),
        "music.late_tolerance": None,
        "music.end_on_chord": False,
        "seed": 3,
    }
    assert chosen(*options.split()) == changed(Settings(), expected)
    files = ("--primer", tmp_path / "a.mid", "--soundfont", tmp_path / "b.sf2")
    theme = ("--theme", tmp_path / "c.mid")
    assert chosen(*files, *theme) == changed(
        Settings(),
        {
            "music.primer": tmp_path / "a.mid",
            "music.theme": tmp_path / "c.mid",
            "sound.soundfont": tmp_path / "b.sf2",
        },
    )


def test_the_kind_of_music_is_asked_for(tmp_path: Path) -> None:
    options = (
        "--method free --style waltz --metre 3/4 --tonic F# --mode dorian --slowest 72 "
        "--fastest 96.5 --density full --no-melody"
    )
    expected = {
        "music.method": "free",
        "music.style": "waltz",
        "music.metre": "3/4",
        "music.tonic": "F#",
        "music.mode": "dorian",
        "music.slowest": 72.0,
        "music.fastest": 96.5,
        "music.density": "full",
        "music.melody": False,
        "music.chords": "Am | F C | G",
    }
    made = chosen(*options.split(), "--chords", " Am | F  C | G")
    assert made == changed(Settings(), expected)
    preset = tmp_path / "preset.json"
    write_preset(made, preset)
    plain = "--chords none --slowest none --melody --method planned"
    back = {"method": "planned", "slowest": None, "melody": True, "chords": ""}
    assert chosen("--preset", preset, *plain.split()) == changed(
        made, {f"music.{name}": value for name, value in back.items()}
    )


def test_options_that_contradict_each_other_are_wrong_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for options, words in (
        (("--slowest", "120", "--fastest", "90"), "120 is more than 90 quarters a minute"),
        (("--chords", "Am | H"), "'H' is not known"),
        (("--metre", "3/4", "--chords", "C D E F G A B"), "7 chords in one bar"),
    ):
        with pytest.raises(SystemExit) as end:
            chosen(*options)
        assert end.value.code == 2
        assert words in capsys.readouterr().err


def test_one_option_asks_for_the_music_of_the_paper(tmp_path: Path) -> None:
    assert chosen("--as-in-paper") == as_in_the_paper(Settings())
    preset = tmp_path / "preset.json"
    write_preset(changed(Settings(), {"seed": 4, "music.temperature": 0.7}), preset)
    made = chosen("--preset", preset, "--as-in-paper", "--openings", "4")
    paper = as_in_the_paper(changed(Settings(), {"seed": 4}))
    assert made == changed(paper, {"music.openings": 4})


def test_options_win_over_the_preset(tmp_path: Path) -> None:
    preset = tmp_path / "preset.json"
    settings = changed(
        Settings(),
        {
            "mood.curve": "scenes",
            "cuts.threshold": 0.5,
            "music.temperature": 1.1,
            "music.end_on_chord": False,
            "music.late_tolerance": None,
            "music.primer": tmp_path / "a.mid",
            "sound.programs": (("piano", 4), ("bass", 33)),
            "seed": 8,
        },
    )
    write_preset(settings, preset, allow_paths=True)
    assert chosen("--preset", preset) == settings
    # An option that says what is the default anyhow wins as well.
    options = "--seed 0 --end-on-chord --late-tolerance 0.125 --program piano=0 --primer none"
    expected = {
        "seed": 0,
        "music.end_on_chord": True,
        "music.late_tolerance": 0.125,
        "music.primer": None,
        "sound.programs": (("piano", 0), ("bass", 33)),
    }
    assert chosen("--preset", preset, *options.split()) == changed(settings, expected)
    # The preset's scenes give way to a mood; those asked for beside it are a contradiction.
    assert chosen("--preset", preset, "--mood", "0", "0").mood.curve == "scenes"


def test_a_preset_that_cannot_be_used_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tmp_path / "preset.json"
    preset.write_text('{"emsync_preset": 1, "settings": {"music": {"top_p": 7}}}')
    run = say(capsys, "film.mp4", "-o", tmp_path / "out.mp4", "--preset", preset)
    assert_refused(run, "preset.json", "music.top_p", "above 0 to 1")


def test_settings_are_saved_and_stems_add_up(
    films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset, stems = tmp_path / "preset.json", tmp_path / "stems"
    arguments = (
        films.plain(), "-o", tmp_path / "a.mp4", "--wav", tmp_path / "a.wav", "--stems", stems,
        "--save-preset", preset, "--seed", "5", "--groups", "drums,bass,piano",
        "--program", "piano=4",
    )  # fmt: skip
    run = say(capsys, *arguments)
    assert run.status == 0, run.err
    assert read_preset(preset) == changed(
        Settings(),
        {
            "seed": 5,
            "music.groups": ("drums", "bass", "piano"),
            "sound.programs": (("piano", 4),),
        },
    )
    paths = sorted(stems.iterdir())
    assert paths and {path.stem for path in paths} <= {"bass", "drums", "piano"}
    total = sum(samples(path).astype(float) for path in paths)
    assert np.abs(total - samples(tmp_path / "a.wav")).max() <= len(paths)
    # Nothing is overwritten unless asked; then what plays no more goes.
    other = tmp_path / "b.mp4"
    assert_refused(say(capsys, films.plain(), "-o", other, "--stems", stems), "--overwrite")
    stale = stems / "strings.wav"
    stale.write_text("of the piece before")
    run = say(capsys, *arguments, "--overwrite", "-q")
    assert run == Run(0, "", "")
    assert sorted(stems.iterdir()) == paths


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


@pytest.mark.parametrize("option", ["--primer", "--theme", "--soundfont"])
def test_files_that_are_not_there_or_not_what_they_should_be(
    option: str, films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text"
    text.write_text("Once upon a time")
    start = (films.plain(), "-o", tmp_path / "out.mp4", "-q", option)
    assert_refused(say(capsys, *start, tmp_path / "gone"), "There is no file")
    assert_refused(say(capsys, *start, tmp_path), "not a file")
    assert_refused(say(capsys, *start, text), "is not a")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


# Again, from a report ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A film with cuts, scored by its scenes and with settings that are not the standard ones."""
    folder = tmp_path_factory.mktemp("odd")
    primer = folder / "primer.mid"
    first = (films.plain(), "-o", folder / "primer.mp4", "--midi", primer, "--experts", "none")
    assert main([*map(str, first), "-q"]) == 0
    preset = folder / "preset.json"
    settings = changed(Settings(), {"cuts.minimum_gap": Fraction(7, 3), "music.openings": 3})
    write_preset(settings, preset)
    arguments = (
        films.uneven(), "-o", folder / "scored.mp4", "--midi", folder / "music.mid",
        "--report", folder / "report.json", "--preset", preset, "--primer", primer,
        "--seed", "11", "--candidates", "2", "--late-tolerance", "none", "--mood-curve", "scenes",
        "--groups", "piano,bass,drums", "--mood-mode", "draw", "--experts", "none", "-q",
    )  # fmt: skip
    assert main([*map(str, arguments)]) == 0
    report = json.loads((folder / "report.json").read_text())
    assert [cut["kept"] for cut in report["cuts"]].count(True) > 1
    return Scored(films.uneven(), Run(0, "", ""), folder, report)


def test_a_report_gives_the_same_midi_without_looking_at_the_film_again(
    odd: Scored,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("emsync.pipeline.stream_frames")
    run = say(
        capsys, odd.film, "-o", tmp_path / "again.mp4", "--midi", tmp_path / "again.mid",
        "--report", tmp_path / "again.json", "--from-report", odd.folder / "report.json",
        "--primer", odd.folder / "primer.mid", "-q",
    )  # fmt: skip
    assert run == Run(0, "", "")
    first, again = odd.folder / "music.mid", tmp_path / "again.mid"
    assert again.read_bytes() == first.read_bytes()
    # And the report tells the same, but for times and who read the emotion.
    report, before = json.loads((tmp_path / "again.json").read_text()), copy.deepcopy(odd.report)
    for told in (report, before):
        del told["seconds_per_stage"], told["emotion"]["source"]
        del told["music"]["compose_seconds"], told["music"]["tokens_per_second"]
    assert report == before


def test_the_report_of_a_fresh_process_gives_the_same_midi(scored: Scored, tmp_path: Path) -> None:
    run = emsync(
        scored.film, "-o", tmp_path / "again.mp4", "--midi", tmp_path / "again.mid",
        "--from-report", scored.folder / "report.json", "-q",
    )  # fmt: skip
    assert run == Run(0, "", "")
    first, again = scored.folder / "music.mid", tmp_path / "again.mid"
    assert again.read_bytes() == first.read_bytes()


def test_a_theme_comes_with_the_piece_and_is_asked_for_again(
    films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pretty_midi

    tune = pretty_midi.PrettyMIDI(initial_tempo=120)
    flute = pretty_midi.Instrument(73)
    for i, pitch in enumerate((69, 72, 76, 74, 72, 71, 69, 64)):
        flute.notes.append(pretty_midi.Note(80, pitch, 0.5 * i, 0.5 * i + 0.5))
    tune.instruments.append(flute)
    theme = tmp_path / "tune.mid"
    tune.write(str(theme))
    film, report = films.plain(), tmp_path / "report.json"
    first, again = tmp_path / "first.mid", tmp_path / "again.mid"
    files = ("-o", tmp_path / "out.mp4", "--overwrite", "-q")
    run = say(capsys, film, *files, "--midi", first, "--report", report, "--theme", theme)
    assert run == Run(0, "", "")
    told = json.loads(report.read_text())
    assert told["settings"]["music"]["theme"] == "tune.mid"
    assert len(told["music"]["theme_sha256"]) == 64
    replay = (film, *files, "--midi", again, "--from-report", report)
    assert_refused(say(capsys, *replay), "“tune.mid”", "--theme")
    assert say(capsys, *replay, "--theme", theme) == Run(0, "", "")
    assert again.read_bytes() == first.read_bytes()


def test_options_beside_a_report_win(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = say(
        capsys, scored.film, "-o", tmp_path / "again.mp4", "--report", tmp_path / "again.json",
        "--from-report", scored.folder / "report.json", "--mood", "0.25", "0.5", "-q",
    )  # fmt: skip
    assert run == Run(0, "", "")
    again = json.loads((tmp_path / "again.json").read_text())
    assert [(part["valence"], part["arousal"]) for part in again["mood"]["curve"]] == [(0.25, 0.5)]
    assert again["settings"] == scored.report["settings"]
    with pytest.raises(SystemExit) as end:
        say(
            capsys, scored.film, "-o", tmp_path / "no.mp4", "--experts", "none",
            "--from-report", scored.folder / "report.json",
        )  # fmt: skip
    assert end.value.code == 2
    assert "not analysed again" in capsys.readouterr().err


def test_what_differs_from_the_report_is_said(
    odd: Scored, films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = copy.deepcopy(odd.report)
    report["music"]["weights_sha256"] = report["music"]["regressor_sha256"] = "0" * 64
    report["libraries"] |= {"torch": "0.1", "numpy": "\033[2J"}
    report["machine"]["threads"] = "99"
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    primer = tmp_path / "other.mid"
    primer.write_bytes((odd.folder / "primer.mid").read_bytes() + b" ")
    film = films.render("uneven again.mkv", "-i", films.uneven(), "-c", "copy", "-metadata", "a=b")
    run = say(
        capsys, film, "-o", tmp_path / "out.mp4", "-q", "--from-report", path, "--primer", primer
    )
    assert (run.status, run.out) == (0, "")
    for words in (
        "film is not “uneven.mkv”",
        "weights are others",
        "regressor is another",
        "continue from is another",
        "torch was 0.1 then",
        "numpy was ?[2J then",
        "threads was 99",
    ):
        assert words in run.err
    assert len(run.err.splitlines()) == 7
    assert all(line.startswith("emsync: not as in the report: ") for line in run.err.splitlines())


def test_what_a_report_cannot_bring_along_is_asked_for(
    odd: Scored, films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = odd.folder / "report.json"
    start = ("-o", tmp_path / "out.mp4", "-q", "--from-report")
    assert_refused(say(capsys, odd.film, *start, path), "“primer.mid”", "--primer")
    primer = ("--primer", odd.folder / "primer.mid")
    assert_refused(say(capsys, films.plain(), *start, path, *primer), "lasts 3.00 s", "uneven.mkv")
    report = copy.deepcopy(odd.report)
    for name in ("../weights/free-5m", "other", "/"):
        report["music"]["weights"] = name
        (tmp_path / "report.json").write_text(json.dumps(report))
        run = say(capsys, odd.film, *start, tmp_path / "report.json", *primer)
        assert_refused(run, f"“{name}”", "--weights")


STRANGE: tuple[Any, ...] = (None, [], {}, "x", 1e300, -1, True, 10**50, [[]], "\ud800")


def variants(value: Any) -> Iterator[Any]:
    """A report with one part missing or strange; of a list only the first two entries."""
    if isinstance(value, dict):
        for key in value:
            yield {name: part for name, part in value.items() if name != key}
            for other in (*STRANGE, *variants(value[key])):
                yield {**value, key: other}
    elif isinstance(value, list):
        for i, part in enumerate(value[:2]):
            for other in variants(part):
                yield [*value[:i], other, *value[i + 1 :]]
        yield value[::-1]


def test_a_crafted_report_gets_a_sentence_whatever_is_in_it(odd: Scored, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    refused = 0
    needed = {key: odd.report[key] for key in odd.report if key not in ("picture", "libraries")}
    needed["libraries"] = {"torch": "2"}
    for part in ("film", "music", "settings"):  # what is not looked at, or looked at elsewhere
        kept = ("name", "music", "sound", "seed", "weights", "primer")
        needed[part] = {
            key: value
            for key, value in odd.report[part].items()
            if key in kept or key.endswith("sha256")
        }
    count = 0
    for report in variants(needed):
        count += 1
        path.write_text(json.dumps(report))
        try:
            read_report(path)
        except EmsyncError as problem:
            refused += 1
            sentence = str(problem)
            assert "“report.json”" in sentence and sentence.endswith(".")
            assert sentence.encode() and len(sentence) < 400, sentence
    assert 0.1 < refused / count < 0.9


def test_a_report_of_before_is_told(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for content, words in (
        ("{}", "not a report"),
        ('{"emsync_report": 5}', "later version"),
        ('{"emsync_report": true}', "later version"),
        ('{"emsync_preset": 1}', "not a report"),
        ("[" * 10_000, "nested too deep"),
    ):
        path.write_text(content)
        with pytest.raises(EmsyncError, match=words):
            read_report(path)


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
    # Python ends itself by the signal if it came while a library made a dataclass, say: whatever is
    # caught later, it remembers an interrupted `exec` of a text as unhandled (3.11).
    assert process.returncode in (130, -signal.SIGINT), told
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
