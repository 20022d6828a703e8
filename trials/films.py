"""Films of every kind that people have: `python -m trials.films` makes each, scores it, and looks
at what came, without the product's own reading of films.

Where Playwright and a Chromium are installed, each scored film is played in it as well.
"""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emsync.benchmarks.speed import PeakMemory
from emsync.film.ffmpeg import ffmpeg_executable
from emsync.music.transformer.checkpoint import load
from emsync.pipeline import Result, analyse, score
from emsync.progress import CancelToken, silent
from emsync.settings import OriginalSound, Settings
from trials.making import BEEP_SECONDS, Recipe, Sound, make
from trials.trial import NotHere, Trial, Wrong, main
from trials.watching import (
    DECODE_SECONDS,
    SOUND_RATE,
    Played,
    Player,
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
_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High", "Progressive High",
             "Constrained High"}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What is known of a film before it is scored; None where nothing is.

    Attributes:
        frames: how many.
        seconds: length of the picture.
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


def check(path: Path, result: Result, known: Known) -> str:
    """Compare a scored film with the film it was made of.

    Returns:
        What came, in a few words.

    Raises:
        Wrong: something is not as promised.
    """
    before, after = watch(path), watch(result.video)
    problems = [
        *_about_source(before, known),
        *_about_times(before, after, known),
        *_about_form(before, after, result.video),
        *_about_pictures(path, result.video, "interlaced" in before.oddities),
        *_about_sound(after, result.video, known),
        *_about_cuts(after, result, known),
    ]
    if problems:
        raise Wrong("; ".join(problems))
    way = "copied" if result.mux.stream_copied else "encoded"
    cuts = len(result.analysis.cuts)
    return (
        f"{way}, {len(after.times)} frames in {float(after.end):.3f} s, "
        f"{after.width} × {after.height}, {cuts} cut{'s' * (cuts != 1)}"
    )


def _about_source(before: Seen, known: Known) -> Iterator[str]:
    """The film is the one that was to be made: else nothing is shown by what comes of it."""
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


def _about_times(before: Seen, after: Seen, known: Known) -> Iterator[str]:
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
    apart = max(abs(a - b) for a, b in zip(after.times, before.times, strict=True))
    if apart > Fraction(3, 2000):  # Matroska counts in milliseconds
        yield f"a frame is shown {float(apart):.4f} s off its time"


def _about_form(before: Seen, after: Seen, video: Path) -> Iterator[str]:
    """Codecs, pixels, size and order in the file: what every browser plays."""
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
    told = (1, 1, 1) if before.mixed else before.colours
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


def _about_pictures(path: Path, video: Path, interlaced: bool) -> Iterator[str]:
    """Each frame shows what it showed, upright; an interlaced one both its moments."""
    before, after = pictures(path, interlaced), pictures(video, interlaced)
    if len(before) != len(after):
        yield f"FFmpeg shows {len(after)} pictures, and {len(before)} of the film"
        return
    apart = np.abs(before.astype(np.int16) - after).mean((1, 2, 3))
    if apart.max() > _PICTURE_TOLERANCE:
        yield f"picture {apart.argmax()} looks different: {apart.max():.1f} of 255"
    moments = before[::2].astype(np.int16) - before[1::2] if interlaced else None
    if moments is not None and np.abs(moments).mean() < _PICTURE_TOLERANCE:
        yield "the film made shows the same in both its fields"


def _about_sound(after: Seen, video: Path, known: Known) -> Iterator[str]:
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
    """Root of the mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def _about_cuts(after: Seen, result: Result, known: Known) -> Iterator[str]:
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


@dataclass(frozen=True)
class Case:
    """A film, how to score it, and how long that may take.

    Attributes:
        name: of the trial.
        recipe: of a film that is made, or the name of a real one.
        original: what becomes of the film's own sound.
        known: what does not follow from the recipe, by the names in `Known`.
        seconds, slow: as in `Trial`.
    """

    name: str
    recipe: Recipe | str
    original: OriginalSound = "replace"
    known: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 180.0
    slow: bool = False

    def expected(self) -> Known:
        """What is known of the film."""
        recipe, beep = self.recipe, None
        replaced = self.original == "replace"
        if isinstance(recipe, str):
            return replace(Known(replaced=replaced), **self.known)
        if not replaced and recipe.sound and recipe.sound.beep is not None:
            beep = recipe.sound.beep + recipe.sound.late - recipe.late
        known = Known(
            recipe.frame_count, recipe.seconds, recipe.displayed, recipe.cuts, beep, replaced,
            codec=recipe.codec, pixels=recipe.pixels, turned=recipe.turned,
            sound=recipe.sound_stored,
        )  # fmt: skip
        return replace(known, **self.known)


def videos() -> Path:
    """The folder of real films, which are not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "videos"
    return Path(os.environ.get("EMSYNC_TEST_VIDEOS", beside))


