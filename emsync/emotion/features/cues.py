"""The built-in reading: emotion from five plain cues, with no weights at all.

Brightness and saturation of the picture follow Valdez & Mehrabian, "Effects of color on emotions"
(J. Exp. Psychol. General 123, 1994), in standardised variables:

    pleasure = .69 brightness + .22 saturation
    arousal  = -.31 brightness + .60 saturation

Motion, cut density and sound energy raise arousal as in Hanjalic & Xu, "Affective video content
representation and modeling" (IEEE Trans. Multimedia 7, 2005): the mean speed of the picture, a
density that decays exponentially with the distance between the cuts around a frame, and the
energy of the sound.

From there to six probabilities (ours): the two scores are taken to be measurements of the true
mood that correlate with it by no more than `RELIABILITY`. The six emotions of table 6.1 are equally
likely beforehand, and the likelihood of each is its Gaussian, shrunk and widened by that much.
An average film therefore reads as nearly undecided, and no film reads as certain.

What "average" means is an assumption, not a measurement: see `REFERENCE`.
"""

import math
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from emsync.emotion.features.report import FeatureReport
from emsync.emotion.mapping import TABLE_6_1
from emsync.emotion.reading import EmotionReading, SceneReading
from emsync.settings import CutSettings

if TYPE_CHECKING:
    from emsync.film.frames import Frame
    from emsync.film.scenes import Cut

SOURCE = "built-in reading (brightness, saturation, motion, cut rate, loudness)"
"""`EmotionReading.source` of this module."""


@dataclass(frozen=True)
class Reference:
    """Mean and standard deviation of one cue over films in general."""

    mean: float
    sd: float

    def score(self, value: float) -> float:
        """Return the standard score, kept within 2.5 so that no single cue decides alone."""
        return min(2.5, max(-2.5, (value - self.mean) / self.sd))


@dataclass(frozen=True)
class References:
    """What an average film looks and sounds like.

    Round numbers of ours: Valdez & Mehrabian standardised over colour chips and Hanjalic & Xu over
    each film, and neither gives a population of films. They only decide what counts as "average";
    the one for loudness was moved once, after a look at four clips, and nothing else was fitted.
    """

    brightness: Reference = Reference(0.35, 0.15)
    """Mean BT.709 luma of the gamma-coded picture, 0 black to 1 white. Films are darker than the
    middle grey of photographs."""
    saturation: Reference = Reference(0.15, 0.08)
    """Mean of largest minus smallest of red, green, blue, 0 to 1; the saturation of the IHLS
    colour space, which near-black pixels cannot inflate."""
    motion: Reference = Reference(math.log(0.1), 0.8)
    """Natural logarithm of the mean speed in picture widths a second."""
    cut_density: Reference = Reference(math.exp(-5 / 12), 0.2)
    """Shots of 5 s, about the mean of recent feature films (Cutting et al., i-Perception 2011)."""
    loudness: Reference = Reference(-20.0, 6.0)
    """Decibels below full scale; broadcasting aims at -23 (EBU R 128), the web at about -14."""


REFERENCE = References()

RELIABILITY = 0.5
"""Correlation granted between a cue score and the true mood. Ours: the equations above imply .72
(the root of .69² + .22²) for bare colour chips, and a film is more than its colours."""

CUT_DECAY_SECONDS = 12.0
"""Shots much longer than this count as no cutting at all. Ours."""

_PLEASURE_OF_BRIGHTNESS, _PLEASURE_OF_SATURATION = 0.69, 0.22
_AROUSAL_OF_BRIGHTNESS, _AROUSAL_OF_SATURATION = -0.31, 0.60
_AROUSAL_CORRELATION = 0.25  # assumed between any two arousal cues, to standardise their mean

_LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32) / 255
_MAXIMUM_SIDE = 200  # pixels of the picture in which motion is measured; more is only slower
_MINIMUM_STEP = 1 / 31  # seconds between compared frames: 60 fps noise must not look like speed
_MAXIMUM_STEP = 1.0  # seconds; further apart, a difference says nothing about speed
_SLOWEST = 0.005  # picture widths a second that count as standing still
_FLAT = 3e-5  # squared slope, luma per pixel, below which a picture shows nothing that moves
_BLACK = 0.06  # a row or column that never gets brighter than this is a bar
_LOUDNESS_SECONDS = 0.1
_SILENCE = 1e-8  # mean square of -80 dB: no sound at all


