"""A scored film is compared with the film it was made of, without the product's own reading."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from emsync.film.ffmpeg import ffmpeg_executable
from emsync.results import Result
from trials.making import BEEP_SECONDS
from trials.trial import Wrong
from trials.watching import (
    DECODE_SECONDS,
    SOUND_RATE,
    Played,
    Seen,
    beep_at,
    boxes,
    listen,
    pictures,
    tone_in,
    watch,
)

_MILLISECOND = Fraction(1, 1000)
_CUT_TOLERANCE = 0.1
_SOUND_TOLERANCE = 1024 / SOUND_RATE + 0.05
"""Seconds by which the sound may be shorter or longer than the picture: one AAC frame and a bit."""
_BEEP_TOLERANCE = 0.03
"""Seconds; what is 40 ms apart is seen (ITU-R BT.1359)."""
_SILENCE = 10 ** (-60 / 20)
"""Root of the mean square of samples in [-1, 1]."""
_PICTURE_TOLERANCE = 8.0
"""Mean difference of 8-bit colours that encoding, and the shrinking of odd sizes, explain."""
_TONE_AMPLITUDE = 0.05
"""Full scale is 1: music has less at the pitch of the beep, and the film's own sound more."""
_HIGH_RANGE = {16, 18}
"""Transfers of high dynamic range, PQ and HLG, as numbered in ITU-T H.273."""
_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High", "Progressive High",
             "Constrained High"}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What is known of a film before it is scored; None where nothing is.

    Attributes:
        frames: how many.
        seconds: length of the film, that of its picture if None.
        lead: seconds that the first frame is held because the sound begins before it.
        size: width and height as shown.
        cuts: seconds of all cuts.
        beep: seconds from the first frame at which the beep is heard in the scored film.
        replaced: none of the film's own sound is heard in the scored film.
        codec, profile, pixels, turned, start, sound, oddities: of the film, as in `Seen`; it may
            have more oddities.
        transfer: of its colours, as numbered in ITU-T H.273.
    """

    frames: int | None = None
    seconds: Fraction | None = None
    size: tuple[int, int] | None = None
    cuts: tuple[float, ...] | None = None
    beep: float | None = None
    replaced: bool = False
    codec: str | None = None
    profile: str | None = None
    pixels: str | None = None
    turned: int | None = None
    start: float | None = None
    sound: tuple[str, int, int] | tuple[()] | None = None
    transfer: int | None = None
    oddities: frozenset[str] = frozenset()
    lead: Fraction = Fraction(0)


def check(path: Path, result: Result, known: Known) -> str:
    """Compare a scored film with the film it was made of.

    Returns:
        What came, in a few words.

    Raises:
        Wrong: something is not as promised.
    """
    before, after = watch(path), watch(result.video)
    problems = [
        *about_source(before, known),
        *about_times(before, after, known),
        *about_form(before, after, result.video),
        *about_pictures(path, result.video, before, after),
        *about_sound(after, result.video, known),
        *about_cuts(after, result, known),
    ]
    if problems:
        raise Wrong("; ".join(problems))
    way = "copied" if result.mux.stream_copied else "encoded"
    cuts = len(result.analysis.cuts)
    return (
        f"{way}, {len(after.times)} frames in {float(after.end):.3f} s, "
        f"{after.width} × {after.height}, {cuts} cut{'s' * (cuts != 1)}"
    )


def about_source(before: Seen, known: Known) -> Iterator[str]:
    """Yield how the film is not the one that was to be made, so that its score shows nothing."""
    if known.frames is not None and len(before.times) != known.frames:
        yield f"the film made has {len(before.times)} frames, not {known.frames}"
    if known.size is not None and (before.width, before.height) != known.size:
        yield f"the film made has {before.width} × {before.height} pixels, not {known.size}"
    for name in ("codec", "profile", "pixels", "turned", "sound"):
        told, found = getattr(known, name), getattr(before, name)
        if told is not None and found != told:
            yield f"the film made has {name} {found}, not {told}"
    if known.start is not None and abs(float(before.start) - known.start) > 0.1:
        yield f"the film made starts at {float(before.start):.3f} s, not {known.start} s"
    if known.transfer is not None and before.colours[1] != known.transfer:
        yield f"the film made has transfer {before.colours[1]}, not {known.transfer}"
    if lacking := known.oddities - before.oddities:
        yield f"the film made lacks: {', '.join(sorted(lacking))}"


def about_times(before: Seen, after: Seen, known: Known) -> Iterator[str]:
    seconds = before.end if known.seconds is None else known.seconds
    frame = min(before.end / len(before.times), Fraction(1, 25))
    if abs(after.end - seconds) > frame + _MILLISECOND:
        yield f"it lasts {float(after.end):.3f} s, the film {float(seconds):.3f} s"
    if abs(after.length - seconds) > frame + _MILLISECOND + Fraction(_SOUND_TOLERANCE):
        yield f"its header says {float(after.length):.3f} s, the film has {float(seconds):.3f} s"
    if abs(after.start) > _MILLISECOND:
        yield f"it starts at {float(after.start):.3f} s"
    if len(after.times) != len(before.times):
        yield f"it has {len(after.times)} frames, the film {len(before.times)}"
        return
    expected = [time + known.lead if time else time for time in before.times]
    apart = max(abs(a - b) for a, b in zip(after.times, expected, strict=True))
    if apart > Fraction(3, 2000):  # Matroska counts in milliseconds
        yield f"a frame is shown {float(apart):.4f} s off its time"


def about_form(before: Seen, after: Seen, video: Path) -> Iterator[str]:
    """Yield what keeps browsers from playing it: codecs, pixels, size and order in the file."""
    if after.codec != "h264" or after.profile not in _PROFILES:
        yield f"its picture is {after.codec} {after.profile}"
    if after.pixels not in ("yuv420p", "yuvj420p"):
        yield f"its pixels are {after.pixels}"
    lacking = before.width - after.width, before.height - after.height
    # H.264 has even sizes: a line or a column less, or, of pictures of one line, one more.
    if not all(lack in (0, 1) for lack in lacking) and min(after.width, after.height) > 2:
        yield (
            f"it is {after.width} × {after.height} pixels large, the film "
            f"{before.width} × {before.height}"
        )
    # Players guess the matrix where none is told, and for large pictures not the one of small ones.
    ordinary = before.mixed or (before.colours[1] in _HIGH_RANGE and after.pixels == "yuv420p")
    told = (1, 1, 1) if ordinary else before.colours
    if any(was not in (2, now) for was, now in zip(told, after.colours, strict=True)):
        yield f"its colours are numbered {after.colours}, not {told}"
    if sorted(after.streams) != ["audio", "video"]:
        yield f"it has {', '.join(after.streams)}"
    elif after.sound not in (("aac", 44_100, 1), ("aac", 44_100, 2)):
        yield f"its sound is {after.sound}"
    kinds = boxes(video)
    if b"moov" not in kinds or kinds.index(b"moov") > kinds.index(b"mdat"):
        yield "it plays only when all of it is there"
    try:
        command = [ffmpeg_executable(), "-nostdin", "-v", "error", "-xerror"]
        read = [*command, "-i", f"file:{video}", "-map", "0", "-f", "null", "-"]
        done = subprocess.run(read, capture_output=True, timeout=DECODE_SECONDS)
    except subprocess.TimeoutExpired:
        yield "decoding it does not end"
        return
    if done.returncode or done.stderr:
        yield f"decoding it gives: {done.stderr.decode(errors='replace').strip()}"


def about_pictures(path: Path, video: Path, before: Seen, after: Seen) -> Iterator[str]:
    """Yield frames that show something else than before.

    Of two moments in a frame one is shown, and the lines of the other are made anew. What high
    dynamic range is to look like on ordinary screens, another table of colours would say.
    """
    interlaced = "interlaced" in before.oddities
    old, new = pictures(path, interlaced), pictures(video)
    if interlaced:
        if "interlaced" in after.oddities:
            yield "it is still interlaced"
        if np.abs(old[::2].astype(np.int16) - old[1::2]).mean() < _PICTURE_TOLERANCE:
            yield "the film made shows the same in both its fields"
        old = old[::2]
    if len(old) != len(new):
        yield f"FFmpeg shows {len(new)} pictures, and {len(old)} of the film"
        return
    if before.colours[1] in _HIGH_RANGE:
        return
    apart = np.abs(old.astype(np.int16) - new).mean((1, 2, 3))
    if apart.max() > _PICTURE_TOLERANCE:
        yield f"picture {apart.argmax()} looks different: {apart.max():.1f} of 255"


def about_sound(after: Seen, video: Path, known: Known) -> Iterator[str]:
    if "audio" not in after.streams:
        yield "it has no sound"
        return
    heard = listen(video)
    seconds = len(heard) / SOUND_RATE
    if abs(seconds - after.end) > _SOUND_TOLERANCE:
        yield f"its sound lasts {seconds:.3f} s, its picture {float(after.end):.3f} s"
    if _loudness(heard) < _SILENCE:
        yield "its sound is silent"
    if known.replaced and tone_in(heard) > _TONE_AMPLITUDE:
        yield f"the film's own sound is in it: {tone_in(heard):.3f} of full scale"
    if known.beep is not None:
        if abs(beep_at(heard) - known.beep) > _BEEP_TOLERANCE:
            yield f"the beep is at {beep_at(heard):.3f} s, not {known.beep:.3f} s"
        times = np.arange(len(heard)) / SOUND_RATE - known.beep
        if _loudness(heard[(times < -0.1) | (times > BEEP_SECONDS + 0.1)]) < _SILENCE:
            yield "nothing but the beep is heard"


def _loudness(samples: np.ndarray) -> float:
    """Return the root of the mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def about_cuts(after: Seen, result: Result, known: Known) -> Iterator[str]:
    found = [float(cut.time) for cut in result.analysis.cuts]
    kept = result.analysis.boundaries
    if found != sorted(set(found)) or list(kept) != sorted(set(kept)):
        yield "cuts are out of order"
    if any(not 0 < time < after.end for time in (*found, *kept)):
        yield f"a cut lies outside the film: {found}"
    if any(b - a < 4 - 1e-6 for a, b in pairwise(kept)):
        yield f"kept cuts are less than 4 s apart: {kept}"
    if known.cuts is None:
        return
    if len(found) != len(known.cuts) or any(
        abs(a - b) > _CUT_TOLERANCE for a, b in zip(found, known.cuts, strict=True)
    ):
        yield f"cuts were found at {[round(time, 3) for time in found]}, not {list(known.cuts)}"


def check_played(played: Played, video: Path) -> None:
    """Compare what the browser shows with the file.

    Raises:
        Wrong: it does not play, or is of another size or length.
    """
    seen = watch(video)
    if played.error:
        raise Wrong(f"the browser says: {played.error}")
    if abs(played.duration - seen.end) > 0.1:
        raise Wrong(f"the browser says it lasts {played.duration:.3f} s")
    if max(abs(played.width - seen.width), abs(played.height - seen.height)) > 1:
        raise Wrong(f"the browser shows {played.width} × {played.height} pixels")
    if played.seconds < min(0.4, float(seen.end) - 0.2):
        raise Wrong(f"the browser stops at {played.seconds:.2f} s")
