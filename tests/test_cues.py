"""The built-in reading: five cues, and what they make of synthetic and real films."""

import math
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import Films
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.emotion.features.cues import CueAccumulator, Cues, mood_scores, probabilities_of
from emsync.emotion.reading import EMOTIONS, EmotionReading
from emsync.film.frames import Frame, iter_audio, stream_frames
from emsync.film.probe import probe
from emsync.film.scenes import Cut, ThresholdDetector
from emsync.progress import CancelToken
from emsync.settings import CutSettings

ANGER, DISGUST, FEAR, JOY, SADNESS, SURPRISE = range(6)
AVERAGE = Cues(brightness=0.35, saturation=0.15, motion=0.1, cut_density=0.66, loudness=-20.0)

cues = st.builds(
    Cues,
    brightness=st.floats(0, 1),
    saturation=st.floats(0, 1),
    motion=st.none() | st.floats(0, 5),
    cut_density=st.floats(0, 1),
    loudness=st.none() | st.floats(-80, 0),
)


def plain(red: int, green: int, blue: int, height: int = 36, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), (red, green, blue), dtype=np.uint8)


def texture(width: int = 2000) -> np.ndarray:
    """A smooth random landscape, (90, width) float in [0, 1]."""
    noise = np.random.default_rng(0).normal(size=(90, width))
    spectrum = np.fft.rfft2(noise)
    rows, columns = np.fft.fftfreq(90)[:, None], np.fft.rfftfreq(width)[None, :]
    smooth = np.fft.irfft2(spectrum * np.exp(-(rows**2 + columns**2) * 350), s=noise.shape)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def feed(
    pictures: Sequence[np.ndarray], rate: int = 24, cuts_at: Sequence[int] = ()
) -> CueAccumulator:
    accumulator = CueAccumulator()
    for index, pixels in enumerate(pictures):
        score = 0.9 if index in cuts_at else 0.0
        accumulator.add_frame(Frame(Fraction(index, rate), score, pixels))
    return accumulator


def whole(accumulator: CueAccumulator, duration: Fraction, cuts: Sequence[Cut] = ()) -> Cues:
    return accumulator.cues(cuts, duration, Fraction(0), duration)


def panned(speed: float, rate: int, seconds: int = 1) -> list[np.ndarray]:
    """The landscape moving at `speed` picture widths a second, 160 px wide."""
    landscape = texture()
    pictures = []
    for index in range(rate * seconds):
        at = np.arange(160) + speed * 160 * index / rate
        row = np.array([np.interp(at, np.arange(landscape.shape[1]), line) for line in landscape])
        grey = (row * 255).round().astype(np.uint8)
        pictures.append(np.repeat(grey[..., None], 3, axis=2))
    return pictures


@pytest.mark.parametrize(
    ("colour", "brightness", "saturation"),
    [
        ((0, 0, 0), 0.0, 0.0),
        ((255, 255, 255), 1.0, 0.0),
        ((0, 255, 0), 0.7152, 1.0),
        ((102, 51, 51), 0.2 + 0.2 * 0.2126, 0.2),
    ],
)
def test_brightness_and_saturation_of_plain_colours(
    colour: tuple[int, int, int], brightness: float, saturation: float
) -> None:
    seen = whole(feed([plain(*colour)] * 24), Fraction(1))
    assert seen.brightness == pytest.approx(brightness, abs=1e-3)
    assert seen.saturation == pytest.approx(saturation, abs=1e-3)


def test_black_bars_do_not_darken_the_film() -> None:
    wide = plain(200, 100, 100, height=64)
    wide[:16] = wide[-16:] = 0
    dark_start = [plain(0, 0, 0, height=64)] * 12
    barred = whole(feed([*dark_start, *[wide] * 12]), Fraction(1))
    clean = whole(feed([*dark_start, *[plain(200, 100, 100, height=64)] * 12]), Fraction(1))
    assert barred.brightness == pytest.approx(clean.brightness, rel=1e-3)
    assert barred.saturation == pytest.approx(clean.saturation, rel=1e-3)


def test_frames_count_for_as_long_as_they_show() -> None:
    """Variable frame rate: white for 0.9 s in one frame, black for 0.1 s in nine."""
    accumulator = CueAccumulator()
    accumulator.add_frame(Frame(Fraction(0), 0.0, plain(255, 255, 255)))
    for index in range(9):
        accumulator.add_frame(Frame(Fraction(90 + index, 100), 0.0, plain(0, 0, 0)))
    assert whole(accumulator, Fraction(1)).brightness == pytest.approx(0.9)


@pytest.mark.parametrize("rate", [12, 24, 30, 60])
@pytest.mark.parametrize("speed", [0.02, 0.1, 0.3])
def test_motion_is_a_speed_at_any_frame_rate(rate: int, speed: float) -> None:
    motion = whole(feed(panned(speed, rate), rate), Fraction(1)).motion
    assert motion == pytest.approx(speed, rel=0.25)


