"""The button of the page, which says what a press will do and how long that takes."""

import asyncio
from typing import Any

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface import views
from emsync.interface.asked import is_made_of
from emsync.interface.changes import Changes
from emsync.interface.event_group import EventGroup
from emsync.interface.event_options import QUIETLY, page_of

_WITH = {
    "Film’s mood": "with the film’s mood",
    "By scene": "scene by scene",
    "Own mood": "with your own mood",
}
"""How the button says what a mood is called, if not by an emotion."""


class ComposeButton(EventGroup):
    """Names the button anew when something else is asked for."""

    @property
    def _named(self) -> list[Any]:
        """Components that change with what is asked for."""
        return [self._page.film.compose, self._page.film.wrong]

    def connect(self) -> None:
        """Name it whenever a control is turned, within the `gr.Blocks` that is open."""
        controls = self._page.controls
        gr.on(
            [
                self._page.editor.input,
                *(one.change for one in controls.components if one not in controls.of_sound),
            ],
            self.on_asked,
            self._asked.components,
            self._named,
            trigger_mode="always_last",
            **QUIETLY,
        )

    def name_after(self, event: Any) -> Any:
        """Have the button say what it will do once an event is over."""
        return event.then(self.on_asked, self._asked.components, self._named, **QUIETLY)

    async def on_asked(self, request: gr.Request, mood: dict[str, Any], *values: Any) -> Changes:
        """Have the button say what it will do."""
        name = page_of(request)
        session = self._studio.session(name)
        if session.source is None:
            return self._show.compose("Compose music", None)
        try:
            settings, asked = await self._asked.music(name, mood, values)
        except EmsyncError as error:
            return self._show.compose("Compose music", None, str(error))
        seconds = await asyncio.to_thread(
            self._studio.scorer.expected_seconds, session.source, settings
        )
        take = self._asked.take_of_film(name)
        if take is None:
            words = "Compose music"
        elif is_made_of(take, settings, asked):
            words = "Another take"
        elif take.request == asked:
            words = "Re-score with these settings"
        else:
            title = views.mood_title(asked, settings)
            words = f"Re-score {_WITH.get(title, f'with {title.lower()}')}"
        return self._show.compose(words, seconds)
