"""What the example films are drawn with: colours, noise, light, waves; and the way to a file.

A picture is an array (height, width, 3) of float32, red, green and blue from 0 to 255.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from emsync.film.ffmpeg import ffmpeg_executable
from emsync.sound.mix import write_wav
from emsync.sound.synth import Sound

WIDTH, HEIGHT, RATE = 640, 360, 25
"""Of the smaller films: pixels, pixels, frames a second."""
FINE = 2
"""Shapes are drawn this much larger, and shrunk, so that their edges are smooth."""

Color = tuple[int, int, int]
Point = tuple[float, float]
Y, X = (axis.astype(np.float32) for axis in np.mgrid[0:HEIGHT, 0:WIDTH])


def write_film(
    target: Path,
    pictures: Iterable[np.ndarray],
    rate: int,
    quality: int,
    sound: Sound | str | None = None,
) -> None:
    """Hand pictures to FFmpeg as they are drawn.

    Args:
        target: an MP4 that browsers play; overwritten.
        pictures: (height, width, 3) uint8 each.
        rate: frames a second.
        quality: constant rate factor of H.264; higher is smaller.
        sound: as samples, or as a source that FFmpeg knows; as long as the pictures.

    Raises:
        ToolError: there is no FFmpeg with these encoders.
        subprocess.CalledProcessError: FFmpeg failed.
    """
    pictures = iter(pictures)
    first = next(pictures)
    height, width = first.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        heard = []
        if isinstance(sound, Sound):
            wav = Path(folder) / "sound.wav"
            write_wav(sound, wav)
            heard = ["-i", str(wav)]
        elif sound is not None:
            heard = ["-f", "lavfi", "-i", sound]
        command = [
            ffmpeg_executable(("libx264", "aac")), "-y", "-v", "error",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate),
            "-i", "-", *heard,
            "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "slow", "-crf", str(quality),
            *(["-c:a", "aac", "-b:a", "64k"] if heard else []),
            "-movflags", "+faststart", str(target),
        ]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
            assert encoder.stdin is not None
            encoder.stdin.write(first.tobytes())
            for picture in pictures:
                encoder.stdin.write(picture.tobytes())
            encoder.stdin.close()
    if encoder.returncode:
        raise subprocess.CalledProcessError(encoder.returncode, command)


def finished(picture: np.ndarray, random: np.random.Generator, shade: float = 0.25) -> np.ndarray:
    """A picture as uint8, darker to its corners, with grain that hides the steps of gradients."""
    off = np.hypot((X - WIDTH / 2) / (WIDTH / 2), (Y - HEIGHT / 2) / (HEIGHT / 2)) / np.sqrt(2)
    picture = picture * (1 - shade * off**2.5)[..., None]
    picture += random.normal(0, 1.1, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def color_of(value: Color) -> np.ndarray:
    """A colour to reckon with, (3,) float32."""
    return np.array(value, np.float32)


def gradient(*stops: tuple[float, Color], along: np.ndarray | None = None) -> np.ndarray:
    """A picture that runs through colours: from the top down, or along values (height, width)."""
    places = [place for place, _ in stops]
    along = Y / HEIGHT if along is None else along
    channels = [np.interp(along, places, [color[n] for _, color in stops]) for n in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def smooth(value: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, and no corner in between."""
    share = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def paint(picture: np.ndarray, cover: np.ndarray, color: Color | np.ndarray) -> None:
    """Lay a colour, or another picture, over a picture where `cover` (height, width) is not 0."""
    over = np.asarray(color, np.float32)
    picture += (over - picture) * cover[..., None]


def shine(picture: np.ndarray, light: np.ndarray, color: Color) -> None:
    """Add light (height, width); it takes up only the room that is left to white."""
    picture += (255 - picture) * np.clip(light[..., None] * color_of(color) / 255, 0, 1)


def glow(x: float, y: float, radius: float) -> np.ndarray:
    """Light that falls off around a place, (height, width) from 0 to 1; all in pixels."""
    return np.exp(-np.hypot(X - x, Y - y) / radius).astype(np.float32)


def disc(x: float, y: float, radius: float, soft: float = 1.0) -> np.ndarray:
    """A filled circle as a cover, its edge `soft` pixels wide."""
    return np.clip((radius - np.hypot(X - x, Y - y)) / soft + 0.5, 0, 1).astype(np.float32)


def clouds(
    random: np.random.Generator, width: int, height: int, slope: float = 1.8, flat: float = 2.0
) -> np.ndarray:
    """Noise that repeats at its edges, (height, width) with mean 0 and deviation 1.

    Args:
        slope: how fast fine detail fades; 1 is rough, 2.5 is fog.
        flat: how much wider than high its shapes are.
    """
    down = np.fft.fftfreq(height)[:, None] * height / flat
    across = np.fft.rfftfreq(width)[None, :] * height
    size = np.hypot(down, across)
    size[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.normal(0, 1, (height, width))) / size**slope
    field = np.fft.irfft2(spectrum, (height, width))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def window(field: np.ndarray, left: float, top: float = 0.0) -> np.ndarray:
    """The part of a repeating field that a camera sees, moved by fractions of pixels."""
    column, row = int(np.floor(left)), int(np.floor(top))
    part = np.take(field, range(row, row + HEIGHT + 1), axis=0, mode="wrap")
    part = np.take(part, range(column, column + WIDTH + 1), axis=1, mode="wrap")
    part = part[:, :-1] + (part[:, 1:] - part[:, :-1]) * np.float32(left - column)
    return part[:-1] + (part[1:] - part[:-1]) * np.float32(top - row)