@functools.cache
def _generator() -> Any:
    return load()


def run_case(case: Case, folder: Path, settings: Settings, player: Player | None) -> str:
    """Make a film, score it, check what came, and play it.

    Args:
        case: which film.
        folder: an empty one.
        settings: those of the music; the case has its own for the film's sound.
        player: None where nothing is to be played.

    Raises:
        NotHere: it is a film that comes with nothing here.
        Wrong: something is not as promised.
    """
    if isinstance(case.recipe, str):
        path = videos() / case.recipe
        if not path.is_file():
            raise NotHere(f"there is no {path}")
    else:
        path = make(case.recipe, folder)
    settings = replace(settings, sound=replace(settings.sound, original_sound=case.original))
    checkpoint = _generator()
    target = folder / "scored"
    target.mkdir()
    cancel = CancelToken()
    with PeakMemory() as memory:
        analysis = analyse(path, settings, silent, cancel)
        result = score(analysis, target, settings, silent, cancel, checkpoint)
    came = check(path, result, case.expected())
    if case.slow:
        came += f", {sum(result.seconds.values()):.0f} s, {memory.bytes / 1e6:.0f} MB at most"
    if player is not None:
        played = player.play(result.video, target)
        if played is None:
            came += f", {player.missing}"
        else:
            check_played(played, result.video)
            came += ", plays"
    return came


def trials(settings: Settings, player: Player | None) -> tuple[Trial, ...]:
    """All cases, scored with these settings."""
    return tuple(
        Trial(
            case.name,
            functools.partial(run_case, case, settings=settings, player=player),
            case.seconds,
            case.slow,
        )
        for case in CASES
    )


_H264 = "-c:v libx264 -pix_fmt yuv420p"
_HEVC = "-c:v libx265 -x265-params log-level=error"
_VP8 = "-c:v libvpx -deadline realtime -cpu-used 8"
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"
_AV1 = "-c:v libaom-av1 -cpu-used 8 -usage realtime"
_PQ = "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
_UNEVEN = ",select='lt(n,30)+not(mod(n,5))'"
"""Of 120 frames at 30 a second, the first 30 and every fifth."""


def _coded() -> Iterator[Case]:
    """Codecs and containers."""
    yield Case("h264 mp4", Recipe("film.mp4"))
    yield Case("h264 mov", Recipe("film.mov"))
    yield Case("h264 mkv", Recipe("film.mkv"))
    yield Case("h264 avi", Recipe("film.avi", f"{_H264} -bf 0"))
    yield Case("h264 avi b-frames", Recipe("film.avi"))
    yield Case("h264 ts", Recipe("film.ts"))
    yield Case("h264 flv", Recipe("film.flv"))
    yield Case(
        "h264 baseline",
        Recipe("film.mp4", f"{_H264} -profile:v baseline"),
        known={"profile": "Constrained Baseline"},
    )
    yield Case("hevc mp4", Recipe("film.mp4", f"{_HEVC} -pix_fmt yuv420p -tag:v hvc1"))
    yield Case("hevc mkv", Recipe("film.mkv", f"{_HEVC} -pix_fmt yuv420p"))
    yield Case("vp8 webm", Recipe("film.webm", _VP8))
    yield Case("vp9 webm", Recipe("film.webm", _VP9))
    yield Case("vp9 mp4", Recipe("film.mp4", _VP9))
    yield Case("av1 mp4", Recipe("film.mp4", _AV1))
    yield Case("av1 webm", Recipe("film.webm", _AV1))
    yield Case("mpeg-4 avi", Recipe("film.avi", "-c:v mpeg4 -bf 2"))
    yield Case("mpeg-4 mp4", Recipe("film.mp4", "-c:v mpeg4 -bf 2 -q:v 4"))
    yield Case("prores mov", Recipe("film.mov", "-c:v prores_ks -profile:v 2"))
    yield Case("mjpeg avi", Recipe("film.avi", "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p"))
    yield Case("mjpeg mov", Recipe("film.mov", "-c:v mjpeg -q:v 4 -pix_fmt yuvj422p"))
    yield Case("gif", Recipe("film.gif", "-c:v gif", sound=None))
    yield Case("gif played once", Recipe("film.gif", "-c:v gif", sound=None, last="-loop -1"))
    yield Case("theora ogg", Recipe("film.ogv", "-c:v libtheora -q:v 6"))
    yield Case("mpeg-2 mpg", Recipe("film.mpg", "-c:v mpeg2video -q:v 3 -bf 2"))
    yield Case("wmv", Recipe("film.wmv", "-c:v wmv2 -q:v 3"))
    yield Case(
        "h263 3gp", Recipe("film.3gp", "-c:v h263 -q:v 3", size=(176, 144), filters=",setsar=12/11",
                           shown=(192, 144))
    )  # fmt: skip


