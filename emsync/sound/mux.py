"""The film's picture and the new sound, in one MP4 that every browser plays."""

import re
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from emsync.errors import FilmError, ToolError
from emsync.film.ffmpeg import FFmpegRun, ffmpeg_executable, input_arguments, threads
from emsync.film.film import Film
from emsync.film.mp4 import track_lengths
from emsync.film.probe import probe
from emsync.film.showing import fitted, shown
from emsync.limits import tool_limits
from emsync.process.files import written_whole
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.text import listed, quoted

_SAMPLE_RATES = (48_000, 44_100)
"""Of the sound, in Hz: that of the WAV file if it is one of them, else the lower one."""
_BROWSER_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High", "Progressive High",
                     "Constrained High"}  # fmt: skip
_BROWSER_PIXELS = {"yuv420p", "yuvj420p"}
_SOUND_FRAME = Fraction(1024, min(_SAMPLE_RATES))
"""Seconds of one frame of AAC, at most."""
_TICK = Fraction(1, 500)
"""Seconds that a last frame may differ from the others by rounding alone."""
_SHORT_FRAME = Fraction(1, 10)
"""Seconds by which a picture of slow frames may be shorter or longer than its film. Ours."""
_TRUSTED = FilmLimits(
    seconds=float("inf"), pixels=1 << 40, bytes=1 << 50, frames=1 << 40, side=1 << 20
)
"""For our own output, whose size follows from a film that was within the limits."""
_UNCAPPED_SECONDS = 600
"""In films up to this length 1080p at its busiest stays below `ToolLimits.scored_bytes`. Ours."""
_PICTURE_SHARE = 0.9
"""Of those bytes, for the picture; the sound takes 24,000 a second."""


@dataclass(frozen=True)
class MuxReport:
    """How the scored film was made.

    Attributes:
        stream_copied: the picture is the film's own, bit for bit.
        note: a sentence or two on that for the user.
        frames_lost: frames of the film that the scored film has not, because they are damaged or
            stand at the time of another.
    """

    stream_copied: bool
    note: str
    frames_lost: int = 0


@dataclass(frozen=True)
class Scored:
    """A film that `mux` has scored: the file, and how it was made."""

    video: Path
    report: MuxReport


def mux(
    film: Film,
    wav: Path,
    out: Path,
    progress: Callable[[float], None],
    cancel: CancelToken,
    picture: Scored | None = None,
) -> MuxReport:
    """Write `out`: H.264 picture and AAC sound in an MP4 that starts playing while it loads.

    A picture that browsers play already is copied untouched; any other is encoded, with its frame
    times kept, turned upright, in square pixels and even sizes. The result starts at 0 and is as
    long as the film, to one frame: where the film's sound begins before its picture or ends after
    it, the first or the last frame is held. Sound that is shorter or longer is padded or cut.
    Title, date, chapters and subtitles that are text are kept; the place, which a phone's metadata
    includes, never is. The file appears under its name only when it is complete and was read back.

    Args:
        film: the film, probed.
        wav: the sound, PCM; its sample 0 is the film's first frame.
        out: the file to write; replaced if it exists.
        progress: called with the share done, in [0, 1].
        cancel: looked at at least five times a second; nothing is left behind.
        picture: the same film, scored before: its picture is taken over as it is, and what was
            reported of it. If it is gone or damaged, the picture is made anew.

    Returns:
        How the picture was made, now or when `picture` was.

    Raises:
        ToolError: FFmpeg or its encoders are missing, the disk is full, or FFmpeg failed.
        Cancelled: the owner of the request asked to stop.
    """
    if out.exists() and film.path.exists() and out.samefile(film.path):
        raise ToolError(
            f"{quoted(out.name)} is the film itself. Choose another name for the result."
        )
    with written_whole(out) as part:
        report = None
        if picture is not None:
            report = _taken_over(film, picture, wav, part, progress, cancel)
        if report is None:
            report = _made(film, wav, part, progress, cancel)
    progress(1.0)
    return report


def _taken_over(
    film: Film,
    picture: Scored,
    wav: Path,
    part: Path,
    progress: Callable[[float], None],
    cancel: CancelToken,
) -> MuxReport | None:
    """Write `part` with the picture of a film scored before; None if that will not do."""
    try:
        before = probe(picture.video, _TRUSTED, cancel)
        if abs(before.duration - film.duration) > 1 / film.frame_rate:
            return None
        # Encoded pictures may lack a line or a column.
        if max(abs(before.width - film.width), abs(before.height - film.height)) > 1:
            return None
        _run(before, wav, part, _copied(before, film), ("aac",), progress, cancel, film.duration)
        lost = _check(part, film, cancel)
        if film.path.exists():
            _add_belongings(film, part, cancel)
    except (FilmError, _Unfit):
        return None
    return picture.report if lost == picture.report.frames_lost else None


