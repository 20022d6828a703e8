"""The music played, its level, and the film's own sound under it."""

import importlib.util
import sys
import time
import tracemalloc
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pyloudnorm
import pytest
from conftest import Films
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emsync.errors import Cancelled, SoundError, ToolError
from emsync.film.probe import probe
from emsync.music.midi import write_midi
from emsync.music.notes import Note
from emsync.presets import as_in_the_paper
from emsync.progress import CancelToken
from emsync.settings import Settings, SoundSettings
from emsync.sound import enhance
from emsync.sound.enhance import EnhancerRow
from emsync.sound.level import LevelMeter
from emsync.sound.mix import (
    DUCK_SECONDS,
    amplitude,
    ducked,
    master,
    mix_with_original,
    write_wav,
)
from emsync.sound.stems import render_music, stem_names, write_stems
from emsync.sound.synth import (
    BLOCK_FRAMES,
    Sound,
    SoundFont,
    find_soundfont,
    play,
    read_score,
    render,
    stream,
)

RATE = 44_100
SLOW_PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PUBLISHED = as_in_the_paper(Settings()).sound
"""The mix of the published code: peak -3 dB, nothing but a fade over it."""
KEEP = replace(PUBLISHED, original_sound="keep")


@pytest.fixture(scope="module")
def small_font() -> Path:
    """The SoundFont that pretty_midi carries: there on every machine, and quick to load."""
    package = importlib.util.find_spec("pretty_midi")
    assert package is not None and package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "TimGM6mb.sf2"


def midi(
    path: Path,
    notes: list[tuple[int, float, float]],
    program: int = 0,
    drum: bool = False,
    velocity: int = 100,
) -> Path:
    """A MIDI file of (pitch, start, end) notes on one instrument."""
    song = pretty_midi.PrettyMIDI(resolution=1000)
    instrument = pretty_midi.Instrument(program, is_drum=drum)
    for pitch, start, end in notes:
        instrument.notes.append(pretty_midi.Note(velocity, pitch, start, end))
    song.instruments.append(instrument)
    song.write(str(path))
    return path


def sine(seconds: float, level: float, frequency: float = 440) -> Sound:
    at = np.arange(round(seconds * RATE)) / RATE
    one = level * np.sin(2 * np.pi * frequency * at)
    return Sound(np.stack([one, one], axis=1).astype(np.float32), RATE)


def peak(sound: Sound) -> float:
    return float(np.abs(sound.samples).max(initial=0))


def decibels(value: float) -> float:
    return float(20 * np.log10(value))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(duration=st.fractions(0, 4, max_denominator=30_000))
def test_sound_is_as_long_as_asked_to_the_sample(
    tmp_path: Path, small_font: Path, duration: Fraction
) -> None:
    song = midi(tmp_path / "song.mid", [(60, 0.5, 1.5)])
    sound = render(song, duration, SoundSettings(), small_font, CancelToken())
    assert sound.samples.shape == (round(duration * RATE), 2)
    assert sound.samples.dtype == np.float32 and sound.sample_rate == RATE


def test_the_same_music_gives_the_same_samples(tmp_path: Path, small_font: Path) -> None:
    notes = [(60 + n % 12, n / 8, n / 8 + 0.4) for n in range(24)]
    song = midi(tmp_path / "song.mid", notes, program=48)
    once, twice = (
        render(song, Fraction(4), SoundSettings(), small_font, CancelToken()) for _ in range(2)
    )
    assert peak(once) > 0.01
    assert np.array_equal(once.samples, twice.samples)


def test_notes_start_on_time(tmp_path: Path, small_font: Path) -> None:
    """Rim shots at odd times are heard within a millisecond of one another's rhythm."""
    starts = [0.25, 0.613, 1.0, 1.337, 1.9901, 2.5]
    song = midi(tmp_path / "song.mid", [(37, s, s + 0.05) for s in starts], drum=True, velocity=127)
    sound = render(song, Fraction(3), SoundSettings(), small_font, CancelToken())
    loudness = np.abs(sound.samples).max(axis=1)
    heard = []
    for start in starts:
        window = loudness[round((start - 0.05) * RATE) : round((start + 0.1) * RATE)]
        heard.append(start - 0.05 + float(np.argmax(window > 0.3 * window.max())) / RATE)
    delays = np.array(heard) - np.array(starts)
    assert np.ptp(delays) < 0.002
    assert abs(np.median(delays)) < 0.01