def _pictured() -> Iterator[Case]:
    """Bits, colours, sizes and shapes of the picture."""
    for pixels in ("yuv422p", "yuv444p", "yuv420p10le", "gray"):
        yield Case(
            f"h264 {pixels}",
            Recipe("film.mp4", f"-c:v libx264 -pix_fmt {pixels}"),
            known={"pixels": "yuvj420p"} if pixels == "gray" else {},  # as FFmpeg decodes it
        )
    for pixels in ("yuv420p10le", "yuv422p10le", "yuv444p", "gray", "yuv420p12le"):
        yield Case(f"hevc {pixels}", Recipe("film.mp4", f"{_HEVC} -pix_fmt {pixels}"))
    yield Case("vp9 yuv444p", Recipe("film.webm", f"{_VP9} -pix_fmt yuv444p"))
    yield Case("vp9 yuv420p10le", Recipe("film.webm", f"{_VP9} -pix_fmt yuv420p10le"))
    yield Case(
        "vp9 with alpha",
        Recipe("film.webm", f"{_VP9} -pix_fmt yuva420p"),
        # It lies in a stream of its own, beside the picture.
        known={"pixels": "yuv420p", "oddities": frozenset({"alpha"})},
    )
    yield Case("av1 yuv420p10le", Recipe("film.mp4", f"{_AV1} -pix_fmt yuv420p10le"))
    yield Case(
        "prores with alpha",
        Recipe("film.mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le"),
        known={"pixels": "yuva444p12le", "oddities": frozenset({"alpha"})},  # it has no 10 bits
    )
    yield Case("png mov", Recipe("film.mov", "-c:v png"))
    yield Case("gif 720p", Recipe("film.gif", "-c:v gif", (1280, 720), Fraction(5), sound=None))
    yield Case(
        "rgb h264",
        Recipe("film.mkv", "-c:v libx264rgb -pix_fmt bgr24"),
        known={"pixels": "gbrp"},
    )
    yield Case("ffv1 16-bit grey", Recipe("film.mkv", "-c:v ffv1 -pix_fmt gray16le"))
    yield Case("full range", Recipe("film.mp4", "-c:v libx264 -pix_fmt yuvj420p"))
    odd = (161, 121)
    yield Case("odd size vp9", Recipe("film.webm", _VP9, odd))
    yield Case("odd size av1", Recipe("film.mp4", _AV1, odd))
    yield Case("odd size gif", Recipe("film.gif", "-c:v gif", odd, sound=None))
    yield Case("odd size h264", Recipe("film.mp4", "-c:v libx264 -pix_fmt yuv444p", odd))
    yield Case("16 × 16", Recipe("film.mp4", size=(16, 16)))
    yield Case("16 × 16 vp8", Recipe("film.webm", _VP8, (16, 16)))
    yield Case("1080 × 1920", Recipe("film.mp4", f"{_H264} -preset ultrafast", (1080, 1920)))
    yield Case("1920 × 1080 vp9", Recipe("film.webm", _VP9, (1920, 1080)))
    large = (3840, 2160)
    yield Case(
        "4K h264", Recipe("film.mp4", f"{_H264} -preset ultrafast", large), seconds=120, slow=True
    )
    yield Case(
        "4K hevc 60 fps",
        Recipe("film.mp4", f"{_HEVC} -preset ultrafast -pix_fmt yuv420p10le", large, Fraction(60)),
        seconds=900,
        slow=True,
    )
    yield Case("very wide", Recipe("film.mp4", size=(1920, 16)))
    yield Case(
        "oblong pixels h264",
        Recipe("film.mp4", size=(720, 576), filters=",setsar=16/11", shown=(1047, 576)),
    )
    yield Case(
        "oblong pixels hevc",
        Recipe("film.mkv", f"{_HEVC} -pix_fmt yuv420p", filters=",setsar=4/3", shown=(213, 120)),
    )
    yield Case(
        "tall pixels vp9", Recipe("film.webm", _VP9, filters=",setsar=8/9", shown=(142, 120))
    )
    for degrees in (90, 180, 270):
        yield Case(f"turned {degrees} h264", Recipe("film.mp4", turned=degrees))
        yield Case(
            f"turned {degrees} hevc",
            Recipe("film.mov", f"{_HEVC} -pix_fmt yuv420p", turned=degrees),
        )
    yield Case(
        "turned 90 oblong pixels",
        Recipe("film.mp4", filters=",setsar=4/3", turned=90, shown=(120, 213)),
    )
    for name, file, video in (
        ("h264", "film.mp4", f"{_H264} -flags +ildct+ilme -x264-params tff=1"),
        ("mpeg-2", "film.mpg", "-c:v mpeg2video -flags +ildct+ilme -q:v 3"),
        ("mpeg-2 ts", "film.ts", "-c:v mpeg2video -flags +ildct+ilme -q:v 3"),
    ):
        # Each frame holds two moments; both are to be in the scored film, line for line.
        moving = "testsrc2=s=160x120:r=50:d=2,scroll=h=0.02,eq=contrast=0.7"
        woven = Recipe(file, video, cuts=(1.01,), source=moving,
                       filters=",tinterlace=interleave_top,setfield=tff")  # fmt: skip
        yield Case(f"interlaced {name}", woven, known={"oddities": frozenset({"interlaced"})})


