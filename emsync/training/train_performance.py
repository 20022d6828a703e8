"""The pianist's trainer: `python -m emsync.training.train_performance FOLDER -o OUT`.

FOLDER holds the archives and the index that `emsync.training.corpus` reads. A small network learns
how loud pianists play each note, from what the score shows of it: of each recording the velocities
less their mean, in its own standard deviations, so that neither the hall nor the piano counts.

The fit is to the training split, songs apart. OUT/config.json tells the mean correlation within the
pieces held out, beside that of the rules and of playing flat.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from emsync.performance.learned import predicted
from emsync.performance.score_features import features_of
from emsync.performance.velocity_network import VelocityNetwork, save_network
from emsync.process.command import parser_of
from emsync.training.recordings import SOURCES, Recording, by_rule, correlation, recordings

UNITS = 64
BATCH = 2048
RATE = 4e-3
DECAY = 1e-3
EPOCHS = 6
MOST_NOTES = 1500
"""Taken of each piece, so that long ones do not speak for all."""


def examples_of(pieces: Sequence[Recording], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features (notes, features) and velocities in deviations (notes,), float32."""
    rng = np.random.default_rng(seed)
    inputs, targets = [], []
    for piece in pieces:
        notes, features = features_of(piece.context)
        velocity = piece.velocity[notes]
        chosen = rng.permutation(len(notes))[:MOST_NOTES]
        inputs.append(features[chosen])
        targets.append(((velocity - velocity.mean()) / velocity.std())[chosen])
    return np.concatenate(inputs), np.concatenate(targets).astype(np.float32)


def fit(inputs: np.ndarray, targets: np.ndarray, seed: int, epochs: int) -> VelocityNetwork:
    """Return a network fitted to the examples; the same seed gives the same network.

    Args:
        inputs: float32 (notes, features).
        targets: float32 (notes,).
        seed: of weights and order.
        epochs: times that every example is seen.
    """
    import torch
    from torch import nn

    centre, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    x, y = torch.from_numpy((inputs - centre) / scale), torch.from_numpy(targets)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(x.shape[1], UNITS), nn.Linear(UNITS, UNITS), nn.Linear(UNITS, 1)]
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    steps = epochs * -(-len(y) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for epoch in range(epochs):
        losses = []
        for rows in torch.randperm(len(y), generator=generator).split(BATCH):
            loss = ((network(x[rows])[:, 0] - y[rows]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}", flush=True)
    arrays = [
        array
        for layer in layers
        for array in (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy())
    ]
    return VelocityNetwork(centre, scale, *arrays)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of("emsync.training.train_performance", __doc__)
    parser.add_argument("folder", type=Path, help="archives of MIDI files with an index")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the network")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    played = {
        source: [one for one in recordings(options.folder, source) if one.is_played]
        for source in SOURCES
    }
    training = [one for pieces in played.values() for one in pieces if one.split == "train"]
    network = fit(*examples_of(training, options.seed), options.seed, options.epochs)
    learned = partial(predicted, network)
    held_out = {}
    for source, pieces in played.items():
        aside = [one for one in pieces if one.split != "train"]
        if aside:
            held_out[source] = {
                "pieces": len(aside),
                "flat": 0.0,
                "rules": round(correlation(by_rule, aside), 3),
                "learned": round(correlation(learned, aside), 3),
            }
    card = {
        "recordings": len(training),
        "sources": list(SOURCES),
        "tiers": ["research"],
        "held_out": held_out,
    }
    save_network(network, options.out, card)
    print(card)


if __name__ == "__main__":
    main()
