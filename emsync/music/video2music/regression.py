"""Loudness and note density of every second, from the features of a film."""

from dataclasses import asdict, dataclass
from typing import Literal

from torch import Tensor, nn

from emsync.music.video2music.features import OTHER_FEATURES

Cell = Literal["gru", "lstm", "bigru", "bilstm"]


@dataclass(frozen=True)
class DynamicsSettings:
    """Architecture; the defaults are those of the published weights."""

    cell: Cell = "bigru"
    """The paper compares all four; the published code loads the bidirectional GRU."""
    layers: int = 2
    width: int = 64
    """For each direction."""
    semantic: int = 768
    """Width of the semantic vector; 0 for weights trained without pictures."""
    dropout: float = 0.1
    """Of the input, while training."""

    @property
    def features(self) -> int:
        """Return the width of the features of one second: 776."""
        return self.semantic + OTHER_FEATURES

    @property
    def directions(self) -> int:
        """Return 2 where the film is read backwards as well, else 1."""
        return 2 if self.cell.startswith("bi") else 1

    def to_dict(self) -> dict[str, object]:
        """Return the settings as JSON can hold them."""
        return asdict(self)


class DynamicsNetwork(nn.Module):
    """How many notes a second begin, and how loud it is, by a recurrent network."""

    def __init__(self, settings: DynamicsSettings) -> None:
        super().__init__()
        self.settings = settings
        network = nn.LSTM if settings.cell.endswith("lstm") else nn.GRU
        self.recurrent = network(
            settings.features,
            settings.width,
            settings.layers,
            batch_first=True,
            bidirectional=settings.directions == 2,
        )
        self.head = nn.Linear(settings.directions * settings.width, 2)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return note density (notes a second) and loudness (full scale 1) of every second.

        Args:
            features: (batch, frames, 776), as `ChordTransformer.encode` takes them.

        Returns:
            (batch, frames, 2).
        """
        read, _ = self.recurrent(self.dropout(features))  # (batch, frames, directions · width)
        out: Tensor = self.head(read)
        return out