@dataclass(frozen=True)
class Cues:
    """The five cues over one stretch of film.

    Attributes:
        brightness: 0 to 1, black bars not counted.
        saturation: 0 to 1, black bars not counted.
        motion: picture widths a second; None if no two frames could be compared.
        cut_density: 0 (one endless shot) to 1 (a cut at every frame).
        loudness: decibels below full scale, at least -80; None if the film has no sound.
    """

    brightness: float
    saturation: float
    motion: float | None
    cut_density: float
    loudness: float | None

    def scores(self) -> tuple[float | None, ...]:
        """Return standard scores in the order of the attributes; None where there is no cue."""
        motion = None if self.motion is None else math.log(self.motion + _SLOWEST)
        return (
            REFERENCE.brightness.score(self.brightness),
            REFERENCE.saturation.score(self.saturation),
            None if motion is None else REFERENCE.motion.score(motion),
            REFERENCE.cut_density.score(self.cut_density),
            None if self.loudness is None else REFERENCE.loudness.score(self.loudness),
        )


class CueAccumulator:
    """Fed the film once, frame by frame; keeps a few numbers per frame and no picture but one.

    Call `add_frame` for every frame in order and `add_audio` for the sound from the film's start,
    in blocks of any length, in whatever order the two arrive; then `reading`.
    """

    def __init__(self, cut_threshold: float = CutSettings().threshold) -> None:
        """Begin with nothing.

        Args:
            cut_threshold: scene score above which two frames are not compared for motion.
        """
        self._cut_threshold = cut_threshold
        self._times = array("d")
        self._brightness = array("d")
        self._saturation = array("d")
        self._motion = array("d")
        self._compared: tuple[float, np.ndarray] | None = None
        self._row_peak: np.ndarray | None = None
        self._column_peak: np.ndarray | None = None
        self._energies = array("d")
        self._sample_rate: int | None = None
        self._rest = np.empty(0, dtype=np.float32)
        self._seconds = 0.0

    def add_frame(self, frame: "Frame") -> None:
        """Take in the next frame."""
        started = time.perf_counter()
        luma = _shrunk(frame.pixels.astype(np.float32) @ _LUMA)  # (rows, columns) in [0, 1]
        red, green, blue = frame.pixels[..., 0], frame.pixels[..., 1], frame.pixels[..., 2]
        chroma = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        now = float(frame.time)
        self._times.append(now)
        self._brightness.append(float(luma.mean()))
        self._saturation.append(float(chroma.mean()) / 255)
        self._motion.append(self._speed(now, luma, frame.scene_score > self._cut_threshold))
        self._watch_bars(luma)
        self._seconds += time.perf_counter() - started

    def add_audio(self, block: np.ndarray, sample_rate: int) -> None:
        """Take in the next samples.

        Args:
            block: mono float samples (n,), full scale 1; the first ever belongs to film time 0.
            sample_rate: Hz, the same for every block.
        """
        started = time.perf_counter()
        if self._sample_rate not in (None, sample_rate):
            raise ValueError(f"sample rate changed from {self._sample_rate} to {sample_rate}")
        self._sample_rate = sample_rate
        size = self._window(sample_rate)
        samples = np.concatenate([self._rest, np.asarray(block, dtype=np.float32)])
        whole = len(samples) // size * size
        if whole:
            windows = samples[:whole].reshape(-1, size)
            self._energies.extend(np.einsum("ij,ij->i", windows, windows) / size)
        self._rest = samples[whole:].copy()
        self._seconds += time.perf_counter() - started

    def reading(self, cuts: Sequence["Cut"], duration: Fraction) -> EmotionReading:
        """Return six probabilities for the film and for every stretch between kept cuts.

        Args:
            cuts: all candidates in order of time; density counts all of them, scenes only the kept.
            duration: seconds of the picture.

        Raises:
            ValueError: if no frame was added.
        """
        scenes = _scenes(cuts, duration)
        whole = self.cues(cuts, duration, Fraction(0), duration)
        parts = [self.cues(cuts, duration, start, end) for start, end in scenes]
        return EmotionReading(
            probabilities=probabilities_of(whole),
            source=SOURCE,
            scenes=tuple(
                SceneReading(start, end, probabilities_of(part))
                for (start, end), part in zip(scenes, parts, strict=True)
            ),
            reports=(self._report(whole, parts, cuts, duration),),
        )

    def report(self, cuts: Sequence["Cut"], duration: Fraction) -> FeatureReport:
        """Return what was seen, without the emotions; arguments as for `reading`."""
        return self.reading(cuts, duration).reports[0]

    def cues(
        self, cuts: Sequence["Cut"], duration: Fraction, start: Fraction, end: Fraction
    ) -> Cues:
        """Return the five cues between two moments, in seconds.

        Every frame counts for as long as it shows.

        Raises:
            ValueError: if no frame was added.
        """
        if not self._times:
            raise ValueError("no frame was added")
        times = np.asarray(self._times)
        ends = np.append(times[1:], max(float(duration), times[-1]))
        shown = np.minimum(ends, float(end)) - np.maximum(times, float(start))
        shown = np.maximum(shown, 0.0)
        if not shown.any():
            # A stretch shorter than a frame, or a film of one frame without length.
            shown[max(0, int(np.searchsorted(times, float(start), side="right")) - 1)] = 1.0
        visible = self._visible_share()
        motion = np.asarray(self._motion)
        moving = np.where(np.isnan(motion), 0.0, shown)
        return Cues(
            brightness=min(1.0, float(np.average(self._brightness, weights=shown)) / visible),
            saturation=min(1.0, float(np.average(self._saturation, weights=shown)) / visible),
            motion=(
                float(np.average(np.nan_to_num(motion), weights=moving)) if moving.any() else None
            ),
            cut_density=_cut_density(cuts, duration, start, end),
            loudness=self._loudness(start, end),
        )

    def _speed(self, now: float, luma: np.ndarray, is_cut: bool) -> float:
        """Return the mean speed since the last compared frame, in picture widths a second.

        It is NaN where there is none to compare with.

        Brightness change divided by brightness slope is the displacement along the slope; weighting
        by the slope keeps flat areas, where it is undefined, from having a say. The contrast of the
        picture cancels out. Slopes in all directions see 2 / pi of a displacement on average.
        Hanjalic & Xu match blocks, which costs far more and needs more pixels.
        """
        if self._compared is None or is_cut or self._compared[1].shape != luma.shape:
            self._compared = (now, luma)
            return math.nan
        before, previous = self._compared
        step = now - before
        if step < _MINIMUM_STEP:
            return math.nan
        self._compared = (now, luma)
        if step > _MAXIMUM_STEP or min(luma.shape) < 3:
            return math.nan
        middle = (previous + luma) / 2
        across = (middle[1:-1, 2:] - middle[1:-1, :-2]) / 2
        down = (middle[2:, 1:-1] - middle[:-2, 1:-1]) / 2
        squared_slope = across * across + down * down
        change = np.abs(luma - previous)[1:-1, 1:-1]
        pixels = float((change * np.sqrt(squared_slope)).mean()) / (
            float(squared_slope.mean()) + _FLAT
        )
        return math.pi / 2 * pixels / luma.shape[1] / step

    def _watch_bars(self, luma: np.ndarray) -> None:
        """Keep how bright each row and each column has ever been."""
        rows, columns = luma.mean(axis=1), luma.mean(axis=0)
        if self._row_peak is None or self._column_peak is None:
            self._row_peak, self._column_peak = rows, columns
        elif (len(self._row_peak), len(self._column_peak)) == luma.shape:
            np.maximum(self._row_peak, rows, out=self._row_peak)
            np.maximum(self._column_peak, columns, out=self._column_peak)

    def _visible_share(self) -> float:
        """Return the share of the picture that is not a black bar at its edge, in (0, 1].

        It is 1 if all is black.

        Bars add next to nothing to the sums of brightness and saturation, so dividing the means by
        this share removes them without knowing them before the film has been seen.
        """
        share = 1.0
        for peak in (self._row_peak, self._column_peak):
            bright = np.flatnonzero(peak > _BLACK) if peak is not None else np.empty(0)
            if peak is not None and len(bright):
                share *= (bright[-1] - bright[0] + 1) / len(peak)
        return float(share)

    @staticmethod
    def _window(sample_rate: int) -> int:
        """Return the samples over which energy is averaged."""
        return max(1, round(_LOUDNESS_SECONDS * sample_rate))

    def _loudness(self, start: Fraction, end: Fraction) -> float | None:
        """Return decibels below full scale between two moments; None if the film has no sound."""
        energies, size, rate = self._all_energies()
        if not len(energies) or energies.max() < _SILENCE:
            return None
        first = int(float(start) * rate / size)
        last = max(first + 1, math.ceil(float(end) * rate / size))
        part = energies[first:last]
        # Sound may end before the picture does; what follows is silence.
        energy = float(part.mean()) if len(part) else 0.0
        return 10 * math.log10(max(energy, _SILENCE))

    def _all_energies(self) -> tuple[np.ndarray, int, int]:
        """Return the mean square of every window, samples a window, and the sample rate."""
        rate = self._sample_rate or 1
        energies = np.asarray(self._energies)
        if not len(energies) and len(self._rest):
            energies = np.array([float(np.mean(self._rest.astype(np.float64) ** 2))])
        return energies, self._window(rate), rate

    def _report(
        self, whole: Cues, parts: Sequence[Cues], cuts: Sequence["Cut"], duration: Fraction
    ) -> FeatureReport:
        """Return the report on the cues of the whole film and of its scenes."""
        vectors = np.array(
            [[math.nan if s is None else s for s in part.scores()] for part in parts]
        )  # (scenes, 5)
        return FeatureReport(
            modality="cues",
            status="ran",
            detail=(
                "Colour, movement, cutting and loudness of the film; "
                "they hint at its mood but do not understand it."
            ),
            vectors=vectors,
            findings=_findings(whole, cuts, duration),
            seconds=self._seconds,
            device="cpu",
        )