def _timed() -> Iterator[Case]:
    """Frame rates, lengths, and when things begin."""
    rates = ("5", "24000/1001", "25", "30000/1001", "60", "120")
    for rate in map(Fraction, rates):
        frames = round(2 * rate)
        recipe = Recipe(
            "film.mp4", rate=rate, frames=frames, seconds=frames / rate,
            cuts=(float(round(rate) / rate),),
        )  # fmt: skip
        yield Case(f"{float(rate):.6g} fps h264", recipe)
        yield Case(f"{float(rate):.6g} fps vp9", replace(recipe, file="film.webm", video=_VP9))
    uneven = Recipe(
        "film.mkv", f"{_H264} -bf 0 -fps_mode passthrough", rate=Fraction(30), seconds=Fraction(4),
        cuts=(0.5, 2.5, 10 / 3), filters=_UNEVEN, frames=48,
    )  # fmt: skip
    # FFmpeg writes the length of a last frame into few containers.
    ended = Fraction(116, 30)
    known = {"seconds": ended}
    yield Case("uneven h264 mkv", uneven, known=known)
    yield Case(
        "uneven h264 mp4",
        replace(uneven, file="film.mp4", video=f"{_H264} -bf 3 -fps_mode passthrough"),
        known=known,
    )
    yield Case(
        "uneven vp8 webm",
        replace(uneven, file="film.webm", video=f"{_VP8} -fps_mode passthrough"),
        known=known,
    )
    yield Case(
        "uneven hevc mov",
        replace(uneven, file="film.mov", video=f"{_HEVC} -fps_mode passthrough -pix_fmt yuv420p"),
        known=known,
    )
    for name, video in (
        ("mjpeg", "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p"), ("mpeg-4", "-c:v mpeg4 -q:v 4"),
        ("h264", f"{_H264} -bf 0"),
    ):  # fmt: skip
        dropping = replace(uneven, file="film.avi", video=f"{video} -fps_mode passthrough")
        yield Case(f"dropped frames avi {name}", dropping, known=known)
    live = {"oddities": frozenset({"no length"})}
    yield Case("recorded in a browser", Recipe("film.webm", _VP8, last="-live 1"), known=live)
    yield Case("recorded in a browser, h264", Recipe("film.mkv", last="-live 1"), known=live)
    yield Case(
        "recorded in a browser, uneven",
        replace(uneven, file="film.webm", video=f"{_VP8} -fps_mode passthrough", last="-live 1"),
        known={**known, **live},
    )
    fragments = "-movflags frag_keyframe+empty_moov+default_base_moof"
    for name, video in (("", _H264), (", hevc", _HEVC)):
        yield Case(
            f"fragmented mp4{name}",
            Recipe("film.mp4", f"{video} -g 10", last=fragments),
            known={"oddities": frozenset({"fragments"})},
        )
    for file, video in (("film.mkv", _H264), ("film.webm", _VP9), ("film.mp4", _H264)):
        recipe = Recipe(file, video, last="-output_ts_offset 10")
        yield Case(f"begins at 10 s {file[5:]}", recipe, known={"start": 10})
    # FFmpeg begins transport streams 1.4 s late.
    yield Case(
        "begins at 10 h ts",
        Recipe("film.ts", last="-output_ts_offset 36000"),
        known={"start": 36001.4},
    )
    # The clock of a transport stream begins anew after 2³³ ticks of 1/90000 s.
    yield Case(
        "clock begins anew in ts",
        Recipe("film.ts", last="-output_ts_offset 95441.3"),
        known={"oddities": frozenset({"clock begins anew"})},
    )
    trimmed = Recipe("film.mp4", seconds=Fraction(3), cuts=(2.0,), copies=(("-ss 1", ""),))
    # Without a keyframe at 1 s the copy holds the second before it, and its edit list hides it.
    hiding = {
        "frames": 50, "seconds": Fraction(2), "cuts": (1.0,), "oddities": frozenset({"edit list"}),
    }  # fmt: skip
    yield Case("edit list", trimmed, known=hiding)
    yield Case(
        "edit list hevc",
        replace(trimmed, video=f"{_HEVC} -pix_fmt yuv420p -tag:v hvc1"),
        known=hiding,
    )
    yield Case(
        "sound after an edit list, kept",
        replace(trimmed, sound=Sound(beep=2)),
        "keep",
        known={**hiding, "beep": 1.0},
    )
    yield Case(
        "edit list that delays the picture",
        Recipe(
            "film.mp4", f"{_H264} -fps_mode passthrough", sound=Sound(seconds=3, beep=1.7), late=0.7
        ),
        "keep",
        known={"start": 0.7},
    )
    yield Case(
        "half a second", Recipe("film.mp4", seconds=Fraction(1, 2), rate=Fraction(30), cuts=())
    )
    yield Case(
        "half a second webm",
        Recipe("film.webm", _VP9, seconds=Fraction(1, 2), rate=Fraction(30), cuts=()),
    )
    yield Case("one second", Recipe("film.mp4", seconds=Fraction(1), cuts=(0.52,)))
    long = Recipe(
        "film.mkv", _VP9, seconds=Fraction(1800), size=(320, 240),
        cuts=tuple(float(cut) for cut in range(7, 1800, 7)),
    )  # fmt: skip
    yield Case("half an hour", long, seconds=7200, slow=True)


