"""The mix: the desk, the space, compressor and limiter, and what the deliveries ask for."""

import importlib.util
import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import pyloudnorm
import pytest
from conftest import Films
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly
from test_sound import band

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.film.probe import probe
from emsync.presets import as_in_the_paper
from emsync.progress import CancelToken
from emsync.settings import DELIVERIES, GROUPS, Loudness, Settings, SoundSettings
from emsync.sound.desk import (
    BALANCE,
    LOUDEST_VOLUME,
    PAN,
    PLACES,
    TEST_PHRASES,
    TEST_VELOCITY,
    VOLUME,
    Desk,
    desk_of,
)
from emsync.sound.dynamics import MOST, gain_curve
from emsync.sound.level import Contour, ContourMeter, StepPeaks
from emsync.sound.mix import heard_as, master, mix_with_original, write_wav
from emsync.sound.space import DRY, HALL, ROOM, Space, space_of
from emsync.sound.stems import render_music, write_stems
from emsync.sound.synth import Sound, find_soundfont, synthesizer

RATE = 44_100
NEUTRAL = Mood(0.0, 0.0)
PUBLISHED = as_in_the_paper(Settings()).sound


@pytest.fixture(scope="module")
def small_font() -> Path:
    """The SoundFont that pretty_midi carries."""
    package = importlib.util.find_spec("pretty_midi")
    assert package is not None and package.submodule_search_locations is not None
    return Path(package.submodule_search_locations[0]) / "TimGM6mb.sf2"


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory, small_font: Path) -> np.ndarray:
    """Eight seconds of a band, before mastering."""
    song = band(tmp_path_factory.mktemp("song") / "band.mid", 8)
    return render_music(song, Fraction(8), SoundSettings(), small_font, CancelToken()).samples


def loudness(sound: Sound) -> float:
    found = pyloudnorm.Meter(sound.sample_rate).integrated_loudness(sound.samples.astype(float))
    return float(found)


def true_peak(sound: Sound) -> float:
    """In dBTP, with other filters than ours."""
    finer = resample_poly(sound.samples, 4, 1, axis=0)
    return float(20 * np.log10(max(np.abs(finer).max(), np.abs(sound.samples).max())))


def contour_of(samples: np.ndarray) -> Contour:
    meter = ContourMeter(RATE)
    meter.take(samples)
    return meter.finish()


# Compressor, limiter, deliveries ----------------------------------------------------------------


@pytest.mark.parametrize("delivery", get_args(Loudness))
def test_music_comes_out_as_it_is_to_be_delivered(music: np.ndarray, delivery: Loudness) -> None:
    asked = SoundSettings(loudness=delivery)
    mixed = master(Sound(music.copy(), RATE), asked)
    heard = heard_as(mixed)
    assert heard.true_peak == pytest.approx(true_peak(mixed), abs=0.1)
    assert heard.loudness == pytest.approx(loudness(mixed), abs=0.05)
    if delivery == "peak":
        assert 20 * np.log10(np.abs(mixed.samples).max()) == pytest.approx(-3, abs=0.05)
        return
    lufs, highest = DELIVERIES.get(delivery, (-14.0, -1.0))
    assert loudness(mixed) == pytest.approx(lufs, abs=0.1)
    assert true_peak(mixed) <= highest


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4 * RATE - 300), st.floats(0.02, 4)), max_size=12),
    st.integers(0, 99),
    st.floats(-20, -6),
)
def test_no_peak_gets_past_the_limiter(
    strokes: list[tuple[int, float]], seed: int, lufs: float
) -> None:
    """Whatever comes: clicks, bursts of noise, between samples as well as on them."""
    rng = np.random.default_rng(seed)
    samples = (0.02 * rng.standard_normal((4 * RATE, 2))).astype(np.float32)
    for at, strength in strokes:
        burst = rng.standard_normal((rng.integers(1, 300), 2))
        samples[at : at + len(burst)] += (strength * burst).astype(np.float32)
    asked = SoundSettings(loudness="lufs", lufs=lufs, fade_seconds=0)
    mixed = master(Sound(samples, RATE), asked)
    assert true_peak(mixed) <= -1
    assert mixed.reduction.limiter <= MOST + 0.2
    assert loudness(mixed) <= lufs + 0.3


