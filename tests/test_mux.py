"""The scored film: playable everywhere, exactly as long as the film, untouched where it can be."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import UNEVEN_TIMES, Films
from test_film import make, onset, turned

from emsync.errors import Cancelled, ToolError
from emsync.film.film import Film
from emsync.film.frames import read_audio, stream_frames
from emsync.film.probe import probe
from emsync.limits import ToolLimits
from emsync.progress import CancelToken
from emsync.sound.mix import write_wav
from emsync.sound.mux import MuxReport, Scored, mux
from emsync.sound.synth import Sound


def ignore(share: float) -> None:
    """A progress callback."""


def joined(film: Film, wav: Path, folder: Path) -> tuple[MuxReport, Path]:
    out = folder / "scored.mp4"
    report = mux(film, wav, out, ignore, CancelToken())
    assert [path.name for path in folder.iterdir() if "part" in path.name] == []
    return report, out


def boxes(path: Path) -> Iterator[bytes]:
    """The kinds of an MP4's top-level boxes, in order."""
    with path.open("rb") as file:
        while head := file.read(8):
            size, kind = struct.unpack(">I4s", head)
            yield kind
            file.seek(size - 8, 1)


def assert_playable(out: Path, film: Film) -> Film:
    """What browsers and the film's length ask for; gives the result, probed."""
    result = probe(out)
    frame = 1 / film.frame_rate
    assert abs(result.duration - film.duration) <= frame
    assert result.start == 0
    assert result.video_codec == "h264" and result.pixel_format in ("yuv420p", "yuvj420p")
    with av.open(str(out)) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
        audio = file.streams.audio[0]
        assert audio.codec_context.name == "aac" and audio.codec_context.sample_rate == 44_100
        assert audio.codec_context.layout.nb_channels == 2
        assert abs(Fraction(file.duration, av.time_base) - film.duration) <= frame  # type: ignore
        sound = audio.duration * audio.time_base  # type: ignore[operator]
        assert abs(sound - film.duration) <= Fraction(1, 1000)
    order = list(boxes(out))
    assert order.index(b"moov") < order.index(b"mdat"), "plays only when all of it is there"
    return result


def payloads(path: Path) -> list[bytes]:
    """The picture's packets, as they lie in the file."""
    with av.open(str(path)) as file:
        video = file.streams.video[0]
        return [bytes(packet) for packet in file.demux(video) if packet.size]