def _shown() -> Iterator[Case]:
    """What is in the picture."""
    yield Case("no cuts", Recipe("film.mp4", cuts=()))
    # 0, 168, 252, 84: steps of 168 and 84 by turns, as FFmpeg's score is the smaller of the change
    # and of what that differs from the last change by, of 256.
    grey = "168*between(mod(N,4),1,2)+84*gte(mod(N,4),2)"
    flicker = f"color=s=160x120:r=5:d=9,geq=lum='{grey}':cb=128:cr=128"
    yield Case(
        "a cut every frame",
        Recipe("film.mp4", source=flicker, seconds=Fraction(9), rate=Fraction(5), cuts=()),
        known={"cuts": tuple(n / 5 for n in range(1, 45))},
    )
    yield Case("black", Recipe("film.mp4", source="color=s=160x120:r=25:d=2", cuts=()))
    yield Case(
        "black and silent vp9",
        Recipe("film.webm", _VP9, source="color=s=160x120:r=25:d=2", cuts=(), sound=Sound(beep=9)),
    )
    still = "testsrc2=s=160x120:r=25:d=0.04,loop=-1:1,trim=duration=3"
    yield Case("a still", Recipe("film.mp4", source=still, seconds=Fraction(3), cuts=()))
    alone = Recipe(
        "film.mp4", source="testsrc2=s=160x120:r=1/3:d=3", rate=Fraction(1, 3),
        seconds=Fraction(3), cuts=(),
    )  # fmt: skip
    yield Case("one frame of three seconds", alone)
    yield Case("one frame of three seconds hevc", replace(alone, video=f"{_HEVC} -pix_fmt yuv420p"))
    yield Case("one frame of three seconds mkv", replace(alone, file="film.mkv"))
    yield Case(
        "slides, one a second",
        Recipe("film.mp4", rate=Fraction(1), seconds=Fraction(6), cuts=(3.0,)),
    )
    for name, transfer, number in (("pq", "smpte2084", 16), ("hlg", "arib-std-b67", 18)):
        tagged = f"{_PQ.replace('smpte2084', transfer)}"
        yield Case(
            f"high dynamic range {name} hevc",
            Recipe(
                "film.mp4",
                f"-c:v libx265 -pix_fmt yuv420p10le -x265-params log-level=error:colorprim=bt2020:"
                f"transfer={transfer}:colormatrix=bt2020nc",
                filters=f",setparams={tagged}",
            ),
            known={"transfer": number},
        )


