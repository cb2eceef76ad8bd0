"""The workloads in PyTorch, eager or compiled as a whole."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks.steps import _workloads as w
from benchmarks.steps._protocol import Looped, Trainer


def build(workload: w.Workload) -> Trainer:
    """The trainer of a workload, eager."""
    return _built(workload, lambda function: function)


def build_compiled(workload: w.Workload) -> Trainer:
    """The trainer of a workload, its model compiled by `torch.compile`."""
    return _built(workload, torch.compile)


def _built(workload: w.Workload, compiled: Callable[[Any], Any]) -> Trainer:
    torch.manual_seed(0)
    batch = [torch.from_numpy(array) for array in workload.data()]
    if workload.name == "attention":
        return _descended(compiled(_attention_loss), batch)
    inputs, labels = batch[0], batch[1].long()
    if inputs.ndim == 4:  # channels first, as PyTorch's layers have it
        inputs = inputs.permute(0, 3, 1, 2).contiguous()
    if workload.name == "gpt":
        inputs = inputs.long()
    model = _MODELS[workload.name]()
    _draw(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=w.RATE)
    forward = compiled(model)

    def step(inputs: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor]:
        optimizer.zero_grad(set_to_none=True)
        logits = forward(inputs)
        loss = functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    return Looped(step, (), (inputs, labels), _number_of(model.parameters()))


def _draw(model: nn.Module) -> None:
    """Draws kernels with variance 1 / fan-in, as the others do, and zeros biases."""
    tables = [m.weight for m in model.modules() if isinstance(m, nn.Embedding)]
    for name, parameter in model.named_parameters():
        if any(parameter is table for table in tables):
            nn.init.normal_(parameter, std=w.EMBEDDING_DEVIATION)
        elif parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        elif "bias" in name:
            nn.init.zeros_(parameter)


def _number_of(tensors: Any) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _attention_loss(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    y = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    return functional.mse_loss(y, wanted)


def _descended(loss_fn: Callable[..., torch.Tensor], batch: Any) -> Trainer:
    # heads before time, as PyTorch has it
    *arrays, wanted = [array.transpose(1, 2).contiguous() for array in batch]
    for array in arrays:
        array.requires_grad_()
    optimizer = torch.optim.SGD(arrays, lr=w.ATTENTION_RATE)

    def step(wanted: torch.Tensor) -> tuple[torch.Tensor]:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(*arrays, wanted)
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    return Looped(step, (), (wanted,), _number_of(arrays))


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(w.PIXELS, w.HIDDEN), nn.ReLU(), nn.Linear(w.HIDDEN, w.CLASSES)
    )


def digit_features() -> list[nn.Module]:
    """The layers from images (batch, 1, 28, 28) to (batch, 49 * 64) numbers."""
    return [
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    ]


def _cnn() -> nn.Module:
    return nn.Sequential(
        *digit_features(),
        nn.Linear(49 * 64, 128),
        nn.ReLU(),
        nn.Linear(128, w.CLASSES),
    )


def _convolved(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolved(inputs, outputs, 3, stride)
        self.second = _convolved(outputs, outputs, 3)
        self.shortcut = (
            _convolved(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(functional.relu(self.first(x)))
        return functional.relu(y + self.shortcut(x))


def _resnet() -> nn.Module:
    inputs = w.RESNET_CHANNELS[0]
    layers: list[nn.Module] = [_convolved(3, inputs, 3), nn.ReLU()]
    for channels in w.RESNET_CHANNELS:
        layers += [
            _Block(inputs, channels, channels // inputs),
            _Block(channels, channels, 1),
        ]
        inputs = channels
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(inputs, w.CLASSES))


class _TransformerBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(w.WIDTH), nn.LayerNorm(w.WIDTH)
        self.heads = nn.Linear(w.WIDTH, 3 * w.WIDTH)
        self.out = nn.Linear(w.WIDTH, w.WIDTH)
        self.up = nn.Linear(w.WIDTH, 4 * w.WIDTH)
        self.down = nn.Linear(4 * w.WIDTH, w.WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        heads = self.heads(self.norm1(x)).view(b, t, 3, w.HEADS, d // w.HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        y = functional.gelu(self.up(self.norm2(x)), approximate="tanh")
        return x + self.down(y)


class _GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(w.VOCABULARY, w.WIDTH)
        self.positions = nn.Embedding(w.LENGTH, w.WIDTH)
        self.blocks = nn.Sequential(*(_TransformerBlock() for _ in range(w.DEPTH)))
        self.norm = nn.LayerNorm(w.WIDTH)
        self.logits = nn.Linear(w.WIDTH, w.VOCABULARY)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.positions.weight
        return self.logits(self.norm(self.blocks(x)))


class _LSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(w.INPUTS, w.FEATURES, batch_first=True)
        self.out = nn.Linear(w.FEATURES, w.CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (h, _) = self.lstm(x)
        return self.out(h[-1])


_MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "gpt": _GPT,
    "lstm": _LSTM,
}
