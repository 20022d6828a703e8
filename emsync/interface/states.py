"""What Gradio remembers of each page, and for how long."""

import time
from typing import Any

import gradio as gr

MOST_STATES = 500
"""Pages that Gradio remembers; those unused the longest go first."""


class States:
    """Has Gradio forget pages.

    For each it keeps the last value of every part, drawings and pictures among them, some hundred
    kilobytes for a scored film, and of itself it forgets none but the ten thousandth (6.31). Who
    comes back to a forgotten page has one that is as if it were new.
    """

    def __init__(self, page: gr.Blocks) -> None:
        self._page = page
        self._seen: dict[str, tuple[Any, float]] = {}
        """Gradio's note of when each was last used, by a clock that can be set; and since when that
        is known, by one that cannot."""

    def forget(self, seconds: float) -> None:
        """Forget pages that were closed, and those that were not used for so long.

        Before the page is launched there are none.
        """
        holder = getattr(self._page, "state_holder", None)
        if holder is None:
            return
        now = time.monotonic()
        with holder.lock:
            used = {name: holder.time_last_used.get(name) for name in list(holder.session_data)}
            before, self._seen = self._seen, {}
            for name, noted in used.items():
                seen = before.get(name)
                since = seen[1] if seen is not None and seen[0] == noted else now
                if holder.session_data[name].is_closed or now - since > seconds:
                    holder.session_data.pop(name, None)
                    holder.time_last_used.pop(name, None)
                else:
                    self._seen[name] = (noted, since)