def _sounding() -> Iterator[Case]:
    """Sound of every kind, left out and kept."""
    yield Case("no sound", Recipe("film.mp4", sound=None))
    yield Case("silent sound", Recipe("film.mp4", sound=Sound(beep=9)))
    kinds = {
        "mono": ("mp4", Sound(layout="mono", beep=1)),
        "5.1 aac": ("mp4", Sound(layout="5.1", beep=1)),
        "5.1 ac3": ("mkv", Sound(48_000, "5.1", beep=1, codec="ac3")),
        "7.1": ("mkv", Sound(48_000, "7.1", beep=1)),
        "8 kHz": ("mov", Sound(8000, "mono", beep=1, codec="pcm_mulaw")),
        "8 kHz aac": ("mp4", Sound(8000, "mono", beep=1)),
        "8 kHz amr": ("3gp", Sound(8000, "mono", beep=1, codec="libopencore_amrnb")),
        "96 kHz": ("mkv", Sound(96_000, beep=1)),
        "96 kHz pcm": ("mov", Sound(96_000, beep=1, codec="pcm_s24le")),
        "192 kHz": ("mkv", Sound(192_000, beep=1)),
        "longer": ("mp4", Sound(seconds=4, beep=1)),
        "shorter": ("mp4", Sound(seconds=0.8, beep=0.4)),
        "late mp4": ("mp4", Sound(seconds=1, late=1, beep=0.3)),
        "late mkv": ("mkv", Sound(seconds=1, late=1, beep=0.3)),
        "late webm": ("webm", Sound(seconds=1, late=1, beep=0.3)),
    }
    for name, (container, sound) in kinds.items():
        video = _VP8 if container == "webm" else _H264
        recipe = Recipe(f"film.{container}", video, sound=sound)
        yield Case(f"sound {name}", recipe)
        yield Case(f"sound {name}, kept", recipe, "keep")
    for name in ("5.1 aac", "8 kHz", "late mp4", "mono"):
        container, sound = kinds[name]
        yield Case(f"sound {name}, ducked", Recipe(f"film.{container}", sound=sound), "duck")
    heard = Sound(beep=1)
    late = Recipe("film.mkv", sound=heard, last="-output_ts_offset 10")
    recorded = Recipe("film.webm", _VP8, sound=heard, last="-live 1")
    yield Case("sound of a transport stream, kept", Recipe("film.ts", sound=heard), "keep")
    yield Case("sound from 10 s on, kept", late, "keep")
    yield Case("sound of a browser recording, kept", recorded, "keep")
    yield Case("no sound, kept", Recipe("film.mp4", sound=None), "keep")


def _real() -> Iterator[Case]:
    """Real films, where they are to be had."""
    for name, slow in (("joy", False), ("sadness", True), ("vemoclap_sample_7s", False),
                       ("emsync_demo_60s", True)):  # fmt: skip
        yield Case(f"real {name}", f"{name}.mp4", seconds=600, slow=slow)


CASES: Sequence[Case] = (
    *_coded(), *_pictured(), *_timed(), *_shown(), *_sounding(), *_real(),
)  # fmt: skip


if __name__ == "__main__":
    player = Player()
    try:
        status = main("films", trials(Settings(), player))
        if player.unplayed:
            print(f"films: {player.unplayed} {player.missing}")
        sys.exit(status)
    finally:
        with suppress(Exception):
            player.stop()