def test_motion_does_not_depend_on_contrast() -> None:
    pictures = panned(0.1, 24)
    faded = [(picture // 2 + 60).astype(np.uint8) for picture in pictures]
    full, low = whole(feed(pictures), Fraction(1)).motion, whole(feed(faded), Fraction(1)).motion
    assert full is not None
    assert low == pytest.approx(full, rel=0.25)


def test_noise_at_a_high_frame_rate_is_not_speed() -> None:
    """Two grey levels of flicker at 240 fps, seen every 1/240 s, would look eight times as fast."""
    still = panned(0.0, 1)[0]
    pictures = [still, np.minimum(still, 253) + 2] * 120
    at_240 = whole(feed(pictures, 240), Fraction(1)).motion
    at_30 = whole(feed(pictures[:30], 30), Fraction(1)).motion
    assert at_240 is not None
    assert at_30 is not None
    assert at_240 < 2 * at_30


def test_a_cut_is_not_motion() -> None:
    still = panned(0.0, 1)[0]
    other = still[:, ::-1].copy()
    pictures = [still] * 12 + [other] * 12
    assert whole(feed(pictures, cuts_at=[12]), Fraction(1)).motion == pytest.approx(0, abs=1e-6)
    without = whole(feed(pictures), Fraction(1)).motion
    assert without is not None
    assert without > 0.01


def test_faster_cutting_is_denser() -> None:
    accumulator = feed([plain(90, 90, 90)] * 24)
    densities = []
    for gap in (1, 2, 5, 10, 20, 60):
        cuts = [Cut(Fraction(at), 0.5, True) for at in range(gap, 60, gap)]
        densities.append(whole(accumulator, Fraction(60), cuts).cut_density)
    assert densities == sorted(densities, reverse=True)
    assert densities[2] == pytest.approx(math.exp(-5 / 12), abs=1e-6)


def test_a_one_second_clip_is_not_rapid_cutting() -> None:
    seen = whole(feed([plain(90, 90, 90)] * 24), Fraction(1))
    assert seen.cut_density == pytest.approx(math.exp(-5 / 12))


def test_loudness_of_a_tone() -> None:
    """A sine of amplitude 0.5 has an RMS of 9.03 dB below full scale."""
    accumulator = feed([plain(90, 90, 90)] * 48)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 8000)
    accumulator.add_audio(tone.astype(np.float32), 8000)
    assert whole(accumulator, Fraction(2)).loudness == pytest.approx(-9.03, abs=0.01)


@given(st.lists(st.integers(0, 3000), max_size=20))
@settings(deadline=None)
def test_loudness_does_not_depend_on_the_blocks(sizes: list[int]) -> None:
    rate = 8000
    swelling = np.linspace(0.001, 1, 2 * rate, dtype=np.float32)
    at_once, in_blocks = (feed([plain(90, 90, 90)] * 48) for _ in range(2))
    at_once.add_audio(swelling, rate)
    for block in np.split(swelling, np.minimum(np.cumsum(sizes, dtype=int), len(swelling))):
        in_blocks.add_audio(block, rate)
    for start in (Fraction(0), Fraction(1), Fraction(19, 10)):
        expected = at_once.cues([], Fraction(2), start, start + Fraction(1, 10)).loudness
        assert in_blocks.cues([], Fraction(2), start, start + Fraction(1, 10)).loudness == expected


def test_loudness_belongs_to_its_scene() -> None:
    rate = 8000
    accumulator = feed([plain(90, 90, 90)] * 240)
    accumulator.add_audio(np.full(5 * rate, 0.01, dtype=np.float32), rate)
    accumulator.add_audio(np.full(5 * rate, 0.5, dtype=np.float32), rate)
    quiet = accumulator.cues([], Fraction(10), Fraction(0), Fraction(5)).loudness
    loud = accumulator.cues([], Fraction(10), Fraction(5), Fraction(10)).loudness
    assert quiet == pytest.approx(-40, abs=0.1)
    assert loud == pytest.approx(-6.02, abs=0.1)


@pytest.mark.parametrize("sound", [None, np.zeros(16000, dtype=np.float32)])
def test_a_film_without_sound_says_so(sound: np.ndarray | None) -> None:
    accumulator = feed([plain(90, 90, 90)] * 24)
    if sound is not None:
        accumulator.add_audio(sound, 16000)
    report = accumulator.report([], Fraction(1))
    assert whole(accumulator, Fraction(1)).loudness is None
    assert dict(report.findings)["Loudness"] == "the film has no sound"
    assert report.status == "ran"


@given(cues)
def test_any_cues_give_a_modest_distribution(seen: Cues) -> None:
    probabilities = probabilities_of(seen)
    assert math.fsum(probabilities) == pytest.approx(1)
    assert min(probabilities) > 0
    assert max(probabilities) < 0.85


def test_an_average_film_is_nearly_undecided() -> None:
    assert mood_scores(AVERAGE) == pytest.approx((0, 0), abs=0.05)
    assert max(probabilities_of(AVERAGE)) < 0.25
    assert min(probabilities_of(AVERAGE)) > 0.12


@given(cues, st.floats(0.01, 0.5))
def test_brighter_is_more_pleasant_and_calmer(seen: Cues, step: float) -> None:
    brighter = Cues(
        min(1.0, seen.brightness + step),
        seen.saturation,
        seen.motion,
        seen.cut_density,
        seen.loudness,
    )
    (pleasure, arousal), (more, calmer) = mood_scores(seen), mood_scores(brighter)
    assert more >= pleasure
    assert calmer <= arousal


def test_directions_of_the_published_equations() -> None:
    bright = Cues(0.65, 0.25, 0.4, 0.9, -10.0)
    dim_and_slow = Cues(0.12, 0.05, 0.01, 0.1, -40.0)
    dim_and_fast = Cues(0.12, 0.3, 0.5, 0.95, -8.0)
    assert int(np.argmax(probabilities_of(bright))) in (JOY, SURPRISE)
    assert int(np.argmax(probabilities_of(dim_and_slow))) == SADNESS
    assert int(np.argmax(probabilities_of(dim_and_fast))) in (ANGER, FEAR)


def test_scenes_tile_the_film_at_the_kept_cuts() -> None:
    pictures = [plain(20, 20, 30)] * 120 + [plain(220, 190, 120)] * 120
    cuts = (
        Cut(Fraction(2), 0.3, False),
        Cut(Fraction(5), 0.8, True),
        Cut(Fraction(6), 0.4, False),
    )
    reading = feed(pictures, cuts_at=[120]).reading(cuts, Fraction(10))
    assert [(s.start, s.end) for s in reading.scenes] == [
        (Fraction(0), Fraction(5)),
        (Fraction(5), Fraction(10)),
    ]
    dark, bright = (scene.probabilities for scene in reading.scenes)
    assert bright[JOY] > 2 * dark[JOY]
    assert "built-in reading" in reading.source
    (report,) = reading.reports
    assert report.vectors is not None
    assert report.vectors.shape == (2, 5)
    assert dict(report.findings)["Cut rate"].startswith("fast (3 cuts, shots of 2.5 s")


def test_a_film_of_one_frame_has_a_reading() -> None:
    reading = feed([plain(90, 90, 90)]).reading((), Fraction(1, 24))
    assert len(reading.probabilities) == len(EMOTIONS)
    assert dict(reading.reports[0].findings)["Motion"].startswith("not measurable")


def test_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="no frame"):
        CueAccumulator().reading((), Fraction(1))