def probabilities_of(cues: Cues) -> tuple[float, ...]:
    """Return six probabilities from the five cues, order of `EMOTIONS`; see the module."""
    pleasure, arousal = mood_scores(cues)
    means = np.array([(c.valence_mean, c.arousal_mean) for c in TABLE_6_1])  # (6, 2)
    sds = np.array([(c.valence_sd, c.arousal_sd) for c in TABLE_6_1])
    centre = means.mean(axis=0)
    spread = np.sqrt((sds**2 + means**2).mean(axis=0) - centre**2)
    expected = RELIABILITY * (means - centre) / spread
    variance = (RELIABILITY * sds / spread) ** 2 + 1 - RELIABILITY**2
    squares = (np.array([pleasure, arousal]) - expected) ** 2 / variance
    logarithms = -0.5 * (squares + np.log(variance)).sum(axis=1)
    likelihoods = np.exp(logarithms - logarithms.max())
    return tuple((likelihoods / likelihoods.sum()).tolist())


def mood_scores(cues: Cues) -> tuple[float, float]:
    """Return pleasure and arousal as standard scores: 0 is an average film, 1 one SD above.

    Pleasure comes from colour alone. Arousal is the mean of colour, motion, cut density and
    loudness, as many as there are, each with the same weight as in Hanjalic & Xu.
    """
    brightness, saturation, *others = cues.scores()
    assert brightness is not None and saturation is not None
    pleasure = _PLEASURE_OF_BRIGHTNESS * brightness + _PLEASURE_OF_SATURATION * saturation
    pleasure /= math.hypot(_PLEASURE_OF_BRIGHTNESS, _PLEASURE_OF_SATURATION)
    colour = _AROUSAL_OF_BRIGHTNESS * brightness + _AROUSAL_OF_SATURATION * saturation
    colour /= math.hypot(_AROUSAL_OF_BRIGHTNESS, _AROUSAL_OF_SATURATION)
    terms = [colour, *(score for score in others if score is not None)]
    mean_sd = math.sqrt((1 + (len(terms) - 1) * _AROUSAL_CORRELATION) / len(terms))
    return pleasure, sum(terms) / len(terms) / mean_sd


