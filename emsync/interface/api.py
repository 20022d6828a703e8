"""The page's work for programs: one call that scores a film, by `gradio_client` or plain HTTP."""

import html
import secrets
from typing import Any

import gradio as gr

from emsync.emotion.curve import MoodRequest
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.interface.mood_editor import MOST_SCENES
from emsync.interface.studio import Studio
from emsync.interface.uploads import as_it_came
from emsync.interface.views import files_of
from emsync.music.composer import check_obeyed
from emsync.presets import from_plain


def offer_score(studio: Studio) -> None:
    """Offer the endpoint "score", which the page itself does not use.

    Inputs: the film; settings as in a preset (nested values, or none); moods as a list of
    [seconds, valence, arousal] that begins at 0, or none for the film's own. Outputs: the scored
    film, MIDI, WAV and the report, and the token of the take's link.
    """

    async def score(film: str | None, settings: Any, moods: Any) -> tuple[str, ...]:
        # A page of its own for every call: some programs make many at once, or come without
        # Gradio's name of a page.
        name = f"program-{secrets.token_urlsafe(18)}"
        try:
            if film is None:
                raise EmsyncError("Give a film.")
            asked = from_plain(settings or {}, studio.settings)
            check_obeyed(asked.music)
            chosen = studio.user_files.kept(studio.session(name), asked)
            request = request_from(moods)
            await studio.films.open(name, film)
            job = studio.compose(name, chosen, request)
            assert job is not None
            async for _ in studio.watch(name, job):
                pass
            result = job.take.result
            if result is None:
                raise EmsyncError("Cancelled.")
            return *map(str, files_of(result)), job.take.token
        except EmsyncError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        finally:
            # When the app ends in the middle. A program that hangs up is not noticed: its work
            # goes on to the end, and goes after its hour.
            studio.cancel(name)
            studio.leave(name)

    with gr.Column(visible=False):
        inputs = [
            as_it_came(gr.File(label="film")),
            gr.JSON(label="settings"),
            gr.JSON(label="moods"),
        ]
        outputs = [gr.File(label=name) for name in ("scored", "midi", "wav", "report")]
        token = gr.Textbox(label="take")
        gr.Button("Score").click(
            score,
            inputs,
            [*outputs, token],
            api_name="score",
            concurrency_limit=None,
            show_progress="hidden",
        )


def request_from(moods: object) -> MoodRequest:
    """Return the mood that a program asks to be composed for.

    Args:
        moods: None for the film's own mood, or [[seconds, valence, arousal], ...] from 0 on.

    Raises:
        EmsyncError: it is neither.
    """
    if moods is None or moods == []:
        return MoodRequest(None, False, ())
    wrong = EmsyncError(
        "Moods are a list of [seconds, valence, arousal], the seconds ascending from 0, valence "
        "and arousal in [-1, 1]."
    )
    if not isinstance(moods, list) or len(moods) > MOST_SCENES:
        raise wrong
    changes: list[tuple[float, Mood]] = []
    for entry in moods:
        if not isinstance(entry, list) or len(entry) != 3 or not all(map(_is_number, entry)):
            raise wrong
        at, valence, arousal = map(float, entry)
        if at != 0 if not changes else at <= changes[-1][0]:
            raise wrong
        try:
            changes.append((at, Mood(valence, arousal)))
        except ValueError:
            raise wrong from None
    return MoodRequest(None, False, tuple(changes))


def _is_number(value: object) -> bool:
    """Return whether JSON gave a number of a sensible size."""
    # What is not a number is not below anything.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def mood_from(text: str) -> Mood:
    """Return the mood in an address, such as "0.3,-0.2".

    Raises:
        EmsyncError: it is none.
    """
    try:
        valence, arousal = map(float, text[:40].split(","))
        return Mood(valence, arousal)
    except ValueError:
        raise EmsyncError(
            "The mood in the address must be valence and arousal, both in [-1, 1], such as "
            "mood=0.3,-0.2."
        ) from None
