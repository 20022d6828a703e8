"""The GPU that a Hugging Face Space borrows for seconds at a time (ZeroGPU).

There is a GPU only inside a function that `spaces.GPU` has decorated, and a Space on that hardware
does not start without one. `spaces` runs the function in a fork of this process, which lives on for
the next call: arguments and results are pickled, and nothing else comes back. Here the experts that
a GPU helps look at the film in one such call; all the rest stays on the CPU. Reference:
https://huggingface.co/docs/hub/spaces-zerogpu
"""

import logging
import math
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from emsync.emotion.features.expert import MODALITIES, Expert
from emsync.emotion.features.panel import Panel, TellExpert, standard_experts
from emsync.emotion.features.report import FeatureReport
from emsync.film.footage import Footage
from emsync.progress import CancelToken
from emsync.settings import ExpertSettings
from emsync.weights import store as weights

START_SECONDS = 5.0
"""Asked for beside what the experts expect: to move to the GPU. Ours; a guess."""

LONGEST_SECONDS = 110
"""Asked for at most: a visitor who is not logged in has two minutes a day."""

_BEAT_SECONDS = 0.3
"""Between two signs of life from the GPU's process, at which a cancelled call ends."""

Step = tuple[str, float] | list[FeatureReport]
"""What comes out of the GPU's process: an expert's title and the share done; last, the reports."""

Look = Callable[[Footage, ExpertSettings], Iterator[Step]]

log = logging.getLogger(__name__)


def is_here() -> bool:
    """Return whether this process runs on a Space with ZeroGPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


class ZeroGpuPanel(Panel):
    """A panel whose experts look at the film on the borrowed GPU where they can.

    Where no GPU is to be had (quota, queue, a call that was cut off), they look on the CPU; each
    report says where its expert ran. `spaces` has to be imported before anything that uses CUDA,
    and the panel made before Gradio launches.
    """

    def __init__(self, make: Callable[[], Sequence[Expert]]) -> None:
        """Ask for a GPU to be lent when experts look; nothing is borrowed yet.

        Args:
            make: makes the experts; also called in the GPU's process.

        Raises:
            ImportError: the package `spaces` is missing; Spaces with ZeroGPU bring it.
        """
        import spaces  # type: ignore[import-not-found]

        super().__init__(make())
        self._look: Look = spaces.GPU(duration=self._duration)(_looking(make))

    def expected_seconds(self, film_seconds: float, settings: ExpertSettings) -> float:
        """Return about how long `consult` will take if a GPU is to be had at once."""
        on_gpu, here = self._divided(settings)
        return self._gpu_seconds(film_seconds, on_gpu) + super().expected_seconds(
            film_seconds, here
        )

    def consult(
        self, footage: Footage, settings: ExpertSettings, tell: TellExpert, cancel: CancelToken
    ) -> tuple[FeatureReport, ...]:
        """Show the film to every expert, see `Panel.consult`."""
        on_gpu, here = self._divided(settings)
        seconds = self._gpu_seconds(footage.seconds, on_gpu)
        part = seconds / max(self.expected_seconds(footage.seconds, settings), 1e-3)
        reports: list[FeatureReport] = []
        if on_gpu.names:
            tell("Waiting for a GPU", 0.0)
            reports = self._borrow(
                footage, on_gpu, lambda title, share: tell(title, part * share), cancel
            )
        if not reports:
            here, part = replace(settings, device="cpu"), 0.0
        reports += super().consult(
            footage, here, lambda title, share: tell(title, part + (1 - part) * share), cancel
        )
        known = {report.modality: report for report in reports}
        return tuple(known[expert.modality] for expert in self._asked(settings))

    def _divided(self, settings: ExpertSettings) -> tuple[ExpertSettings, ExpertSettings]:
        """Return who looks on the GPU, and who here: whom it helps not, or who lacks weights."""
        on_gpu = tuple(
            expert.modality
            for expert in self._asked(settings)
            if MODALITIES[expert.modality].helped_by_gpu
            and all(weights.status_of(name).installed for name in expert.weights)
        )
        rest = tuple(name for name in settings.names if name not in on_gpu)
        return replace(settings, names=on_gpu), replace(settings, names=rest, device="cpu")

    def _gpu_seconds(self, film_seconds: float, settings: ExpertSettings) -> float:
        """Return how long the experts that `settings` names need the GPU; 0 if they are none."""
        asked = self._asked(settings)
        wanted = sum(expert.expected_seconds(film_seconds, "cuda") for expert in asked)
        return START_SECONDS + wanted if asked else 0.0

    def _duration(self, footage: Footage, settings: ExpertSettings) -> int:
        """Return the seconds of GPU that `_look` asks for, with its arguments."""
        return min(LONGEST_SECONDS, math.ceil(self._gpu_seconds(footage.seconds, settings)))

    def _borrow(
        self, footage: Footage, settings: ExpertSettings, tell: TellExpert, cancel: CancelToken
    ) -> list[FeatureReport]:
        """Return the reports from the GPU; none if it cannot be had.

        Waiting for one can be cancelled.
        """
        steps: queue.SimpleQueue[Step | BaseException] = queue.SimpleQueue()

        def work() -> None:
            """Pass on what comes from the GPU's process, and how it ends."""
            try:
                calling: Any = self._look(footage, settings)
                with closing(calling):  # gives the GPU back
                    for step in calling:
                        steps.put(step)
                        if cancel.cancelled:
                            return
            except BaseException as problem:
                steps.put(problem)

        # The context says on whose behalf: quotas are the visitors'.
        threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
        while True:
            cancel.check()
            try:
                step = steps.get(timeout=_BEAT_SECONDS)
            except queue.Empty:
                continue
            if isinstance(step, BaseException):
                log.warning("no GPU for this film, it is read on the CPU: %s", step)
                return []
            if isinstance(step, list):
                return step
            tell(*step)


def standard_panel() -> Panel:
    """Return all experts of this project, on the borrowed GPU where a Space has one."""
    return ZeroGpuPanel(standard_experts) if is_here() else Panel(standard_experts())


def _looking(make: Callable[[], Sequence[Expert]]) -> Look:
    """Return the function that runs in the GPU's process; its models stay as long as that lives."""
    kept: list[Panel] = []

    def look(footage: Footage, settings: ExpertSettings) -> Iterator[Step]:
        """Yield what the experts have done so far, a sign of life now and then, and the reports."""
        if not kept:
            kept.append(Panel(make()))
        steps: queue.SimpleQueue[Step | BaseException] = queue.SimpleQueue()
        cancel, on_gpu = CancelToken(), replace(settings, device="cuda")

        def work() -> None:
            """Consult the experts, and pass on what they say or how they failed."""
            try:
                reports = kept[0].consult(footage, on_gpu, lambda *step: steps.put(step), cancel)
                steps.put(list(reports))
            except BaseException as problem:
                steps.put(problem)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        step: Step | BaseException = ("GPU", 0.0)
        try:
            while not isinstance(step, list):
                with suppress(queue.Empty):
                    step = steps.get(timeout=_BEAT_SECONDS)
                if isinstance(step, BaseException):
                    raise step
                yield step
        finally:
            cancel.cancel()
            worker.join()

    return look