def read_film(path: Path) -> EmotionReading:
    film, cancel = probe(path), CancelToken()
    accumulator, detector = CueAccumulator(), ThresholdDetector(CutSettings())
    for frame in stream_frames(film, cancel, width=160):
        accumulator.add_frame(frame)
        detector.add_frame(frame)
    for block in iter_audio(film, 16000, cancel):
        accumulator.add_audio(block, 16000)
    return accumulator.reading(detector.cuts, film.duration)


def test_the_demo_film_is_read_scene_by_scene(demo_film: Path) -> None:
    """Its darkest scenes, first and last, must be the least pleasant; nothing is sure."""
    reading = read_film(demo_film)
    joys = [scene.probabilities[JOY] for scene in reading.scenes]
    assert len(joys) == 10
    assert sorted(range(10), key=joys.__getitem__)[:2] == [0, 9]
    assert max(reading.probabilities) < 0.3
    findings = dict(reading.reports[0].findings)
    assert findings["Brightness"] == "medium (0.36 of 1)"
    assert findings["Cut rate"] == "medium (20 cuts, shots of 2.9 s on average)"


def test_a_rendered_film_goes_all_the_way(films: Films) -> None:
    """A red picture with a tone, made by FFmpeg: the colours and level that were asked for."""
    path = films.render(
        "red.mp4",
        "-f", "lavfi", "-i", "color=0x800000:s=320x240:r=25:d=2",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=2,volume=4dB",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac",
    )  # fmt: skip
    reading = read_film(path)
    findings = dict(reading.reports[0].findings)
    assert findings["Brightness"].startswith("dark (0.1")
    assert findings["Saturation"].startswith(("colourful (0.49", "colourful (0.50"))
    assert findings["Motion"].startswith("still (0.00")
    assert findings["Cut rate"] == "no cuts in 2.0 s"
    # FFmpeg's sine has an amplitude of 1/8: 18 dB down, 3 more for RMS, and 4 up again.
    assert findings["Loudness"] == "medium (-17 dB)"


def test_a_minute_of_film_costs_less_than_two_seconds() -> None:
    pictures = panned(0.1, 24)
    accumulator = CueAccumulator()
    started = time.process_time()
    for index in range(1440):
        accumulator.add_frame(Frame(Fraction(index, 24), 0.0, pictures[index % 24]))
    accumulator.add_audio(np.zeros(60 * 16000, dtype=np.float32), 16000)
    accumulator.reading((), Fraction(60))
    assert time.process_time() - started < 2
