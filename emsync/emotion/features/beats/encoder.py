"""BEATs: a transformer that hears, in the form of the published iter3+ weights.

Chen et al., "BEATs: Audio pre-training with acoustic tokenizers", ICML 2023, arXiv 2212.09058.

    sound      (B, S)          16 kHz, full scale 1
    fbank      (B, T, 128)     log energies of 128 mel bands, 100 times a second
    patches    (B, N, 512)     squares of 16 frames × 16 bands; those of one time stand together,
                               so N = 8 (T // 16)
    tokens     (B, N, 768)     plus a convolution over their neighbours, which tells where they are
    features   (B, N, 768)     after 12 blocks of attention and two-layer network
    logits     (B, 527)        of AudioSet's classes, from the mean over the patches

Two things are folded into plain layers when published weights are read (see `checkpoint.py`):
the weight normalisation of the convolution, and the sums over the gates' outputs.

`tests/test_beats.py` checks this file against outputs of the published code.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RATE = 16_000
"""Hz."""
FRAME, HOP = 400, 160
"""Samples: 25 ms of sound in each frame, a new frame every 10 ms."""
BANDS = 128
_SPECTRUM = 512  # the frame's length, rounded up to a power of two
_LOWEST_HERTZ = 20.0
_PREEMPHASIS = 0.97
_MEAN, _SD = 15.41663, 6.55582  # of the fbank of AudioSet; published code


def fbank(sound: Tensor) -> Tensor:
    """Return what the model sees of a sound: normalised log energies of mel bands.

    As Kaldi's filter banks with torchaudio's defaults (which do not dither), on samples in the
    range of 16-bit integers; then minus the mean and divided by two standard deviations.

    Args:
        sound: (B, S) at `RATE`, full scale 1, S >= `FRAME`.

    Returns:
        (B, T, 128) float32, T = 1 + (S - 400) // 160: only frames that lie within the sound.
    """
    frames = (sound.float() * 2**15).unfold(-1, FRAME, HOP)  # (B, T, 400)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    frames = frames - _PREEMPHASIS * before
    window = torch.hann_window(FRAME, periodic=False, device=sound.device) ** 0.85  # Povey's
    power = torch.fft.rfft(frames * window, n=_SPECTRUM).abs().square()  # (B, T, 257)
    energy = power @ _mel_bands().to(sound.device)  # (B, T, 128)
    return (energy.clamp(min=torch.finfo(torch.float32).eps).log() - _MEAN) / (2 * _SD)


def _mel_bands() -> Tensor:
    """Return the weight of each frequency in each band, (257, 128): triangles on the mel scale."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127 * torch.log1p(hertz / 700)

    lowest, highest = mel(torch.tensor([_LOWEST_HERTZ, RATE / 2])).tolist()
    step = (highest - lowest) / (BANDS + 1)
    peaks = lowest + step * torch.arange(1, BANDS + 1)  # (128,)
    frequencies = mel(torch.arange(_SPECTRUM // 2 + 1) * (RATE / _SPECTRUM))  # (257,)
    return (1 - (frequencies[:, None] - peaks).abs() / step).clamp(min=0)


@dataclass(frozen=True)
class BeatsSettings:
    """Architecture; the defaults are those of the published weights."""

    layers: int = 12
    heads: int = 12
    width: int = 768
    inner_width: int = 3072
    patch: int = 16
    """Frames and bands along the sides of a patch."""
    patch_width: int = 512
    position_kernel: int = 128
    """Patches that the convolution for the position reaches over."""
    position_groups: int = 16
    distance_buckets: int = 320
    """Distances between two patches that attention tells apart, near ones exactly."""
    farthest: int = 800
    """Patches; all distances from here on fall into the last bucket."""
    classes: int = 527


class BeatsEncoder(nn.Module):
    """From `fbank` to features and logits; see the top of this file."""

    def __init__(self, settings: BeatsSettings) -> None:
        super().__init__()
        self.settings = s = settings
        self.patch = nn.Conv2d(1, s.patch_width, s.patch, stride=s.patch, bias=False)
        self.patch_norm = nn.LayerNorm(s.patch_width)
        self.widen = nn.Linear(s.patch_width, s.width)
        self.position = nn.Conv1d(
            s.width, s.width, s.position_kernel, padding=s.position_kernel // 2,
            groups=s.position_groups,
        )  # fmt: skip
        self.norm = nn.LayerNorm(s.width)
        self.distance = nn.Embedding(s.distance_buckets, s.heads)  # one for all blocks
        self.blocks = nn.ModuleList(_Block(s) for _ in range(s.layers))
        self.classify = nn.Linear(s.width, s.classes)

    @property
    def patches_per_step(self) -> int:
        """Patches of one time."""
        return BANDS // self.settings.patch

    @property
    def shortest(self) -> int:
        """Samples of sound that make the patches of one time."""
        return FRAME + (self.settings.patch - 1) * HOP

    def forward(self, sound: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return vectors and logits of sounds.

        Args:
            sound: (B, S) at `RATE`, full scale 1, S >= `shortest`.
            lengths: (B,) samples before each sound's padding; what the padding holds then makes
                no difference. Every sound counts as at least `shortest`. None: there is none.

        Returns:
            (B, width) mean of the features over the patches, and (B, classes) float32 logits.
        """
        spectrum = fbank(sound)
        real = None
        if lengths is not None:
            frames = 1 + (lengths.clamp(min=self.shortest) - FRAME) // HOP
            steps = torch.arange(spectrum.shape[1] // self.settings.patch, device=sound.device)
            real = steps < (frames // self.settings.patch)[:, None]  # (B, T // 16)
            real = real.repeat_interleave(self.patches_per_step, dim=1)  # (B, N)
        features = self.features(spectrum, real)
        if real is None:
            vectors = features.mean(dim=1)  # (B, width)
        else:
            kept = real[..., None].to(features.dtype)
            vectors = (features * kept).sum(dim=1) / kept.sum(dim=1)
        return vectors, self.classify(vectors).float()

    def features(self, spectrum: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the features of every patch.

        Args:
            spectrum: (B, T, 128), of `fbank`.
            real: (B, N) bool, False for the patches that are padding; None: there are none.

        Returns:
            (B, N, width). What it holds for padding means nothing.
        """
        grid = self.patch(spectrum[:, None].to(self.patch.weight.dtype))  # (B, 512, T // 16, 8)
        x = self.widen(self.patch_norm(grid.flatten(2).transpose(1, 2)))  # (B, N, C)
        if real is not None:
            x = x * real[..., None]
        # (B, C, N): what stands nearby tells a patch where it is
        near = self.position(x.transpose(1, 2))[..., : x.shape[1]]  # an even kernel adds one
        x = self.norm(x + F.gelu(near).transpose(1, 2))

        buckets = distance_buckets(x.shape[1], self.settings).to(x.device)
        bias = self.distance(buckets).permute(2, 0, 1)  # (H, N, N)
        for block in self.blocks:
            x = block(x, bias, real)
        return x


class _Block(nn.Module):
    """Attention and a two-layer network, each followed by deep norm (Wang et al. 2022).

    Deep norm is the layer norm of an output plus the input times the fourth root of twice the
    depth.
    """

    def __init__(self, s: BeatsSettings) -> None:
        super().__init__()
        self.residual = (2 * s.layers) ** 0.25
        self.attention = _Attention(s)
        self.norm1 = nn.LayerNorm(s.width)
        self.widen = nn.Linear(s.width, s.inner_width)
        self.narrow = nn.Linear(s.inner_width, s.width)
        self.norm2 = nn.LayerNorm(s.width)

    def forward(self, x: Tensor, bias: Tensor, real: Tensor | None) -> Tensor:
        """Return (B, N, C); arguments as for `_Attention.forward`."""
        x = self.norm1(x * self.residual + self.attention(x, bias, real))
        return self.norm2(x * self.residual + self.narrow(F.gelu(self.widen(x))))


class _Attention(nn.Module):
    """Attention with a gated bias for the distance (Chi et al., XLM-E, 2022).

    Each query decides by two gates a and b in (0, 1) how much distance matters to it, namely
    a (b g - 1) + 2 times.
    """

    def __init__(self, s: BeatsSettings) -> None:
        super().__init__()
        self.heads = s.heads
        self.query_key_value = nn.Linear(s.width, 3 * s.width)
        self.gates = nn.Linear(s.width // s.heads, 2)
        self.gate_scale = nn.Parameter(torch.ones(s.heads, 1, 1))
        self.out = nn.Linear(s.width, s.width)

    def forward(self, x: Tensor, bias: Tensor, real: Tensor | None) -> Tensor:
        """Return (B, N, C).

        Args:
            x: (B, N, C).
            bias: (H, N, N), of the distances.
            real: (B, N) bool, False for padding; None: there is none.
        """
        batch, patches, width = x.shape
        # (B, N, 3, H, D)
        split = self.query_key_value(x).view(batch, patches, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, H, N, D)
        a, b = torch.sigmoid(self.gates(query)).chunk(2, dim=-1)  # each (B, H, N, 1)
        added = (a * (b * self.gate_scale - 1) + 2) * bias  # (B, H, N, N)
        if real is not None:
            added = added.masked_fill(~real[:, None, None], -math.inf)
        # (B, H, N, D)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=added)
        return self.out(y.transpose(1, 2).reshape(batch, patches, width))


def distance_buckets(patches: int, settings: BeatsSettings) -> Tensor:
    """Return the bucket of the distance from query (row) to key (column), (patches, patches) long.

    As in T5 (Raffel et al. 2020), both ways: half the buckets are for keys after the query. Of each
    half the first half is for one distance each, and the others widen like a logarithm.
    """
    places = torch.arange(patches)
    distance = places - places[:, None]
    ways, size = settings.distance_buckets // 2, distance.abs()
    exact = ways // 2
    widening = (size.clamp(min=exact) / exact).log() / math.log(settings.farthest / exact)
    far = (exact + (widening * (ways - exact)).long()).clamp(max=ways - 1)
    return torch.where(size < exact, size, far) + ways * (distance > 0)