def test_tempo_changes_move_notes(tmp_path: Path, small_font: Path) -> None:
    import mido

    file = mido.MidiFile(ticks_per_beat=100)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000, time=0))
    track.append(mido.MetaMessage("set_tempo", tempo=250_000, time=100))  # at 1 s
    track.append(mido.Message("note_on", channel=9, note=37, velocity=127, time=200))  # 1.5 s
    file.save(tmp_path / "song.mid")
    sound = render(tmp_path / "song.mid", Fraction(2), SoundSettings(), small_font, CancelToken())
    loud = np.abs(sound.samples).max(axis=1) > 0.001
    assert float(np.argmax(loud)) / RATE == pytest.approx(1.5, abs=0.01)


def test_notes_ring_out_and_forgotten_ones_end(tmp_path: Path, small_font: Path) -> None:
    song = midi(tmp_path / "song.mid", [(60, 0, 1)], program=48)
    samples = render(song, Fraction(8), SoundSettings(), small_font, CancelToken()).samples
    assert np.abs(samples[round(1.05 * RATE) : round(1.2 * RATE)]).max() > 0.001, "no tail"
    assert np.abs(samples[7 * RATE :]).max() < 0.0005, "sounds for ever"
    import mido

    file = mido.MidiFile()
    file.tracks.append(
        mido.MidiTrack(
            [
                mido.Message("program_change", program=48),
                mido.Message("note_on", note=60, velocity=100),
                mido.Message("note_on", note=64, velocity=100, time=960),  # 1 s
            ]
        )
    )
    file.save(tmp_path / "stuck.mid")
    samples = render(
        tmp_path / "stuck.mid", Fraction(8), SoundSettings(), small_font, CancelToken()
    ).samples
    assert np.abs(samples[7 * RATE :]).max() < 0.0005, "a note without an end sounds for ever"


def test_programs_and_drums_are_the_files_own(tmp_path: Path, small_font: Path) -> None:
    sounds = [
        render(
            midi(tmp_path / f"{program}{drum}.mid", [(45, 0, 0.5)], program, drum),
            Fraction(1), SoundSettings(), small_font, CancelToken(),
        ).samples
        for program, drum in [(0, False), (25, False), (32, False), (48, False), (0, True)]
    ]  # fmt: skip
    for n, one in enumerate(sounds):
        assert np.abs(one).max() > 0.005
        for other in sounds[:n]:
            assert not np.allclose(one, other, atol=0.005)


def test_loud_music_is_not_clipped(tmp_path: Path, small_font: Path) -> None:
    notes = [(pitch, 0.0, 1.5) for pitch in range(36, 84)]
    song = midi(tmp_path / "song.mid", notes, program=48, velocity=127)
    sound = render(song, Fraction(2), SoundSettings(), small_font, CancelToken())
    assert peak(sound) > 1.0, "as it comes, more than 16 bits hold"
    finished = master(sound, PUBLISHED)
    at_peak = np.abs(finished.samples) > 0.999 * peak(finished)
    assert at_peak.sum() < 20, "a clipped wave has flat tops"


def test_soundfont_is_found(small_font: Path) -> None:
    font = find_soundfont()
    assert font.path.is_file()
    full = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
    expected = (
        SoundFont(full, "FluidR3_GM") if full.is_file() else SoundFont(small_font, "TimGM6mb")
    )
    assert font == expected


