"""What a film is when it is decoded from begin to end, and when a browser plays it.

Nothing of the product's own reading of films is used here, so that neither hides the other's
faults.
"""

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from emsync.film.ffmpeg import ffmpeg_executable
from trials.making import TONE
from trials.trial import Wrong

SOUND_RATE = 44_100
"""Hz."""
DECODE_SECONDS = 300
"""Longer must no decoding take."""
_SIDE = 32
"""Pixels: pictures are compared this small, whatever their shape."""


@dataclass(frozen=True)
class Seen:
    """What decoding a whole film shows.

    Attributes:
        codec, profile, pixels: FFmpeg's names.
        width, height: as shown: in square pixels, upright.
        times: seconds from the first frame to each, in order; exact.
        end: seconds from the first frame to the end of the last.
        start: of the first frame on the container's clock.
        length: what the container says of itself, in seconds; 0 if nothing.
        streams: their kinds, in order.
        colours: primaries, transfer and matrix, as numbered in ITU-T H.273; 2 is "not told".
        mixed: of red, green and blue, so that no matrix is needed.
        turned: degrees clockwise (0, 90, 180, 270) that a player turns the stored picture.
        sound: codec, Hz and channels; nothing where there is none.
        oddities: of "interlaced" (every frame), "alpha", "edit list" (that hides frames),
            "fragments", "no length" (in its header) and "clock begins anew" those that it has.
    """

    codec: str
    profile: str
    pixels: str
    width: int
    height: int
    times: tuple[Fraction, ...]
    end: Fraction
    start: Fraction
    length: Fraction
    streams: tuple[str, ...]
    colours: tuple[int, int, int]
    mixed: bool
    turned: int
    sound: tuple[str, int, int] | tuple[()]
    oddities: frozenset[str]


def watch(path: Path) -> Seen:
    """Decode the picture of a film from begin to end.

    Raises:
        Wrong: it has none, or it cannot be decoded.
    """
    import av

    stamps: list[Fraction | None] = []
    lengths: list[Fraction] = []
    try:
        with av.open(str(path)) as file:
            video = file.streams.video[0]
            base = video.time_base or Fraction(1)
            places: list[Fraction] = []
            hidden, interlaced = False, True
            for packet in file.demux(video):
                hidden |= packet.is_discard
                if packet.size and packet.dts is not None:
                    places.append(packet.dts * base)
                for frame in packet.decode():
                    interlaced &= frame.interlaced_frame
                    stamps.append(None if frame.pts is None else frame.pts * base)
                    lengths.append((frame.duration or 0) * base)
            rotation = round(-frame.rotation / 90) * 90 % 360
            wide = frame.width * (video.sample_aspect_ratio or Fraction(1))
            size = (round(wide), frame.height)
            rate = video.average_rate or Fraction(25)
            # AVI has a place for each frame, in order; what is dropped leaves its place empty.
            ordered = "avi" in file.format.name
            times = sorted(places) if ordered else [stamp or Fraction(0) for stamp in stamps]
            if len(times) != len(stamps):
                raise Wrong(f"{path.name} has {len(times)} packets, {len(stamps)} frames")
            context = video.codec_context
            see_through = any(part.is_alpha for part in frame.format.components)
            said = {
                "interlaced": interlaced,
                "alpha": see_through or video.metadata.get("alpha_mode") == "1",
                "edit list": hidden,
                "fragments": "mp4" in file.format.name and b"moof" in boxes(path),
                "no length": "matroska" in file.format.name and not _states_length(path),
                "clock begins anew": file.format.name == "mpegts" and _clock_begins_anew(path),
            }
            return Seen(
                codec=context.codec.canonical_name,
                profile=context.profile or "",
                pixels=frame.format.name,
                width=size[rotation in (90, 270)],
                height=size[rotation not in (90, 270)],
                times=tuple(time - times[0] for time in times),
                end=times[-1]
                - times[0]
                + (lengths[-1] if not ordered and lengths[-1] else 1 / rate),
                start=times[0],
                length=Fraction(file.duration or 0, av.time_base),
                streams=tuple(stream.type for stream in file.streams),
                colours=(context.color_primaries, context.color_trc, context.colorspace),
                mixed=frame.format.is_rgb or frame.format.has_palette,
                turned=rotation,
                sound=next(
                    (
                        (heard.codec.canonical_name, heard.sample_rate, heard.layout.nb_channels)
                        for heard in (stream.codec_context for stream in file.streams.audio)
                    ),
                    (),
                ),
                oddities=frozenset(name for name, true in said.items() if true),
            )
    except (av.error.FFmpegError, IndexError, UnboundLocalError) as problem:
        raise Wrong(f"{path.name} cannot be decoded: {problem}") from problem


