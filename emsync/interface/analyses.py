"""What was found in films, remembered by their content."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emsync.film.film import Film
from emsync.interface import records
from emsync.interface.experts import installed_names
from emsync.interface.records import Source
from emsync.settings import CutSettings, ExpertSettings, Settings

if TYPE_CHECKING:
    from emsync.emotion.analysis import Analysis

MOST_ANALYSES = 24
"""Films of which the analysis is remembered."""


@dataclass(frozen=True)
class AnalysisKey:
    """On what an analysis depends: the film, what is looked for in it, and who looks."""

    sha256: str
    cuts: CutSettings
    experts: ExpertSettings
    installed: frozenset[str]

    @classmethod
    def of(cls, source: Source, settings: Settings) -> "AnalysisKey":
        """Return the key of an analysis that is made now."""
        return cls(source.sha256, settings.cuts, settings.experts, installed_names())


class AnalysisCache:
    """Analyses of the last films: one that somebody else brings again is not looked at again."""

    def __init__(self, most: int = MOST_ANALYSES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[AnalysisKey, tuple[Analysis, float]] = OrderedDict()

    def get(self, key: AnalysisKey, film: Film) -> "Analysis | None":
        """Return what is remembered, as if it had just been found in `film`; None if nothing is."""
        with self._lock:
            found = self._known.pop(key, None)
            if found is None or time.monotonic() - found[1] > records.KEEP_SECONDS:
                return None
            self._known[key] = found[0], time.monotonic()
        return replace(found[0], film=film)

    def put(self, key: AnalysisKey, analysis: "Analysis") -> None:
        """Remember an analysis, unless an expert failed: another look may see more then."""
        if any(report.status == "failed" for report in analysis.reading.reports):
            return
        with self._lock:
            self._known[key] = analysis, time.monotonic()
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def forget(self, source: Source) -> None:
        """Forget everything that was found in a film."""
        with self._lock:
            for key in [key for key in self._known if key.sha256 == source.sha256]:
                del self._known[key]