def test_missing_library_says_how_to_get_it(
    tmp_path: Path, small_font: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = midi(tmp_path / "song.mid", [(60, 0, 1)])
    monkeypatch.setitem(sys.modules, "fluidsynth", None)  # import raises ImportError
    for platform, line in [
        ("linux", "sudo apt-get install -y libfluidsynth3"), ("darwin", "brew install fluid-synth"),
    ]:  # fmt: skip
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(SoundError, match=line):
            render(song, Fraction(1), SoundSettings(), small_font, CancelToken())


def test_bad_files_get_a_sentence(tmp_path: Path, small_font: Path) -> None:
    song = midi(tmp_path / "song.mid", [(60, 0, 1)])
    noise = tmp_path / "noise.mid"
    noise.write_bytes(bytes(range(256)) * 4)
    short = tmp_path / "short.mid"
    short.write_bytes(song.read_bytes()[:40])
    for file, font, sentence in [
        (tmp_path / "none.mid", small_font, "There is no MIDI file"),
        (noise, small_font, "not a MIDI file"),
        (short, small_font, "not a MIDI file"),
        (song, noise, "SoundFont .* cannot be read"),
        (song, tmp_path / "none.sf2", "SoundFont .* cannot be read"),
    ]:
        with pytest.raises(SoundError, match=sentence):
            render(file, Fraction(1), SoundSettings(), font, CancelToken())


def test_rendering_can_be_cancelled(tmp_path: Path, small_font: Path, cancel: CancelToken) -> None:
    song = midi(tmp_path / "song.mid", [(60, 0, 1)])
    cancel.cancel()
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        render(song, Fraction(600), SoundSettings(), small_font, cancel)
    assert time.monotonic() - begin < 2


def test_fluidsynth_writes_nothing_to_the_terminal(
    tmp_path: Path, small_font: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import mido

    track = mido.MidiTrack()
    track.append(mido.Message("control_change", control=0, value=77))  # no such bank
    track.append(mido.Message("program_change", program=9))
    track.append(mido.Message("note_on", note=60, velocity=90))
    file = mido.MidiFile()
    file.tracks.append(track)
    file.save(tmp_path / "song.mid")
    render(tmp_path / "song.mid", Fraction(1), SoundSettings(), small_font, CancelToken())
    assert capfd.readouterr() == ("", "")


def test_master_sets_peak_and_fade() -> None:
    sound = sine(10, 0.05)
    finished = master(sound, PUBLISHED)
    assert decibels(peak(finished)) == pytest.approx(-3, abs=0.001)
    assert finished.samples is sound.samples, "of half an hour there is no room for a second one"
    envelope = np.abs(finished.samples[:, 0]).reshape(-1, RATE // 10).max(axis=1) / peak(finished)
    assert envelope[:70] == pytest.approx(np.ones(70), abs=0.01)
    halfway = envelope[84:86].mean()
    assert halfway == pytest.approx(0.5, abs=0.03)
    assert not finished.samples[-1].any()


@pytest.mark.parametrize(("seconds", "fades"), [(1, False), (2.99, False), (3, True), (3.5, True)])
def test_short_films_have_no_fade(seconds: float, fades: bool) -> None:
    finished = master(Sound(np.ones((round(seconds * RATE), 2), np.float32), RATE), PUBLISHED)
    assert decibels(peak(finished)) == pytest.approx(-3, abs=0.001)
    assert (finished.samples[-1, 0] == 0) == fades


def test_silence_stays_silence() -> None:
    for frames in (0, RATE, 5 * RATE):
        finished = master(Sound(np.zeros((frames, 2), np.float32), RATE), PUBLISHED)
        assert finished.samples.shape == (frames, 2) and not finished.samples.any()


def part(sound: Sound, frequency: float, begin: float, end: float) -> float:
    """Amplitude of one frequency in a stretch of sound."""
    piece = sound.samples[round(begin * RATE) : round(end * RATE), 0]
    at = np.arange(len(piece)) / RATE
    return float(2 * np.abs(np.mean(piece * np.exp(-2j * np.pi * frequency * at))))


def test_original_sound_goes_under_the_music(
    films: Films, cancel: CancelToken, either_ffmpeg: str
) -> None:
    film = probe(films.beep("beep-0-0.5.mkv", sound_delay=0.5))  # 1000 Hz, 0.5, at 1.5…1.7 s
    music = master(sine(3, 1.0, 440), replace(PUBLISHED, fade_seconds=0))
    shape, loudest = music.samples.shape, peak(music)
    mixed = mix_with_original(music, film, KEEP, cancel)
    assert mixed.samples.shape == shape
    assert peak(mixed) == pytest.approx(loudest, rel=1e-5)
    tune = part(mixed, 440, 1.55, 1.65)
    beep = part(mixed, 1000, 1.55, 1.65)
    assert beep / tune == pytest.approx(0.5 * amplitude(-6) / loudest, rel=0.02)
    assert part(mixed, 1000, 1.0, 1.4) < 0.001, "the original is not lined up"


def test_stereo_stays_stereo_and_mono_stays_as_loud(films: Films, cancel: CancelToken) -> None:
    path = films.render(
        "sides.mkv", "-i", films.silent(), "-f", "lavfi",
        "-i", "aevalsrc='0.5*sin(6283*t)|0.2*sin(3142*t)':s=44100:d=3",
        "-c:v", "copy", "-c:a", "pcm_s16le",
    )  # fmt: skip

    def nothing() -> Sound:
        return Sound(np.zeros((3 * RATE, 2), np.float32), RATE)

    mixed = mix_with_original(nothing(), probe(path), KEEP, cancel)
    sides = np.abs(mixed.samples).max(axis=0) / amplitude(-6)
    assert sides == pytest.approx([0.5, 0.2], rel=0.02)
    mono = mix_with_original(nothing(), probe(films.beep("beep-0-0.mkv")), KEEP, cancel)
    assert np.abs(mono.samples).max(axis=0) == pytest.approx(amplitude(-6) * 0.5, rel=0.02)


def test_original_sound_is_replaced_by_default(films: Films, cancel: CancelToken) -> None:
    music = sine(3, 0.5)
    film = probe(films.beep("beep-0-0.mkv"))
    assert mix_with_original(music, film, SoundSettings(), cancel) is music
    silent = probe(films.silent())
    assert mix_with_original(music, silent, KEEP, cancel) is music


def test_original_without_music_is_not_clipped(films: Films, cancel: CancelToken) -> None:
    nothing = Sound(np.zeros((3 * RATE, 2), np.float32), RATE)
    film = probe(films.beep("beep-0-0.mkv"))
    mixed = mix_with_original(nothing, film, KEEP, cancel)
    assert peak(mixed) == pytest.approx(0.5 * amplitude(-6), rel=0.02)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frames=st.integers(0, 200_000), seed=st.integers(0, 9))
def test_wav_holds_what_was_written(tmp_path: Path, frames: int, seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-1.1, 1.1, (frames, 2)).astype(np.float32)
    path = tmp_path / "noise.wav"
    write_wav(Sound(noise, RATE), path)
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, RATE, frames)
        read = np.frombuffer(file.readframes(frames), "<i2").reshape(-1, 2) / 32767
    assert np.abs(read - np.clip(noise, -1, 1)).max(initial=0) <= 0.51 / 32767


def test_wav_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be written: No such file"):
        write_wav(sine(0.1, 0.5), tmp_path / "nowhere" / "song.wav")


# Stems, loudness, ducking ---------------------------------------------------------------------


def band(path: Path, seconds: float = 4.0) -> Path:
    """A bar of each group, over and over, through the product's own writer."""
    pitches = {"piano": 60, "guitar": 64, "bass": 36, "strings": 67, "drums": 38}
    notes = [
        Note(group, pitch, beat / 2, beat / 2 + 0.4, 80)
        for group, pitch in pitches.items()
        for beat in range(int(2 * seconds))
    ]
    write_midi(notes, path, Fraction(seconds))
    return path


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.reshape(-1, 2).astype(np.float32) / 32767


def test_stems_add_up_to_the_music(tmp_path: Path, small_font: Path, cancel: CancelToken) -> None:
    song, settings = band(tmp_path / "band.mid"), SoundSettings()
    assert set(stem_names(song)) == {"piano", "guitar", "bass", "strings", "drums"}
    whole = master(render_music(song, Fraction(4), settings, small_font, cancel), settings)
    written = write_stems(song, Fraction(4), settings, small_font, tmp_path, cancel)
    total = np.zeros_like(whole.samples)
    for path in written.values():
        samples = read_wav(path)
        assert np.abs(samples).max() > 100 / 32767
        total += samples
    assert np.abs(total - whole.samples).max() < len(written) / 32767


def test_every_stem_is_played_once_for_the_level_and_once_to_be_kept(
    tmp_path: Path, small_font: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emsync.sound import stems

    played = []

    def count(*arguments: Any) -> Iterator[np.ndarray]:
        played.append(arguments[5])
        return stream(*arguments)

    monkeypatch.setattr(stems, "stream", count)
    song, folder = band(tmp_path / "band.mid"), tmp_path / "stems"
    folder.mkdir()
    shares: list[float] = []
    written = write_stems(
        song, Fraction(4), SoundSettings(), small_font, folder, cancel, shares.append
    )
    assert sorted(played) == sorted([*written, *written]) and len(played) == 10
    assert sorted(folder.iterdir()) == sorted(written.values())
    assert shares == sorted(shares) and shares[-1] == 1
    assert shares[-5:] == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0])