def _shrunk(luma: np.ndarray) -> np.ndarray:
    """Return means of square blocks, so large that both sides are within the maximum."""
    block = -(-max(luma.shape) // _MAXIMUM_SIDE)
    if block == 1:
        return luma
    rows, columns = luma.shape[0] // block, luma.shape[1] // block
    whole = luma[: max(rows, 1) * block, : max(columns, 1) * block]
    if not rows or not columns:
        return whole
    return whole.reshape(rows, block, columns, block).mean(axis=(1, 3))


def _scenes(cuts: Sequence["Cut"], duration: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Return the stretches between kept cuts."""
    inner = [cut.time for cut in cuts if cut.kept and 0 < cut.time < duration]
    edges = [Fraction(0), *inner, duration]
    return list(pairwise(edges))


def _cut_density(
    cuts: Sequence["Cut"], duration: Fraction, start: Fraction, end: Fraction
) -> float:
    """Return the mean over time of exp(-length of the shot / `CUT_DECAY_SECONDS`), in (0, 1]."""
    inner = [float(cut.time) for cut in cuts if 0 < cut.time < duration]
    if not inner:
        # One shot of which only a piece may be known: a one-second clip is no rapid cutting.
        length = max(float(duration), -CUT_DECAY_SECONDS * math.log(REFERENCE.cut_density.mean))
        return math.exp(-length / CUT_DECAY_SECONDS)
    edges = np.array([0.0, *inner, float(duration)])
    overlap = np.minimum(edges[1:], float(end)) - np.maximum(edges[:-1], float(start))
    density = np.exp(-np.diff(edges) / CUT_DECAY_SECONDS)
    return float(np.average(density, weights=np.maximum(overlap, 1e-9)))


def _findings(cues: Cues, cuts: Sequence["Cut"], duration: Fraction) -> tuple[tuple[str, str], ...]:
    """Return each cue in a word and a number."""
    brightness, saturation, motion, density, loudness = cues.scores()
    pleasure, arousal = mood_scores(cues)
    inside = sum(1 for cut in cuts if 0 < cut.time < duration)
    shot = float(duration) / (inside + 1)
    return (
        (
            "Brightness",
            f"{_word(brightness, 'dark', 'medium', 'bright')} ({cues.brightness:.2f} of 1)",
        ),
        (
            "Saturation",
            f"{_word(saturation, 'muted', 'medium', 'colourful')} ({cues.saturation:.2f} of 1)",
        ),
        (
            "Motion",
            "not measurable (too few frames)"
            if cues.motion is None
            else f"{_word(motion, 'still', 'medium', 'lively')} "
            f"({cues.motion:.2f} picture widths a second)",
        ),
        (
            "Cut rate",
            f"no cuts in {float(duration):.1f} s"
            if not inside
            else f"{_word(density, 'slow', 'medium', 'fast')} "
            f"({inside} {'cut' if inside == 1 else 'cuts'}, shots of {shot:.1f} s on average)",
        ),
        (
            "Loudness",
            "the film has no sound"
            if cues.loudness is None
            else f"{_word(loudness, 'quiet', 'medium', 'loud')} ({cues.loudness:.0f} dB)",
        ),
        ("Pleasure, from colour", _against_average(pleasure)),
        ("Arousal, from all cues", _against_average(arousal)),
    )


def _word(score: float | None, low: str, middle: str, high: str) -> str:
    """Return the word for a standard score; the middle one within half a deviation."""
    if score is None or abs(score) < 0.5:
        return middle
    return high if score > 0 else low


def _against_average(score: float) -> str:
    """Return a standard score in words and as a number, lest the words be taken for more."""
    score = round(score, 1) + 0.0  # no "-0.0"
    if abs(score) < 0.3:
        return f"about average ({score:+.1f} SD)"
    degree = "clearly " if abs(score) >= 1 else "a little "
    return f"{degree}{'above' if score > 0 else 'below'} average ({score:+.1f} SD)"