@pytest.mark.parametrize("name", ["plain.mp4", "fragmented.mp4", "matroska.mkv", "flash.flv"])
def test_h264_is_copied_untouched(
    films: Films, name: str, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    film = probe(make(films, name))
    report, out = joined(film, tone, tmp_path)
    assert report.stream_copied and "untouched" in report.note
    assert_playable(out, film)
    assert payloads(out) == payloads(film.path)


def test_broadcast_stream_is_copied(
    films: Films, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    film = probe(make(films, "broadcast.ts"))  # starts at 1.48 s of its clock
    report, out = joined(film, tone, tmp_path)
    assert report.stream_copied
    assert assert_playable(out, film).frame_count == 75


@pytest.mark.parametrize(
    "name",
    ["no-duration.webm", "vp9.webm", "order-only.avi", "h264-in.avi", "disc.mpg", "deep.mov",
     "odd.mkv", "grey.mkv", "moving.gif"],
)  # fmt: skip
def test_everything_else_is_encoded(
    films: Films, name: str, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    film = probe(make(films, name))
    report, out = joined(film, tone, tmp_path)
    assert not report.stream_copied and "because" in report.note
    result = assert_playable(out, film)
    assert result.frame_count == 75 and not result.variable_frame_rate
    assert abs(result.duration - 3) <= Fraction(1, 1000)
    assert (result.width, result.height) == (film.width & ~1, film.height & ~1)
    times = [frame.time for frame in stream_frames(result, CancelToken(), 16)]
    assert all(abs(seen - Fraction(n, 25)) <= Fraction(1, 1000) for n, seen in enumerate(times))


@pytest.mark.parametrize("options", ["-pix_fmt yuv422p", "-pix_fmt yuv444p", "-qp 0"])
def test_h264_that_browsers_do_not_play_is_encoded(
    films: Films, options: str, tone: Path, tmp_path: Path
) -> None:
    name = f"{options.replace(' ', '')}.mp4"
    path = films.render(name, "-i", films.plain(), "-an", "-c:v", "libx264", *options.split())
    film = probe(path)
    report, out = joined(film, tone, tmp_path)
    assert not report.stream_copied and "H.264 in High 4:" in report.note
    assert_playable(out, film)


def test_variable_frame_rate_survives(
    films: Films, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    def times(film: Film) -> list[Fraction]:
        return [frame.time for frame in stream_frames(film, CancelToken(), 16)]

    film = probe(films.uneven())
    report, copied = joined(film, tone, tmp_path)
    assert report.stream_copied
    result = assert_playable(copied, film)
    assert result.variable_frame_rate and times(result) == times(film)
    film = probe(films.uneven_mp4())
    report, with_b_frames = joined(film, tone, tmp_path)
    assert report.stream_copied and payloads(with_b_frames) == payloads(film.path)
    result = assert_playable(with_b_frames, film)
    assert times(result) == times(film)
    assert abs(result.duration - film.duration) <= Fraction(1, 1000)
    vp8 = films.render(
        "uneven.webm", "-i", films.uneven(), "-c:v", "libvpx", "-fps_mode", "passthrough"
    )
    film = probe(vp8)
    report, encoded = joined(film, tone, tmp_path)
    assert not report.stream_copied
    result = assert_playable(encoded, film)
    assert result.variable_frame_rate and result.frame_count == len(UNEVEN_TIMES)
    assert times(result) == times(film)
    assert abs(result.duration - film.duration) <= Fraction(1, 1000)


def test_last_frame_lasts_as_long_as_in_the_film(
    films: Films, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    """A still end, as of a slide show, which some FFmpegs cut to a 25th of a second."""
    path = films.folder / "slides.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, shade in ((0, 0), (400, 90), (420, 150), (1800, 220)):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), shade, np.uint8), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packet.duration = 1200
                file.mux(packet)
    film = probe(path)
    assert film.duration == 3 and film.last_frame == Fraction(9, 5)
    _, out = joined(film, tone, tmp_path)
    assert assert_playable(out, film).duration == 3


@pytest.mark.parametrize("degrees", [90, 180])
def test_vertical_film_stays_upright(
    films: Films, degrees: int, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    film = probe(turned(films, degrees))
    report, out = joined(film, tone, tmp_path)
    copied = assert_playable(out, film)
    assert report.stream_copied and copied.rotation == degrees
    assert (copied.width, copied.height) == (film.width, film.height)
    # The same, as HEVC, which a phone would record.
    hevc = tmp_path / "hevc.mov"
    with av.open(str(film.path)) as source, av.open(str(hevc), "w") as target:
        stream = target.add_stream("libx265", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.options = {"x265-params": "log-level=none"}
        stream.set_display_rotation(-degrees)
        for frame in source.decode(video=0):
            frame.side_data  # noqa: B018 (read before the frame goes)
            target.mux(stream.encode(frame.reformat(format="yuv420p")))
        target.mux(stream.encode(None))
    film = probe(hevc)
    assert film.rotation == degrees
    report, out = joined(film, tone, tmp_path)
    encoded = assert_playable(out, film)
    assert not report.stream_copied and encoded.rotation == 0
    assert (encoded.width, encoded.height) == (film.width, film.height)
    before, after = (next(stream_frames(f, CancelToken(), 60)).pixels for f in (film, encoded))
    assert np.abs(before.astype(int) - after).mean() < 12


def test_oblong_pixels_become_square(films: Films, tone: Path, tmp_path: Path) -> None:
    path = films.render(
        "anamorphic.mkv", "-i", films.plain(), "-an", "-vf", "setsar=4/3", "-c:v", "ffv1"
    )
    film = probe(path)
    _, out = joined(film, tone, tmp_path)
    result = assert_playable(out, film)
    assert (result.width, result.height, result.sample_aspect_ratio) == (212, 120, 1)


def test_one_second_film_without_sound(films: Films, tone: Path, tmp_path: Path) -> None:
    film = probe(films.silent(1))
    report, out = joined(film, tone, tmp_path)  # 3 s of sound
    assert report.stream_copied
    assert assert_playable(out, film).duration == 1


def test_smallest_picture(films: Films, tone: Path, tmp_path: Path) -> None:
    path = films.render(
        "dot.mkv", "-f", "lavfi", "-i", "color=red:s=2x2:d=1:r=10", "-vf", "scale=1:1",
        "-c:v", "ffv1", "-pix_fmt", "bgr0",
    )  # fmt: skip
    film = probe(path)
    _, out = joined(film, tone, tmp_path)
    assert assert_playable(out, film).width == 2


def test_sound_that_is_too_short_is_filled_up(films: Films, tmp_path: Path) -> None:
    wav = tmp_path / "short.wav"
    write_wav(Sound(np.full((22_050, 2), 0.1, np.float32), 44_100), wav)
    film = probe(films.silent())
    _, out = joined(film, wav, tmp_path)
    assert_playable(out, film)


@pytest.mark.parametrize(("rate", "heard"), [(48_000, 48_000), (22_050, 44_100)])
def test_the_film_has_the_sample_rate_of_its_sound(
    films: Films, tmp_path: Path, rate: int, heard: int
) -> None:
    wav = tmp_path / "fine.wav"
    write_wav(Sound(np.full((3 * rate, 2), 0.1, np.float32), rate), wav, "24-bit")
    film = probe(films.silent())
    _, out = joined(film, wav, tmp_path)
    with av.open(str(out)) as file:
        audio = file.streams.audio[0]
        assert audio.codec_context.sample_rate == heard
        assert abs(audio.duration * audio.time_base - film.duration) <= Fraction(1, 1000)  # type: ignore[operator]


def test_a_long_film_that_is_encoded_stays_below_the_bound(
    films: Films, tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise, which no encoder makes small, taken for a long film."""
    path = films.render(
        "noise.mkv", "-f", "lavfi", "-i", "color=gray:s=160x120:d=20:r=25,noise=alls=100:allf=t",
        "-c:v", "ffv1",
    )  # fmt: skip
    film, most = probe(path), 2_000_000
    monkeypatch.setattr("emsync.sound.mux.tool_limits", lambda: ToolLimits(scored_bytes=most))
    assert joined(film, tone, tmp_path)[1].stat().st_size > 2 * most
    monkeypatch.setattr("emsync.sound.mux._UNCAPPED_SECONDS", 7)
    _, out = joined(film, tone, tmp_path)
    assert_playable(out, film)
    assert 0.5 * most < out.stat().st_size < most


@pytest.mark.parametrize("name", ["plain.mp4", "vp9.webm", "broadcast.ts"])
def test_sound_is_where_it_was(films: Films, name: str, tmp_path: Path, either_ffmpeg: str) -> None:
    """A click at 1.5 s of the WAV is heard 1.5 s after the first frame of the result."""
    samples = np.zeros((3 * 44_100, 2), np.float32)
    at = np.arange(8820) / 44_100
    samples[66_150 : 66_150 + 8820] = 0.5 * np.sin(2 * np.pi * 1000 * at)[:, None]
    wav = tmp_path / "click.wav"
    write_wav(Sound(samples, 44_100), wav)
    _, out = joined(probe(make(films, name)), wav, tmp_path)
    heard = onset(read_audio(probe(out), 44_100, CancelToken()), 44_100)
    assert heard == pytest.approx(1.5, abs=0.002)


def test_title_chapters_and_subtitles_are_kept_and_the_place_is_not(
    films: Films, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n")
    tags = tmp_path / "tags.txt"
    tags.write_text(
        ";FFMETADATA1\ntitle=Secret\nlocation=+48.2+016.4/\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
    )
    path = films.render(
        "laden.mp4", "-i", films.plain(), "-i", words, "-i", tags, "-map", "0", "-map", "1",
        "-map_metadata", "2", "-map_chapters", "2", "-c", "copy", "-c:s", "mov_text",
        "-timecode", "01:00:00:00",
    )  # fmt: skip
    with av.open(str(path)) as file:
        assert len(file.streams) > 2 and file.metadata["title"] == "Secret"
    report, out = joined(probe(path), tone, tmp_path)
    assert report.stream_copied
    assert report.note.endswith("Not kept: the place and the time code.")
    with av.open(str(out)) as file:
        assert file.metadata["title"] == "Secret"
        assert not any("location" in name for name in file.metadata)
        assert b"+48.2" not in out.read_bytes()
        assert "timecode" not in file.streams.video[0].metadata
        assert [one["metadata"]["title"] for one in file.chapters()] == ["One"]
        subtitles = [packet for packet in file.demux(subtitles=0) if packet.size > 2]
        assert [float((packet.pts or 0) * packet.time_base) for packet in subtitles] == [0.5]
        assert b"Hello" in bytes(subtitles[0])


def test_demo_film(demo_film: Path, tmp_path: Path, either_ffmpeg: str) -> None:
    film = probe(demo_film)
    wav = tmp_path / "silence.wav"
    frames = round(film.duration * 44_100)
    write_wav(Sound(np.zeros((frames, 2), np.float32), 44_100), wav)
    shares: list[float] = []
    report = mux(film, wav, tmp_path / "scored.mp4", shares.append, CancelToken())
    assert not report.stream_copied and "hevc" in report.note
    result = assert_playable(tmp_path / "scored.mp4", film)
    assert result.frame_count == 1437 and result.duration == film.duration
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 4


def test_real_h264_films_are_copied(shared_videos: Path, tone: Path, tmp_path: Path) -> None:
    for name in ("joy.mp4", "sadness.mp4", "vemoclap_sample_7s.mp4"):
        film = probe(shared_videos / name)
        report, out = joined(film, tone, tmp_path)
        assert report.stream_copied
        assert assert_playable(out, film).duration == film.duration


def test_damaged_film_is_still_scored(films: Films, tone: Path, tmp_path: Path) -> None:
    """Three of its frames are nothing but zeros; the report says that they are gone."""
    path = films.render("hurt.mov", "-i", films.plain(), "-an", "-c:v", "mjpeg", "-q:v", "9")
    with av.open(str(path)) as file:
        places = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for at, size in places[30:33]:
        assert at is not None
        data[at : at + size] = bytes(size)
    hurt = films.folder / "hurt-more.mov"
    hurt.write_bytes(data)
    film = probe(hurt)
    assert film.frame_count == 75
    report, out = joined(film, tone, tmp_path)
    assert not report.stream_copied
    assert assert_playable(out, film).frame_count == 72
    assert report.frames_lost == 3
    assert report.note.endswith("Frames lost to damage: 3 of 75.")


def test_a_film_that_ends_within_a_frame_is_scored_without_it(
    films: Films, tone: Path, tmp_path: Path
) -> None:
    """Browsers stop at half a frame, so the picture is not copied with it."""
    whole = films.plain().read_bytes()
    with av.open(str(films.plain())) as file:
        places = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    at, size = places[-6]
    assert at is not None and size > 8
    path = tmp_path / "short.mp4"
    path.write_bytes(whole[: at + size // 2])
    film = probe(path)
    assert film.damaged and film.frame_count < 70
    report, out = joined(film, tone, tmp_path)
    assert not report.stream_copied and "damaged" in report.note
    assert assert_playable(out, film).frame_count == film.frame_count
    with av.open(str(out)) as scored:
        assert len(list(scored.decode(video=0))) == film.frame_count


def test_film_is_never_overwritten(films: Films, tone: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(films.plain().read_bytes())
    with pytest.raises(ToolError, match="is the film itself"):
        mux(probe(path), tone, path, ignore, CancelToken())
    assert path.read_bytes() == films.plain().read_bytes()


def test_result_is_replaced_only_when_complete(films: Films, tone: Path, tmp_path: Path) -> None:
    out = tmp_path / "scored.mp4"
    out.write_bytes(b"the old result")
    cancel = CancelToken()

    def stop(share: float) -> None:
        cancel.cancel()

    film = probe(films.silent(20, 25, "320x240"))
    with pytest.raises(Cancelled):
        mux(film, tone, out, stop, cancel)
    assert out.read_bytes() == b"the old result"
    assert [path.name for path in tmp_path.iterdir() if path not in (out, tone)] == []
    mux(film, tone, out, ignore, CancelToken())
    assert_playable(out, film)


def test_failure_gets_a_sentence_and_leaves_nothing(films: Films, tmp_path: Path) -> None:
    wav = tmp_path / "not.wav"
    wav.write_text("no sound at all")
    with pytest.raises(ToolError, match="could not write the scored film"):
        mux(probe(films.plain()), wav, tmp_path / "scored.mp4", ignore, CancelToken())
    assert list(tmp_path.iterdir()) == [wav]


# A film scored before --------------------------------------------------------------------------


def times(path: Path) -> list[tuple[int | None, int | None, int | None]]:
    """When each packet of the picture is shown and decoded, and for how long, in ticks."""
    with av.open(str(path)) as file:
        return [(p.pts, p.dts, p.duration) for p in file.demux(video=0) if p.size]


@pytest.mark.parametrize("name", ["plain.mp4", "vp9.webm", "uneven.mp4", "uneven.webm", "odd.mkv"])
def test_picture_of_a_film_scored_before_is_taken_over(
    films: Films, name: str, tone: Path, tmp_path: Path, either_ffmpeg: str
) -> None:
    """However often: picture and times stay the same, the sound is the new one."""
    if name == "uneven.mp4":
        path = films.uneven_mp4()
    elif name == "uneven.webm":
        path = films.render(
            name, "-i", films.uneven(), "-c:v", "libvpx", "-fps_mode", "passthrough"
        )
    else:
        path = make(films, name)
    film = probe(path)
    report, out = joined(film, tone, tmp_path)
    quiet = tmp_path / "quiet.wav"
    write_wav(Sound(np.zeros((44_100, 2), np.float32), 44_100), quiet)
    for number in range(3):
        again = tmp_path / f"again{number}.mp4"
        made = mux(film, quiet, again, ignore, CancelToken(), Scored(out, report))
        assert made == report, "what is said of the picture is still true"
        assert payloads(again) == payloads(out)
        assert times(again) == times(out)
        result = assert_playable(again, film)
        assert not read_audio(result, 44_100, CancelToken()).any()
        out = again


def test_picture_is_taken_over_without_a_look_at_the_film(
    films: Films, tone: Path, tmp_path: Path
) -> None:
    path = tmp_path / "film.webm"
    path.write_bytes(make(films, "vp9.webm").read_bytes())
    film = probe(path)
    report, out = joined(film, tone, tmp_path)
    path.unlink()
    assert mux(film, tone, out, ignore, CancelToken(), Scored(out, report)) == report
    assert_playable(out, film)


def test_lost_frames_are_still_reported(films: Films, tone: Path, tmp_path: Path) -> None:
    film = probe(make(films, "vp9.webm"))
    _, out = joined(film, tone, tmp_path)
    longer = replace(film, frame_count=film.frame_count + 2)
    told = MuxReport(False, "Two frames were lost.", 2)
    assert mux(longer, tone, out, ignore, CancelToken(), Scored(out, told)) == told


@pytest.mark.parametrize("harm", ["gone", "cut off", "shorter", "another size", "frames"])
def test_picture_that_does_not_fit_is_made_anew(
    films: Films, harm: str, tone: Path, tmp_path: Path
) -> None:
    film = probe(make(films, "vp9.webm"))
    expected, out = joined(film, tone, tmp_path)
    earlier = tmp_path / "earlier.mp4"
    told = MuxReport(True, "Not true.", 1 if harm == "frames" else 0)
    if harm == "shorter":
        mux(probe(films.silent(2)), tone, earlier, ignore, CancelToken())
    elif harm == "another size":
        mux(probe(films.silent(3, 25, "320x240")), tone, earlier, ignore, CancelToken())
    elif harm != "gone":
        whole = out.read_bytes()
        earlier.write_bytes(whole[: len(whole) // 2] if harm == "cut off" else whole)
    report = mux(film, tone, out, ignore, CancelToken(), Scored(earlier, told))
    assert report == expected
    assert_playable(out, film)
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
