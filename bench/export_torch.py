"""Exports small networks of PyTorch by both of its exporters into the folder that is named.

For the virtual environment that ``honest.py`` makes. Prints one line of JSON a model: its file and what made it.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody calls it that

WIDE, VOCABULARY = 32, 50
SCRIPTED, EXPORTED = (11, 14, 18, 20), (18, 21, 23)
LATE = {"decoder", "attention", "encoder", "positions"}
"""Networks with functions that the first exporter writes from opset 14 on."""
ONCE = {"recurrent"}
"""Networks whose dynamic axes the second exporter keeps the first time only."""


class Decoder(nn.Module):
    """A decoder with a cache, rotary positions and a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, WIDE)
        self.joined, self.out = nn.Linear(WIDE, 3 * WIDE), nn.Linear(WIDE, WIDE)
        self.norm, self.head = nn.LayerNorm(WIDE), nn.Linear(WIDE, VOCABULARY)

    def forward(self, ids: Tensor, past_key: Tensor, past_value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length = ids.shape
        x = self.table(ids)
        query, key, value = self.joined(self.norm(x)).view(batch, length, 3, 4, 8).permute(2, 0, 3, 1, 4)
        start = past_key.shape[2]
        angles = torch.arange(start, start + length).float()[:, None] / 10000 ** (torch.arange(0, 8, 2) / 8)
        both = torch.cat([angles, angles], -1)
        query, key = (
            t * both.cos() + torch.cat([-t[..., t.shape[-1] // 2 :], t[..., : t.shape[-1] // 2]], -1) * both.sin()
            for t in (query, key)
        )
        key, value = torch.cat([past_key, key], 2), torch.cat([past_value, value], 2)
        mask = torch.full((length, start + length), -1e9).triu(start + 1)
        seen = F.softmax(query @ key.transpose(-1, -2) / 8**0.5 + mask[None, None].expand(batch, 1, -1, -1), -1) @ value
        return self.head(x + self.out(seen.transpose(1, 2).reshape(batch, length, WIDE))), key, value


class Attention(nn.Module):
    """Scaled dot product attention as a function, with a padding mask that is expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = nn.Linear(WIDE, 3 * WIDE)

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        query, key, value = (t.view(batch, length, 4, 8).transpose(1, 2) for t in self.joined(x).chunk(3, -1))
        seen = attention_mask[:, None, None, :].expand(batch, 1, length, length).bool()
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return y.transpose(1, 2).reshape(batch, length, WIDE)


class Unet(nn.Module):
    """Down and up again: interpolate to the size of what is put beside it, or pad as much as is missing."""

    def __init__(self, *, pad: bool) -> None:
        super().__init__()
        self.pad = pad
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(8, 8, 2, 2), nn.Conv2d(16, 2, 1)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x: Tensor) -> Tensor:
        over = self.norm(F.relu(self.first(x)))
        low = F.relu(self.second(F.max_pool2d(over, 2)))
        if self.pad:
            low = self.up(low)
            down, across = over.shape[2] - low.shape[2], over.shape[3] - low.shape[3]
            low = F.pad(low, [across // 2, across - across // 2, down // 2, down - down // 2])
        else:
            low = F.interpolate(low, size=over.shape[-2:], mode="bilinear", align_corners=False)
        return self.last(torch.cat([over, low], 1)).sigmoid()


class Residual(nn.Module):
    """Convolutions, batch normalisation, adaptive pooling, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Hardswish(), nn.Conv2d(8, 8, 1), nn.Dropout(0.1))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = F.interpolate(x + self.body(x), scale_factor=2.0, mode="nearest")
        return self.head(x).softmax(-1)


class Detector(nn.Module):
    """A grid of anchors, the best of them by topk, a mask by where, boxes gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 8, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        batch, _, down, across = y.shape
        rows, columns = torch.meshgrid(torch.arange(down), torch.arange(across), indexing="ij")
        grid = torch.stack([columns, rows], -1).view(1, -1, 2).float() * 8
        y = y.permute(0, 2, 3, 1).reshape(batch, down * across, 5)
        scores, chosen = y[..., 4].sigmoid().topk(4, dim=1)
        middle, size = y[..., :2] + grid, y[..., 2:4].exp()
        boxes = torch.cat([middle - size, middle + size], -1).gather(1, chosen[..., None].expand(-1, -1, 4))
        return boxes.masked_fill(scores[..., None] < 0.1, 0.0), scores


class Recurrent(nn.Module):
    """Embedding, LSTM in both directions, GRU, a mean over what is not padding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, WIDE, padding_idx=0)
        self.lstm = nn.LSTM(WIDE, 16, 2, batch_first=True, bidirectional=True)
        self.gru, self.head = nn.GRU(WIDE, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.gru(self.lstm(self.table(ids))[0])
        mask = (ids != 0).unsqueeze(-1).float()
        return self.head((states * mask).sum(1) / mask.sum(1).clamp(min=1e-9))


class Positions(nn.Module):
    """Positions from arange, one-hot, cumulative sum, roll, unfold, einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, WIDE)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(torch.arange(ids.shape[1])[None].expand_as(ids)) + self.table(ids)
        hot = F.one_hot(ids, VOCABULARY).float()
        x = torch.einsum("bsd,bsv->bdv", x.roll(1, 1), hot)
        return x.cumsum(-1).repeat(1, 2, 1).where(x.repeat(1, 2, 1) > 0, torch.zeros_like(x).repeat(1, 2, 1))


def networks() -> dict:
    """Name: the network, its inputs, and which of their axes are dynamic."""
    torch.manual_seed(0)
    image, states = torch.randn(2, 3, 32, 48), torch.randn(2, 7, WIDE)
    ids = torch.randint(1, VOCABULARY, (2, 7))
    picture, text = {0: "batch", 2: "height", 3: "width"}, {0: "batch", 1: "sequence"}
    past = {0: "batch", 2: "past"}
    layer = nn.TransformerEncoderLayer(WIDE, 4, 64, batch_first=True)
    return {
        "decoder": (Decoder(), (ids, torch.randn(2, 4, 5, 8), torch.randn(2, 4, 5, 8)), (text, past, past)),
        "attention": (Attention(), (states, torch.ones(2, 7, dtype=torch.long)), (text, text)),
        "encoder": (nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), (states,), (text,)),
        "unet-interpolate": (Unet(pad=False), (image,), (picture,)),
        "unet-pad": (Unet(pad=True), (image,), (picture,)),
        "residual": (Residual(), (image,), (picture,)),
        "detector": (Detector(), (image,), (picture,)),
        "recurrent": (Recurrent(), (ids,), (text,)),
        "positions": (Positions(), (ids,), (text,)),
    }


class Scripted(nn.Module):
    """Control flow that only a script keeps: a loop as long as the input, a branch on its content, a while."""

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros_like(x[0])
        for i in range(x.size(0)):
            total = total * 0.5 + x[i]
        if bool(total.sum() > 0):
            total = total[:2] * 2
        count = 0
        while count < 5:
            total, count = torch.tanh(total), count + 1
        return total


def main() -> int:
    """Exports; a combination that PyTorch cannot export is told on stderr and left out."""
    folder = Path(sys.argv[1])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    made, jobs = 0, []
    for name, (network, inputs, axes) in networks().items():
        names = [f"input_{n}" for n in range(len(inputs))]
        how = {"input_names": names, "dynamic_axes": dict(zip(names, axes, strict=True)), "dynamo": False}
        opsets = SCRIPTED[name in LATE :]
        jobs += [(f"script-{name}-{opset}", network, inputs, {**how, "opset_version": opset}) for opset in opsets]
        shapes = tuple(dict.fromkeys(part, torch.export.Dim.DYNAMIC) for part in axes)
        how = {"dynamic_shapes": shapes, "dynamo": True, "verbose": False}
        opsets = EXPORTED[: 1 if name in ONCE else None]
        jobs += [(f"export-{name}-{opset}", network, inputs, {**how, "opset_version": opset}) for opset in opsets]
    scripted = torch.jit.script(Scripted().eval())
    how = {"input_names": ["x"], "dynamic_axes": {"x": {0: "rows"}}, "dynamo": False}
    jobs += [
        (f"script-control-{opset}", scripted, (torch.randn(3, 4),), {**how, "opset_version": opset}) for opset in (11, 14, 18)
    ]
    for name, network, inputs, how in jobs:
        path = folder / f"torch-{name}.onnx"
        try:
            torch.onnx.export(copy.deepcopy(network).eval(), inputs, str(path), **how)
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            session.run(None, {value.name: part.numpy() for value, part in zip(session.get_inputs(), inputs, strict=True)})
        except Exception as error:  # noqa: BLE001 - whatever these libraries raise
            for left in folder.glob(path.name + "*"):
                left.unlink()
            print(f"{path.stem} cannot be exported: {type(error).__name__}: {error}"[:300], file=sys.stderr)
            continue
        print(json.dumps({"file": path.name, "made_with": f"torch {torch.__version__.partition('+')[0]}"}), flush=True)
        made += 1
    return 0 if made else 1


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    raise SystemExit(main())
