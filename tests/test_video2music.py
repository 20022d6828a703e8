"""Video2Music against what its published code gives: chords, networks, arpeggios, features."""

import base64
import importlib.util
import io
import itertools
import json
import os
import pickle
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from emsync.errors import Cancelled, EmsyncError, WeightsError, WeightsNotInstalled
from emsync.film.frames import stream_frames
from emsync.film.probe import probe
from emsync.music.notes import Note
from emsync.music.video2music import clip, installed
from emsync.music.video2music import vocabulary as v
from emsync.music.video2music.arpeggio import (
    density_level,
    loudness_level,
    pattern_of,
    play,
    repeat_indices,
    velocity_of,
)
from emsync.music.video2music.checkpoint import load, save
from emsync.music.video2music.features import (
    FilmFeatures,
    FilmWatcher,
    at_seconds,
    padded,
    scene_offsets,
    smoothed,
)
from emsync.music.video2music.generate import DrawingRules, allowed, generate, pick
from emsync.music.video2music.model import (
    CausalAttention,
    ChordTransformer,
    ChordTransformerSettings,
)
from emsync.music.video2music.published import (
    CHORDS_FILE,
    DYNAMICS_FILE,
    chord_settings_of,
    chords_from_published,
    dynamics_from_published,
    dynamics_settings_of,
    main,
    read_chords,
    read_dynamics,
)
from emsync.music.video2music.regression import Cell, DynamicsNetwork, DynamicsSettings
from emsync.music.video2music.targets import loudness_of, note_density_of
from emsync.music.video2music.voicing import lead_voices, written_notes
from emsync.progress import CancelToken
from emsync.settings import FilmLimits
from emsync.weights import store
from emsync.weights.registry import REGISTRY