def test_without_a_limiter_peaky_music_stays_quieter(music: np.ndarray) -> None:
    asked = SoundSettings(limiter=False, loudness="lufs", lufs=-9)
    mixed = master(Sound(music.copy(), RATE), asked)
    assert 20 * np.log10(np.abs(mixed.samples).max()) == pytest.approx(-1, abs=0.05)
    assert loudness(mixed) < -9.5 and mixed.reduction.limiter == 0
    limited = master(Sound(music.copy(), RATE), replace(asked, limiter=True))
    assert loudness(limited) == pytest.approx(-9, abs=0.1) and limited.reduction.limiter > 0.5


def test_the_compressor_takes_from_what_is_loud_and_as_much_as_it_is_told() -> None:
    rng = np.random.default_rng(1)
    level = np.repeat([0.1, 0.1, 0.1, 0.3, 0.1, 0.1, 0.1], RATE)[:, None]
    samples = (level * rng.standard_normal((7 * RATE, 2))).astype(np.float32)
    contour = contour_of(samples)
    taken = []
    for amount in (0.0, 1.0, 2.0):
        asked = SoundSettings(loudness="peak", limiter=False, compression=amount)
        gains = 20 * np.log10(gain_curve(contour, asked).gains)
        soft, loud = gains[len(gains) // 6], gains[len(gains) // 2]
        taken.append(soft - loud)
    assert taken[0] == pytest.approx(0, abs=1e-6)
    assert 1 < taken[1] < 4 and taken[2] == pytest.approx(2 * taken[1], rel=0.05)


@given(st.lists(st.integers(1, 2 * RATE - 1), max_size=6), st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_a_contour_does_not_depend_on_how_the_sound_is_divided(cuts: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal((2 * RATE + 37, 2)).astype(np.float32)
    whole, meter = contour_of(samples), ContourMeter(RATE)
    for piece in np.split(samples, sorted(cuts)):
        meter.take(piece)
    parts = meter.finish()
    assert np.array_equal(parts.peaks, whole.peaks)
    assert np.allclose(parts.true_peaks, whole.true_peaks, rtol=1e-5)
    assert np.allclose(parts.powers, whole.powers, rtol=1e-5)
    assert whole.peak == np.abs(samples).max()


def test_a_peak_between_samples_is_found() -> None:
    """A tone of a quarter of the sample rate, whose samples all stand at 0.707 of its height."""
    at = np.arange(RATE)
    tone = np.sin(np.pi / 2 * at + np.pi / 4)
    contour = contour_of(np.stack([tone, tone], axis=1).astype(np.float32))
    middle = slice(20, -20)
    assert contour.peaks[middle].max() == pytest.approx(0.7071, abs=1e-3)
    assert contour.true_peaks[middle].max() == pytest.approx(1.0, abs=0.01)


def test_silence_and_the_shortest_sound_are_left_in_peace() -> None:
    for frames in (0, 1, 100, RATE // 4, RATE):
        silent = master(Sound(np.zeros((frames, 2), np.float32), RATE), SoundSettings())
        assert silent.samples.shape == (frames, 2) and not silent.samples.any()
        assert heard_as(silent).true_peak is None
    for frames in (1, 100, RATE // 4):
        short = master(Sound(np.full((frames, 2), 0.01, np.float32), RATE), SoundSettings())
        assert 0.3 < np.abs(short.samples).max() <= 0.9


def test_stems_that_cancel_each_other_stay_below_full_scale() -> None:
    rng = np.random.default_rng(3)
    soft = (0.05 * rng.standard_normal((4 * RATE, 2))).astype(np.float32)
    stem = (0.02 * rng.standard_normal((4 * RATE, 2))).astype(np.float32)
    for at in (0.5, 1.7, 2.4):
        stem[round(at * RATE) :][:400] *= 100
    peaks = StepPeaks(RATE)
    for block in np.split(np.abs(stem).max(axis=1), [1000, 70_001]):
        peaks.take(block)
    asked = SoundSettings(fade_seconds=0)
    contour = contour_of(soft)  # of this stem, and another that takes most of it away
    without, held = (gain_curve(contour, asked, found) for found in (None, peaks.finish()))
    assert np.abs(stem[:, 0] * without.between(0, len(stem))).max() > 1.5
    assert 0.9 < np.abs(stem * held.between(0, len(stem))[:, None]).max() <= 1
    assert master(Sound(soft.copy(), RATE, stem_peaks=peaks.finish()), asked).reduction.limiter > 3


def test_music_with_the_films_own_sound_is_limited_as_well(
    films: Films, music: np.ndarray, cancel: CancelToken
) -> None:
    film = probe(films.beep("beep-0-0.mkv"))
    for kept in ("keep", "duck"):
        asked = SoundSettings(original_sound=kept)
        mixed = master(Sound(music[: 3 * RATE].copy(), RATE), asked)
        mixed = mix_with_original(mixed, film, asked, cancel, [(1.0, 1.5)])
        assert loudness(mixed) == pytest.approx(-14, abs=0.2)
        assert true_peak(mixed) <= -1


def test_the_mix_of_the_published_code_is_a_fade_and_a_factor(music: np.ndarray) -> None:
    mixed = master(Sound(music.copy(), RATE), PUBLISHED).samples
    fade = np.ones((len(music), 1), np.float32)
    fade[-3 * RATE :, 0] = 1 - np.arange(3 * RATE) / (3 * RATE - 1)
    level = 10 ** (-3 / 20) / np.abs(music * fade).max()
    assert np.allclose(mixed, music * fade * np.float32(level), rtol=1e-5, atol=1e-7)
    desk = desk_of(PUBLISHED, None, NEUTRAL)
    assert desk.space is None and set(desk.controls.values()) == {()}


# The desk ---------------------------------------------------------------------------------------


def phrase(font: Path, group: str, desk: Desk) -> np.ndarray:
    """What a group plays to be measured, through its strip."""
    strip, channel = desk.strips[group], 9 if group == "drums" else 0
    samples = np.zeros((2 * RATE, 2), np.float32)
    with synthesizer(font, RATE, space=DRY) as (synth, _):
        synth.program_change(channel, strip.program)
        for number, value in strip.controls:
            synth.cc(channel, number, value)
        events = sorted(
            (round(at * RATE), is_on, pitch)
            for pitch, start, length in TEST_PHRASES[group]
            for at, is_on in ((start, True), (start + length, False))
        )
        done = 0
        for at, is_on, pitch in [*events, (2 * RATE, False, 0)]:
            at = min(at, len(samples))
            if at > done:
                part = synth.get_samples(at - done).reshape(-1, 2)
                samples[done:at] = part / 32_768
                done = at
            if is_on:
                synth.noteon(channel, pitch, TEST_VELOCITY)
            else:
                synth.noteoff(channel, pitch)
    return samples


def test_groups_are_as_loud_as_the_balance_has_them_on_every_soundfont(small_font: Path) -> None:
    for font in {small_font, find_soundfont().path}:
        for programs in ((), (("piano", 4), ("strings", 40), ("drums", 25))):
            desk = desk_of(SoundSettings(programs=programs), font, NEUTRAL)
            heard = {group: loudness(Sound(phrase(font, group, desk), RATE)) for group in GROUPS}
            for group in GROUPS:
                apart = heard[group] - heard["piano"]
                # Strokes that begin a millisecond apart add up otherwise.
                near = 0.8 if group == "drums" else 0.4
                assert apart == pytest.approx(BALANCE[group] - BALANCE["piano"], abs=near), group
            volumes = [dict(strip.controls)[VOLUME] for strip in desk.strips.values()]
            assert max(volumes) == LOUDEST_VOLUME
    half = desk_of(SoundSettings(group_balance=0.5), small_font, NEUTRAL).strips["drums"]
    whole = desk_of(SoundSettings(), small_font, NEUTRAL).strips["drums"]
    assert half.decibels == pytest.approx(whole.decibels / 2)


def test_groups_sit_where_their_places_are(small_font: Path) -> None:
    for width in (0.0, 1.0, 2.0):
        desk = desk_of(SoundSettings(width=width), small_font, NEUTRAL)
        for group, place in PLACES.items():
            controls = dict(desk.strips[group].controls)
            if not width:
                assert PAN not in controls
                continue
            assert controls[PAN] == 64 + round(63 * place * width)
    desk = desk_of(SoundSettings(), small_font, NEUTRAL)
    for group in ("guitar", "bass"):
        left, right = np.square(phrase(small_font, group, desk)).sum(axis=0)
        tilt = 10 * np.log10(right / left)
        assert tilt > 2 if group == "guitar" else abs(tilt) < 1
    violin = desk_of(SoundSettings(programs=(("strings", 40),)), small_font, NEUTRAL)
    assert violin.strips["strings"].place < PLACES["strings"]


def test_a_soundfont_is_measured_once(small_font: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emsync.sound import desk as module

    asked = SoundSettings(programs=(("piano", 6),))
    first = desk_of(asked, small_font, NEUTRAL)
    monkeypatch.delattr(module, "synthesizer")
    assert desk_of(asked, small_font, NEUTRAL) == first


# The space --------------------------------------------------------------------------------------


def decay(font: Path, space: Space) -> float:
    """Seconds in which a stroke fades by 60 dB, out of its fall from -5 to -25 dB."""

    def stroke(in_space: Space) -> np.ndarray:
        with synthesizer(font, RATE, space=in_space) as (synth, _):
            synth.cc(9, 91, 127)
            synth.noteon(9, 37, 127)
            return np.asarray(synth.get_samples(4 * RATE).reshape(-1, 2), np.float64)

    reverb = stroke(replace(space, chorus=0.0)) - stroke(DRY)
    left = np.cumsum(np.square(reverb).sum(axis=1)[::-1])[::-1]
    fall = 10 * np.log10(np.maximum(left / left[0], 1e-12))
    return float(3 * (np.argmax(fall < -25) - np.argmax(fall < -5)) / RATE)


def test_rooms_fade_soon_and_halls_late(small_font: Path) -> None:
    assert 0.6 < decay(small_font, ROOM) < 1.1
    assert 1.6 < decay(small_font, HALL) < 2.2


def test_the_calmer_the_film_the_larger_the_space(small_font: Path) -> None:
    spaces = [space_of("mood", Mood(0.3, arousal)) for arousal in (1.0, 0.5, 0.0, -0.5, -1.0)]
    sizes = [space.room_size for space in spaces if space is not None]
    assert sizes == sorted(sizes) and len(set(sizes)) == 5
    assert spaces[0] == replace(ROOM, name="mood") and spaces[-1] == replace(HALL, name="mood")
    assert space_of("hall", NEUTRAL) == HALL and space_of("published", NEUTRAL) is None
    curve = MoodCurve((0.0, 6.0), (Mood(1.0, -1.0), Mood(0.0, 1.0)))
    assert curve.mean(8.0) == Mood(0.75, -0.5)


def test_a_dry_mix_is_dry(tmp_path: Path, small_font: Path, cancel: CancelToken) -> None:
    song = band(tmp_path / "band.mid", 1)
    tails = []
    for space in (DRY, HALL):
        played = render_music(
            song, Fraction(4), SoundSettings(), small_font, cancel, space=space
        ).samples
        tails.append(float(np.abs(played[5 * RATE // 2 :]).max()))
    assert tails[0] < 5e-5 and tails[1] > 1e-4


# Files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [None, DRY, ROOM, HALL], ids=["published", "dry", "room", "hall"])
def test_stems_add_up_whatever_the_mix(
    tmp_path: Path, small_font: Path, cancel: CancelToken, space: Space | None
) -> None:
    song = band(tmp_path / "band.mid")
    asked = SoundSettings(sample_rate=48_000, bit_depth="24-bit", loudness="lufs", lufs=-8)
    whole = render_music(song, Fraction(4), asked, small_font, cancel, space=space)
    whole = master(whole, asked)
    stems = write_stems(song, Fraction(4), asked, small_font, tmp_path, cancel, space=space)
    left = whole.samples - sum(read(path) for path in stems.values())
    assert whole.reduction.limiter > 0 and whole.reduction.compressor > 0
    apart = np.square(left).mean() / np.square(whole.samples).mean()
    assert 10 * np.log10(apart) < -100


def read(path: Path) -> np.ndarray:
    """The samples of a WAV file of 24 bits at 48 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getsampwidth(), file.getframerate()) == (3, 48_000)
        raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
    whole = np.concatenate([np.zeros((len(raw), 1), np.uint8), raw], axis=1).view("<i4") >> 8
    return whole.reshape(-1, 2) / np.float64(2**23 - 1)


def test_24_bits_hold_more_than_16(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1.1, 1.1, (5000, 2)).astype(np.float32)
    write_wav(Sound(noise, 48_000), tmp_path / "noise.wav", "24-bit")
    apart = np.abs(read(tmp_path / "noise.wav") - np.clip(noise, -1, 1)).max()
    assert apart <= 1.01 / 2**23
