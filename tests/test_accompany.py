"""Free melodies with accompaniment, from MIDI in to a corpus."""

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from emsync.music.notes import GROUPS
from emsync.music.transformer.harmony_labels import tones_of
from emsync.music.transformer.tokens import decode
from emsync.training import accompany, corpus
from emsync.training.accompany import Groove, Unsuitable, bars_in_mma, tune_of

PROGRESSION = ((0, (0, 4, 7)), (9, (0, 3, 7)), (5, (0, 4, 7)), (7, (0, 4, 7, 10)))
SYMBOLS = ["C", "Am", "F", "G7"]


def song(metre: tuple[int, int] = (4, 4), bars: int = 16, beat: float = 0.5) -> bytes:
    """A melody of quarters in the first voice, chords of the progression in the second."""
    music = pretty_midi.PrettyMIDI(initial_tempo=60 / beat)
    music.time_signature_changes.append(pretty_midi.TimeSignature(*metre, 0))
    voice, piano = pretty_midi.Instrument(52), pretty_midi.Instrument(0)
    draws = np.random.default_rng(0)
    beats = metre[0] * 4 // metre[1]
    for bar in range(bars):
        root, tones = PROGRESSION[bar % 4]
        at = bar * beats * beat
        for tone in tones:
            piano.notes.append(pretty_midi.Note(60, 48 + root + tone, at, at + beats * beat))
        for number in range(beats):
            pitch = 72 + (root + tones[int(draws.integers(3))]) % 12
            start = at + number * beat
            voice.notes.append(pretty_midi.Note(80, pitch, start, start + 0.9 * beat))
    music.instruments += [piano, voice]
    out = io.BytesIO()
    music.write(out)
    return out.getvalue()


def test_the_voice_that_sings_alone_is_the_melody_and_chords_are_found() -> None:
    tune = tune_of(song())
    assert (tune.beats, tune.bars, len(tune.pitch)) == (4, 16, 64)
    assert tune.pitch.min() >= 72
    assert tune.start.tolist() == pytest.approx(list(range(64)))
    assert tune.chords == [[symbol] * 4 for symbol in SYMBOLS * 4]
    text = bars_in_mma(tune, Groove("Folk", (100, 100), (0,)), 100, 7)
    assert "Groove Folk" in text and "2 Am / / /" in text and "RndSeed 7" in text


def test_waltzes_are_waltzes_and_what_has_another_metre_is_left_out() -> None:
    assert tune_of(song((3, 4))).beats == 3
    assert tune_of(song((2, 4), bars=32)).beats == 4
    for metre in ((6, 8), (5, 4)):
        with pytest.raises(Unsuitable, match="metre"):
            tune_of(song(metre))
    with pytest.raises(Unsuitable, match="short"):
        tune_of(song(bars=4))


@pytest.mark.skipif(shutil.which("mma") is None, reason="Musical MIDI Accompaniment is not here")
def test_an_archive_becomes_a_corpus_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    for number, metre in enumerate([(4, 4), (3, 4), (4, 4), (6, 8)]):
        (tmp_path / "songs" / f"{number}.mid").write_bytes(song(metre))
    archives = []
    for out in ("one", "two"):
        accompany.main([str(tmp_path / "songs"), "-o", str(tmp_path / out), "--sources", "songs"])
        with tarfile.open(tmp_path / out / "accompanied.tar.xz") as tar:
            members = [(m.name, tar.extractfile(m)) for m in tar]
            archives.append({name: file.read() for name, file in members if file is not None})
    assert archives[0] == archives[1] and len(archives[0]) == 3
    corpus.build(tmp_path / "one", tmp_path / "shards", [], 1)
    pieces = corpus.read_shard(tmp_path / "shards" / "accompanied.npz")
    assert {piece.tier for piece in pieces} == {"synthetic"}
    for piece in pieces:
        notes = decode(piece.tokens).notes
        melody = notes.pitch[(notes.pitch >= 72) & (notes.group != GROUPS.index("drums"))]
        assert len(melody) >= 40
        told = {tuple(sorted(tones_of(int(label)))) for label in piece.harmony}
        assert {(0, 4, 7), (0, 4, 9)} & told, "C or A minor is among its chords"