@pytest.mark.parametrize("until", [0.0, 0.7])
def test_stems_that_are_cancelled_leave_nothing(
    tmp_path: Path, small_font: Path, cancel: CancelToken, until: float
) -> None:
    song, folder = band(tmp_path / "band.mid"), tmp_path / "stems"
    folder.mkdir()

    def tell(share: float) -> None:
        if share >= until:
            cancel.cancel()

    with pytest.raises(Cancelled):
        write_stems(song, Fraction(4), SoundSettings(), small_font, folder, cancel, tell)
    assert not list(folder.iterdir())


def test_stems_that_cannot_be_written_get_a_sentence(
    tmp_path: Path, small_font: Path, cancel: CancelToken
) -> None:
    song = band(tmp_path / "band.mid")
    with pytest.raises(ToolError, match="cannot be written: No such file"):
        write_stems(song, Fraction(1), SoundSettings(), small_font, tmp_path / "nowhere", cancel)


def test_a_group_can_have_another_sound(tmp_path: Path, small_font: Path) -> None:
    note = [Note("piano", 60, 0.0, 1.0, 80)]
    rendered = []
    for number, programs in enumerate([(), (("piano", 4),)]):
        song = tmp_path / f"{number}.mid"
        write_midi(note, song, Fraction(1), programs=programs)
        played = render(song, Fraction(1), SoundSettings(), small_font, CancelToken())
        rendered.append(played.samples)
    assert np.abs(rendered[0] - rendered[1]).max() > 0.01