def swell(time: float, height: float, length: float, speed: float, phase: float) -> np.ndarray:
    """How far below its rest the sea is at every column, in pixels, (width,): pointed crests,
    broad troughs."""
    across = np.arange(WIDTH, dtype=np.float32)
    line = np.zeros(WIDTH, np.float32)
    for share, part in ((1.0, 1.0), (0.53, 0.45), (0.29, 0.22), (0.11, 0.07)):
        angle = 2 * np.pi * (across - speed * time * share**0.5) / (length * share) + phase / share
        line += part * (np.exp(1.1 * np.sin(angle)) - 1.32) / 1.2
    return -height * line


class Sketch:
    """Shapes on a finer grid than the picture's: its `cover` has smooth edges."""

    def __init__(self) -> None:
        self._image = Image.new("L", (WIDTH * FINE, HEIGHT * FINE))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], light: float = 1.0) -> None:
        """Fill a polygon; coordinates in pixels of the picture, light from 0 to 1."""
        self._draw.polygon([(FINE * x, FINE * y) for x, y in points], fill=round(255 * light))

    def line(self, points: Sequence[Point], width: float, light: float = 1.0) -> None:
        """Draw a line; its width in pixels of the picture."""
        fine = [(FINE * x, FINE * y) for x, y in points]
        self._draw.line(fine, round(255 * light), max(1, round(FINE * width)), joint="curve")

    def circle(self, x: float, y: float, radius: float, light: float = 1.0) -> None:
        """Fill a circle."""
        box = [FINE * (x - radius), FINE * (y - radius), FINE * (x + radius), FINE * (y + radius)]
        self._draw.ellipse(box, fill=round(255 * light))

    def ring(self, x: float, y: float, radius: float, width: float) -> None:
        """Draw a circle's line."""
        box = [FINE * (x - radius), FINE * (y - radius), FINE * (x + radius), FINE * (y + radius)]
        self._draw.ellipse(box, outline=255, width=max(1, round(FINE * width)))

    def cover(self, blur: float = 0.0) -> np.ndarray:
        """What was drawn, (height, width) from 0 to 1; blurred by so many pixels."""
        small = self._image.reduce(FINE)
        if blur:
            small = small.filter(ImageFilter.GaussianBlur(blur))
        return np.asarray(small, np.float32) / 255


class Poster:
    """Coloured shapes, each over those before it; laid over a picture, or added to it as light."""

    def __init__(self) -> None:
        self._image = Image.new("RGBA", (WIDTH * FINE, HEIGHT * FINE))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Fill a polygon; coordinates in pixels of the picture."""
        self._draw.polygon([(FINE * x, FINE * y) for x, y in points], fill=(*color, 255))

    def line(self, points: Sequence[Point], width: float, color: Color) -> None:
        """Draw a line; its width in pixels of the picture."""
        fine = [(FINE * x, FINE * y) for x, y in points]
        self._draw.line(fine, (*color, 255), max(1, round(FINE * width)), joint="curve")

    def oval(self, x: float, y: float, across: float, down: float, color: Color) -> None:
        """Fill an ellipse with these radii."""
        box = [FINE * (x - across), FINE * (y - down), FINE * (x + across), FINE * (y + down)]
        self._draw.ellipse(box, fill=(*color, 255))

    def ring(self, x: float, y: float, radius: float, width: float, color: Color) -> None:
        """Draw a circle's line."""
        box = [FINE * (x - radius), FINE * (y - radius), FINE * (x + radius), FINE * (y + radius)]
        self._draw.ellipse(box, outline=(*color, 255), width=max(1, round(FINE * width)))

    def onto(self, picture: np.ndarray) -> None:
        """Lay the shapes over a picture."""
        # Where nothing was drawn all is 0, so that the mean of fine pixels is right at edges too.
        small = np.asarray(self._image.reduce(FINE), np.float32)
        picture *= 1 - small[..., 3:] / 255
        picture += small[..., :3]

    def light(self, blur: float = 0.0) -> np.ndarray:
        """The shapes on black, blurred by so many pixels."""
        small = self._image.convert("RGB").reduce(FINE)
        if blur:
            small = small.filter(ImageFilter.GaussianBlur(blur))
        return np.asarray(small, np.float32)


def tinted(color: Color, factor: float) -> Color:
    """A colour made darker (below 1), or moved towards white (above 1, at most 2)."""
    if factor <= 1:
        return (int(color[0] * factor), int(color[1] * factor), int(color[2] * factor))
    share = min(factor, 2.0) - 1
    red, green, blue = (int(part + (255 - part) * share) for part in color)
    return (red, green, blue)
