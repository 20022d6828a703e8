"""Drawing on the grid: whatever the model wants, bars are full, hits exact, chords preferred."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from emsync.emotion.curve import MoodCurve
from emsync.emotion.mapping import Mood
from emsync.music.notes import GROUPS, TICK_SECONDS
from emsync.music.planning.grid import METRES, Grid, MetreName, lay_grid
from emsync.music.planning.plan import Chord, Plan
from emsync.music.planning.write import write_plan
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.decoding import Drawing, generate
from emsync.music.transformer.harmony_labels import NOT_GIVEN, UNTOLD, label_of_chord
from emsync.music.transformer.model import MusicTransformer, TransformerSettings
from emsync.music.transformer.on_grid import GridRow, chord_weights
from emsync.music.transformer.rows import Brief
from emsync.music.transformer.tokens import decode
from emsync.progress import CancelToken, silent_share
from emsync.settings import MusicSettings

HITS = (3.1, 7.4, 12.0)
SECONDS = 15.0
SETTINGS = MusicSettings(late_tolerance=None)


def model(seed: int = 1) -> MusicTransformer:
    torch.manual_seed(seed)
    made = MusicTransformer(TransformerSettings("rotary", 2, 2, 32, 64, 128))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


def in_love_with(token: int) -> MusicTransformer:
    """Return a model that wants nothing but `token`."""
    made = model()
    with torch.no_grad():
        made.head.weight.zero_()
        made.head.bias.fill_(-50.0)
        made.head.bias[token] = 50.0
    return made


def brief(metre: MetreName = "4/4", ticks: int = 17, seed: int = 3, planned: bool = True) -> Brief:
    grid = lay_grid(METRES[metre], [(0.0, ticks)], HITS, SECONDS)
    mood = MoodCurve.constant(Mood(0.6, 0.2))
    plan = write_plan(grid, mood, SECONDS, SETTINGS, seed, True) if planned else None
    return Brief(
        0.6,
        0.2,
        tuple(float(grid.ticks_of(hit.step)) * TICK_SECONDS for hit in grid.hits),
        float(grid.ticks_of(grid.steps)) * TICK_SECONDS,
        seed,
        grid=grid,
        plan=plan,
    )


def grid_of(asked: Brief) -> Grid:
    assert asked.grid is not None
    return asked.grid


def plan_of(asked: Brief) -> Plan:
    assert asked.plan is not None
    return asked.plan


@pytest.mark.parametrize("metre", ["4/4", "3/4", "6/8"])
@pytest.mark.parametrize(
    "token",
    [
        None,
        v.BAR,
        v.CHORD,
        v.shift_token(1),
        v.shift_token(125),
        v.note_token("piano", 60, True),
        v.note_token("drums", 40, True),
    ],
    ids=lambda token: "random weights" if token is None else v.name(token),
)
def test_bars_are_full_and_hits_exact_whatever_the_model_wants(
    token: int | None, metre: MetreName
) -> None:
    asked = brief(metre)
    grid = grid_of(asked)
    wanting = model() if token is None else in_love_with(token)
    (piece,) = generate(wanting, [asked], SETTINGS, CancelToken(), silent_share)
    decoded = decode(piece.tokens)
    assert decoded.length >= grid.ticks_of(grid.steps)
    bars = grid.steps_of(decoded.bars)
    assert (grid.ticks_of(bars) == decoded.bars).all()
    assert set(np.diff(bars)) == {METRES[metre].bar}
    begun = decoded.notes.start
    steps = grid.steps_of(begun)
    assert (grid.ticks_of(steps) == begun).all()
    assert ((steps % 3 == 0) | (steps % 4 == 0)).all()
    hits = {hit.step for hit in grid.hits}
    assert hits <= set(grid.steps_of(decoded.chords).tolist())
    assert [hit.boundary for hit in piece.hits] == [0, 1, 2]


def test_without_guitar_and_piano_nobody_waits_for_a_chord() -> None:
    settings = replace(SETTINGS, groups=("strings", "drums"))
    asked = brief(planned=False)
    (piece,) = generate(model(), [asked], settings, CancelToken(), silent_share)
    assert v.CHORD not in piece.tokens
    assert {GROUPS[g] for g in decode(piece.tokens).notes.group} <= {"strings", "drums"}


def test_only_the_plans_groups_play() -> None:
    asked = brief()
    plan = plan_of(asked)
    quiet = replace(
        plan, sections=tuple(replace(one, groups=("piano", "bass")) for one in plan.sections)
    )
    (piece,) = generate(
        model(), [replace(asked, plan=quiet)], SETTINGS, CancelToken(), silent_share
    )
    assert {GROUPS[g] for g in decode(piece.tokens).notes.group} <= {"piano", "bass"}


def test_the_tempo_that_the_model_writes_in_costs_it_least() -> None:
    """A model that goes on in sixteenths of 20 ticks minds a grid of 17 and not one of 20."""
    wanting = in_love_with(v.shift_token(20))
    costs = {}
    for ticks in (17, 20):
        drawing = Drawing(wanting, [brief(ticks=ticks)], SETTINGS)
        drawing.draw([0], CancelToken(), silent_share)
        row = drawing.row(0)
        assert isinstance(row, GridRow)
        costs[ticks] = row.cost
    assert costs[20] < 0.6 * costs[17]


def test_more_harmony_means_more_of_the_plans_chords() -> None:
    def within_chords(harmony: float) -> float:
        settings = replace(SETTINGS, harmony=harmony)
        briefs = [brief(seed=seed) for seed in range(3)]
        pieces = generate(model(), briefs, settings, CancelToken(), silent_share)
        found = []
        for asked, piece in zip(briefs, pieces, strict=True):
            notes = decode(piece.tokens).notes
            steps = grid_of(asked).steps_of(notes.start)
            for group, pitch, step in zip(notes.group, notes.pitch, steps, strict=True):
                if GROUPS[group] != "drums":
                    found.append(pitch % 12 in plan_of(asked).chord_at(int(step)).tones)
        return float(np.mean(found))

    assert within_chords(4.0) > within_chords(1.0) + 0.05 > within_chords(0.0) + 0.15


def test_the_lowest_tone_is_welcome_in_the_bass_and_foreign_ones_nowhere() -> None:
    chord = Chord(0, 7, "7", bass=11)
    scale = frozenset({0, 2, 4, 5, 7, 9, 11})
    weights = chord_weights(chord, scale, strong=True)
    assert int(weights[0].argmax()) == 11
    assert {int(at) for at in np.flatnonzero(weights[1] == weights[1].max())} == {7, 11, 2, 5}
    foreign = [at for at in range(12) if at not in scale]
    assert weights[:, foreign].max() < weights[:, sorted(scale)].min()
    passing = chord_weights(chord, scale, strong=False)
    # C lies a semitone above the third of G7 and is avoided; A is not.
    assert passing[1, 0] < passing[1, 9]


def test_the_model_is_told_the_chord_and_the_next_one() -> None:
    asked = brief()
    grid, plan = grid_of(asked), plan_of(asked)
    row = GridRow(asked, SETTINGS, (v.BAR,))
    first, second, *_ = plan.chords
    now, coming, until = row.harmony
    assert (now, coming) == (label_of_chord(first), label_of_chord(second))
    assert until == pytest.approx(float(grid.ticks_of(second.step)) * TICK_SECONDS)
    assert GridRow(brief(planned=False), SETTINGS, (v.BAR,)).harmony == UNTOLD


def test_an_inversion_is_no_other_chord_to_the_model() -> None:
    """Training tells of the next chord that differs, and of none after the last."""
    asked = brief()
    chords = (Chord(0, 0, ""), Chord(24, 0, "", bass=4), Chord(48, 7, ""))
    row = GridRow(replace(asked, plan=replace(plan_of(asked), chords=chords)), SETTINGS, (v.BAR,))
    now, coming, until = row.harmony
    assert (now, coming) == (label_of_chord(chords[0]), label_of_chord(chords[2]))
    assert until == pytest.approx(float(grid_of(asked).ticks_of(48)) * TICK_SECONDS)
    row.ticks = int(grid_of(asked).ticks_of(60))
    assert row.harmony == (label_of_chord(chords[2]), NOT_GIVEN, 0.0)


def test_a_piece_on_a_grid_is_the_same_in_any_company() -> None:
    one, other = brief(seed=5), brief("3/4", ticks=22, seed=6)
    alone = generate(model(), [one], SETTINGS, CancelToken(), silent_share)[0]
    together = generate(model(), [other, one], SETTINGS, CancelToken(), silent_share)[1]
    assert alone == together
    assert math.isfinite(len(alone.tokens))