def test_music_is_brought_to_the_loudness_asked_for() -> None:
    rng = np.random.default_rng(0)
    quiet = (0.02 * rng.standard_normal((6 * RATE, 2))).astype(np.float32)
    asked = replace(PUBLISHED, loudness="lufs", fade_seconds=0)
    loud = master(Sound(quiet.copy(), RATE), asked)
    measured = pyloudnorm.Meter(RATE).integrated_loudness(loud.samples.astype(np.float64))
    assert measured == pytest.approx(-14, abs=0.1)
    peaky = quiet.copy()
    peaky[RATE] = 1.0
    kept = master(Sound(peaky, RATE), asked)
    assert np.abs(kept.samples).max() == pytest.approx(amplitude(-1), abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 6 * RATE - 1), max_size=6),
    tenths=st.integers(4, 60),
    seed=st.integers(0, 99),
)
def test_loudness_is_that_of_the_standard_however_the_sound_is_divided(
    cuts: list[int], tenths: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    swell = np.repeat(rng.uniform(0, 0.3, 60), RATE // 10)[:, None]
    sound = (swell * rng.standard_normal((6 * RATE, 2)))[: tenths * RATE // 10]
    meter = LevelMeter(RATE)
    for piece in np.split(sound, sorted(cuts)):
        meter.take(piece)
    assert meter.peak == np.abs(sound).max()
    expected = pyloudnorm.Meter(RATE).integrated_loudness(sound)
    assert meter.loudness == pytest.approx(expected, abs=0.01)


def test_too_little_sound_and_silence_have_no_loudness() -> None:
    for samples in (np.ones((RATE // 4, 2)), np.zeros((2 * RATE, 2)), np.zeros((0, 2))):
        meter = LevelMeter(RATE)
        meter.take(samples)
        assert meter.loudness is None


def test_a_stream_is_the_sound_in_blocks(tmp_path: Path, small_font: Path) -> None:
    song = band(tmp_path / "band.mid", 8)
    score = read_score(song, RATE)
    for seconds in (Fraction(8), Fraction(13, 3), Fraction(1, 50), Fraction(12)):
        wanted = (score, seconds, SoundSettings(), small_font, CancelToken())
        blocks = [block.copy() for block in stream(*wanted)]
        assert {len(block) for block in blocks[:-1]} <= {BLOCK_FRAMES}
        assert sum(map(len, blocks)) == round(seconds * RATE)
        assert np.array_equal(np.concatenate(blocks), play(*wanted).samples)


def most_memory(work: Callable[[], object]) -> int:
    """Bytes that Python and NumPy held at once while `work` was done, at the most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_is_made_of_sound_on_the_way_does_not_grow_with_it(
    films: Films, tmp_path: Path, cancel: CancelToken
) -> None:
    film = probe(films.beep("beep-0-0.mkv"))
    asked = SoundSettings(loudness="lufs", original_sound="duck")

    def finish(minutes: int) -> int:
        sound = Sound(np.full((minutes * 60 * RATE, 2), 0.1, np.float32), RATE)

        def work() -> None:
            mixed = mix_with_original(master(sound, asked), film, asked, cancel, [(1.0, 1.2)])
            write_wav(mixed, tmp_path / "song.wav")

        return most_memory(work)

    finish(1)  # imports
    minute = 60 * RATE * 2 * 4
    assert finish(2) - finish(1) < 0.15 * minute and finish(1) < 20e6


def test_stems_take_no_more_memory_for_a_longer_film(
    tmp_path: Path, small_font: Path, cancel: CancelToken
) -> None:
    def memory(seconds: int) -> int:
        song = band(tmp_path / "band.mid", 4)
        return most_memory(
            lambda: write_stems(
                song, Fraction(seconds), SoundSettings(), small_font, tmp_path, cancel
            )
        )

    memory(4)  # imports
    assert memory(32) < 1.1 * memory(8)


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0.05, 4)), max_size=4),
    st.floats(-30, -1),
)
def test_music_steps_back_exactly_while_somebody_speaks(
    starts: list[tuple[float, float]], decibels: float
) -> None:
    rate = 1000
    speech = [(start, start + length) for start, length in starts]
    gains = ducked(10 * rate, rate, speech, decibels)[:, 0]
    halves = [ducked(5 * rate, rate, speech, decibels, begin) for begin in (0, 5 * rate)]
    assert np.array_equal(np.concatenate(halves)[:, 0], gains)
    assert gains.min() >= amplitude(decibels) * 0.999 and gains.max() <= 1.0
    at = np.arange(len(gains)) / rate
    far = np.ones(len(gains), bool)
    for start, end in speech:
        inside = (at >= start) & (at < end)
        assert np.allclose(gains[inside], amplitude(decibels), rtol=0.02)
        far &= (at < start - DUCK_SECONDS[0] - 0.01) | (at > end + DUCK_SECONDS[1] + 0.01)
    assert np.allclose(gains[far], 1)


def test_the_original_stays_as_loud_where_the_music_ducks(
    films: Films, cancel: CancelToken
) -> None:
    film = probe(films.beep("beep-0-0.mkv"))
    music = master(sine(3, 0.5, 440), replace(PUBLISHED, fade_seconds=0))
    settings = replace(PUBLISHED, original_sound="duck", fade_seconds=0)
    mixed = mix_with_original(music, film, settings, cancel, [(1.0, 1.2)]).samples[:, 0]

    def level(start: float, end: float, frequency: float) -> float:
        part = mixed[round(start * RATE) : round(end * RATE)]
        turn = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / RATE)
        return float(2 * abs(part @ turn) / len(part))

    before, during = level(0.1, 0.6, 440), level(1.0, 1.2, 440)
    assert 20 * np.log10(during / before) == pytest.approx(settings.duck_decibels, abs=1)
    assert level(1.0, 1.2, 1000) > 2 * during


class Delayed:
    """An enhancer that looks ahead, changes the sound, and gives it back in odd pieces."""

    lost = 0

    def enhance(
        self, blocks: Iterator[np.ndarray], sample_rate: int, cancel: CancelToken
    ) -> Iterator[np.ndarray]:
        waiting = np.zeros((0, 2), np.float32)
        for block in blocks:
            waiting = np.concatenate([waiting, np.tanh(block)])
            while len(waiting) > 2000:
                yield waiting[:777]
                waiting = waiting[777:]
        yield waiting[self.lost :]


def test_an_enhancer_works_on_every_stem_and_they_still_add_up(
    tmp_path: Path, small_font: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, plain = band(tmp_path / "band.mid"), SoundSettings()
    as_played = render_music(song, Fraction(4), plain, small_font, cancel).samples
    row = EnhancerRow("Delayed", f"{__name__}:Delayed")
    monkeypatch.setattr(enhance, "ENHANCERS", {**enhance.ENHANCERS, "delayed": row})
    changed = replace(plain, enhancer="delayed")  # type: ignore[arg-type]
    music = render_music(song, Fraction(4), changed, small_font, cancel)
    assert music.samples.shape == as_played.shape and np.abs(music.samples - as_played).max() > 1e-3
    master(music, changed)
    stems = write_stems(song, Fraction(4), changed, small_font, tmp_path, cancel)
    total = sum(read_wav(path) for path in stems.values())
    assert np.abs(total - music.samples).max() < len(stems) / 32767
    monkeypatch.setattr(Delayed, "lost", 3)
    with pytest.raises(SoundError, match="Choose another"):
        render_music(song, Fraction(4), changed, small_font, cancel)