SYSTEMS = (
    Path(os.environ.get("EMSYNC_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
    / "systems"
)
State = dict[str, torch.Tensor]


def golden(name: str) -> Path:
    if not (SYSTEMS / name).exists():
        pytest.skip(f"golden file {name} not found; set EMSYNC_REFERENCE to its folder")
    return SYSTEMS / name


def golden_json(name: str) -> Any:
    return json.loads(golden(f"{name}.json").read_text())


def golden_arrays(name: str) -> tuple[State, State]:
    """The published state, and everything else in a file."""
    with np.load(golden(f"{name}.npz")) as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    state = {k.removeprefix("state/"): t for k, t in tensors.items() if k.startswith("state/")}
    return state, {k: t for k, t in tensors.items() if not k.startswith("state/")}


def film_rows(arrays: State) -> torch.Tensor:
    return torch.cat(
        (
            arrays["semantic"],
            arrays["scene_offset"].unsqueeze(-1),
            arrays["motion"].unsqueeze(-1),
            arrays["emotion"],
        ),
        dim=-1,
    )


def published(name: str) -> tuple[ChordTransformer, State]:
    state, arrays = golden_arrays(name)
    config = golden_json(name)
    settings = chord_settings_of(state, heads=config["num_heads"])
    assert settings == ChordTransformerSettings(
        layers=config["n_layers"],
        heads=config["num_heads"],
        width=config["d_model"],
        inner_width=config["dim_feedforward"],
        frames=config["max_sequence_video"],
        chords=config["max_sequence_chord"],
        semantic=config["semantic_dim"],
        relative=config["rpr"],
    )
    model = ChordTransformer(settings)
    model.load_state_dict(chords_from_published(state))
    return model.eval(), arrays


# Chords ------------------------------------------------------------------------------------------


def test_chords_are_numbered_as_published() -> None:
    found = golden_json("chord_vocabulary")
    assert {chord.symbol: chord.id for chord in v.ALL} == found["chord"]
    for chord in v.ALL:
        root, _, quality = chord.symbol.partition(":")
        assert chord.root == found["root"][root]
        assert chord.quality == found["attr"][quality or ("N" if root == "N" else "maj")]
    assert {key: v.transposition(key) for key in v.KEYS} == found["transpose"]


def test_primers_are_read_as_published() -> None:
    for case in golden_json("arpeggio_a")["cases"]:
        primer = v.read_primer(case["primer"], case["key"])
        assert [chord.id for chord in primer] == case["primer_ids"]
        assert [chord.root for chord in primer] == case["primer_root"]
        assert [chord.quality for chord in primer] == case["primer_attr"]
        assert [v.key_value(case["key"])] == case["key_value"]


@pytest.mark.parametrize("word", ["H", "Cb", "Cmaj9", "c", "Am/C", "🎵"])
def test_a_primer_that_is_none_is_refused_with_a_sentence(word: str) -> None:
    with pytest.raises(EmsyncError, match=r"among the first chords is not known\. Write"):
        v.read_primer(f"C {word} G", "C major")


def test_a_primer_and_a_key_have_limits() -> None:
    assert len(v.read_primer("C " * v.MOST_PRIMER_CHORDS, "C major")) == v.MOST_PRIMER_CHORDS
    with pytest.raises(EmsyncError, match="61 first chords; at most 60"):
        v.read_primer("C " * 61, "C major")
    with pytest.raises(EmsyncError, match="“H major” is not a key"):
        v.transposition("H major")


def test_chords_become_notes_as_published() -> None:
    found = golden_json("chords_a")
    assert {chord.symbol: list(written_notes(chord.symbol)) for chord in v.ALL} == found["table"]
    for one in found["progressions"]:
        assert [list(written_notes(symbol)) for symbol in one["chords"]] == one["notes"]
        assert [list(notes) for notes in lead_voices(one["notes"])] == one["voiced"]


def test_a_note_that_would_go_far_stays_only_if_it_hardly_moves() -> None:
    """The centre of both is 64; F# lies two semitones from G#, and three from A."""
    assert lead_voices([(48, 61, 78), (48, 68)])[1] == (48, 68)
    assert lead_voices([(48, 61, 78), (48, 69)])[1] == (48, 81)
    assert lead_voices([(), (48, 61, 78), (), (48, 69)]) == [(), (48, 61, 78), (), (48, 81)]


def test_arpeggios_are_played_as_published() -> None:
    for case in golden_json("arpeggio_a")["cases"]:
        levels = [loudness_level(one) for one in case["loudness"]]
        assert levels == case["loudness_level"]
        assert [density_level(one) for one in case["note_density"]] == case["note_density_rounded"]
        assert [velocity_of(level) for level in levels] == case["velocity"]
        assert [pattern_of(level, 0) for level in levels] == case["pattern"]
        assert repeat_indices(case["chords"]) == case["repeat_index"]
        notes = play(
            case["chords"], case["loudness"], case["note_density"], v.transposition(case["key"])
        )
        played = [[one.pitch, one.start, one.length, one.velocity] for one in notes]
        assert played == case["notes"]


def test_the_papers_rules_go_by_density_and_a_straight_line() -> None:
    steps = {0: 0, 5: 0, 6: 1, 10: 1, 11: 2, 15: 2, 16: 3, 20: 3, 21: 4, 40: 4}
    for level, pattern in steps.items():
        assert pattern_of(50, level, "paper") == pattern
        assert pattern_of(level, 0, "published-generate") == pattern
    assert [pattern_of(level, 40) for level in (6, 7, 24, 25)] == [0, 1, 3, 4]
    assert [velocity_of(level, "paper") for level in (0, 25, 50)] == [49, 80, 112]
    quiet, dense = [0.0] * 2, [40.0] * 2
    assert len(play(["C", "C"], quiet, dense, pattern="paper")) == 16
    assert len(play(["C", "C"], quiet, dense)) == 4


# Networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["amt_a", "amt_norpr_a"])
def test_published_outputs_are_reproduced(name: str) -> None:
    model, arrays = published(name)
    features = film_rows(arrays)
    roots, qualities = arrays["chord_root"], arrays["chord_attr"]
    with torch.no_grad():
        torch.testing.assert_close(model.encode(features), arrays["memory"], atol=1e-4, rtol=0)
        for key in (0, 1):
            logits = model(roots, qualities, torch.full((3,), key), features)
            torch.testing.assert_close(logits, arrays[f"logits_key{key}"], atol=1e-4, rtol=0)
        first = model(roots[:, :5], qualities[:, :5], torch.zeros(3), features)
        torch.testing.assert_close(first, arrays["logits_key0_first5"], atol=1e-4, rtol=0)
        for module in model.modules():
            if isinstance(module, CausalAttention):
                module.causal = False
        open_logits = model(roots, qualities, torch.zeros(3), features)
    torch.testing.assert_close(open_logits, arrays["logits_key0_nomask"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["amt_a", "amt_norpr_a"])
@pytest.mark.parametrize("first", [[1], [4], [3, 2]])
def test_chord_by_chord_equals_the_whole(name: str, first: list[int]) -> None:
    model, arrays = published(name)
    roots, qualities = arrays["chord_root"], arrays["chord_attr"]
    edges = np.cumsum([0, *first]).tolist()
    edges += range(edges[-1] + 1, roots.shape[1] + 1)
    with torch.no_grad():
        state = model.start(model.encode(film_rows(arrays)))
        parts = [
            model.decode(roots[:, a:b], qualities[:, a:b], torch.ones(3), state)
            for a, b in itertools.pairwise(edges)
        ]
    assert state.length == roots.shape[1]
    torch.testing.assert_close(torch.cat(parts, 1), arrays["logits_key1"], atol=1e-4, rtol=0)


def test_too_many_chords_are_refused() -> None:
    model = small_chords()
    with pytest.raises(ValueError, match="9 chords do not fit in 8 seconds"):
        model(*(torch.ones(1, 9, dtype=torch.long),) * 2, torch.zeros(1), torch.zeros(1, 8, 11))


def test_generation_is_as_published() -> None:
    model, arrays = published("amt_a")
    features = film_rows(arrays)[0]
    for run in golden_json("amt_generate_a")["runs"]:
        primer = [v.as_primer(v.ALL[number]) for number in run["primer_ids"]]
        assert [chord.symbol for chord in primer] == run["primer"]
        assert [chord.quality for chord in primer] == run["primer_attr"]
        rules = DrawingRules(run["max_conseq_chord"], silence=run["max_conseq_N"] > 0)
        draws = None if run["pick"] == "argmax" else iter(run["draws"])
        chords = generate(
            model, features, primer, run["key"], run["target_length"], rules, draws, CancelToken()
        )
        assert [chord.id for chord in chords] == run["chord_ids"]


@pytest.mark.parametrize("number", [0, 3, 5])
def test_what_may_come_next_is_as_published(number: int) -> None:
    model, arrays = published("amt_a")
    run = golden_json("amt_generate_a")["runs"][number]
    _, found = golden_arrays("amt_generate_a")
    primer = [v.as_primer(v.ALL[one]) for one in run["primer_ids"]]
    later = [v.as_drawn(v.ALL[one]) for one in run["chord_ids"][len(primer) :]]
    chords = [*primer, *later]
    rules = DrawingRules(run["max_conseq_chord"], silence=run["max_conseq_N"] > 0)
    with torch.no_grad():
        logits = model(
            torch.tensor([[chord.root for chord in chords]]),
            torch.tensor([[chord.quality for chord in chords]]),
            torch.tensor([run["key"]]),
            film_rows(arrays)[:1],
        )[0]
    steps = [
        allowed(logits[at - 1].softmax(-1), chords[:at], rules)
        for at in range(len(primer), len(chords))
    ]
    expected = found[f"step_probabilities_run{number}"]
    torch.testing.assert_close(torch.stack(steps), expected, atol=1e-4, rtol=0)


def test_a_draw_takes_the_chord_whose_share_it_falls_in() -> None:
    chances = torch.zeros(v.CHORDS)
    chances[[2, 5, 9]] = torch.tensor([0.1, 0.2, 0.1])
    draws = {0.0: 2, 0.249: 2, 0.2501: 5, 0.749: 5, 0.7501: 9, 1 - 2**-53: 9}
    assert {draw: pick(chances, draw) for draw in draws} == draws
    assert pick(chances, None) == 5


def test_generation_stops_when_asked_to() -> None:
    cancel = CancelToken()
    shown: list[int] = []

    def show(chords: list[v.Chord]) -> None:
        shown.append(len(chords))
        if len(chords) == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        generate(
            small_chords(), torch.zeros(8, 11), v.read_primer("", "C major"), 0, 8, DrawingRules(),
            None, cancel, show,
        )  # fmt: skip
    assert shown == [2, 3]


@pytest.mark.parametrize("cell", get_args(Cell))
def test_loudness_and_density_are_as_published(cell: Cell) -> None:
    state, arrays = golden_arrays("regression_a")
    model = DynamicsNetwork(dynamics_settings_of(state, cell))
    model.load_state_dict(dynamics_from_published(state, cell))
    with torch.no_grad():
        found = model.eval()(film_rows(arrays))
    torch.testing.assert_close(found, arrays[f"output_{cell}"], atol=1e-4, rtol=0)


# Weights -----------------------------------------------------------------------------------------


def small_chords(semantic: int = 3) -> ChordTransformer:
    """Random weights, for tests of everything but music."""
    torch.manual_seed(1)
    settings = ChordTransformerSettings(
        layers=2, heads=2, width=16, inner_width=24, frames=8, chords=8, semantic=semantic
    )
    return ChordTransformer(settings).eval()


def published_files(folder: Path) -> Path:
    """The two files of a published model, small and with random weights."""
    torch.save(golden_arrays("amt_a")[0], folder / CHORDS_FILE)
    torch.save(golden_arrays("regression_a")[0], folder / DYNAMICS_FILE)
    return folder


def test_the_shapes_are_those_of_the_published_files() -> None:
    shapes = golden_json("v2m_state_dict_shapes")
    state = {name: torch.zeros(shape) for name, shape in shapes["amt"].items()}
    for name in ("positional_encoding.pe", "positional_encoding_video.pe"):
        del state[name]  # zeros are no sines; that true ones are taken is tested below
    settings = chord_settings_of(
        state | {f"positional_encoding{x}.pe": torch.zeros(300, 1, 512) for x in ("", "_video")}
    )
    assert settings == ChordTransformerSettings()
    ChordTransformer(settings).load_state_dict(chords_from_published(state))
    state = {name: torch.zeros(shape) for name, shape in shapes["regression"].items()}
    assert dynamics_settings_of(state, "bigru") == DynamicsSettings()
    for cell in get_args(Cell):
        network = DynamicsNetwork(dynamics_settings_of(state, cell))
        network.load_state_dict(dynamics_from_published(state, cell))


def test_published_files_are_converted(tmp_path: Path) -> None:
    source, out = published_files(tmp_path), tmp_path / "converted"
    assert main([str(source), "-o", str(out)]) == 0
    assert main([str(source), "-o", str(out)]) == 1, "nothing is replaced"
    checkpoint = load(out)
    _, arrays = golden_arrays("amt_a")
    with torch.no_grad():
        logits = checkpoint.chords(
            arrays["chord_root"], arrays["chord_attr"], torch.zeros(3), film_rows(arrays)
        )
    torch.testing.assert_close(logits, arrays["logits_key0"], atol=1e-4, rtol=0)
    assert checkpoint.dynamics.settings.cell == "bigru"
    _, arrays = golden_arrays("regression_a")
    with torch.no_grad():
        found = checkpoint.dynamics(film_rows(arrays))
    torch.testing.assert_close(found, arrays["output_bigru"], atol=1e-4, rtol=0)


class Harmful:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("content", [b"", b"no model", {"a": torch.zeros(2)}, [1, 2], "harmful"])
def test_what_is_no_published_file_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "model.pickle"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "harmful":
        path.write_bytes(pickle.dumps({"Linear_vis.weight": Harmful(tmp_path / "harm")}, 2))
    else:
        torch.save(content, path)
    for read in (read_chords, read_dynamics):
        with pytest.raises(WeightsError, match=r"model\.pickle is not the published Video2Music"):
            read(path)
    assert not (tmp_path / "harm").exists()


def test_other_positions_and_other_entries_are_refused(tmp_path: Path) -> None:
    state, _ = golden_arrays("amt_a")
    for name, value, words in (
        ("positional_encoding.pe", torch.ones(24, 1, 32), "sines and cosines"),
        ("transformer.decoder.layers.0.gate", torch.ones(2), "is no entry"),
    ):
        torch.save(state | {name: value}, tmp_path / "model.pickle")
        with pytest.raises(WeightsError, match=words):
            read_chords(tmp_path / "model.pickle")


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    save(small_chords(), DynamicsNetwork(DynamicsSettings(semantic=3)), tmp_path / "a", {})
    load(tmp_path / "a")
    path = next((tmp_path / "a").glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or of another version"):
        load(tmp_path / "a")
    with pytest.raises(WeightsError, match="There are no weights of Video2Music in"):
        load(tmp_path / "b")
    with pytest.raises(ValueError, match="the same features"):
        save(small_chords(2), DynamicsNetwork(DynamicsSettings(semantic=3)), tmp_path / "c", {})


def test_the_registry_knows_where_the_weights_are() -> None:
    files = {file.path: file.urls for file in REGISTRY["video2music"].files}
    assert list(files) == [CHORDS_FILE, DYNAMICS_FILE]
    (file,) = REGISTRY[clip.WEIGHTS].files
    found = importlib.util.find_spec("open_clip")  # found, not imported: that takes long
    assert found is not None and found.origin is not None
    assert f'"{file.urls[0]}"' in Path(found.origin).with_name("pretrained.py").read_text()
    assert file.path == clip.ARCHIVE and file.sha256 == file.urls[0].split("/")[-2]


def test_installed_weights_are_converted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSYNC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(installed, "SHIPPED", tmp_path / "none")
    with pytest.raises(WeightsNotInstalled) as refused:
        installed.find(None)
    assert str(refused.value) == (
        "The weights video2music are not installed. Run: python -m emsync weights pull video2music"
    )
    (tmp_path / "source").mkdir()
    store.add("video2music", published_files(tmp_path / "source"), other=True)
    first = installed.find(None)
    assert first.name == "video2music" and first.semantic == 12

    def fail(path: Path) -> None:
        raise AssertionError("the published files are read once")

    with monkeypatch.context() as patch:
        patch.setattr("emsync.music.video2music.published.read_chords", fail)
        assert installed.find(None).sha256 == first.sha256
        # What is damaged, and other files under the same name, are converted anew.
        folder = installed.folder_of("video2music")
        assert folder is not None
        (folder / "config.json").write_text("{}")
        with pytest.raises(AssertionError):
            installed.find(None)
        state, _ = golden_arrays("amt_a")
        torch.save(state | {"Wout.bias": torch.ones(159)}, tmp_path / "source" / CHORDS_FILE)
        store.add("video2music", tmp_path / "source", other=True)
        with pytest.raises(AssertionError):
            installed.find(None)
    assert installed.find(None).sha256 != first.sha256


# Features ----------------------------------------------------------------------------------------


def test_motion_is_as_published() -> None:
    found = golden_json("v2m_features_a")["motion"]
    film = probe(golden("motion_a.avi"), FilmLimits(), CancelToken())
    watcher = FilmWatcher()
    for frame in stream_frames(film, CancelToken(), film.width, pictures=watcher.request):
        watcher.add_frame(frame)
    seen = watcher.features
    assert [f"{at} {one:.4f}" for at, one in enumerate(seen.motion)] == found["lab"]
    times = tuple(still.time for still in seen.pictures)
    assert times == seen.motion_times == (0, 1, 2, 3, 4)


def test_features_keep_time_with_a_film_of_uneven_frames() -> None:
    values, times = np.arange(5), [0.0, 1.04, 2.49, 3.7, 5.2]
    assert at_seconds(values, times, 7).tolist() == [0, 1, 2, 2, 3, 4, 4]
    even = [number * 24 * 1001 / 24_000 for number in range(300)]
    assert at_seconds(np.arange(300), even, 300).tolist() == list(range(300))


def test_scene_offsets_are_as_published() -> None:
    for case in golden_json("v2m_features_a")["scenes"]:
        offsets = scene_offsets(case["scene_ends"], len(case["scene_offset"]))
        assert offsets.tolist() == case["scene_offset"]
        told = padded(offsets[:, None] + 1, 12)[:, 0]
        assert told.tolist() == case["model_input_first12"]


def test_targets_are_as_published() -> None:
    import pretty_midi

    found = golden_json("v2m_features_a")
    with np.load(golden("v2m_features_a.npz")) as arrays:
        loudness = loudness_of(arrays["pcm"])
    assert [f"{one:.4f}" for one in loudness] == found["loudness"]
    music = pretty_midi.PrettyMIDI(io.BytesIO(base64.b64decode(found["midi_base64"])))
    notes = [
        Note("piano", note.pitch, note.start, note.end)
        for track in music.instruments
        for note in track.notes
    ]
    density = note_density_of(notes, found["note_density_chord_seconds"])
    assert density.tolist() == [float(one) for one in found["note_density"]]


def test_rows_are_what_the_networks_are_told() -> None:
    features = FilmFeatures(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.array([0.0, 7.5]),
        np.eye(6)[[3, 5]],
    )  # fmt: skip
    expected = [[1, 2, 1, 0, 0, 0, 0, 1, 0, 0], [3, 4, 2, 7.5, 0, 0, 0, 0, 0, 1]]
    assert len(features) == 2 and features.rows().tolist() == expected
    assert features.rows(5.0)[0, -6:].tolist() == [0, 0, 0, 0.5, 0, 0.5]
    assert padded(features.rows(), 3).tolist() == [*expected, [0] * 10]
    assert padded(features.rows(), 1).tolist() == expected[:1]


def test_emotion_is_smoothed_only_where_asked_for() -> None:
    rows = np.eye(6, dtype=np.float32)[[0, 0, 1, 1, 1, 5, 5]]
    assert smoothed(rows, 0.0) is rows
    five = smoothed(rows, 5.0)
    np.testing.assert_allclose(five[2], [0.4, 0.6, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(five[0], [2 / 3, 1 / 3, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(five.sum(1), 1, atol=1e-6)