def _made(
    film: Film, wav: Path, part: Path, progress: Callable[[float], None], cancel: CancelToken
) -> MuxReport:
    """Write `part` with the film's own picture, copied if that will do, else encoded."""
    obstacle = _copy_obstacle(film)
    lost = 0
    if obstacle is None:
        try:
            _run(film, wav, part, _copied(film, film), ("aac",), progress, cancel)
            _check(part, film, cancel, exactly=True)
        except (FilmError, _Unfit):
            # Headers do not tell everything: damage at the start, changing parameters, edit
            # lists. What cannot be copied faithfully is encoded.
            obstacle = "its stream cannot be put into an MP4 unchanged"
    if obstacle is not None:
        with shown(film) as looks:
            arguments = _encoded(film, looks)
            _run(film, wav, part, arguments, ("libx264", "aac"), progress, cancel)
        try:
            lost = _check(part, film, cancel)
        except (FilmError, _Unfit) as error:
            raise ToolError(
                f"The scored film came out wrong ({error}). Export the film as MP4 (H.264) "
                "and try again."
            ) from error
    notes = [
        "The picture is the film's own, untouched."
        if obstacle is None
        else f"The picture was encoded as H.264, because {obstacle}."
    ]
    if lost:
        notes.append(f"Frames lost to damage: {lost} of {film.frame_count}.")
    notes += [film.holds, _add_belongings(film, part, cancel)]
    return MuxReport(obstacle is None, " ".join(filter(None, notes)), lost)


def _add_belongings(film: Film, part: Path, cancel: CancelToken) -> str:
    """Add to `part` what belongs to the film beside picture and sound: its title and date,
    chapters, and subtitles that are text. Where they do not fit, it stays as it is.

    Returns:
        A sentence on what was not kept; empty if all was.
    """
    unkept = list(film.unkept)
    wanted = {"chapters": film.chapters, "subtitles": len(film.subtitles), "title": len(film.tags)}
    if any(wanted.values()):
        try:
            made = probe(part, _TRUSTED, cancel)
            with written_whole(part) as whole, FFmpegRun(cancel) as run:
                run.start(_belonging(film, made, part, whole), writes=whole)
                for _ in run.read():
                    pass
                if run.disk_full:
                    raise ToolError(
                        "The disk is full. Make room for the scored film and try again."
                    )
                if run.finish():
                    raise _Unfit(run.complaint)
                _check(whole, replace(film, frame_count=made.frame_count), cancel, exactly=True)
        except (FilmError, _Unfit):
            unkept += [name for name, count in wanted.items() if count]
    return f"Not kept: {listed(unkept)}." if unkept else ""


def _belonging(film: Film, made: Film, part: Path, whole: Path) -> list[str]:
    """Return arguments that copy `part`, probed as `made`, and add what belongs to the film."""
    return [
        "-copyts",
        *input_arguments(part),
        "-itsoffset", f"{-float(film.origin):.9f}",
        *input_arguments(film.path),
        "-map", "0:v", "-map", "0:a",
        *(word for stream in film.subtitles for word in ("-map", f"1:{stream}")),
        *_copied(made, made), "-c:a", "copy", "-c:s", "mov_text",
        # Not of all at once, or chapters would lose their names.
        "-map_metadata:g", "-1", "-map_metadata:s", "-1", "-map_chapters", "1",
        *(word for name, text in film.tags for word in ("-metadata", f"{name}={text}")),
        *(["-strict", "unofficial"] if film.is_spherical else []),
        "-movflags", "+faststart", "-f", "mp4", "-y", f"file:{whole.absolute()}",
    ]  # fmt: skip


def _copy_obstacle(film: Film) -> str | None:
    """Return why browsers would not play the film's own picture in an MP4; None if they do."""
    if film.video_codec != "h264":
        return f"not every browser plays {film.video_codec}"
    if film.pixel_format not in _BROWSER_PIXELS or film.profile not in _BROWSER_PROFILES:
        return f"not every browser plays H.264 in {film.profile or film.pixel_format}"
    if film.damaged:
        return "some of its frames are damaged, at which browsers stop"
    if film.interlaced:
        return "it is interlaced, which browsers show with combs"
    if not film.times_stored:
        return "the film does not say when each of its frames is shown"
    return None


def _copied(picture: Film, film: Film) -> list[str]:
    """Return arguments that copy a picture: `film`'s own, or that of `film` scored before."""
    last = picture.duration - picture.last_frame
    if not (picture.variable_frame_rate or film.lead or abs(last - 1 / picture.frame_rate) > _TICK):
        return ["-c:v", "copy"]
    ticks = str(_output_base(picture.time_base))
    return ["-c:v", "copy", "-video_track_timescale", ticks, "-bsf:v", _retimed(picture)]


