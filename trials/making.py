"""Films of every kind, made with FFmpeg: of each it is known beforehand what it must be."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from emsync.errors import ToolError
from emsync.film.ffmpeg import ffmpeg_executable

TONE = 3100
"""Hz of the beep: 8 kHz sound still has it, and no instrument plays it as purely."""
BEEP_SECONDS = 0.3
_MAKING_SECONDS = 500
_ENCODERS_OF_SOUND = {
    "mp4": "aac", "mov": "pcm_s16le", "mkv": "flac", "webm": "libopus", "avi": "libmp3lame",
    "ts": "aac", "mpg": "mp2", "ogv": "libvorbis", "wmv": "wmav2", "flv": "aac", "3gp": "aac",
}  # fmt: skip
_CODECS = {
    "libx264": "h264", "libx264rgb": "h264", "libx265": "hevc", "libvpx": "vp8",
    "libvpx-vp9": "vp9", "libaom-av1": "av1", "prores_ks": "prores", "libtheora": "theora",
    "libopencore_amrnb": "amr_nb", "libopus": "opus", "libmp3lame": "mp3", "libvorbis": "vorbis",
}  # fmt: skip
"""What encoders write, where that is called otherwise than they are."""
_CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}


@dataclass(frozen=True)
class Sound:
    """A sound track.

    Attributes:
        rate: Hz.
        layout: FFmpeg's name, such as "5.1".
        seconds: its length; None for that of the picture.
        late: seconds from the first frame to its first sample; the rest is not moved.
        beep: seconds of its own time at which the only tone begins; None for a tone throughout.
        codec: FFmpeg's name of the encoder; empty for one that suits the container.
    """

    rate: int = 44_100
    layout: str = "stereo"
    seconds: float | None = None
    late: float = 0.0
    beep: float | None = None
    codec: str = ""


@dataclass(frozen=True)
class Recipe:
    """How a film is made, and what it must be.

    Attributes:
        file: name of the file; its end says the container.
        video: arguments for the picture's encoder.
        size: width and height as stored.
        rate: frames per second.
        seconds: length of the picture.
        late: seconds from the sound's beginning to the first frame.
        cuts: seconds at which the picture turns into its negative.
        filters: more filters for the picture, such as ",setsar=4/3".
        source: a source of pictures in place of FFmpeg's test picture.
        sound: of the film; None for none.
        last: more arguments, such as those of the container.
        copies: for each a further run of FFmpeg that copies what was made; arguments that stand
            before the film, and after it.
        turned: degrees clockwise that a player turns the picture.
        shown: width and height as shown; None where they are those stored.
        frames: None where they follow from rate and length.
    """

    file: str
    video: str = "-c:v libx264 -pix_fmt yuv420p"
    size: tuple[int, int] = (160, 120)
    rate: Fraction = Fraction(25)
    seconds: Fraction = Fraction(2)
    late: float = 0.0
    cuts: tuple[float, ...] = (1.0,)
    filters: str = ""
    source: str = ""
    sound: Sound | None = field(default_factory=Sound)
    last: str = ""
    copies: tuple[tuple[str, str], ...] = ()
    turned: int = 0
    shown: tuple[int, int] | None = None
    frames: int | None = None

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height in square pixels, upright."""
        width, height = self.shown or self.size
        return (height, width) if self.turned in (90, 270) and not self.shown else (width, height)

    @property
    def frame_count(self) -> int:
        return round(self.seconds * self.rate) if self.frames is None else self.frames

    @property
    def codec(self) -> str:
        encoder = _option("-c:v", self.video)
        return _CODECS.get(encoder, encoder)

    @property
    def pixels(self) -> str | None:
        """FFmpeg's name; None where the encoder has its own."""
        return _option("-pix_fmt", self.video) or None

    @property
    def sound_encoder(self) -> str:
        """Empty for a film without sound."""
        if self.sound is None:
            return ""
        return self.sound.codec or _ENCODERS_OF_SOUND[Path(self.file).suffix[1:]]

    @property
    def sound_stored(self) -> tuple[str, int, int] | tuple[()]:
        """Codec, Hz and channels; nothing for a film without sound."""
        if self.sound is None:
            return ()
        codec = _CODECS.get(self.sound_encoder, self.sound_encoder)
        rate = 48_000 if codec == "opus" else self.sound.rate  # it has no other
        return codec, rate, _CHANNELS[self.sound.layout]


