"""The GPU has no memory left: what wanted it works on the CPU, and says so."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from emsync.pipeline import analyse, compose_pieces, perform
from emsync.progress import CancelToken, silent
from emsync.results import Piece
from emsync.settings import Settings
from trials.machine import QUICK, film_in
from trials.trial import Wrong, case


def gpu_full_for_the_generator(place: Path) -> str:
    """Give the generator no memory on the GPU, twice: the CPU composes, and the reports say so.

    With room again the GPU composes, and nothing is said.
    """
    import torch

    from emsync.interface.diagnostics import diagnostics
    from emsync.music.transformer.checkpoint import Checkpoint, load
    from emsync.music.transformer.composer import TransformerComposer

    shipped = load()

    class OnGpu(Checkpoint):
        """Believed to be on a GPU."""

        @property
        def device(self) -> str:
            return "cuda"

    on_gpu = OnGpu(shipped.name, shipped.model, shipped.card, shipped.sha256)
    asked: list[None] = []

    def out_of_memory(*_: object) -> None:
        asked.append(None)
        try:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        except RuntimeError as error:  # as libraries wrap it
            raise RuntimeError("The layer cannot be computed.") from error

    def composed(generator: Checkpoint) -> Piece:
        composer = TransformerComposer(generator)
        return compose_pieces(analysis, QUICK, silent, CancelToken(), composer)[0]

    analysis = analyse(film_in(place / "film"), QUICK, silent, CancelToken())
    plain = composed(shipped).composition
    hook = shipped.model.register_forward_pre_hook(out_of_memory)
    try:
        pieces = [composed(on_gpu) for _ in range(2)]
    finally:
        hook.remove()
    if len(asked) != 2:
        raise Wrong(f"the GPU was asked {len(asked)} times for two pieces")
    for piece in pieces:
        result = perform(piece, place, QUICK.sound, silent, CancelToken())
        told = json.loads(result.report.read_text())["music"]["remarks"]
        if not any("CPU" in remark and "GPU" in remark for remark in told):
            raise Wrong(f"the report says nothing of it: {told}")
        if "memory of the GPU" not in diagnostics(result):
            raise Wrong("the page says nothing of it")
        if piece.composition.notes != plain.notes:
            raise Wrong("it is another piece than the CPU's own")
    if composed(on_gpu).composition.remarks != plain.remarks:
        raise Wrong("the GPU has room again, and something else is said")
    return str(told[-1])


def gpu_full_for_an_expert(place: Path) -> str:
    """Give an expert no memory on the GPU, loading or looking: it uses the CPU and says so."""
    import torch

    from emsync.emotion.features import panel as panels
    from emsync.emotion.features.report import FeatureReport
    from emsync.film.footage import Footage

    class Hungry:
        """Fits onto the CPU only."""

        title, weights = "Hungry", ()

        def __init__(self, modality: str, fails: str) -> None:
            self.modality, self.fails = modality, fails
            self.device = "cpu"
            self.released = 0

        def expected_seconds(self, film_seconds: float, device: str) -> float:
            return 1.0

        def prepare(self, device: str) -> None:
            self.device = device
            self._allocate("prepare")

        def run(self, footage: Any, settings: Any, tell: Any, cancel: Any) -> FeatureReport:
            self._allocate("run")
            return FeatureReport(self.modality, "ran", "It looked.", None, (), 0.1, self.device)

        def release(self) -> None:
            self.released += 1

        def _allocate(self, where: str) -> None:
            if self.device == "cuda" and where == self.fails:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    experts = (Hungry("clip", "prepare"), Hungry("beats", "run"), Hungry("face", "never"))
    footage = Footage(1.0, ((0.0, 1.0),), (), np.zeros(16_000, np.float32))
    panel = panels.Panel(experts)
    with patch.object(panels, "device_of", lambda wanted: "cuda"):
        reports = panel.consult(footage, Settings().experts, lambda *_: None, CancelToken())
    where = {report.modality: (report.status, report.device) for report in reports}
    if where != {"clip": ("ran", "cpu"), "beats": ("ran", "cpu"), "face": ("ran", "cuda")}:
        raise Wrong(f"{where}")
    if not all("memory of the GPU" in report.detail for report in reports[:2]):
        raise Wrong(f"nothing is said: {[report.detail for report in reports]}")
    if not all(expert.released for expert in experts[:2]):
        raise Wrong("what lay on the GPU is still there")
    return reports[0].detail


CASES = [
    case("GPU full: generator", gpu_full_for_the_generator),
    case("GPU full: experts", gpu_full_for_an_expert, 30),
]