def boxes(path: Path) -> list[bytes]:
    """Return the kinds of an MP4's top-level boxes, in order."""
    kinds = []
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            kinds.append(kind)
            passed = 8
            if size == 1:
                (size,) = struct.unpack(">Q", file.read(8))
                passed = 16
            if size < passed:  # 0: up to the file's end
                break
            file.seek(size - passed, 1)
    return kinds


def _states_length(path: Path) -> bool:
    """Say whether a Matroska file has a duration of eight bytes, as FFmpeg's have (RFC 9559)."""
    with path.open("rb") as file:
        before, cluster, _ = file.read(1 << 20).partition(b"\x1f\x43\xb6\x75")
    return not cluster or b"\x44\x89\x88" in before


def _clock_begins_anew(path: Path) -> bool:
    """Say whether time stamps of a transport stream, as they stand in it, run back by hours."""
    import av

    with av.open(str(path), options={"correct_ts_overflow": "0"}) as file:
        stamps = [packet.dts for packet in file.demux(video=0) if packet.dts is not None]
    return max(stamps) - min(stamps) > 1 << 32


def pictures(path: Path, fields: bool = False) -> np.ndarray:
    """Return every frame as FFmpeg shows it, or every field.

    (pictures, `_SIDE`, `_SIDE`, 3), uint8, RGB.
    """
    # In even sizes, as H.264 has them, or cells would lie elsewhere in the picture.
    even = "crop=max(2\\,trunc(iw/2)*2):max(2\\,trunc(ih/2)*2):0:0"
    apart = "setfield=tff,separatefields," if fields else ""
    shown = f"{apart}format=rgb24,{even},scale={_SIDE}:{_SIDE}:flags=area"
    raw = _decoded(path, "-map", "0:v:0", "-vf", shown, "-fps_mode", "passthrough",
                   "-f", "rawvideo")  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, _SIDE, _SIDE, 3)


def listen(path: Path) -> np.ndarray:
    """Return all channels together: (samples,) float32, 44.1 kHz, from the container's second 0."""
    raw = _decoded(path, "-map", "0:a:0", "-af", "aresample=44100:async=1:first_pts=0",
                   "-ac", "1", "-f", "f32le")  # fmt: skip
    return np.frombuffer(raw, np.float32)


def _decoded(path: Path, *arguments: str) -> bytes:
    command = [ffmpeg_executable(), "-nostdin", "-v", "error", "-i", f"file:{path}", *arguments]
    done = subprocess.run([*command, "pipe:1"], capture_output=True, timeout=DECODE_SECONDS)
    if done.returncode:
        raise Wrong(f"{path.name} cannot be decoded: {done.stderr.decode(errors='replace')}")
    return done.stdout


def beep_at(samples: np.ndarray) -> float:
    """Return the seconds at which the beep begins: its tone first has half of its full strength."""
    times = np.arange(len(samples)) / SOUND_RATE
    window = SOUND_RATE // 100
    turning = samples * np.exp(-2j * np.pi * TONE * times)
    strength = np.abs(np.convolve(turning, np.ones(window) / window, "same"))
    return float(np.argmax(strength > strength.max() / 2)) / SOUND_RATE