def _encoded(film: Film, looks: list[str]) -> list[str]:
    """Return arguments that encode a film's picture; `looks` are the filters of `shown`."""
    base = _output_base(film.time_base)
    if film.evenly_numbered:
        seconds = f"(N*{1 / film.frame_rate}+gt(N,0)*{film.lead})"
        place = [f"settb=1/{base}", f"setpts='round({seconds}/TB)'"]
    else:
        first = round(film.start / film.time_base)
        # Not STARTPTS: it begins anew where the size changes.
        place = [
            f"settb={film.time_base.numerator}/{film.time_base.denominator}",
            f"trim=start_pts={first}",
            # The first frame is held for as long as the sound begins before it.
            f"setpts='if(lte(PTS,{first}),0,PTS-({first})+{round(film.lead / film.time_base)})'",
        ]
    width, height = max(2, film.width), max(2, film.height)
    matrix, told = "", []
    if _is_mixed(film.pixel_format) or film.transfer:
        # FFmpeg would take the matrix of small pictures and not tell; players guess by the size.
        matrix = ":out_color_matrix=bt709"
        told = ["setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"]
    filters = [
        *place,
        # One frame for a frame, and only of those that are flagged.
        *(["bwdif=mode=send_frame:deint=interlaced"] if film.interlaced else []),
        *looks,
        # Nothing happens here unless pixels are oblong or the size changes in the middle.
        # H.264 in 4:2:0 needs even sizes.
        *fitted(film, width, height, f":out_range=tv:flags=bicubic{matrix}", even=True),
        "setsar=1",
        "format=yuv420p",
        *told,
        f"settb=1/{base}",
    ]
    # Older FFmpegs forget how long the last frame of a film of variable frame rate lasts, and,
    # with B-frames, state a wrong length for all of it. So the last frame is told, and such films
    # get no B-frames.
    return [
        "-vf", ",".join(filters), "-fps_mode", "vfr",
        "-enc_time_base:v", f"1:{base}", "-video_track_timescale", str(base),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", *_cap(film.duration),
        *(["-bf", "0"] if film.variable_frame_rate or film.lead or film.held else []),
        "-bsf:v", _last_duration(film),
    ]  # fmt: skip


def _cap(seconds: Fraction) -> list[str]:
    """Bound the rate of a long film's picture, so that it does not become larger than it may."""
    if seconds <= _UNCAPPED_SECONDS:
        return []
    bits = int(8 * _PICTURE_SHARE * tool_limits().scored_bytes / seconds)
    return ["-maxrate", str(bits), "-bufsize", str(2 * bits)]


def _is_mixed(pixel_format: str) -> bool:
    """Return whether pixels are stored as red, green and blue, as in a GIF or a screen
    recording."""
    import av

    stored = av.VideoFormat(pixel_format)
    return stored.is_rgb or stored.has_palette


def _last_duration(film: Film) -> str:
    """Return a bitstream filter that makes the last frame shown last until the film's end."""
    # Time stamps that are not named are overwritten as well.
    return f"setts=pts=PTS:dts=DTS:duration='{_until_the_end(film)}'"


def _retimed(film: Film) -> str:
    """Return a bitstream filter for packets that are copied: the first frame is moved to where the
    film begins, and the last lasts until its end."""
    early = f"-eq(N,0)*round({float(film.lead)!r}/TB)"
    return f"setts=pts='PTS{early}':dts='DTS{early}':duration='{_until_the_end(film)}'"


def _until_the_end(film: Film) -> str:
    """Return an expression for the ticks that a packet lasts."""
    after = float(film.last_frame - film.time_base / 4)
    begin = "PTS" if film.last_frame else "0"  # a single frame was moved there
    return f"if(gte(PTS*TB,{after!r}),{float(film.duration)!r}/TB-{begin},DURATION)"


def _output_base(base: Fraction) -> int:
    """Return ticks per second of the encoded picture, exact for the film's time stamps if it can
    be.

    The encoder and the MP4 count alike, so that nothing is rounded between them. FFmpeg wants at
    least 10,000 ticks a second in an MP4; too fine a clock is replaced by that of MPEG.
    """
    ticks = base.denominator
    while ticks < 10_000:
        ticks *= 2
    return ticks if ticks <= 1_000_000 else 90_000


