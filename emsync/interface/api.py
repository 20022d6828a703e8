"""The page's work for programs: one call that scores a film, by `gradio_client` or plain HTTP."""

import html
import secrets
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

import gradio as gr
from pydantic import BaseModel, Field, Strict, TypeAdapter

from emsync.emotion.curve import MoodRequest
from emsync.emotion.mapping import Mood
from emsync.errors import EmsyncError
from emsync.interface.mood_editor import MOST_SCENES
from emsync.interface.records import Playing
from emsync.interface.studio import Studio
from emsync.interface.uploads import as_it_came
from emsync.interface.views import files_of
from emsync.music.composer import check_obeyed
from emsync.music.notes import GROUPS
from emsync.presets import from_plain

_BarNumber = Annotated[int, Field(strict=True, ge=1, lt=1_000_000)]
_Name = Annotated[str, Field(strict=True, max_length=20)]


def offer_score(studio: Studio) -> None:
    """Offer the endpoint "score", which the page itself does not use.

    Inputs: the film; settings as in a preset (nested values, or none); moods as a list of
    [seconds, valence, arousal] that begins at 0, or none for the film's own. Outputs: the scored
    film, MIDI, WAV and the report, the token of the take's link, and the score as MusicXML.
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
            *files, score_file = map(str, files_of(result))
            return *files, job.take.token, score_file
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
        outputs: list[gr.File | gr.Textbox] = [
            gr.File(label=name) for name in ("scored", "midi", "wav", "report")
        ]
        outputs += [gr.Textbox(label="take"), gr.File(label="score")]
        gr.Button("Score").click(
            score,
            inputs,
            outputs,
            api_name="score",
            concurrency_limit=None,
            show_progress="hidden",
        )


def offer_again(studio: Studio) -> None:
    """Offer the endpoint "again", which composes a part of a take anew.

    Inputs: the token of a take; the first and the last bar, counted from 1; the groups that get
    other notes, or none for all; a seed, or none for a new one. Outputs: as of "score". The take
    has one version more, which is shown.
    """

    async def again(take: str, bars: Any, groups: Any, seed: Any) -> tuple[str, ...]:
        name = f"program-{secrets.token_urlsafe(18)}"
        job = None
        try:
            first, last, chosen, number = part_from(bars, groups, seed)
            found = studio.attach(name, str(take))
            if found is None or found.result is None:
                raise EmsyncError("There is no such take: takes are kept for an hour.")
            playing = Playing.of(found.result.settings)
            job = studio.recompose(name, (first, last), chosen, playing, number)
            if job is None:
                raise EmsyncError("Somebody is at work on this take. Try again in a while.")
            async for _ in studio.watch(name, job):
                pass
            # Nobody else's work comes between: the newest version is the one that was asked for.
            if job.error is not None:
                raise EmsyncError("Cancelled.")
            result = found.versions[-1].result
            assert result is not None
            return *map(str, files_of(result)), found.token
        except EmsyncError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        finally:
            if job is not None:
                job.cancel.cancel()  # when the app ends in the middle
            studio.leave(name)

    with gr.Column(visible=False):
        inputs = [
            gr.Textbox(label="take"),
            gr.JSON(label="bars"),
            gr.JSON(label="groups"),
            gr.JSON(label="seed"),
        ]
        outputs = [gr.File(label=name) for name in ("scored", "midi", "wav", "report")]
        token = gr.Textbox(label="take")
        gr.Button("Again").click(
            again,
            inputs,
            [*outputs, token],
            api_name="again",
            concurrency_limit=None,
            show_progress="hidden",
        )


class _Part(BaseModel):
    """A part of a piece, as a program sends it."""

    bars: tuple[_BarNumber, _BarNumber]
    groups: Annotated[list[_Name], Field(max_length=len(GROUPS))]
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] | None


def part_from(bars: object, groups: object, seed: object) -> tuple[int, int, list[str], int | None]:
    """Return which part of a piece a program asks for: the bars, the groups, and the seed.

    Args:
        bars: [first, last], counted from 1.
        groups: names, or None for all.
        seed: a whole number, or None.

    Raises:
        EmsyncError: it is something else.
    """
    try:
        part = _Part.model_validate({"bars": bars, "groups": groups or [], "seed": seed})
    except ValueError:
        raise EmsyncError(
            "A part is [first bar, last bar], counted from 1; a list of some of the groups "
            f"{', '.join(GROUPS)}, or none for all; and a seed, or none."
        ) from None
    return *part.bars, part.groups, part.seed


_Seconds = Annotated[float, Strict(), Field(ge=0, lt=1e9)]
_Axis = Annotated[float, Strict(), Field(ge=-1, le=1)]
_Moods = Annotated[list[tuple[_Seconds, _Axis, _Axis]], Field(max_length=MOST_SCENES)]
"""(seconds, valence, arousal) of each change, as a program sends them."""


@cache
def _moods() -> "TypeAdapter[list[tuple[float, float, float]]]":
    """Return what makes changes of mood out of a request's body, or refuses to."""
    return TypeAdapter(_Moods)


def request_from(moods: object) -> MoodRequest:
    """Return the mood that a program asks to be composed for.

    Args:
        moods: None for the film's own mood, or [[seconds, valence, arousal], ...] from 0 on.

    Raises:
        EmsyncError: it is neither.
    """
    try:
        asked = _moods().validate_python([] if moods is None else moods)
        starts = [at for at, _, _ in asked]
        if starts[:1] not in ([], [0]) or any(a >= b for a, b in pairwise(starts)):
            raise ValueError("not in order")
    except ValueError:
        raise EmsyncError(
            "Moods are a list of [seconds, valence, arousal], the seconds ascending from 0, "
            "valence and arousal in [-1, 1]."
        ) from None
    return MoodRequest(changes=tuple((at, Mood(*point)) for at, *point in asked))


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
