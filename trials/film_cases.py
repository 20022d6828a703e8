"""Films of every kind that people have, each with what must come of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from emsync.settings import OriginalSound
from trials.film_checks import Known
from trials.making import Recipe, Sound


@dataclass(frozen=True)
class Film:
    """A film, how to score it, and how long that may take.

    Attributes:
        name: of the trial.
        recipe: of a film that is made, or the name of a real one.
        original: what becomes of the film's own sound.
        known: what does not follow from the recipe, by the names in `Known`.
        seconds: making, scoring and checking it must not take longer.
        heavy: how long it took, and how much memory, is told.
    """

    name: str
    recipe: Recipe | str
    original: OriginalSound = "replace"
    known: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 180.0
    heavy: bool = False

    def expected(self) -> Known:
        """Return what is known of the film before it is scored."""
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


_H264 = "-c:v libx264 -pix_fmt yuv420p"
_HEVC = "-c:v libx265 -x265-params log-level=error"
_VP8 = "-c:v libvpx -deadline realtime -cpu-used 8"
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"
_AV1 = "-c:v libaom-av1 -cpu-used 8 -usage realtime"
_PQ = "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
_UNEVEN = ",select='lt(n,30)+not(mod(n,5))'"
"""Of 120 frames at 30 a second, the first 30 and every fifth."""


def _coded() -> Iterator[Film]:
    """Yield codecs and containers."""
    yield Film("h264 mp4", Recipe("film.mp4"))
    yield Film("h264 mov", Recipe("film.mov"))
    yield Film("h264 mkv", Recipe("film.mkv"))
    yield Film("h264 avi", Recipe("film.avi", f"{_H264} -bf 0"))
    yield Film("h264 avi b-frames", Recipe("film.avi"))
    yield Film("h264 ts", Recipe("film.ts"))
    yield Film("h264 flv", Recipe("film.flv"))
    yield Film(
        "h264 baseline",
        Recipe("film.mp4", f"{_H264} -profile:v baseline"),
        known={"profile": "Constrained Baseline"},
    )
    yield Film("hevc mp4", Recipe("film.mp4", f"{_HEVC} -pix_fmt yuv420p -tag:v hvc1"))
    yield Film("hevc mkv", Recipe("film.mkv", f"{_HEVC} -pix_fmt yuv420p"))
    yield Film("vp8 webm", Recipe("film.webm", _VP8))
    yield Film("vp9 webm", Recipe("film.webm", _VP9))
    yield Film("vp9 mp4", Recipe("film.mp4", _VP9))
    yield Film("av1 mp4", Recipe("film.mp4", _AV1))
    yield Film("av1 webm", Recipe("film.webm", _AV1))
    yield Film("mpeg-4 avi", Recipe("film.avi", "-c:v mpeg4 -bf 2"))
    yield Film("mpeg-4 mp4", Recipe("film.mp4", "-c:v mpeg4 -bf 2 -q:v 4"))
    yield Film("prores mov", Recipe("film.mov", "-c:v prores_ks -profile:v 2"))
    yield Film("mjpeg avi", Recipe("film.avi", "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p"))
    yield Film("mjpeg mov", Recipe("film.mov", "-c:v mjpeg -q:v 4 -pix_fmt yuvj422p"))
    yield Film("gif", Recipe("film.gif", "-c:v gif", sound=None))
    yield Film("gif played once", Recipe("film.gif", "-c:v gif", sound=None, last="-loop -1"))
    yield Film("theora ogg", Recipe("film.ogv", "-c:v libtheora -q:v 6"))
    yield Film("mpeg-2 mpg", Recipe("film.mpg", "-c:v mpeg2video -q:v 3 -bf 2"))
    yield Film("wmv", Recipe("film.wmv", "-c:v wmv2 -q:v 3"))
    yield Film(
        "h263 3gp", Recipe("film.3gp", "-c:v h263 -q:v 3", size=(176, 144), filters=",setsar=12/11",
                           shown=(192, 144))
    )  # fmt: skip


def _pictured() -> Iterator[Film]:
    """Yield bits, colours, sizes and shapes of the picture."""
    for pixels in ("yuv422p", "yuv444p", "yuv420p10le", "gray"):
        yield Film(
            f"h264 {pixels}",
            Recipe("film.mp4", f"-c:v libx264 -pix_fmt {pixels}"),
            known={"pixels": "yuvj420p"} if pixels == "gray" else {},  # as FFmpeg decodes it
        )
    for pixels in ("yuv420p10le", "yuv422p10le", "yuv444p", "gray", "yuv420p12le"):
        yield Film(f"hevc {pixels}", Recipe("film.mp4", f"{_HEVC} -pix_fmt {pixels}"))
    yield Film("vp9 yuv444p", Recipe("film.webm", f"{_VP9} -pix_fmt yuv444p"))
    yield Film("vp9 yuv420p10le", Recipe("film.webm", f"{_VP9} -pix_fmt yuv420p10le"))
    yield Film(
        "vp9 with alpha",
        Recipe("film.webm", f"{_VP9} -pix_fmt yuva420p"),
        # It lies in a stream of its own, beside the picture.
        known={"pixels": "yuv420p", "oddities": frozenset({"alpha"})},
    )
    yield Film("av1 yuv420p10le", Recipe("film.mp4", f"{_AV1} -pix_fmt yuv420p10le"))
    yield Film(
        "prores with alpha",
        Recipe("film.mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le"),
        known={"pixels": "yuva444p12le", "oddities": frozenset({"alpha"})},  # it has no 10 bits
    )
    yield Film("png mov", Recipe("film.mov", "-c:v png"))
    yield Film("gif 720p", Recipe("film.gif", "-c:v gif", (1280, 720), Fraction(5), sound=None))
    yield Film(
        "rgb h264",
        Recipe("film.mkv", "-c:v libx264rgb -pix_fmt bgr24"),
        known={"pixels": "gbrp"},
    )
    yield Film("ffv1 16-bit grey", Recipe("film.mkv", "-c:v ffv1 -pix_fmt gray16le"))
    yield Film("full range", Recipe("film.mp4", "-c:v libx264 -pix_fmt yuvj420p"))
    odd = (161, 121)
    yield Film("odd size vp9", Recipe("film.webm", _VP9, odd))
    yield Film("odd size av1", Recipe("film.mp4", _AV1, odd))
    yield Film("odd size gif", Recipe("film.gif", "-c:v gif", odd, sound=None))
    yield Film("odd size h264", Recipe("film.mp4", "-c:v libx264 -pix_fmt yuv444p", odd))
    yield Film("16 x 16", Recipe("film.mp4", size=(16, 16)))
    yield Film("16 x 16 vp8", Recipe("film.webm", _VP8, (16, 16)))
    yield Film("1080 x 1920", Recipe("film.mp4", f"{_H264} -preset ultrafast", (1080, 1920)))
    yield Film("1920 x 1080 vp9", Recipe("film.webm", _VP9, (1920, 1080)))
    large = (3840, 2160)
    yield Film(
        "4K h264", Recipe("film.mp4", f"{_H264} -preset ultrafast", large), seconds=120, heavy=True
    )
    yield Film(
        "4K hevc 60 fps",
        Recipe("film.mp4", f"{_HEVC} -preset ultrafast -pix_fmt yuv420p10le", large, Fraction(60)),
        seconds=900,
        heavy=True,
    )
    yield Film("very wide", Recipe("film.mp4", size=(1920, 16)))
    yield Film(
        "oblong pixels h264",
        Recipe("film.mp4", size=(720, 576), filters=",setsar=16/11", shown=(1047, 576)),
    )
    yield Film(
        "oblong pixels hevc",
        Recipe("film.mkv", f"{_HEVC} -pix_fmt yuv420p", filters=",setsar=4/3", shown=(213, 120)),
    )
    yield Film(
        "tall pixels vp9", Recipe("film.webm", _VP9, filters=",setsar=8/9", shown=(142, 120))
    )
    for degrees in (90, 180, 270):
        yield Film(f"turned {degrees} h264", Recipe("film.mp4", turned=degrees))
        yield Film(
            f"turned {degrees} hevc",
            Recipe("film.mov", f"{_HEVC} -pix_fmt yuv420p", turned=degrees),
        )
    yield Film(
        "turned 90 oblong pixels",
        Recipe("film.mp4", filters=",setsar=4/3", turned=90, shown=(120, 213)),
    )
    for name, file, video in (
        ("h264", "film.mp4", f"{_H264} -flags +ildct+ilme -x264-params tff=1"),
        ("mpeg-2", "film.mpg", "-c:v mpeg2video -flags +ildct+ilme -q:v 3"),
        ("mpeg-2 ts", "film.ts", "-c:v mpeg2video -flags +ildct+ilme -q:v 3"),
    ):
        # Each frame holds two moments; the scored film shows one of them, without combs.
        moving = "testsrc2=s=160x120:r=50:d=2,scroll=h=0.02,eq=contrast=0.7"
        woven = Recipe(file, video, cuts=(1.01,), source=moving,
                       filters=",tinterlace=interleave_top,setfield=tff")  # fmt: skip
        yield Film(f"interlaced {name}", woven, known={"oddities": frozenset({"interlaced"})})


def _timed() -> Iterator[Film]:
    """Yield frame rates, lengths, and beginnings."""
    rates = ("5", "24000/1001", "25", "30000/1001", "60", "120")
    for rate in map(Fraction, rates):
        frames = round(2 * rate)
        recipe = Recipe(
            "film.mp4", rate=rate, frames=frames, seconds=frames / rate,
            cuts=(float(round(rate) / rate),),
        )  # fmt: skip
        yield Film(f"{float(rate):.6g} fps h264", recipe)
        yield Film(f"{float(rate):.6g} fps vp9", replace(recipe, file="film.webm", video=_VP9))
    uneven = Recipe(
        "film.mkv", f"{_H264} -bf 0 -fps_mode passthrough", rate=Fraction(30), seconds=Fraction(4),
        cuts=(0.5, 2.5, 10 / 3), filters=_UNEVEN, frames=48,
    )  # fmt: skip
    # FFmpeg writes the length of a last frame into few containers; the sound says when it ends.
    yield Film("uneven h264 mkv", uneven)
    yield Film(
        "uneven h264 mp4",
        replace(uneven, file="film.mp4", video=f"{_H264} -bf 3 -fps_mode passthrough"),
    )
    yield Film(
        "uneven vp8 webm",
        replace(uneven, file="film.webm", video=f"{_VP8} -fps_mode passthrough"),
    )
    yield Film(
        "uneven hevc mov",
        replace(uneven, file="film.mov", video=f"{_HEVC} -fps_mode passthrough -pix_fmt yuv420p"),
    )
    # Sound in AVI is MP3, which lasts whole frames of 1152 samples.
    known = {"seconds": Fraction(155 * 1152, 44_100)}
    for name, video in (
        ("mjpeg", "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p"), ("mpeg-4", "-c:v mpeg4 -q:v 4"),
        ("h264", f"{_H264} -bf 0"),
    ):  # fmt: skip
        dropping = replace(uneven, file="film.avi", video=f"{video} -fps_mode passthrough")
        yield Film(f"dropped frames avi {name}", dropping, known=known)
    live = {"oddities": frozenset({"no length"})}
    yield Film("recorded in a browser", Recipe("film.webm", _VP8, last="-live 1"), known=live)
    yield Film("recorded in a browser, h264", Recipe("film.mkv", last="-live 1"), known=live)
    yield Film(
        "recorded in a browser, uneven",
        replace(uneven, file="film.webm", video=f"{_VP8} -fps_mode passthrough", last="-live 1"),
        known=live,
    )
    fragments = "-movflags frag_keyframe+empty_moov+default_base_moof"
    for name, video in (("", _H264), (", hevc", _HEVC)):
        yield Film(
            f"fragmented mp4{name}",
            Recipe("film.mp4", f"{video} -g 10", last=fragments),
            known={"oddities": frozenset({"fragments"})},
        )
    for file, video in (("film.mkv", _H264), ("film.webm", _VP9), ("film.mp4", _H264)):
        recipe = Recipe(file, video, last="-output_ts_offset 10")
        yield Film(f"begins at 10 s {file[5:]}", recipe, known={"start": 10})
    # FFmpeg begins transport streams 1.4 s late.
    yield Film(
        "begins at 10 h ts",
        Recipe("film.ts", last="-output_ts_offset 36000"),
        known={"start": 36001.4},
    )
    # The clock of a transport stream begins anew after 2³³ ticks of 1/90000 s.
    yield Film(
        "clock begins anew in ts",
        Recipe("film.ts", last="-output_ts_offset 95441.3"),
        known={"oddities": frozenset({"clock begins anew"})},
    )
    trimmed = Recipe("film.mp4", seconds=Fraction(3), cuts=(2.0,), copies=(("-ss 1", ""),))
    # Without a keyframe at 1 s the copy holds the second before it, and its edit list hides it.
    hiding = {
        "frames": 50, "seconds": Fraction(2), "cuts": (1.0,), "oddities": frozenset({"edit list"}),
    }  # fmt: skip
    yield Film("edit list", trimmed, known=hiding)
    yield Film(
        "edit list hevc",
        replace(trimmed, video=f"{_HEVC} -pix_fmt yuv420p -tag:v hvc1"),
        known=hiding,
    )
    yield Film(
        "sound after an edit list, kept",
        replace(trimmed, sound=Sound(beep=2)),
        "keep",
        known={**hiding, "beep": 1.0},
    )
    yield Film(
        "edit list that delays the picture",
        Recipe(
            "film.mp4", f"{_H264} -fps_mode passthrough", sound=Sound(seconds=3, beep=1.7), late=0.7
        ),
        "keep",
        # Sound is heard before the picture, whose first frame is the 18th, and after it.
        known={
            "start": 0.7,
            "seconds": Fraction(3),
            "lead": Fraction(18, 25),
            "beep": 1.7,
            "cuts": (1.72,),
        },
    )
    yield Film(
        "half a second", Recipe("film.mp4", seconds=Fraction(1, 2), rate=Fraction(30), cuts=())
    )
    yield Film(
        "half a second webm",
        Recipe("film.webm", _VP9, seconds=Fraction(1, 2), rate=Fraction(30), cuts=()),
    )
    yield Film("one second", Recipe("film.mp4", seconds=Fraction(1), cuts=(0.52,)))
    long = Recipe(
        "film.mkv", _VP9, seconds=Fraction(1800), size=(320, 240),
        cuts=tuple(float(cut) for cut in range(7, 1800, 7)),
    )  # fmt: skip
    yield Film("half an hour", long, seconds=7200, heavy=True)


def _shown() -> Iterator[Film]:
    """Yield what may be in the picture."""
    yield Film("no cuts", Recipe("film.mp4", cuts=()))
    # 0, 168, 252, 84: steps of 168 and 84 by turns, as FFmpeg's score is the smaller of the change
    # and of what that differs from the last change by, of 256.
    grey = "168*between(mod(N,4),1,2)+84*gte(mod(N,4),2)"
    flicker = f"color=s=160x120:r=5:d=9,geq=lum='{grey}':cb=128:cr=128"
    yield Film(
        "a cut every frame",
        Recipe("film.mp4", source=flicker, seconds=Fraction(9), rate=Fraction(5), cuts=()),
        known={"cuts": tuple(n / 5 for n in range(1, 45))},
    )
    yield Film("black", Recipe("film.mp4", source="color=s=160x120:r=25:d=2", cuts=()))
    yield Film(
        "black and silent vp9",
        Recipe("film.webm", _VP9, source="color=s=160x120:r=25:d=2", cuts=(), sound=Sound(beep=9)),
    )
    still = "testsrc2=s=160x120:r=25:d=0.04,loop=-1:1,trim=duration=3"
    yield Film("a still", Recipe("film.mp4", source=still, seconds=Fraction(3), cuts=()))
    alone = Recipe(
        "film.mp4", source="testsrc2=s=160x120:r=1/3:d=3", rate=Fraction(1, 3),
        seconds=Fraction(3), cuts=(),
    )  # fmt: skip
    yield Film("one frame of three seconds", alone)
    yield Film("one frame of three seconds hevc", replace(alone, video=f"{_HEVC} -pix_fmt yuv420p"))
    yield Film("one frame of three seconds mkv", replace(alone, file="film.mkv"))
    yield Film(
        "slides, one a second",
        Recipe("film.mp4", rate=Fraction(1), seconds=Fraction(6), cuts=(3.0,)),
    )
    for name, transfer, number in (("pq", "smpte2084", 16), ("hlg", "arib-std-b67", 18)):
        tagged = f"{_PQ.replace('smpte2084', transfer)}"
        yield Film(
            f"high dynamic range {name} hevc",
            Recipe(
                "film.mp4",
                f"-c:v libx265 -pix_fmt yuv420p10le -x265-params log-level=error:colorprim=bt2020:"
                f"transfer={transfer}:colormatrix=bt2020nc",
                filters=f",setparams={tagged}",
            ),
            known={"transfer": number},
        )


def _sounding() -> Iterator[Film]:
    """Yield sound of every kind, left out and kept."""
    yield Film("no sound", Recipe("film.mp4", sound=None))
    yield Film("silent sound", Recipe("film.mp4", sound=Sound(beep=9)))
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
        known = {"seconds": Fraction(4)} if name == "longer" else {}
        yield Film(f"sound {name}", recipe, known=known)
        yield Film(f"sound {name}, kept", recipe, "keep", known)
    for name in ("5.1 aac", "8 kHz", "late mp4", "mono"):
        container, sound = kinds[name]
        yield Film(f"sound {name}, ducked", Recipe(f"film.{container}", sound=sound), "duck")
    heard = Sound(beep=1)
    late = Recipe("film.mkv", sound=heard, last="-output_ts_offset 10")
    recorded = Recipe("film.webm", _VP8, sound=heard, last="-live 1")
    yield Film("sound of a transport stream, kept", Recipe("film.ts", sound=heard), "keep")
    yield Film("sound from 10 s on, kept", late, "keep")
    yield Film("sound of a browser recording, kept", recorded, "keep")
    yield Film("no sound, kept", Recipe("film.mp4", sound=None), "keep")


def _real() -> Iterator[Film]:
    """Yield real films, where they are to be had."""
    for name, heavy in (("joy", False), ("sadness", True), ("vemoclap_sample_7s", False),
                       ("emsync_demo_60s", True)):  # fmt: skip
        yield Film(f"real {name}", f"{name}.mp4", seconds=600, heavy=heavy)


FILMS: Sequence[Film] = (
    *_coded(), *_pictured(), *_timed(), *_shown(), *_sounding(), *_real(),
)  # fmt: skip
