"""AV-Align: whether the picture moves when the sound begins.

Yariv et al. 2023, "Diverse and Aligned Audio-to-Video Generation via Text-to-Video Model
Adaptation", as their published code computes it: peaks of the mean optical flow (Farneback)
against onsets of the sound (spectral flux), intersection over union within a window of one frame;
the EMSYNC paper adds a window of one second.

    python -m emsync.evaluation.av_align scored.mp4 ...
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emsync.errors import EmsyncError, FilmError, ToolError
from emsync.evaluation.spectrum import mel_power, read_sound
from emsync.film.film import Film
from emsync.film.frames import read_audio, stream_frames
from emsync.film.probe import probe
from emsync.process.command import parser_of
from emsync.progress import CancelToken, silent_share
from emsync.text import quoted

SAMPLE_RATE = 22_050
FRAME, HOP, BANDS = 2048, 512, 128
DYNAMIC_RANGE = 80.0
"""Decibels below the loudest band under which all is silence."""
LOOK_BACK, LOOK_AROUND, PAUSE = 0.03, 0.10, 0.03
"""Seconds: an onset is the highest of the last 30 ms, stands out from 100 ms on both sides, and
the next comes 30 ms later at the earliest."""
PROMINENCE = 0.07
"""By which it stands out, as a share of the highest flux of the whole sound."""
WIDTH = 320
"""Pixels; larger pictures are made smaller first. The published code takes them as they are, which
takes five times as long at 640 × 360 and gave 0.145 where this gives 0.138 (chance: 0.144)."""
SHIFTS = 40


@dataclass(frozen=True)
class Overlap:
    """Peaks and onsets that meet within one window."""

    score: float
    """Published: onsets that are near any peak, over peaks + onsets - these. An onset may share
    its peak with others, so in a wide window the score may exceed 1. NaN without both."""
    matched: float
    """The same with every peak and every onset used once at most; 0 to 1."""
    by_chance: float
    """The published score of the same onsets moved along the film, in a circle, by 1/40 to 39/40
    of its length; the mean of these."""


@dataclass(frozen=True)
class AVAlign:
    """Of one film."""

    film: str
    seconds: float
    flow_peaks: int
    onsets: int
    frame_seconds: float
    at_one_frame: Overlap
    at_one_second: Overlap


def av_align(
    film_path: Path,
    sound_path: Path | None = None,
    width: int = WIDTH,
    advance: Callable[[float], None] = silent_share,
) -> AVAlign:
    """Score a film with its own sound, or with the sound of another file that begins with it.

    Raises:
        EmsyncError: the film cannot be read, has no sound, or OpenCV is not installed.
    """
    film = probe(film_path)
    if sound_path is not None:
        samples = read_sound(sound_path, SAMPLE_RATE)[: round(film.duration * SAMPLE_RATE)]
    elif film.has_audio:
        samples = read_audio(film, SAMPLE_RATE, CancelToken())
    else:
        raise FilmError(f"{quoted(film_path.name)} has no sound to align.")
    onsets = sound_onsets(samples)
    peaks = flow_peaks(*motion(film, width, advance))
    frame_seconds = float(1 / film.frame_rate)
    seconds = float(film.duration)
    return AVAlign(
        film=film_path.name,
        seconds=seconds,
        flow_peaks=len(peaks),
        onsets=len(onsets),
        frame_seconds=frame_seconds,
        at_one_frame=overlap(peaks, onsets, frame_seconds, seconds),
        at_one_second=overlap(peaks, onsets, 1.0, seconds),
    )


def motion(
    film: Film, width: int = WIDTH, advance: Callable[[float], None] = silent_share
) -> tuple[np.ndarray, np.ndarray]:
    """Return times of the frames (frames,), and mean flow from each to the next (frames - 1,) in
    pixels.

    Raises:
        EmsyncError: the film cannot be decoded, or OpenCV is not installed.
    """
    flow = _flow_function()
    before: np.ndarray | None = None
    times: list[float] = []
    magnitudes: list[float] = []
    for frame in stream_frames(film, CancelToken(), width):
        times.append(float(frame.time))
        if before is not None:
            magnitudes.append(flow(before, frame.pixels))
        before = frame.pixels
        if len(times) % 25 == 0:
            advance(min(times[-1] / float(film.duration), 1.0))
    return np.array(times), np.array(magnitudes)


def _flow_function() -> Callable[[np.ndarray, np.ndarray], float]:
    """Mean length, in pixels, of the flow from one RGB picture to the next."""
    try:
        import cv2
    except ImportError as problem:
        raise ToolError(
            "AV-Align needs OpenCV for the optical flow: "
            "`.venv/bin/pip install -r requirements-dev.txt`."
        ) from problem

    def flow(before: np.ndarray, after: np.ndarray) -> float:
        greys = [cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in (before, after)]
        field = cv2.calcOpticalFlowFarneback(
            greys[0],
            greys[1],
            None,  # type: ignore[call-overload]
            pyr_scale=0.5,
            levels=3,
            winsize=15,
            iterations=3,
            poly_n=5,
            poly_sigma=1.2,
            flags=0,
        )
        return float(np.hypot(field[..., 0], field[..., 1]).mean())

    return flow


def flow_peaks(times: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """Return times of the frames into which more moves than into the frames before and after.

    Args:
        times: (frames,) seconds, ascending.
        magnitudes: (frames - 1,) mean flow from each frame to the next.
    """
    inner = magnitudes[1:-1]
    higher = (inner > magnitudes[:-2]) & (inner > magnitudes[2:])
    return np.asarray(times[2:-1][higher])


def sound_onsets(samples: np.ndarray) -> np.ndarray:
    """Return seconds at which something begins to sound.

    The spectral flux (the mean rise over 128 mel bands in decibels from one frame of 23 ms to the
    next) and the choice of its peaks are those of librosa's `onset_detect` with its defaults.

    Args:
        samples: (samples,) float32 at 22.05 kHz.
    """
    flux = spectral_flux(samples)
    flux = flux - flux.min()
    if not flux.any():
        return np.zeros(0)
    frames = _peaks(flux / flux.max())
    return frames * HOP / SAMPLE_RATE


def spectral_flux(samples: np.ndarray) -> np.ndarray:
    """Return (frames,) decibels; frame n tells what begins at sample n × 512."""
    decibels = 10 * np.log10(np.maximum(mel_power(samples, SAMPLE_RATE, FRAME, HOP, BANDS), 1e-10))
    decibels = np.maximum(decibels, decibels.max() - DYNAMIC_RANGE)
    rise = np.maximum(np.diff(decibels, axis=0), 0).mean(1)
    # A frame hears what begins up to half its length after its centre.
    late = 1 + FRAME // (2 * HOP)
    return np.concatenate([np.zeros(late), rise])[: len(decibels)]


def _peaks(flux: np.ndarray) -> np.ndarray:
    """Return frames of the onsets in a flux between 0 and 1."""
    back, around, pause = (
        int(seconds * SAMPLE_RATE // HOP) for seconds in (LOOK_BACK, LOOK_AROUND, PAUSE)
    )
    found = []
    frame = 0
    while frame < len(flux):
        near = flux[max(0, frame - around) : frame + around + 1]
        highest = flux[frame] >= flux[max(0, frame - back) : frame + 1].max()
        if highest and flux[frame] >= near.mean() + PROMINENCE:
            found.append(frame)
            frame += pause
        frame += 1
    return np.array(found, dtype=np.int64)


def overlap(peaks: np.ndarray, onsets: np.ndarray, window: float, duration: float) -> Overlap:
    """Return how well `peaks` and `onsets` (seconds, ascending) meet within less than `window`
    seconds."""
    shifts = duration * np.arange(1, SHIFTS) / SHIFTS
    return Overlap(
        score=_union_share(_near(peaks, onsets, window), peaks, onsets),
        matched=_union_share(_pairs(peaks, onsets, window), peaks, onsets),
        by_chance=float(
            np.mean(
                [
                    _union_share(_near(peaks, (onsets + shift) % duration, window), peaks, onsets)
                    for shift in shifts
                ]
            )
        ),
    )


def _union_share(common: int, peaks: np.ndarray, onsets: np.ndarray) -> float:
    union = len(peaks) + len(onsets) - common
    return common / union if union else float("nan")


def _near(peaks: np.ndarray, onsets: np.ndarray, window: float) -> int:
    """Return onsets less than `window` from any peak."""
    edges = np.concatenate([[-np.inf], peaks, [np.inf]])
    after = np.searchsorted(edges, onsets)
    distance = np.minimum(edges[after] - onsets, onsets - edges[after - 1])
    return int((distance < window).sum())


def _pairs(peaks: np.ndarray, onsets: np.ndarray, window: float) -> int:
    """Return most pairs of a peak and an onset less than `window` apart, each used once."""
    pairs = peak = onset = 0
    while peak < len(peaks) and onset < len(onsets):
        if abs(peaks[peak] - onsets[onset]) < window:
            pairs, peak, onset = pairs + 1, peak + 1, onset + 1
        elif peaks[peak] < onsets[onset]:
            peak += 1
        else:
            onset += 1
    return pairs


def table(films: Sequence[AVAlign]) -> str:
    """Write a line a film: scores at one frame and at one second, chance in brackets."""
    return "".join(
        f"{one.film}: one frame {one.at_one_frame.score:.3f} ({one.at_one_frame.by_chance:.3f}), "
        f"one second {one.at_one_second.score:.3f} ({one.at_one_second.by_chance:.3f}), "
        f"{one.flow_peaks} peaks of motion, {one.onsets} onsets\n"
        for one in films
    )


def main(arguments: list[str] | None = None) -> int:
    """Score the films, print a line each; returns the exit status."""
    parser = parser_of("emsync.evaluation.av_align", __doc__)
    parser.add_argument("films", type=Path, nargs="+", help="films with their music")
    parser.add_argument("--sound", type=Path, help="sound to take instead; for one film only")
    parser.add_argument("--width", type=int, default=WIDTH, help=f"at most, in pixels ({WIDTH})")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)
    if options.sound and len(options.films) > 1:
        parser.error("--sound goes with one film")
    try:
        found = [av_align(path, options.sound, options.width) for path in options.films]
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(table(found), end="")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
