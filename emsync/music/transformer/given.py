"""Drawing beside notes that are there already: other groups, and what sounds across a seam.

What is given takes its place in the tokens at its time, so that the model hears it and writes
around it.
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from emsync.music.chords import CHORD_GROUPS
from emsync.music.notes import GROUPS
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.on_grid import GridRow
from emsync.music.transformer.rows import Brief
from emsync.settings import MusicSettings


class GivenRow(GridRow):
    """The rules of a piece on a grid, some of whose events are given (`Brief.given`)."""

    def __init__(self, brief: Brief, settings: MusicSettings, start: Sequence[int]) -> None:
        super().__init__(brief, settings, start)
        self._given = deque(brief.given)
        """(tick, token) of what is still to come, in the order of tokens."""

    @property
    def _due(self) -> int | None:
        """The given token that belongs to this moment, if there is one."""
        return self._given[0][1] if self._given and self._given[0][0] <= self.ticks else None

    def rule(self, logits: np.ndarray) -> bool:
        """See `Row.rule`; what is given ends when the model lets time pass."""
        due = self._due
        shifts = logits[v.FIRST_SHIFT : v.FIRST_NOTE].astype(np.float64)
        hems_in = super().rule(logits)
        if due is not None and math.isfinite(logits[due]):
            top = shifts.max()
            passing = top + math.log(np.exp(shifts - top).sum())
            logits[due] = np.logaddexp(logits[due], passing)
        return hems_in

    def forbidden(self) -> tuple[np.ndarray, bool]:
        """See `Row.forbidden`."""
        no, hems_in = super().forbidden()
        due = self._due
        if due is None:
            return no, hems_in
        if not (no[v.BAR] and no[v.CHORD]) and no.sum() == len(no) - 1:
            return no, hems_in  # a bar line or a chord is written before all else
        if due == v.CHORD or v.note_of(due)[2]:
            no[:] = True
        no[v.FIRST_SHIFT : v.FIRST_NOTE] = True
        no[due] = False
        return no, False

    def take(self, token: int, choices: int) -> None:
        """See `Row.take`."""
        if token == self._due:
            self._given.popleft()
        super().take(token, choices)

    def _landings(self, step: int) -> np.ndarray:
        landings = super()._landings(step)
        if not self._given:
            return landings
        within = landings[landings < self._given[0][0] - self.ticks + v.FIRST_SHIFT]
        return within if len(within) else landings

    def _take_note(self, note: tuple[int, int], on: bool) -> None:
        if not self.muted[note[0]]:
            super()._take_note(note, on)
        elif on:  # others end their notes when they are given to
            self.last_note_on = self.ticks
            if v.CHORD in self.marks_now and GROUPS[note[0]] in CHORD_GROUPS:
                self.owed_notes = max(self.owed_notes - 1, 0)
