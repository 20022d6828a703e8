"""The page's controls of mood and music, by the setting that each turns."""

import re
from typing import Any

import gradio as gr

from emsync.errors import EmsyncError
from emsync.interface.music_words import with_signs
from emsync.settings import LONGEST_TEXT, RANGES, MusicSettings, Settings, choices_of
from emsync.text import one_line

LARGEST_SEED = int(RANGES["seed"].high)
GROUPS = MusicSettings.groups
OWN_CHORDS = "its own"
"""Stands in the field of the chords while it is empty and no piece is shown."""


def of_mood(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the mood, beside its editor."""
    return {
        "mood.valence_arousal_range": gr.Slider(
            0.1,
            1.0,
            value=defaults.mood.valence_arousal_range,
            step=0.05,
            label="Mood intensity (range r)",
            info="Larger is more extreme. The paper uses 0.8.",
        ),
    }


def paper_switch(defaults: Settings) -> gr.Checkbox:
    """Return the switch between the method of the paper and ours."""
    return gr.Checkbox(
        value=defaults.music.method == "free",
        label="As in the paper",
        info="Algorithm 1 as published: note by note, without a plan of chords, and wilder.",
        elem_id="em-paper",
    )


def tempo_field(defaults: Settings) -> gr.Textbox:
    """Return one field for the two bounds of the tempo; a `gr.Number` cannot be empty."""
    return gr.Textbox(
        value=tempo_text(defaults.music),
        label="Beats a minute",
        placeholder="by mood; 92; 80–100",
        max_length=40,
        max_lines=1,
        scale=2,
        min_width=180,
        elem_id="em-tempo",
    )


def tempo_bounds(text: str) -> tuple[float | None, float | None]:
    """Return the bounds of the tempo that a text asks for: "92", "80–100", "80–", "–100", or "".

    Raises:
        EmsyncError: it is nothing of the kind, or out of range.
    """
    slow, dash, fast = (part.strip() for part in re.sub("[-–—]", "–", text).partition("–"))
    bounds = (slow, fast if dash else slow)
    if not all(re.fullmatch(r"(\d{1,3}([.]\d{1,3})?)?", bound, re.ASCII) for bound in bounds):
        raise EmsyncError(
            f"The tempo must be one number or two {RANGES['music.slowest']}, such as 92 or 80–100, "
            f"not “{one_line(text, 40)}”."
        )
    slowest, fastest = (float(bound) if bound else None for bound in bounds)
    return slowest, fastest


def tempo_text(music: MusicSettings) -> str:
    """Return the bounds of the tempo as a text; the inverse of `tempo_bounds`."""
    slowest, fastest = (
        "" if bound is None else f"{bound:g}" for bound in (music.slowest, music.fastest)
    )
    return slowest if slowest == fastest else f"{slowest}–{fastest}"


def of_plan(defaults: Settings) -> dict[str, Any]:
    """Return the controls of what is planned before the notes: what kind of music it is to be."""
    music = defaults.music
    by_mood = ("By mood", "auto")
    named: dict[str, Any] = {}
    with gr.Row():
        named["music.style"] = _choice("music.style", music.style, "Style", by_mood)
        named["music.density"] = _choice("music.density", music.density, "Density", by_mood)
    with gr.Row():
        named["music.tonic"] = _choice("music.tonic", music.tonic, "Key", ("Any", "auto"))
        named["music.mode"] = _choice("music.mode", music.mode, "Mode", by_mood)
    return named


def of_metre(defaults: Settings) -> dict[str, Any]:
    """Return the control of the metre, beside that of the tempo."""
    metre = _choice("music.metre", defaults.music.metre, "Metre", ("Any", "auto"))
    return {"music.metre": metre}


def of_melody(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the melody and the chords."""
    music = defaults.music
    named: dict[str, Any] = {}
    named["music.melody"] = gr.Checkbox(value=music.melody, label="With a melody")
    named["music.chords"] = gr.Textbox(
        value=music.chords,
        label="Chords",
        info="Such as Am | F C | G, a bar between two strokes; they go round. Empty: its own.",
        placeholder=OWN_CHORDS,
        max_length=LONGEST_TEXT,
        lines=3,
        max_lines=8,
        elem_id="em-chords",
    )
    return named


def _choice(name: str, value: str, label: str, auto: tuple[str, str]) -> gr.Dropdown:
    """Return a choice of the words that a setting may be, of which "auto" has its own name."""
    words: list[tuple[str, str]] = [
        auto if word == "auto" else (with_signs(word[0].upper() + word[1:]), word)
        for word in choices_of(name)
    ]
    words.sort(key=lambda one: one[1] != "auto")
    return gr.Dropdown(words, value=value, label=label, min_width=100)


def of_music(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the composing."""
    music = defaults.music
    return {
        "music.candidates": gr.Slider(
            1,
            4,
            value=music.candidates,
            step=1,
            label="Versions",
            info="Composed side by side, to choose from. Each takes a little longer.",
        ),
        "seed": gr.Number(
            value=defaults.seed,
            precision=0,
            minimum=0,
            maximum=LARGEST_SEED,
            label="Seed",
            info="Same seed, same music.",
        ),
        "music.instruments": gr.Radio(
            [("Fewer", "fewer"), ("More", "more")],
            value=music.instruments,
            label="Instruments",
            info="What the music is asked for: fewer or more of the five groups.",
        ),
        "music.groups": gr.CheckboxGroup(
            [(name.capitalize(), name) for name in GROUPS],
            value=list(music.groups),
            label="Groups that may play",
            info="Without guitar and piano there are no strong chords on the cuts.",
        ),
        "music.sensitivity": gr.Slider(
            0.1,
            3.0,
            value=music.sensitivity,
            step=0.1,
            label="Closeness to cuts (ξ, seconds)",
            info="A strong chord this close to a cut is a hit. The paper uses 1 s.",
        ),
    }


def of_video2music(defaults: Settings) -> dict[str, Any]:
    """Return the controls of what only Video2Music can be asked for."""
    own = defaults.music.video2music
    return {
        "music.video2music.primer": gr.Textbox(
            value=own.primer,
            label="First chords",
            info="One a second, such as C Am F G, in C major or A minor whatever the key.",
            placeholder="the tonic",
            max_length=400,
            max_lines=1,
            elem_id="em-first-chords",
        ),
        "music.video2music.pattern": gr.Radio(
            [
                ("Loudness", "published"),
                ("Loudness, more of it", "published-generate"),
                ("Note density, as in the paper", "paper"),
            ],
            value=own.pattern,
            label="Arpeggios follow",
        ),
        "music.video2music.smooth_emotion": gr.Slider(
            0,
            10,
            value=own.smooth_emotion,
            step=1,
            label="Smooth the emotion over (seconds)",
            info="The published code does not; the paper: 5.",
        ),
        "music.video2music.accents": gr.Checkbox(
            value=own.accents,
            label="Strike the chord on every cut",
            info="Ours. As published the music knows no cuts.",
        ),
    }


def of_sampling(defaults: Settings) -> dict[str, Any]:
    """Return the controls of the sampling, for those who know what they do."""
    music = defaults.music
    return {
        "music.temperature": gr.Slider(
            0.5,
            2.0,
            value=music.temperature,
            step=0.05,
            label="Temperature",
            info="Lower is safer, higher is wilder. The paper's own model is drawn from at 1.35.",
        ),
        "music.top_p": gr.Slider(
            0.1,
            1.0,
            value=music.top_p,
            step=0.05,
            label="Top-p",
            info="Only the likeliest tokens whose probabilities sum to this are drawn from. "
            "The paper's own model is drawn from at 0.6.",
        ),
        "music.guidance": gr.Slider(
            0.0,
            3.0,
            value=music.guidance,
            step=0.1,
            label="Guidance towards the mood",
            info="1 is the model as it is; any other takes twice as long.",
        ),
        "music.end_on_chord": gr.Checkbox(
            value=music.end_on_chord,
            label="End on a chord",
            info="Ask for a last strong chord shortly before the film ends.",
        ),
        "mood.mode": gr.Radio(
            [("Mean of the emotions", "mean"), ("Drawn from them", "draw")],
            value=defaults.mood.mode,
            label="From emotions to a mood",
            info="A draw gives another mood with every seed.",
        ),
        "music.primer_seconds": gr.Slider(
            1,
            60,
            value=music.primer_seconds,
            step=1,
            label="Seconds of the MIDI file",
            info="So much of its end is gone on from, if you give one above.",
        ),
    }
