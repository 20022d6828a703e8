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
                packet.pts = packet.dts = packet.dts + 3600 * 44_100
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
