"""What happens when somebody turns the settings on the page: one method an event."""

import secrets
from pathlib import Path
from typing import Any

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface import scripts, views
from emsync.interface.asked import following
from emsync.interface.changes import Changes
from emsync.interface.event_group import EventGroup
from emsync.interface.event_options import EACH_TIME, QUIETLY, WORK, page_of
from emsync.interface.mood_editor import request_of
from emsync.interface.music_controls import LARGEST_SEED
from emsync.music.composer import check_obeyed
from emsync.presets import as_in_the_paper, as_ours, read_preset, to_query, write_preset


class SettingsEvents(EventGroup):
    """Connects the controls with each other and with what a page remembers."""

    def connect(self) -> None:
        """Connect everything, within the `gr.Blocks` that is open."""
        page, controls, share = self._page, self._page.controls, self._page.share
        named, status = controls.named, page.film.status
        page.music.another_seed.click(
            self.on_another_seed, None, named["seed"], queue=False, **QUIETLY
        )
        controls.paper.input(
            self.on_paper, controls.components, [*controls.components, status], **EACH_TIME
        )
        # Whatever turned it, a preset or a link as well.
        if controls.composer is None:
            plan = page.music.plan
            controls.paper.change(self.on_method, controls.paper, plan, queue=False, **QUIETLY)
        else:
            shown = [*controls.of_music, *controls.programs.values(), page.music.plan]
            for control in (controls.composer, controls.paper):
                control.change(self.on_composer, controls.components, shown, queue=False, **QUIETLY)
        page.music.edit_chords.click(
            self.on_edit_chords,
            None,
            [named["music.chords"], named["music.metre"], named["seed"]],
            **QUIETLY,
        ).then(None, js=scripts.TO_CHORDS, **QUIETLY)
        share.share.click(
            self.on_share,
            [page.editor, *controls.components],
            [share.query, share.preset, status],
            **WORK,
        ).then(None, share.query, share.query, js=scripts.WHOLE_ADDRESS, **QUIETLY)
        share.load_preset.upload(
            self.on_preset,
            [share.load_preset, page.editor],
            [*controls.components, status, page.editor],
            **WORK,
        )

    def on_another_seed(self) -> int:
        """Draw a seed."""
        return secrets.randbelow(LARGEST_SEED)

    def on_paper(self, request: gr.Request, *values: Any) -> Changes:
        """Follow the switch of the paper: what has no control is switched as well."""
        session = self._studio.session(page_of(request))
        try:
            asked = self._page.controls.settings(session.base, values)
        except EmsyncError as error:
            return self._show.refusal(error)
        is_paper = asked.music.method == "free"
        ours = self._studio.settings
        session.base = as_in_the_paper(asked) if is_paper else as_ours(asked, ours)
        return self._page.controls.show(session.base) | self._show.nothing()

    def on_method(self, is_paper: bool) -> Any:
        """Hide the controls of the plan where nothing is planned."""
        return gr.Column(visible=not is_paper)

    def on_composer(self, *values: Any) -> Changes:
        """Show what the composer that was chosen can be asked for."""
        controls = self._page.controls
        now = dict(zip(controls.components, values, strict=True))
        return self._show.composer(now[controls.composer], now[controls.paper], values)

    def on_edit_chords(self, request: gr.Request) -> Changes:
        """Put the chords of the piece that is shown where they can be changed for the next one."""
        session = self._studio.session(page_of(request))
        result = None if session.shown is None else session.shown.result
        piece = None if result is None else result.composition
        if piece is None or piece.plan is None:
            return {self._page.controls.named["music.chords"]: gr.skip()}
        session.base, shown = self._page.controls.edited(session.base, piece, piece.plan.metre.name)
        return shown

    def on_share(self, request: gr.Request, mood: dict[str, Any], *values: Any) -> Changes:
        """Make a link and a preset of the settings."""
        name = page_of(request)
        try:
            asked = request_of(mood)
            settings = following(self._asked.settings(name, values), asked)
        except EmsyncError as error:
            return self._show.refusal(error)
        path = self._studio.store.new_temporary_folder() / "emsync preset.json"
        write_preset(settings, path)
        query = to_query(settings, self._studio.settings)
        if asked.mood is not None:
            point = f"{asked.mood.valence:g},{asked.mood.arousal:g}"
            query += ("&" if query else "") + f"mood={point}"
        return {
            self._page.share.query: gr.Textbox(value="?" + query, visible=True),
            self._page.share.preset: gr.File(value=str(path), visible=True),
        }

    def on_preset(self, path: str, mood: dict[str, Any], request: gr.Request) -> Changes:
        """Take the settings of a preset over."""
        name = page_of(request)
        try:
            base = read_preset(Path(path), self._studio.settings)
            check_obeyed(base.music)
        except EmsyncError as error:
            return self._show.refusal(error)
        self._studio.session(name).base = base
        status = self._show.status(views.note("The preset is loaded."))
        return self._show.settings(base, mood) | status
