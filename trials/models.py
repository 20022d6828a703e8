"""Files of models are cut, swapped, linked to nowhere, and filled with something else."""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from emsync.film.frames import read_audio
from emsync.film.probe import probe
from emsync.progress import CancelToken
from emsync.settings import Settings
from trials.machine import film_in, sentence_of
from trials.trial import Wrong, case


def tiny_generator(folder: Path) -> Path:
    """Save a small generator with random weights."""
    from emsync.music.transformer.checkpoint import save
    from emsync.music.transformer.model import MusicTransformer, TransformerSettings

    settings = TransformerSettings(layers=2, heads=2, width=32, inner_width=64)
    save(MusicTransformer(settings), folder, {"tier": "free"})
    return folder


def generator_damaged(place: Path) -> str:
    """Cut, swap and link a generator, and change its config: a sentence each."""
    from emsync.music.transformer.checkpoint import SHIPPED, load

    whole = tiny_generator(place / "whole")
    (name,) = [path.name for path in whole.glob("*.safetensors")]
    content = (whole / name).read_bytes()
    config = json.loads((whole / "config.json").read_text())
    load(whole)
    tried = 0

    def refuses(model: bytes | None, told: object, trusted: bool = False) -> None:
        """Load a folder of this model and config; `trusted`: the config has its SHA-256."""
        nonlocal tried
        folder = place / f"case {tried}"
        folder.mkdir()
        if model is not None:
            (folder / name).write_bytes(model)
        if trusted and model is not None and isinstance(told, dict):
            told = {**told, "sha256": {name: hashlib.sha256(model).hexdigest()}}
        text = told if isinstance(told, str) else json.dumps(told)
        (folder / "config.json").write_text(text)
        sentence_of(lambda: load(folder), str(folder), "again")
        tried += 1
        shutil.rmtree(folder)

    for place_of_cut in np.linspace(0, len(content) - 1, 25).astype(int):
        refuses(content[:place_of_cut], config)
        refuses(content[:place_of_cut], config, trusted=True)
    for at in (0, 4, 8, 100, len(content) // 2):
        swapped = bytearray(content)
        swapped[at] ^= 0xFF
        refuses(bytes(swapped), config)
    for other in (b"\xff" * 64, b"\0" * 8, (1 << 62).to_bytes(8, "little") + b"{}", b"{}" * 500):
        refuses(other, config, trusted=True)
    wider = {**config, "architecture": {**config["architecture"], "width": 64}}
    for told in (
        "", "[]", "{}", "null", "7", "{", wider, {**config, "sha256": {}}, {**config, "sha256": 5},
        {**config, "architecture": {}}, {**config, "architecture": 3},
        {**config, "architecture": {**config["architecture"], "layers": "many"}},
    ):  # fmt: skip
        refuses(content, told)
    link = place / "link"
    shutil.copytree(whole, link)
    (link / name).unlink()
    (link / name).symlink_to(place / "nowhere")
    sentence_of(lambda: load(link), str(link))
    (link / name).unlink()
    (link / name).symlink_to(link / name)
    sentence_of(lambda: load(link), str(link))
    # The shipped one, with one byte changed.
    shipped = place / "shipped"
    shutil.copytree(SHIPPED / "free-5m", shipped)
    first = sorted(shipped.glob("*.safetensors"))[0]
    damaged = bytearray(first.read_bytes())
    damaged[-1] ^= 1
    first.write_bytes(damaged)
    sentence_of(lambda: load(shipped), first.name)
    load(whole)
    return f"{tried + 3} kinds of damage"


def regressor_damaged(place: Path) -> str:
    """Do the same to the model that estimates the mood of music."""
    from emsync.music.judging.emotion_regressor import FILE, SHIPPED, load_regressor

    content, tried = (SHIPPED / FILE).read_bytes(), 0
    config = json.loads((SHIPPED / "config.json").read_text())

    def refuses(model: bytes, told: Any) -> None:
        nonlocal tried
        folder = place / f"case {tried}"
        folder.mkdir()
        (folder / FILE).write_bytes(model)
        (folder / "config.json").write_text(told if isinstance(told, str) else json.dumps(told))
        sentence_of(lambda: load_regressor(folder), str(folder))
        tried += 1

    for cut in np.linspace(0, len(content) - 1, 15).astype(int):
        short = content[:cut]
        refuses(short, config)
        refuses(short, {**config, "sha256": hashlib.sha256(short).hexdigest()})
    for told in ("", "[]", "{}", "null", "3", {**config, "features": 3}, {**config, "sha256": 3}):
        refuses(content, told)
    return f"{tried} kinds of damage"


def weights_damaged(place: Path) -> str:
    """Cut, remove and link files of installed weights: each is named, and the others work."""
    from emsync.weights import store as weights

    with patch.dict(os.environ, EMSYNC_WEIGHTS=str(place / "weights")):
        source = place / "source"
        source.mkdir()
        for name in ("beats", "whisper-tiny"):
            (source / "model.bin").write_bytes(os.urandom(5000))
            weights.add(name, source, other=True)
        model = weights.find("beats") / "model.bin"
        content = model.read_bytes()
        model.write_bytes(content[::-1])
        sentence_of(lambda: weights.find("beats"), "beats", "SHA-256", "weights pull beats")

        def refused(*words: str) -> None:
            sentence_of(lambda: weights.find("beats"), "beats", "weights pull beats", *words)
            weights.find("whisper-tiny")

        for cut in (0, 1, 2500, 4999):
            model.write_bytes(content[:cut])
            refused("model.bin", "damaged")
        model.unlink()
        refused("model.bin", "missing")
        model.symlink_to(place / "nowhere")
        refused("model.bin", "missing")
        model.unlink()
        model.mkdir()
        refused("model.bin")
        model.rmdir()
        model.write_bytes(content)
        manifest = model.with_name(weights.MANIFEST)
        whole = manifest.read_text()
        for text in ("", "{", "[]", "null", "3", '{"format": 1}', whole[: len(whole) // 2]):
            manifest.write_text(text)
            refused()
        manifest.write_text(whole)
        weights.find("beats")
    return "each is named, and the others work"


def experts_on_nonsense(place: Path) -> str:
    """Give the experts files with another content: the film is read without them."""
    from emsync.emotion.features.panel import Panel, standard_experts
    from emsync.film.footage import Footage
    from emsync.weights import store as weights

    with patch.dict(os.environ, EMSYNC_WEIGHTS=str(place / "weights")):
        for number, name in enumerate(sorted(weights.REGISTRY)):
            source = place / f"source {number}"
            for file in weights.REGISTRY[name].files:
                path = source / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"{}" if path.suffix == ".json" else os.urandom(20_000))
            weights.add(name, source, other=True)
        path = film_in(place / "film", 3)
        stills: list[Any] = []
        film = probe(path)
        from emsync.film.footage import StillCollector
        from emsync.film.frames import stream_frames

        collector = StillCollector(film, Settings().experts)
        for frame in stream_frames(film, CancelToken(), 160, collector.request):
            collector.add_frame(frame)
        stills += collector.stills
        footage = Footage(
            seconds=3.0,
            scenes=((0.0, 3.0),),
            stills=tuple(stills),
            sound=read_audio(film, 16_000, CancelToken()),
        )
        panel = Panel(standard_experts())
        reports = panel.consult(
            footage, replace(Settings().experts, device="cpu"), lambda *_: None, CancelToken()
        )
        fusion = panel.classifiers.open("vemoclap")
        panel.release()
    said = {report.modality: (report.status, report.detail) for report in reports}
    opened = {name: one for name, one in said.items() if "a package is missing" not in one[1]}
    if not (isinstance(fusion, str) and "cannot be loaded" in fusion):
        raise Wrong(f"the fusion was opened: {fusion}")
    odd = {
        name: one
        for name, one in opened.items()
        if one[0] != "failed" or "went wrong" in one[1] or "weights pull" not in one[1]
    }
    if odd:
        raise Wrong(f"no sentence on the file: {odd}")
    missing = [name for name in said if name not in opened]
    if not opened:
        pytest.skip("no expert's packages are installed")
    return f"a sentence of {', '.join(opened)}" + f"; not to be tried: {missing}" * bool(missing)


CASES = [
    case("generator damaged", generator_damaged),
    case("mood regressor damaged", regressor_damaged, 30),
    case("weights damaged", weights_damaged, 30),
    case("experts on nonsense", experts_on_nonsense, 300, slow=True),
]