def _option(name: str, arguments: str) -> str:
    """Return what stands behind an option; empty where it is not given."""
    words = arguments.split()
    return words[words.index(name) + 1] if name in words else ""


def make(recipe: Recipe, folder: Path) -> Path:
    """Make the film in `folder` and return its path.

    Raises:
        subprocess.CalledProcessError: FFmpeg fails.
    """
    path = folder / recipe.file
    width, height = recipe.size
    seconds = float(recipe.seconds)
    # FFmpeg's test picture has even sizes.
    source = recipe.source or (
        f"testsrc2=s={width + width % 2}x{height + height % 2}:r={recipe.rate}:d={seconds}"
    )
    if width % 2 or height % 2:
        source += f",scale={width}:{height},setsar=1"
    if recipe.cuts:
        # A frame is negative after an odd number of cuts; half a frame keeps clear of rounding.
        early = float(1 / recipe.rate / 2)
        passed = "+".join(f"gte(t,{cut - early:.6f})" for cut in recipe.cuts)
        source += f",negate=enable='mod({passed},2)'"
    arguments = [*_later(recipe.late), "-f", "lavfi", "-i", source + recipe.filters]
    if recipe.sound is not None:
        arguments += _sound(recipe.sound, seconds)
        arguments += ["-map", "0:v", "-map", "1:a", "-c:a", recipe.sound_encoder]
    made = path.with_stem(f"{path.stem}-0") if recipe.copies else path
    run([*arguments, *recipe.video.split(), *recipe.last.split(), f"file:{made}"])
    for number, (before, behind) in enumerate(recipe.copies, 1):
        target = path if number == len(recipe.copies) else path.with_stem(f"{path.stem}-{number}")
        run(
            [*before.split(), "-i", f"file:{made}", "-c", "copy", *behind.split(), f"file:{target}"]
        )
        made.unlink()
        made = target
    if recipe.turned:
        _turn(made, recipe.turned)
    return made


def run(arguments: Sequence[str]) -> None:
    """Run an FFmpeg that has the encoders that are named.

    Without one the case is skipped.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    named = (behind for word, behind in pairwise(arguments) if word in ("-c:v", "-c:a"))
    try:
        executable = ffmpeg_executable([name for name in named if name != "copy"])
    except ToolError as problem:
        pytest.skip(str(problem))
    command = [executable, "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=_MAKING_SECONDS, stdin=subprocess.DEVNULL)


def _sound(sound: Sound, seconds: float) -> list[str]:
    length = seconds if sound.seconds is None else sound.seconds
    wave = f"0.5*sin(2*PI*{TONE}*t)"
    if sound.beep is not None:
        wave = f"if(between(t,{sound.beep},{sound.beep + BEEP_SECONDS}),{wave},0)"
    made = f"aevalsrc='{wave}':s={sound.rate}:d={length},aformat=channel_layouts=mono"
    if sound.layout != "mono":
        made += f",pan={sound.layout}|" + "|".join(
            f"c{n}=c0" for n in range(_CHANNELS[sound.layout])
        )
    return [*_later(sound.late), "-f", "lavfi", "-i", made]


def _later(seconds: float) -> list[str]:
    """Return the arguments that move the input behind them; none for no delay."""
    return ["-itsoffset", str(seconds)] if seconds else []


def _turn(path: Path, degrees: int) -> None:
    """Write into a film that players shall turn it clockwise."""
    import av

    straight = path.with_stem(f"{path.stem}-straight")
    path.rename(straight)
    with av.open(str(straight)) as source, av.open(str(path), "w") as target:
        copies = {
            stream.index: target.add_stream_from_template(stream) for stream in source.streams
        }
        picture: Any = copies[source.streams.video[0].index]
        picture.set_display_rotation(-degrees)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    straight.unlink()
