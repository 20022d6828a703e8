"""The experts together: loaded once, shared by requests, and none of them able to fail a film."""

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from emsync.emotion.classifiers.classifier import ClassifierRow, Classifiers
from emsync.emotion.features.expert import MODALITIES, Expert, ShareCallback, open_expert
from emsync.emotion.features.report import FeatureReport, Status
from emsync.errors import EmsyncError, WeightsNotInstalled
from emsync.film.footage import Footage
from emsync.process.gpu import GPU_FULL, free_gpu, gpu_is_full
from emsync.progress import CancelToken
from emsync.settings import Device, ExpertSettings
from emsync.weights import store as weights

AT_ONCE = 2
"""Experts that look at the same time."""

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 5.0
"""What an expert whose time is up gets to stop by itself."""

log = logging.getLogger(__name__)

TellExpert = Callable[[str, float], None]
"""Receives the title of the expert at work and the share done of all, in [0, 1]."""


class Panel:
    """Experts with their models. One request at a time consults an expert; others wait for it."""

    def __init__(self, experts: Sequence[Expert], keep: bool = True) -> None:
        """Take over experts, of which nothing is loaded yet.

        Args:
            experts: in the order in which they report.
            keep: whether models stay loaded for the next request; else each expert lets go of them
                as soon as it has looked, so that no more than `AT_ONCE` are in memory.
        """
        self.experts = tuple(experts)
        self._keep = keep
        self.classifiers = Classifiers()
        """Over what the experts see; loaded when a film is read."""
        self._pace: dict[str, float] = {}
        # Libraries that are imported by two threads at once trip over each other.
        self._preparing = threading.Lock()
        self._locks = {expert.modality: threading.Lock() for expert in experts}

    def expected_seconds(self, film_seconds: float, settings: ExpertSettings) -> float:
        """Return about how long `consult` will take here."""
        device = device_of(settings.device)
        return sum(
            self.cost(expert, film_seconds, device)
            for expert in self._asked(settings)
            if not missing(expert)
        )

    def cost(self, expert: Expert, film_seconds: float, device: str) -> float:
        """Return about how many seconds an expert takes here.

        It is the expert's own figure until it has looked at a film on this machine, and then goes
        by the pace of the last one.
        """
        return expert.expected_seconds(film_seconds, device) * self._pace.get(expert.modality, 1.0)

    def consult(
        self, footage: Footage, settings: ExpertSettings, tell: TellExpert, cancel: CancelToken
    ) -> tuple[FeatureReport, ...]:
        """Show the film to every expert that `settings` names.

        An expert without weights, that fails, or that takes longer than its time, says so in its
        report; the others go on. One for which the GPU's memory is too small looks on the CPU.

        Raises:
            Cancelled: the request was cancelled.
        """
        device = device_of(settings.device)
        asked = self._asked(settings)
        if not asked:
            return ()
        meter = _Meter(
            [
                0.0 if missing(expert) else self.cost(expert, footage.seconds, device)
                for expert in asked
            ],
            tell,
        )

        def ask(number: int) -> FeatureReport:
            """Return what the expert of a number says, on the CPU if the GPU is full."""
            expert = asked[number]

            def advance(share: float) -> None:
                """Pass on the share that this expert has done."""
                meter.advance(number, expert.title, share)

            cancel.check()
            advance(0.0)
            report = self._ask(expert, footage, settings, device, advance, cancel)
            if report is None:
                log.warning("the GPU's memory is full, %s looks on the CPU", expert.modality)
                report = self._ask(expert, footage, settings, "cpu", advance, cancel)
                assert report is not None, "the CPU has no memory of a GPU"
                report = replace(report, detail=f"{report.detail} Done on the CPU: {GPU_FULL}.")
            advance(1.0)
            return report

        # The longest first: so that nobody is left to work alone at the end.
        order = sorted(range(len(asked)), key=lambda number: -meter.seconds[number])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            reports = {number: pool.submit(ask, number) for number in order}
            try:
                return tuple(reports[number].result() for number in range(len(asked)))
            finally:
                pool.shutdown(cancel_futures=True)

    def release(self) -> None:
        """Let go of all models that no request is using."""
        for expert in self.experts:
            lock = self._locks[expert.modality]
            if lock.acquire(blocking=False):
                try:
                    expert.release()
                finally:
                    lock.release()

    def _asked(self, settings: ExpertSettings) -> list[Expert]:
        """Return the experts that `settings` names, in the panel's order."""
        return [expert for expert in self.experts if expert.modality in settings.names]

    def _ask(
        self,
        expert: Expert,
        footage: Footage,
        settings: ExpertSettings,
        device: str,
        tell: ShareCallback,
        cancel: CancelToken,
    ) -> FeatureReport | None:
        """Return what an expert says; None if the memory of the GPU is too small for it now."""
        patience = settings.patience + settings.patience_per_second * footage.seconds
        began = time.monotonic()
        work = _Work(expert, footage, settings, device, tell, self._keep)

        def failed(status: Status, detail: str) -> FeatureReport:
            """Return the report of an expert that could not look."""
            return FeatureReport(
                expert.modality, status, detail, None, (), time.monotonic() - began, device
            )

        locks = (self._locks[expert.modality], self._preparing)
        held: list[threading.Lock] = []
        for lock, whom in zip(locks, ("this expert", "another expert"), strict=True):
            while not lock.acquire(timeout=_LOOK_SECONDS):
                if cancel.cancelled or time.monotonic() - began > patience:
                    for other in held:
                        other.release()
                    cancel.check()
                    return failed(
                        "failed", f"{expert.title}: did not get to look; {whom} was still busy."
                    )
            held.append(lock)
        began = time.monotonic()
        thread = threading.Thread(target=work.run, args=locks, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
            elapsed = time.monotonic() - began
            if cancel.cancelled:
                # It stops by itself, sooner or later; who asked to stop does not wait for that.
                work.cancel.cancel()
                cancel.check()
            if elapsed > patience:
                work.cancel.cancel()
                thread.join(_GRACE_SECONDS)
                if work.report is None:
                    return failed(
                        "failed",
                        f"{expert.title}: stopped after {elapsed:.0f} s, longer than it may take "
                        "for a film of this length.",
                    )
        cancel.check()
        if device == "cuda" and gpu_is_full(work.error):
            work.error = None  # it holds on to what was on the GPU
            free_gpu()
            return None
        if isinstance(work.error, WeightsNotInstalled):
            return failed("weights not installed", str(work.error))
        if isinstance(work.error, EmsyncError):
            return failed("failed", f"{expert.title}: {work.error}")
        if isinstance(work.error, ImportError):
            return failed(
                "failed",
                f"{expert.title}: a package is missing ({work.error}). To have this expert: "
                "pip install -r requirements.txt",
            )
        if work.report is None:
            log.error("the expert %s failed", expert.modality, exc_info=work.error)
            return failed(
                "failed",
                f"{expert.title}: went wrong ({type(work.error).__name__}). The film was read "
                "without it.",
            )
        if work.report.status == "ran" and not missing(expert):
            expected = expert.expected_seconds(footage.seconds, device)
            self._pace[expert.modality] = (time.monotonic() - began) / max(expected, 1e-3)
        return work.report


class _Meter:
    """The share done of all experts, each counting by the time that it is expected to take."""

    def __init__(self, seconds: Sequence[float], tell: TellExpert) -> None:
        self.seconds = [max(one, 1e-3) for one in seconds]
        self._tell = tell
        self._done = [0.0] * len(seconds)
        self._lock = threading.Lock()

    def advance(self, number: int, title: str, share: float) -> None:
        """Tell that expert `number` has done `share` of its work."""
        with self._lock:
            self._done[number] = max(self._done[number], share)
            done = sum(a * b for a, b in zip(self._done, self.seconds, strict=True))
            self._tell(title, done / sum(self.seconds))


class _Work:
    """One expert's look at one film, in a thread of its own that can be left behind."""

    def __init__(
        self,
        expert: Expert,
        footage: Footage,
        settings: ExpertSettings,
        device: str,
        tell: ShareCallback,
        keep: bool,
    ) -> None:
        self.expert, self.footage, self.settings = expert, footage, settings
        self.device, self.tell, self.keep = device, tell, keep
        self.cancel = CancelToken()
        self.report: FeatureReport | None = None
        self.error: BaseException | None = None

    def run(self, looking: threading.Lock, preparing: threading.Lock) -> None:
        """Look, and give both locks back, however long it takes: the second after the loading."""
        try:
            try:
                share_cores()
                with warnings.catch_warnings():
                    # Two experts bring TorchScript files, whose format is to be given up one day.
                    warnings.simplefilter("ignore", FutureWarning)
                    self.expert.prepare(self.device)
            finally:
                preparing.release()
            self.cancel.check()
            self.report = self.expert.run(self.footage, self.settings, self._tell, self.cancel)
        except BaseException as error:
            self.error = error
        finally:
            if not self.keep or gpu_is_full(self.error):
                with suppress(Exception):
                    self.expert.release()
            looking.release()

    def _tell(self, fraction: float) -> None:
        if not self.cancel.cancelled:
            self.tell(fraction)


def share_cores() -> None:
    """Let PyTorch use a fair part of the cores, here and in threads that begin later.

    Its threads wait for each other busily: with more of them than cores two experts took up to six
    times as long as one after the other.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(max(1, (cores or 1) // AT_ONCE))


def missing(one: Expert | ClassifierRow) -> tuple[str, ...]:
    """Return the names of the weights that an expert or a classifier lacks on this machine."""
    return tuple(name for name in one.weights if not weights.status_of(name).installed)


def device_of(wanted: Device) -> str:
    """Return the device that `wanted` means on this machine: "cpu" or "cuda".

    Raises:
        EmsyncError: a GPU is asked for, and there is none.
    """
    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise EmsyncError(
            "The experts were asked to run on a GPU, but PyTorch finds none here. Leave the device "
            "on “auto”, or install a PyTorch that knows this GPU."
        )
    return "cpu"


def standard_experts() -> tuple[Expert, ...]:
    """Return all experts of this project; nothing is loaded yet."""
    return tuple(open_expert(name) for name, row in MODALITIES.items() if row.module is not None)
