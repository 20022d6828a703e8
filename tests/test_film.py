"""What is a film and what is not; times, sizes, frames and sound, on files of every kind."""

import os
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import UNEVEN_TIMES, Films
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emsync.errors import Cancelled, FilmError, ToolError
from emsync.film.examine import _clock, _Timeline
from emsync.film.ffmpeg import FFmpegRun, ffmpeg_executable, input_arguments
from emsync.film.frames import iter_audio, read_audio, stream_frames
from emsync.film.mp4 import edit_end
from emsync.film.probe import probe
from emsync.progress import CancelToken
from emsync.settings import FilmLimits

EVEN = ["-i", "PLAIN"]
KINDS: dict[str, list[str]] = {
    "plain.mp4": [],
    "moov-last.mp4": [*EVEN, "-c", "copy"],
    "fragmented.mp4": [*EVEN, "-c", "copy", "-movflags", "frag_keyframe+empty_moov"],
    "matroska.mkv": [*EVEN, "-c", "copy"],
    "starts-late.mkv": [*EVEN, "-c", "copy", "-output_ts_offset", "10"],
    "no-duration.webm": [*EVEN, "-c:v", "libvpx", "-c:a", "libopus", "-live", "1"],
    "vp9.webm": [*EVEN, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-an"],
    "order-only.avi": [*EVEN, "-c:v", "mpeg4", "-bf", "2", "-c:a", "pcm_s16le"],
    "h264-in.avi": [*EVEN, "-c", "copy"],
    "broadcast.ts": [*EVEN, "-c", "copy"],
    "disc.mpg": [*EVEN, "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"],
    "flash.flv": [*EVEN, "-c", "copy"],
    "windows.wmv": [*EVEN, "-c:v", "wmv2", "-c:a", "wmav2"],
    "deep.mov": [*EVEN, "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params",
                 "log-level=error", "-an"],
    "odd.mkv": [*EVEN, "-vf", "scale=101:77", "-c:v", "ffv1", "-pix_fmt", "yuv444p", "-an"],
    "grey.mkv": [*EVEN, "-c:v", "ffv1", "-pix_fmt", "gray", "-an"],
    "moving.gif": [*EVEN],
}  # fmt: skip


def make(films: Films, name: str) -> Path:
    plain = films.plain()
    arguments = [str(plain) if word == "PLAIN" else word for word in KINDS[name]]
    return films.render(name, *arguments)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_film_has_75_frames_in_three_seconds(
    films: Films, name: str, either_ffmpeg: str, cancel: CancelToken
) -> None:
    film = probe(make(films, name))
    assert film.frame_count == 75
    assert abs(film.duration - 3) <= Fraction(1, 1000)
    assert not film.variable_frame_rate
    frames = [frame.time for frame in stream_frames(film, cancel, 32)]
    assert len(frames) == 75
    # A millisecond is as fine as Matroska counts.
    assert all(abs(seen - Fraction(n, 25)) <= Fraction(1, 1000) for n, seen in enumerate(frames))
    assert frames[-1] == film.last_frame


def test_demo_film_is_measured_exactly(demo_film: Path) -> None:
    film = probe(demo_film)
    assert film.duration == 1437 * Fraction(1001, 24000)
    assert film.frame_rate == Fraction(24000, 1001)
    assert (film.width, film.height, film.rotation) == (640, 360, 0)
    assert (film.frame_count, film.video_codec, film.pixel_format) == (1437, "hevc", "yuv420p")
    assert film.has_audio and not film.variable_frame_rate and film.start == 0


def test_real_film_whose_picture_starts_late(shared_videos: Path, cancel: CancelToken) -> None:
    film = probe(shared_videos / "sadness.mp4")
    assert film.start == Fraction(1001, 30000)
    assert film.duration == 957 * Fraction(1001, 30000)
    first = next(stream_frames(film, cancel))
    assert first.time == 0 and first.scene_score == 0


def test_first_packets_that_nobody_can_decode_are_not_the_film(films: Films) -> None:
    cut = films.folder / "tuned-in-late.ts"
    film = probe(films.render("gop.ts", "-i", films.plain(), "-c:v", "libx264", "-g", "20", "-an"))
    data = film.path.read_bytes()
    # Half of the first group of pictures is gone, as when a recorder starts between keyframes.
    cut.write_bytes(data[len(data) // 8 // 188 * 188 :])
    late = probe(cut)
    assert 40 <= late.frame_count < film.frame_count
    shown = [frame.time for frame in stream_frames(late, CancelToken(), 32)]
    assert shown[0] == 0 and len(shown) == late.frame_count


def test_variable_frame_rate_keeps_its_times(
    films: Films, either_ffmpeg: str, cancel: CancelToken
) -> None:
    film = probe(films.uneven())
    assert film.variable_frame_rate
    assert film.frame_count == len(UNEVEN_TIMES)
    frames = list(stream_frames(film, cancel, 32))
    times = [frame.time for frame in frames]
    expected = [Fraction(n, 30) for n in UNEVEN_TIMES]
    assert len(times) == len(expected)
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(times, expected, strict=True))
    # Each time has the picture of that time: dark and bright by turns of 2.5 s.
    bright = [frame.pixels.mean() > 120 for frame in frames]
    assert bright == [n % 150 >= 75 for n in UNEVEN_TIMES]


def test_end_of_an_mp4_with_b_frames_and_variable_frame_rate(films: Films) -> None:
    """Its last frame is shown for a thirtieth; the gaps between frames are seven times that."""
    film = probe(films.uneven_mp4())
    assert film.variable_frame_rate and film.frame_count == len(UNEVEN_TIMES)
    assert abs(film.last_frame - Fraction(UNEVEN_TIMES[-1], 30)) <= Fraction(1, 1000)
    assert abs(film.duration - film.last_frame - Fraction(1, 30)) <= Fraction(2, 1000)


def test_edit_lists_are_read(films: Films) -> None:
    assert edit_end(films.plain(), 1) == 3
    assert edit_end(films.plain(), 9) is None
    assert edit_end(films.folder / "nowhere.mp4", 1) is None
    assert edit_end(make(films, "fragmented.mp4"), 1) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_edit_lists_raise_nothing(
    films: Films, tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray(films.plain().read_bytes())
    begin, end = whole.index(b"moov"), whole.index(b"mdat")
    for place in data.draw(st.lists(st.integers(begin, end - 1), max_size=8)):
        whole[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(whole[: data.draw(st.integers(0, end))])
    found = edit_end(path, 1)
    assert found is None or found > 0


def test_one_second_and_120_frames_a_second(films: Films, cancel: CancelToken) -> None:
    film = probe(films.silent(1, 120))
    assert film.duration == 1 and film.frame_rate == 120
    assert [f.time for f in stream_frames(film, cancel, 16)] == [
        Fraction(n, 120) for n in range(120)
    ]


def turned(films: Films, degrees: int) -> Path:
    """A film, red above and blue below as stored, to be turned clockwise by a player."""
    stored = films.render(
        "halves.mp4",
        "-f", "lavfi", "-i", "color=red:s=160x120:d=1:r=10,drawbox=0:60:160:60:blue:fill",
        "-pix_fmt", "yuv420p", "-c:v", "libx264",
    )  # fmt: skip
    path = films.folder / f"turned-{degrees}.mp4"
    with av.open(str(stored)) as source, av.open(str(path), "w") as target:
        picture = source.streams.video[0]
        copy = target.add_stream_from_template(picture)
        copy.set_display_rotation(-degrees)
        for packet in source.demux(picture):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return path


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_phone_films_come_out_upright(
    films: Films, degrees: int, either_ffmpeg: str, cancel: CancelToken
) -> None:
    film = probe(turned(films, degrees))
    assert film.rotation == degrees
    sideways = degrees in (90, 270)
    assert (film.width, film.height) == ((120, 160) if sideways else (160, 120))
    pixels = next(stream_frames(film, cancel, 60)).pixels
    assert pixels.shape == ((80, 60, 3) if sideways else (45, 60, 3))
    # Where red is: above, right, below, left.
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
    edges = {0: pixels[2, 30], 90: pixels[40, -3], 180: pixels[-3, 30], 270: pixels[40, 2]}
    red, blue = edges[degrees], edges[(degrees + 180) % 360]
    assert red[0] > 200 > 60 > red[2] and blue[2] > 200 > 60 > blue[0], (middle, red, blue)


def test_oblong_pixels_are_shown_square(films: Films, cancel: CancelToken) -> None:
    path = films.render(
        "anamorphic.mp4", "-i", films.plain(), "-vf", "setsar=4/3", "-c:v", "libx264", "-an"
    )
    film = probe(path)
    assert (film.width, film.height) == (213, 120)
    with pytest.raises(FilmError, match="213 × 120 pixels"):
        probe(path, FilmLimits(pixels=160 * 120))
    assert (film.stored_width, film.sample_aspect_ratio) == (160, Fraction(4, 3))
    assert next(stream_frames(film, cancel, 100)).pixels.shape == (56, 100, 3)


def test_cover_art_is_not_the_film(films: Films) -> None:
    still = films.render("still.jpg", "-i", films.plain(), "-vf", "scale=400:400", "-frames:v", "1")
    path = films.render(
        "cover.mp4", "-i", still, "-i", films.plain(), "-map", "0:v", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic",
    )  # fmt: skip
    film = probe(path)
    assert (film.width, film.frame_count) == (160, 75)


def cut_short(films: Films, name: str, share: float) -> Path:
    data = make(films, name).read_bytes()
    path = films.folder / f"short-{name}"
    path.write_bytes(data[: int(len(data) * share)])
    return path


def blanked(films: Films) -> Path:
    """A film whose frames are all there, but full of zeros."""
    data = bytearray(films.silent().read_bytes())
    begin = data.index(b"mdat")
    (size,) = struct.unpack(">I", data[begin - 4 : begin])
    data[begin + 4 : begin - 4 + size] = bytes(size - 8)
    path = films.folder / "blank.mp4"
    path.write_bytes(data)
    return path


def written(films: Films, name: str, data: bytes) -> Path:
    path = films.folder / name
    path.write_bytes(data)
    return path


def frameless(films: Films, name: str) -> Path:
    """A well-formed file in which nothing was recorded."""
    return films.render(name, "-f", "lavfi", "-i", "color=d=1", "-frames:v", "0")


def song(films: Films) -> Path:
    return films.render("song.mp3", "-i", films.plain(), "-vn")


def song_with_cover(films: Films) -> Path:
    still = films.render("still.jpg", "-i", films.plain(), "-vf", "scale=400:400", "-frames:v", "1")
    return films.render(
        "album.mp3", "-i", song(films), "-i", still, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v", "attached_pic",
    )  # fmt: skip


def picture(films: Films, extension: str) -> Path:
    return films.render(f"photo.{extension}", "-i", films.plain(), "-frames:v", "1")


def disguised(films: Films, extension: str) -> Path:
    return written(films, f"{extension}.mp4", picture(films, extension).read_bytes())


def folder(films: Films) -> Path:
    path = films.folder / "folder.mp4"
    path.mkdir(exist_ok=True)
    return path


REFUSED: dict[str, tuple[Callable[[Films], Path], str]] = {
    "missing": (lambda f: f.folder / "nowhere.mp4", "There is no file"),
    "folder": (folder, "is a folder"),
    "empty": (lambda f: written(f, "empty.mp4", b""), "is empty"),
    "device": (lambda f: Path("/dev/null"), "is not a file"),
    "noise": (lambda f: written(f, "noise.mp4", bytes(range(7, 256)) * 99), "is not a film"),
    "text": (lambda f: written(f, "text.mp4", b"A film, honestly.\n" * 50), "is not a film"),
    "playlist": (
        lambda f: written(f, "list.mp4", b"#EXTM3U\n#EXTINF:3,\nplain.mp4\n#EXT-X-ENDLIST\n"),
        "is not a film",
    ),
    "script": (
        lambda f: written(f, "script.mp4", b"ffconcat version 1.0\nfile plain.mp4\n"),
        "is not a film",
    ),
    "song": (song, "sound but no picture"),
    "album": (song_with_cover, "sound but no picture"),
    "png": (lambda f: disguised(f, "png"), "is a picture"),
    "jpg": (lambda f: disguised(f, "jpg"), "is a picture"),
    "bmp": (lambda f: disguised(f, "bmp"), "is a picture"),
    "gif": (lambda f: disguised(f, "gif"), "is a picture"),
    "header only": (lambda f: cut_short(f, "moov-last.mp4", 0.5), "cut off: the part"),
    "half mp4": (lambda f: cut_short(f, "plain.mp4", 0.5), "cut off after 1\\.[0-9] s"),
    "half fragmented": (lambda f: cut_short(f, "fragmented.mp4", 0.6), "cut off after 1\\.[0-9] s"),
    "half mkv": (lambda f: cut_short(f, "matroska.mkv", 0.5), "cut off after 1\\.[0-9] s"),
    "half avi": (lambda f: cut_short(f, "order-only.avi", 0.5), "cut off after 1\\.[0-9] s"),
    "half flv": (lambda f: cut_short(f, "flash.flv", 0.5), "cut off after 1\\.[0-9] s"),
    "frameless mp4": (lambda f: frameless(f, "none.mp4"), "contains no frames"),
    "frameless webm": (lambda f: frameless(f, "none.webm"), "contains no frames"),
    "blank": (blanked, "None of the frames"),
    "twice": (
        lambda f: written(f, "twice.ts", make(f, "broadcast.ts").read_bytes() * 2),
        "clock of .* jumps back",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_film_gets_a_sentence(films: Films, what: str) -> None:
    build, sentence = REFUSED[what]
    with pytest.raises(FilmError, match=sentence) as caught:
        probe(build(films))
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and "Errno" not in message


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (FilmLimits(seconds=2.9), r"lasts 3 s; the limit is 2\.9 s"),
        (FilmLimits(pixels=160 * 120 - 1), "160 × 120 pixels; the limit is 0.0 million"),
        (FilmLimits(bytes=1000), "MB large; the limit is 0 MB"),
    ],
)
def test_limits(films: Films, limits: FilmLimits, sentence: str) -> None:
    with pytest.raises(FilmError, match=sentence):
        probe(films.plain(), limits)


def test_limits_are_inclusive(films: Films) -> None:
    size = films.plain().stat().st_size
    probe(films.plain(), FilmLimits(seconds=3, pixels=160 * 120, bytes=size))


def test_length_is_limited_where_the_header_does_not_say(films: Films) -> None:
    with pytest.raises(FilmError, match="the limit is 2 s"):
        probe(make(films, "no-duration.webm"), FilmLimits(seconds=2))


def test_spoken_lengths() -> None:
    assert [_clock(Fraction(s)) for s in (59.96, 60, 600, 630.04, 0.5)] == [
        "1 min", "1 min", "10 min", "10 min 30 s", "0.5 s",
    ]  # fmt: skip


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)
def test_timeline_puts_reordered_frames_right(gaps: list[int], window: int, random: object) -> None:
    """Any order in which each frame is at most a few places from its own gives the same answer."""
    times = np.cumsum([100, *gaps]).tolist()
    keys = [n + random.uniform(0, window) for n in range(len(times))]  # type: ignore[attr-defined]
    timeline = _Timeline(start=100)
    for key in sorted(range(len(times)), key=lambda n: keys[n]):
        timeline.add(times[key], 7)
    timeline.finish()
    assert (timeline.count, timeline.first, timeline.last) == (len(times), 100, times[-1])
    assert timeline.end(Fraction(9)) == times[-1] + 7
    assert (timeline.shortest, timeline.longest) == (min(gaps), max(gaps))


@pytest.mark.parametrize("starts", [True, False])
def test_every_pipe_is_closed_once(
    films: Films, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that is closed a second time may be another thread's file by then."""
    closed: list[int] = []
    close = os.close

    def note(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    with FFmpegRun(CancelToken()) as run:
        theirs = [run.open_side_pipe("side"), run.open_side_pipe("out")]
        if starts:
            run.start([*input_arguments(films.plain()), "-f", "null", "-"])
        monkeypatch.setattr("emsync.film.ffmpeg.os.close", note)
    assert len(closed) == len({*closed}) == (2 if starts else 4)
    assert ({*theirs} <= {*closed}) is not starts


def test_ffmpeg_itself_opens_no_script(films: Films, either_ffmpeg: str) -> None:
    films.plain()
    script = written(films, "script.mp4", b"ffconcat version 1.0\nfile plain.mp4\n")
    with FFmpegRun(CancelToken()) as run:
        run.start([*input_arguments(script), "-f", "null", "-"])
        assert list(run.read()) == []
        assert run.finish() != 0
    assert "not on whitelist" in run._stderr.decode()


@pytest.mark.parametrize("name", ["-y.mp4", "a:b 100%d'[q].mp4", "фильм “1”, ok=2.mp4", "pipe:0"])
def test_odd_names(
    films: Films, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancel: CancelToken
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(films.plain().read_bytes())
    film = probe(Path(name))
    assert sum(1 for _ in stream_frames(film, cancel, 16)) == 75
    assert len(read_audio(film, 8000, cancel)) == 24_000


def test_damage_in_the_middle_is_lived_with(
    films: Films, either_ffmpeg: str, cancel: CancelToken
) -> None:
    data = bytearray(make(films, "broadcast.ts").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(i * 37 % 256 for i in range(2000))
    film = probe(written(films, "damaged.ts", bytes(data)))
    frames = list(stream_frames(film, cancel, 32))
    assert len(frames) > 37
    assert all(a.time < b.time for a, b in pairwise(frames))


def test_size_that_changes_in_the_middle(
    films: Films, either_ffmpeg: str, cancel: CancelToken
) -> None:
    small = films.render(
        "small.ts", "-f", "lavfi", "-i", "testsrc2=s=96x128:d=1:r=25", "-output_ts_offset", "3",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0",
    )  # fmt: skip
    large = films.render("large.ts", "-i", films.plain(), "-an", "-c:v", "libx264", "-bf", "0")
    film = probe(written(films, "grows.ts", large.read_bytes() + small.read_bytes()))
    shapes = {frame.pixels.shape for frame in stream_frames(film, cancel, 80)}
    assert film.frame_count == 100 and shapes == {(60, 80, 3)}


def test_memory_does_not_grow_with_length(films: Films, cancel: CancelToken) -> None:
    def peak(seconds: int) -> int:
        film = probe(films.silent(seconds, 25, "320x240"))
        tracemalloc.start()
        frames = sum(1 for _ in stream_frames(film, cancel, 320))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert frames == seconds * 25
        return peak

    peak(1)  # first use loads modules
    assert peak(20) < peak(2) + 200_000  # one frame has 230,400 bytes


def children() -> set[str]:
    """Processes that this one has started and that still run."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("needs /proc")
    return {pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def test_cancelled_stream_ends_its_ffmpeg(films: Films, cancel: CancelToken) -> None:
    before = children()
    frames = stream_frames(probe(films.silent(20, 25, "320x240")), cancel)
    next(frames)
    assert len(children() - before) == 2  # FFmpeg, and what ends it should we be killed
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(frames)
    assert children() <= before


def test_abandoned_stream_ends_its_ffmpeg(films: Films, cancel: CancelToken) -> None:
    before = children()
    frames = stream_frames(probe(films.silent(20, 25, "320x240")), cancel)
    next(frames)
    frames.close()
    sound = iter_audio(probe(films.plain()), 16_000, cancel)
    next(sound)
    del sound
    assert children() <= before


def test_cancel_reaches_a_silent_ffmpeg(cancel: CancelToken) -> None:
    before = children()
    begin = time.monotonic()
    threading.Timer(0.5, cancel.cancel).start()
    with FFmpegRun(cancel) as run, pytest.raises(Cancelled):
        run.start(["-re", "-f", "lavfi", "-i", "color=d=60", "-f", "null", "-"])
        list(run.read())
    assert time.monotonic() - begin < 2
    assert children() <= before


def onset(samples: np.ndarray, rate: int) -> float:
    """Seconds at which the sound first gets loud."""
    return float(np.argmax(np.abs(samples) > 0.2)) / rate


@pytest.mark.parametrize(
    ("picture_delay", "sound_delay", "expected", "seconds"),
    [
        (0, 0, 1.0, 3),
        (0, 0.5, 1.5, 3.5),  # the last frame is held
        (0.4, 0, 1.0, 3.4),  # the first one is
        (0, 0.013, 1.013, 3),
        (0.04, 0, 0.96, 3),
    ],
)
def test_sound_is_lined_up_with_the_picture(
    films: Films,
    picture_delay: float,
    sound_delay: float,
    expected: float,
    seconds: float,
    either_ffmpeg: str,
    cancel: CancelToken,
) -> None:
    name = f"beep-{picture_delay}-{sound_delay}.mkv"
    film = probe(films.beep(name, picture_delay=picture_delay, sound_delay=sound_delay))
    samples = read_audio(film, 44_100, cancel)
    assert float(film.duration) == pytest.approx(seconds, abs=0.0015)
    assert samples.dtype == np.float32 and samples.shape == (round(film.duration * 44_100),)
    assert onset(samples, 44_100) == pytest.approx(expected, abs=0.0015)
    stereo = np.concatenate(list(iter_audio(film, 44_100, cancel, channels=2)))
    assert stereo.shape == (len(samples), 2)
    assert onset(stereo[:, 1], 44_100) == pytest.approx(expected, abs=0.0015)


def test_sound_shorter_than_the_picture_is_filled_up(films: Films, cancel: CancelToken) -> None:
    path = films.render(
        "short-sound.mkv", "-i", films.silent(), "-f", "lavfi", "-i", "sine=d=1",
        "-c:v", "copy", "-c:a", "pcm_s16le",
    )  # fmt: skip
    samples = read_audio(probe(path), 16_000, cancel)
    assert len(samples) == 48_000
    assert np.abs(samples[:15_000]).max() > 0.1 and not samples[16_100:].any()


def test_film_without_sound(films: Films, cancel: CancelToken) -> None:
    film = probe(films.silent())
    assert not film.has_audio and film.audio_stream is None
    assert read_audio(film, 16_000, cancel).shape == (0,)


def test_demo_film_sound_in_blocks(demo_film: Path, cancel: CancelToken) -> None:
    film = probe(demo_film)
    sizes = [len(block) for block in iter_audio(film, 16_000, cancel)]
    assert max(sizes) <= 16_000 and sum(sizes) == round(film.duration * 16_000)


def fake_ffmpeg(folder: Path, version: str, encoders: str) -> None:
    script = folder / "ffmpeg"
    script.write_text(
        f"#!/bin/sh\necho 'ffmpeg version {version} Copyright' >&2\necho '{encoders}'\n"
    )
    script.chmod(0o755)


def test_ffmpeg_that_is_too_old_or_incomplete_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    for number, (version, accepted) in enumerate(
        [("4.4.2-0ubuntu", False), ("5.0", False), ("5.1.9", True), ("N-109-gabc", True)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        fake_ffmpeg(folder, version, " A....D aac          AAC")
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
        wanted = str(folder / "ffmpeg") if accepted else packaged
        assert ffmpeg_executable() == wanted
        assert ffmpeg_executable(["aac"]) == wanted
        assert ffmpeg_executable(["libx264", "aac"]) == packaged


def test_no_ffmpeg_at_all_gets_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, films: Films, cancel: CancelToken
) -> None:
    film = probe(films.plain())
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="sudo apt-get install -y ffmpeg"):
        next(stream_frames(film, cancel))
    fake_ffmpeg(tmp_path, "6.0", " A....D aac          AAC")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    with pytest.raises(ToolError, match="has no libx264"):
        ffmpeg_executable(["libx264"])


@settings(max_examples=6, deadline=None)
@given(width=st.integers(1, 400))
def test_frames_are_never_wider_than_asked_or_than_the_film(films: Films, width: int) -> None:
    film = probe(films.silent())
    pixels = next(stream_frames(film, CancelToken(), width)).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (max(1, round(min(width, 160) * 3 / 4)), min(width, 160), 3)
