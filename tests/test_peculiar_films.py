"""Films with one peculiarity each, of kinds that people report: made here, with what is right."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import Films

from emsync.errors import FilmError
from emsync.film.film import Film, choose_sound, from_plain, to_plain
from emsync.film.frames import read_audio, stream_frames
from emsync.film.mp4 import track_lengths
from emsync.film.probe import probe
from emsync.progress import CancelToken
from emsync.sound.mix import write_wav
from emsync.sound.mux import MuxReport, Scored, mux
from emsync.sound.synth import Sound

SECOND = Fraction(1, 1000)


def scored(film: Film, folder: Path, picture: Scored | None = None) -> tuple[MuxReport, Path]:
    """Put a quiet sound under the picture."""
    wav, out = folder / "sound.wav", folder / "scored.mp4"
    write_wav(Sound(np.full((round(film.duration * 44_100), 2), 0.1, np.float32), 44_100), wav)
    return mux(film, wav, out, lambda share: None, CancelToken(), picture), out


def shown(path: Path) -> list[Fraction]:
    """Times at which frames are shown, in their order."""
    with av.open(str(path)) as file:
        return sorted(p.pts * p.time_base for p in file.demux(video=0) if p.pts is not None)


def frame_at(path: Path, seconds: float) -> np.ndarray:
    """The frame shown at a time, as (height, width, 3)."""
    with av.open(str(path)) as file:
        frames = [f for f in file.decode(video=0) if f.time is not None and f.time <= seconds]
        return frames[-1].to_ndarray(format="rgb24")


# Where a film ends ------------------------------------------------------------------------------


def test_a_slide_show_with_b_frames_ends_where_its_edit_list_says(
    films: Films, tmp_path: Path
) -> None:
    """Four slides of 3 s, the last for a 25th: the durations of decoding add up to 12 s."""
    path = films.render(
        "slides.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=9.04",
        "-vf", "select='not(mod(n,75))'", "-fps_mode", "vfr", "-enc_time_base", "1:12800",
        "-c:v", "libx264", "-bf", "2", "-x264-params", "b-adapt=0", "-pix_fmt", "yuv420p",
        "-bsf:v", "setts=pts=PTS:dts=DTS:duration='if(gte(PTS*TB,8.9),512,DURATION)'",
    )  # fmt: skip
    film = probe(path)
    assert film.frame_count == 4 and film.last_frame == 9
    assert abs(film.duration - Fraction(904, 100)) <= 2 * SECOND
    report, out = scored(film, tmp_path)
    assert report.stream_copied
    lengths = track_lengths(out)
    assert abs(lengths["vide"] - film.duration) <= SECOND
    assert abs(lengths["soun"] - film.duration) <= Fraction(1024, 44_100)
    assert shown(out) == [0, 3, 6, 9]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_last_frame_is_held_while_the_sound_lasts(films: Films, tmp_path: Path, codec: str) -> None:
    path = films.render(
        f"outlasting-{codec}.mp4", "-i", films.plain(), "-f", "lavfi", "-i", "sine=d=8",
        "-map", "0:v", "-map", "1:a", "-c:v", codec, "-pix_fmt", "yuv420p",
    )  # fmt: skip
    film = probe(path)
    assert abs(film.duration - 8) < Fraction(1, 20) and film.lead == 0
    assert abs(film.picture_seconds - 3) <= SECOND
    assert np.abs(read_audio(film, 8000, CancelToken())[-4000:]).max() > 0.05
    report, out = scored(film, tmp_path)
    assert report.stream_copied == (codec == "libx264")
    assert "lasts 5.0 s longer than its picture, so the last frame is held" in report.note
    for length in track_lengths(out).values():
        assert abs(length - film.duration) < Fraction(1, 20)
    assert [frame.time for frame in stream_frames(film, CancelToken(), 16)][-1] < 3
    again, _ = scored(film, tmp_path, Scored(out, report))
    assert again == report


def test_first_frame_is_held_where_the_sound_begins_before_it(films: Films, tmp_path: Path) -> None:
    for codec in ("libx264", "mpeg4"):
        path = films.render(
            f"early-{codec}.mkv", "-itsoffset", "0.8", "-i", films.silent(),
            "-f", "lavfi", "-i", "aevalsrc='0.5*sin(6283*t)*lt(t,0.2)':s=44100:d=3.8",
            "-map", "0:v", "-map", "1:a", "-c:v", codec, "-bf", "2", "-pix_fmt", "yuv420p",
            "-c:a", "pcm_s16le",
        )  # fmt: skip
        film = probe(path)
        assert abs(film.lead - Fraction(4, 5)) <= 2 * SECOND and film.held == 0
        frames = [frame.time for frame in stream_frames(film, CancelToken(), 16)]
        assert len(frames) == 75 and frames[0] == 0
        assert abs(frames[1] - Fraction(84, 100)) <= 2 * SECOND
        assert abs(frames[-1] - film.last_frame) <= SECOND
        assert np.abs(read_audio(film, 8000, CancelToken())[:1000]).max() > 0.3, "heard from 0 on"
        report, out = scored(film, tmp_path)
        assert "begins 0.8 s before its picture, so the first frame is held" in report.note
        assert all(abs(a - b) <= 2 * SECOND for a, b in zip(shown(out), frames, strict=True)), (
            report
        )


def test_a_still_with_sound_is_as_long_as_its_sound(films: Films, tmp_path: Path) -> None:
    path = films.render(
        "still.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=0.04",
        "-f", "lavfi", "-i", "sine=d=10", "-pix_fmt", "yuv420p", "-c:v", "libx264",
    )  # fmt: skip
    film = probe(path)
    assert film.frame_count == 1 and abs(film.duration - 10) < Fraction(1, 20)
    _, out = scored(film, tmp_path)
    assert abs(track_lengths(out)["vide"] - film.duration) <= SECOND


def test_a_stray_packet_of_sound_makes_no_film_longer(films: Films) -> None:
    """Its time stamp is an hour off, as in damaged recordings."""
    path = films.folder / "stray.mkv"
    with av.open(str(films.plain())) as source, av.open(str(path), "w") as target:
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
        packets = [p for p in source.demux() if p.dts is not None]
        sound = [p for p in packets if p.stream.type == "audio"]
        for packet in packets:
            if packet is sound[-1]:
                packet.pts = packet.dts = (packet.dts or 0) + 3600 * 44_100
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
    assert abs(probe(path).duration - 3) <= 2 * SECOND


# Which track ------------------------------------------------------------------------------------


def several(films: Films, name: str, *more: str) -> Path:
    """A film with a silent stereo track, a tone of 440 Hz, and a loud one of 880 Hz."""
    return films.render(
        name, "-i", films.silent(),
        "-f", "lavfi", "-i", "anullsrc=d=3:r=44100", "-f", "lavfi", "-i", "sine=d=3:r=44100",
        "-f", "lavfi", "-i", "sine=880:d=3:r=44100",
        "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:a", "-c:v", "copy",
        "-metadata:s:a:0", "title=Commentary", "-metadata:s:a:1", "title=Main", *more,
    )  # fmt: skip


def pitches(film: Film) -> set[int]:
    """Those of the tones that are heard."""
    heard = np.abs(np.fft.rfft(read_audio(film, 8000, CancelToken())))
    seconds = float(film.duration)
    return {hz for hz in (440, 880) if heard[round(hz * seconds)] > 0.1 * heard.max() > 1}


def test_default_sound_track_is_taken(films: Films) -> None:
    flags = ["-disposition:a", "0", "-disposition:a:1", "default"]
    film = probe(several(films, "flagged.mkv", "-c:a", "flac", *flags))
    assert film.audio_stream == 2 and pitches(film) == {440}
    assert film.sound_choice == (
        "Of the 3 sound tracks of the film number 2, “Main”, is used, and the others are left out."
    )
    assert from_plain(to_plain(film), film.path) == film


def test_without_a_default_a_track_that_is_heard_is_taken(films: Films) -> None:
    flags = ["-disposition:a", "0", "-c:a", "pcm_s16le"]  # so that silence is not smaller
    film = probe(several(films, "unflagged.mkv", *flags))
    assert film.audio_stream in (2, 3) and film.audio_stream == 2


def test_sound_track_can_be_chosen_and_mixed(films: Films) -> None:
    film = probe(several(films, "chosen.mkv", "-c:a", "flac"))
    assert pitches(choose_sound(film, 3)) == {880}
    mixed = choose_sound(film, 0)
    assert pitches(mixed) == {440, 880}
    assert mixed.sound_choice == "All 3 sound tracks of the film are mixed."
    assert choose_sound(film, None) == film
    with pytest.raises(FilmError, match="has only 3 sound tracks, no number 4"):
        choose_sound(film, 4)


def test_largest_of_two_pictures_is_the_film_and_a_still_is_none(films: Films) -> None:
    path = films.render(
        "two-pictures.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.04",
        "-i", films.silent(3, 25, "96x64"), "-i", films.silent(),
        "-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-pix_fmt", "yuv420p",
    )  # fmt: skip
    film = probe(path)
    assert (film.width, film.frame_count) == (160, 75)


def test_command_line_asks_for_a_track() -> None:
    from emsync.commands.options import parser, settings_of

    def asked(*words: str) -> int | None:
        options = parser().parse_args(["film.mkv", "-o", "out.mp4", *words])
        return settings_of(options).sound.audio_track

    assert asked() is None
    assert asked("--audio-track", "2") == 2
    assert asked("--audio-track", "mix") == 0
    with pytest.raises(SystemExit):
        asked("--audio-track", "first")


# What is shown ----------------------------------------------------------------------------------

BARS = "smptehdbars=s=320x180:r=25:d=2"


@pytest.mark.parametrize("transfer", ["arib-std-b67", "smpte2084"])
def test_high_dynamic_range_is_seen_as_on_an_ordinary_screen(
    films: Films, tmp_path: Path, transfer: str
) -> None:
    """The same picture in both; the scored film says what it is."""
    ordinary = probe(films.render(
        "ordinary.mp4", "-f", "lavfi", "-i", f"{BARS},negate=enable='gte(t,1)'",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "10",
        "-vf", "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv",
    ))  # fmt: skip
    light = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020"
    told = f"colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    bright = probe(films.render(
        f"{transfer}.mov", "-i", ordinary.path, "-vf",
        f"{light},zscale=t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le,setparams={told}",
        "-c:v", "libx265", "-x265-params", "log-level=error", "-crf", "10", "-tag:v", "hvc1",
    ))  # fmt: skip
    assert (ordinary.transfer, bright.transfer) == ("", {"a": "hlg", "s": "pq"}[transfer[0]])
    seen = [list(stream_frames(film, CancelToken(), 80)) for film in (ordinary, bright)]
    for before, after in zip(*seen, strict=True):
        assert np.abs(before.pixels.astype(int) - after.pixels).mean() < 12
    cuts = [[f.time for f in frames if f.scene_score > 0.27] for frames in seen]
    assert cuts[0] == cuts[1] == [1]
    report, out = scored(bright, tmp_path)
    assert not report.stream_copied
    with av.open(str(out)) as file:
        frame = next(file.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
        assert frame.format.name == "yuv420p"
    assert np.abs(frame_at(out, 0.5).astype(int) - frame_at(ordinary.path, 0.5)).mean() < 12


def combs(picture: np.ndarray) -> float:
    """How much each line differs from both its neighbours, the same way."""
    grey = picture.astype(int).mean(axis=2)
    above, below = grey[1:-1] - grey[:-2], grey[1:-1] - grey[2:]
    return float(np.where(above * below > 0, np.minimum(abs(above), abs(below)), 0).mean())


@pytest.mark.parametrize("name", ["woven.mpg", "woven.mp4"])
def test_interlaced_films_lose_their_combs_and_no_frame(
    films: Films, tmp_path: Path, name: str
) -> None:
    codec = ["mpeg2video", "-q:v", "2"] if name.endswith("mpg") else ["libx264", "-crf", "12"]
    path = films.render(
        name, "-f", "lavfi", "-i", "testsrc2=s=320x240:r=50:d=2,scroll=h=0.02",
        "-vf", "tinterlace=interleave_top,setfield=tff", "-flags", "+ildct+ilme",
        "-pix_fmt", "yuv420p", "-c:v", *codec,
        *(["-x264-params", "tff=1"] if name.endswith("mp4") else []),
    )  # fmt: skip
    film = probe(path)
    assert film.interlaced and film.frame_count == 50
    report, out = scored(film, tmp_path)
    assert not report.stream_copied
    assert probe(out).frame_count == 50 and not probe(out).interlaced
    assert combs(frame_at(out, 1)) < 0.35 * combs(frame_at(path, 1 + float(film.start)))


def test_a_phone_that_is_turned_shows_a_round_circle(films: Films, tmp_path: Path) -> None:
    circle = "geq=lum='if(lte(hypot(X-W/2,Y-H/2),40),235,60)':cb=128:cr=128"
    upright = films.render(
        "upright.ts", "-f", "lavfi", "-i", f"color=s=180x320:r=25:d=2,{circle}",
        "-output_ts_offset", "2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0",
    )  # fmt: skip
    lying = films.render(
        "lying.ts", "-f", "lavfi", "-i", f"color=s=320x180:r=25:d=2,{circle}",
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0",
    )  # fmt: skip
    path = films.folder / "turned.ts"
    path.write_bytes(lying.read_bytes() + upright.read_bytes())
    film = probe(path)
    _, out = scored(film, tmp_path)
    last = list(stream_frames(film, CancelToken(), 320))[-1].pixels
    for picture in (frame_at(out, 3.5), last):
        assert picture.shape == (180, 320, 3)
        bright = np.argwhere(picture.mean(axis=2) > 150)
        high, wide = np.ptp(bright, axis=0) + 1
        assert high == pytest.approx(wide, abs=2) and 40 <= high <= 50
        assert picture[:, :90].max() < 40, "bars beside it"


@pytest.mark.parametrize("codec", ["qtrle -pix_fmt argb", "prores_ks -pix_fmt yuva444p10le"])
def test_what_is_transparent_is_black(films: Films, tmp_path: Path, codec: str) -> None:
    path = films.render(
        f"alpha-{codec[:5]}.mov", "-f", "lavfi", "-i", "color=red:s=160x120:r=10:d=1,format=argb,"
        "geq=r=255:g='if(gt(X,80),255,0)':b='if(gt(X,80),255,0)':a='if(gt(X,80),255,0)'",
        *f"-c:v {codec}".split(),
    )  # fmt: skip
    film = probe(path)
    assert film.has_alpha
    _, out = scored(film, tmp_path)
    for picture in (frame_at(out, 0.5), next(stream_frames(film, CancelToken(), 160)).pixels):
        assert picture[:, :72].max() < 20 and picture[:, 90:].min() > 230


# What belongs to it, and what is none -----------------------------------------------------------


def test_a_film_to_look_around_in_stays_one(films: Films, tmp_path: Path) -> None:
    """An equirectangular film, by the boxes that players look for (Spherical Video V2)."""
    whole = bytearray(films.silent().read_bytes())
    sv3d = box(b"sv3d", box(b"svhd", bytes(4) + b"made here\0") + box(b"proj", box(
        b"prhd", bytes(16)) + box(b"equi", bytes(20))))  # fmt: skip
    at = whole.index(b"avcC") - 4
    at += int.from_bytes(whole[at : at + 4], "big")
    whole[at:at] = sv3d
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        begin = whole.index(kind, whole.index(b"moov")) - 4
        size = int.from_bytes(whole[begin : begin + 4], "big") + len(sv3d)
        whole[begin : begin + 4] = size.to_bytes(4, "big")
    path = films.folder / "around.mp4"
    path.write_bytes(whole)
    film = probe(path)
    assert film.is_spherical
    report, out = scored(film, tmp_path)
    assert report.stream_copied and probe(out).is_spherical


def box(kind: bytes, content: bytes) -> bytes:
    """A box of an MP4."""
    return (8 + len(content)).to_bytes(4, "big") + kind + content


@pytest.mark.parametrize(("kind", "codec"), [("webp", "libwebp_anim"), ("png", "apng")])
def test_animated_pictures_that_cannot_be_read_are_named(
    films: Films, kind: str, codec: str
) -> None:
    container = "apng" if kind == "png" else "webp"
    path = films.render(f"moving.{kind}", "-i", films.silent(1), "-c:v", codec, "-f", container)
    with pytest.raises(FilmError, match=r"is an animated .* Save it as GIF or MP4"):
        probe(path)


def test_a_midi_file_with_a_key_that_does_not_exist_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from emsync.commands.checks import check_files
    from emsync.music.primer import read_primer, read_theme_notes
    from emsync.settings import Settings

    track = b"\0\xff\x59\x02\x07\x02" + b"".join(
        bytes((0, 0x90, pitch, 80, 0x83, 0x60, pitch, 0)) for pitch in (60, 64, 67, 72)
    )
    # Each later pair needs its status no more than a player does; the end of track is there.
    track = track.replace(b"\x83\x60", b"\x83\x60\x80") + b"\0\xff\x2f\0"
    path = tmp_path / "odd-key.mid"
    head = b"MThd\0\0\0\x06\0\0\0\x01\x01\xe0MTrk" + len(track).to_bytes(4, "big")
    path.write_bytes(head + track)
    assert read_primer(path, 15).notes.pitch.tolist() == [60, 64, 67, 72]
    assert read_theme_notes(path).pitch.tolist() == [60, 64, 67, 72]
    settings = Settings()
    check_files(replace(settings, music=replace(settings.music, primer=path)))
    assert "1 event of" in capsys.readouterr().err