def tone_in(samples: np.ndarray) -> float:
    """Return the amplitude of the beep's tone in the tenth of a second that has most of it."""
    window = SOUND_RATE // 10
    turning = 2 * np.pi * TONE * np.arange(window) / SOUND_RATE
    tenths = samples[: len(samples) // window * window].reshape(-1, window)
    parts = [tenths @ wave(turning).astype(np.float32) for wave in (np.cos, np.sin)]
    return float(np.hypot(*parts).max(initial=0)) * 2 / window


class Player:
    """One browser for all films, started when the first is to be played."""

    def __init__(self) -> None:
        self._playwright: Any = None
        self._page: Any = None
        self.missing = ""
        """Why films are not played, in a few words; empty while they are."""
        self.unplayed = 0
        """Films that were to be played, and were not."""

    def play(self, path: Path, folder: Path) -> "Played | None":
        """Play a film from begin to end or for some seconds; None where there is no browser.

        Raises:
            Wrong: there is none, and `EMSYNC_REQUIRE_BROWSER` says that there must be.
        """
        if self._page is None and not self.missing:
            self._start()
        if self._page is None:
            self.unplayed += 1
            if os.environ.get("EMSYNC_REQUIRE_BROWSER"):
                raise Wrong(self.missing)
            return None
        page = folder / "play.html"
        page.write_text(f'<!doctype html><video muted preload="auto" src="{path.name}"></video>')
        if path.parent != folder:
            raise ValueError("the film is not beside the page")
        self._page.goto(page.as_uri())
        return Played(**self._page.evaluate(_PLAY))

    def _start(self) -> None:
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError:
            self.missing = "not played: Playwright is not installed"
            return
        names = ("chromium", "chromium-browser", "google-chrome")
        executable = os.environ.get("EMSYNC_CHROMIUM") or next(
            filter(None, map(shutil.which, names)), None
        )
        self._playwright = sync_playwright().start()
        try:
            browser = self._playwright.chromium.launch(
                executable_path=executable, args=["--no-sandbox"]
            )
        except Error as problem:
            why = str(problem).strip().splitlines()[0]
            self.missing = f"not played: no Chromium starts ({why})"
            self.stop()
            return
        self._page = browser.new_page()

    def stop(self) -> None:
        """End the browser; another may be started after it."""
        if self._playwright is not None:
            self._playwright.stop()
        self._playwright = self._page = None


@dataclass(frozen=True)
class Played:
    """What a browser made of a film; `seconds` is how far it came in it."""

    error: str
    duration: float
    width: int
    height: int
    seconds: float


_PLAY = """async () => {
    const film = document.querySelector("video");
    const told = error => ({
        error, duration: film.duration || 0, width: film.videoWidth, height: film.videoHeight,
        seconds: film.currentTime,
    });
    const within = (seconds, condition) => new Promise(resolve => {
        const begin = performance.now();
        const look = () => {
            if (film.error || condition() || performance.now() - begin > 1000 * seconds) resolve();
            else setTimeout(look, 20);
        };
        look();
    });
    const words = () => film.error ? film.error.message || `error ${film.error.code}` : "";
    await within(20, () => film.readyState >= 3);
    if (film.error) return told(words());
    // The last second first: what only the end shows is seen as well.
    try {
        film.currentTime = Math.max(0, film.duration - 1);
        await within(20, () => !film.seeking);
        await film.play();
        await within(20, () => film.ended);
        if (!film.ended) return told("it does not come to its end");
        film.currentTime = 0;
        await within(20, () => !film.seeking);
        await film.play();
        await within(20, () => film.ended || film.currentTime > 0.5);
    } catch (problem) {
        return told(String(problem));
    }
    film.pause();
    return told(words());
}"""
