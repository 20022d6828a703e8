"""What Gradio remembers of each page, and for how long."""

from datetime import datetime, timedelta

import gradio as gr

MOST_STATES = 500
"""Pages that Gradio remembers; those unused the longest go first."""


def forget_states(page: gr.Blocks, seconds: float) -> None:
    """Have Gradio forget pages that were closed, and those unused for so long.

    For each it keeps the last value of every part, drawings and pictures among them, some hundred
    kilobytes for a scored film, and of itself it forgets none but the ten thousandth (6.31). Who
    comes back to a forgotten page has one that is as if it were new.

    Args:
        page: before it is launched there is nothing to forget.
        seconds: since it was last used.
    """
    holder = getattr(page, "state_holder", None)
    if holder is None:
        return
    old = datetime.now() - timedelta(seconds=seconds)
    with holder.lock:
        for name, state in list(holder.session_data.items()):
            if state.is_closed or holder.time_last_used.get(name, old) <= old:
                holder.session_data.pop(name, None)
                holder.time_last_used.pop(name, None)