def _run(
    film: Film,
    wav: Path,
    part: Path,
    picture: list[str],
    encoders: tuple[str, ...],
    progress: Callable[[float], None],
    cancel: CancelToken,
    seconds: Fraction | None = None,
) -> None:
    """Join the picture of `film` and `seconds` of sound, by default as many as it lasts itself."""
    rate = _rate_of(wav)
    samples = round((film.duration if seconds is None else seconds) * rate)
    pending = b""
    reached = 0.0
    with FFmpegRun(cancel) as run:
        run.start(
            [
                "-copyts",
                # Moves the first frame to 0; encoded pictures are moved exactly by a filter.
                *(["-itsoffset", f"{-float(film.origin):.9f}"] if "copy" in picture else []),
                *input_arguments(film.path),
                *input_arguments(wav),
                "-map", f"0:{film.video_stream}", "-map", "1:a:0", "-sn", "-dn",
                "-map_metadata", "-1", "-map_chapters", "-1",
                *picture,
                "-af", f"aresample={rate},apad=whole_len={samples},"
                f"atrim=end_sample={samples}",
                # The thorough search takes twice as long and, at this rate, comes no nearer.
                "-threads", str(threads()),
                "-c:a", "aac", "-aac_coder", "fast", "-b:a", "192k",
                # Only so does an MP4 get the boxes that say that it is to be looked at all around.
                *(["-strict", "unofficial"] if film.is_spherical else []),
                "-movflags", "+faststart", "-f", "mp4",
                "-progress", "pipe:1", "-stats_period", "0.25",
                "-y", f"file:{part.absolute()}",
            ],
            ffmpeg_executable(encoders),
            writes=part,
        )  # fmt: skip
        for _, chunk in run.read():
            pending += chunk
            *lines, pending = pending.split(b"\n")
            for line in lines:
                if found := re.fullmatch(rb"out_time_us=(\d+)", line.strip()):
                    # FFmpeg tells of the stream it last wrote, and one may be behind the other.
                    reached = max(reached, min(0.99, int(found[1]) / 1e6 / float(film.duration)))
                    progress(reached)
        status = run.finish()
        if status == 0 and not run.disk_full:
            return
        # When there is no room for the last move of an MP4, FFmpeg says so and ends well.
        if run.disk_full:
            raise ToolError("The disk is full. Make room for the scored film and try again.")
        if status < 0:
            raise ToolError("FFmpeg was stopped by the system while it wrote the film. Try again.")
        if "copy" in picture:
            raise _Unfit(run.complaint)
        raise ToolError(
            f"FFmpeg could not write the scored film. Export the film as MP4 (H.264) and try "
            f"again.{run.words}"
        )


def _rate_of(wav: Path) -> int:
    """Return the sample rate of the scored film's sound, in Hz."""
    try:
        with wave.open(str(wav)) as file:
            rate = file.getframerate()
    except (OSError, EOFError, wave.Error):
        rate = 0  # FFmpeg says what is wrong with it
    return rate if rate in _SAMPLE_RATES else min(_SAMPLE_RATES)


class _Unfit(Exception):
    """The file written is not the film with its new sound."""


def _check(part: Path, film: Film, cancel: CancelToken, exactly: bool = False) -> int:
    """Read the result back: from 0, as long as the film, and (`exactly`) all of its frames.

    Returns:
        How many of the film's frames it lacks.
    """
    if not part.exists():
        raise _Unfit("FFmpeg wrote nothing")
    frame = 1 / film.frame_rate
    result = probe(part, _TRUSTED, cancel)
    millisecond = Fraction(1, 1000)
    if abs(result.start) > frame:
        raise _Unfit(f"it starts at {float(result.start):.3f} s")
    if abs(result.duration - film.duration) > frame + millisecond:
        raise _Unfit(f"it lasts {float(result.duration):.3f} s")
    if abs(result.stated - film.duration) > frame + millisecond:
        raise _Unfit(f"it lasts {float(result.stated):.3f} s with its sound")
    # The header alone does not tell which of the tracks is as long as it says.
    try:
        tracks = track_lengths(part)
    except ValueError as error:
        raise _Unfit(str(error)) from error
    for kind, name, rounding in (
        ("vide", "picture", min(frame, _SHORT_FRAME)),
        ("soun", "sound", _SOUND_FRAME),
    ):
        length = tracks.get(kind, Fraction(0))
        if abs(length - film.duration) > rounding + millisecond:
            raise _Unfit(f"its {name} lasts {float(length):.3f} s")
    # A frame that is damaged, or shown at the time of another, may get lost in encoding.
    if abs(result.frame_count - film.frame_count) > (0 if exactly else film.frame_count // 10):
        raise _Unfit(f"it has {result.frame_count} of {film.frame_count} frames")
    if not result.has_audio:
        raise _Unfit("it has no sound")
    return max(0, film.frame_count - result.frame_count)
