"""Random small networks full of views, copies and writes in place, and what `fastcnn.optimize` must keep of each.

A network is a list of instructions over numbered values, drawn while it runs on a sample: an instruction that torch
refuses is drawn again. So every network runs in torch, and torch's own result is the right one.
"""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import _pytree as pytree

import fastcnn

CHANNELS = 4
Op = Callable[..., Any]
# name: (function of the network and of so many values, how many)
OPS: dict[str, tuple[Op, int]] = {}


def op(count: int = 1) -> Callable[[Op], Op]:
    def register(function: Op) -> Op:
        OPS[function.__name__.strip("_")] = function, count
        return function

    return register


def one(**functions: Op) -> None:
    OPS.update({name: (function, 1) for name, function in functions.items()})


def two(**functions: Op) -> None:
    OPS.update({name: (function, 2) for name, function in functions.items()})


def _half(x: Tensor) -> int:
    return x.shape[1] // 2


# --- layers, activations, pooling -------------------------------------------------------------------------------------

one(
    conv=lambda m, x: m.conv(x),
    conv1=lambda m, x: m.conv1(x),
    depthwise=lambda m, x: m.depthwise(x),
    wide=lambda m, x: m.wide(x),
    narrow=lambda m, x: m.narrow(x),
    norm=lambda m, x: m.norm(x),
    block=lambda m, x: m.relu(m.norm(m.conv(x))),
    relu=lambda m, x: functional.relu(x),
    relu_module=lambda m, x: m.relu(x),
    silu_=lambda m, x: functional.silu(x, inplace=True),
    hardswish_=lambda m, x: functional.hardswish(x, inplace=True),
    leaky_=lambda m, x: functional.leaky_relu(x, 0.1, inplace=True),
    hardtanh_=lambda m, x: functional.hardtanh(x, 0, 1, inplace=True),
    sigmoid=lambda m, x: x.sigmoid(),
    gelu=lambda m, x: functional.gelu(x),
    softmax=lambda m, x: x.softmax(1),
    max_pool=lambda m, x: functional.max_pool2d(x, 3, 1, 1),
    avg_pool=lambda m, x: functional.avg_pool2d(x, 2),
    global_pool=lambda m, x: functional.adaptive_avg_pool2d(x, 1),
    mean=lambda m, x: x.mean((2, 3)),
    up=lambda m, x: functional.interpolate(x, scale_factor=2),
    pad=lambda m, x: functional.pad(x, (1, 0, 0, 1)),
    classify=lambda m, x: m.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1)),
    linear=lambda m, x: m.linear(x),
    dropout=lambda m, x: functional.dropout(x, 0.5, training=m.training),
    dropout_=lambda m, x: functional.dropout(x, 0.5, training=m.training, inplace=True),
)

# --- arithmetic -------------------------------------------------------------------------------------------------------

two(
    add=lambda m, x, y: x + y,
    multiply=lambda m, x, y: x * y,
    subtract=lambda m, x, y: x - y,
    cat=lambda m, x, y: torch.cat([x, y], 1),
    cat_batch=lambda m, x, y: torch.cat([x, y]),
    stack=lambda m, x, y: torch.stack([x, y], 1),
    gate=lambda m, x, y: x * y.mean((2, 3), keepdim=True).sigmoid(),
    where=lambda m, x, y: torch.where(x > 0, x, y),
)
one(affine=lambda m, x: x * 0.5 + 1, swish=lambda m, x: x * x.sigmoid(), double=lambda m, x: x + x)

# --- views and copies -------------------------------------------------------------------------------------------------

one(
    view_rows=lambda m, x: x.view(x.shape[0], -1),
    view_pixels=lambda m, x: x.view(x.shape[0], x.shape[1], -1),
    view_heads=lambda m, x: x.view(x.shape[0], 2, _half(x), x.shape[2], x.shape[3]),
    view_as=lambda m, x: x.view_as(x),
    unview=lambda m, x: x.view(x.shape[0], x.shape[1] * x.shape[2], x.shape[3], x.shape[4]),
    shuffle=lambda m, x: x.view(x.shape[0], 2, _half(x), x.shape[2], x.shape[3]).transpose(1, 2).reshape(x.shape),
    reshape_rows=lambda m, x: x.reshape(x.shape[0], -1),
    reshape_all=lambda m, x: x.reshape(-1),
    flatten=lambda m, x: x.flatten(2),
    unflatten=lambda m, x: x.unflatten(1, (2, -1)),
    permute=lambda m, x: x.permute(0, 2, 3, 1),
    permute_back=lambda m, x: x.permute(0, 3, 1, 2),
    transpose=lambda m, x: x.transpose(2, 3),
    swap=lambda m, x: x.transpose(1, 2),
    channels=lambda m, x: x[:, : _half(x)],
    later_channels=lambda m, x: x[:, _half(x) :],
    rows=lambda m, x: x[:, :, 1:],
    every_other=lambda m, x: x[..., ::2],
    first=lambda m, x: x[:1],
    select=lambda m, x: x[:, 0],
    last_column=lambda m, x: x.select(-1, -1),
    unsqueeze=lambda m, x: x.unsqueeze(1),
    squeeze=lambda m, x: x.squeeze(1),
    expand=lambda m, x: x[:, :1].expand(-1, CHANNELS, -1, -1),
    chunk=lambda m, x: x.chunk(2, 1),
    split=lambda m, x: x.split([1, x.shape[1] - 1], 1),
    unbind=lambda m, x: x.unbind(1)[0],
    clone=lambda m, x: x.clone(),
    clone_last=lambda m, x: x.clone(memory_format=torch.channels_last),
    detach=lambda m, x: x.detach(),
    contiguous=lambda m, x: x.contiguous(),
    contiguous_last=lambda m, x: x.contiguous(memory_format=torch.channels_last),
    same_type=lambda m, x: x.to(x.dtype),
    copied_type=lambda m, x: x.to(x.dtype, copy=True),
    identity=lambda m, x: m.identity(x),
    pixel_shuffle=lambda m, x: functional.pixel_shuffle(x, 2),
)

# --- writing in place -------------------------------------------------------------------------------------------------


@op()
def add_to_channels(m: Any, x: Tensor) -> None:
    x[:, :2] += 1


@op()
def zero_first(m: Any, x: Tensor) -> None:
    x[:, 0] = 0


@op()
def scale_view(m: Any, x: Tensor) -> None:
    x.view(x.shape[0], -1)[:, ::2].mul_(2)


@op(2)
def assign_channels(m: Any, x: Tensor, y: Tensor) -> None:
    x[:, 1:] = y[:, 1:]


@op(2)
def add_in_place(m: Any, x: Tensor, y: Tensor) -> Tensor:
    x += y
    return x


one(
    add_=lambda m, x: x.add_(1),
    mul_=lambda m, x: x.mul_(0.5),
    relu_=lambda m, x: x.relu_(),
    clamp_=lambda m, x: x.clamp_(0, 2),
    clamp_low_=lambda m, x: x.clamp_(min=0),
    sigmoid_=lambda m, x: x.sigmoid_(),
    neg_=lambda m, x: x.neg_(),
    zero_=lambda m, x: x.zero_(),
    fill_=lambda m, x: x.fill_(0.5),
    masked_=lambda m, x: x.masked_fill_(x > 0.5, 0.25),
    unsqueeze_=lambda m, x: x.unsqueeze_(1),
    transpose_=lambda m, x: x.transpose_(-1, -2),
    detach_=lambda m, x: x.detach_(),
)
two(
    copy_=lambda m, x, y: x.copy_(y),
    add_tensor_=lambda m, x, y: x.add_(y),
    mul_tensor_=lambda m, x, y: x.mul_(y),
    add_clone_=lambda m, x, y: x.clone().add_(y),
    relu_kept=lambda m, x, y: (x.clone(), x.relu_()),
)

# --- parameters, buffers, constants -----------------------------------------------------------------------------------


@op()
def count(m: Any, x: Tensor) -> Tensor:
    m.count += 1
    return x + m.count


@op()
def running_mean(m: Any, x: Tensor) -> Tensor:
    m.average.mul_(0.5).add_(x.mean((0, 2, 3)), alpha=0.5)
    return x - m.average[:, None, None]


@op()
def replace_buffer(m: Any, x: Tensor) -> Tensor:
    if x.dim() != 4 or x.shape[1] != CHANNELS:
        raise ValueError("another shape: torch.export cannot give a buffer one")
    m.average = x.mean((0, 2, 3))
    return x * m.average[:, None, None]


one(
    parameter=lambda m, x: m.conv.bias,
    parameter_view=lambda m, x: m.conv.weight[0],
    scaled_parameter=lambda m, x: m.conv.bias * 2,
    buffer=lambda m, x: m.average,
    scale_by_buffer=lambda m, x: x * m.average[:, None, None],
    literal=lambda m, x: torch.tensor([1.0, 2.0, 3.0, 4.0]),
    zeros=lambda m, x: torch.zeros(x.shape),
    zeros_like=lambda m, x: torch.zeros_like(x),
    empty=lambda m, x: x.new_empty(x.shape).fill_(1),
    grid=lambda m, x: torch.arange(x.shape[-1], dtype=torch.float32) + x,
)

# These write values of their second argument to their first.
OVERWRITING = {"copy_", "add_tensor_", "mul_tensor_", "add_in_place", "assign_channels"}

LOUD = ("clone", "conv", "block", "relu_", "add_", "add", "view_rows", "chunk", "add_to_channels", "contiguous", "norm",
        "detach", "channels", "mul_")  # fmt: skip


class Network(nn.Module):
    """Instructions: (op's name, the numbers of its arguments); structure of the result."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.instructions: list[tuple[str, list[int]]] = []
        self.results: list[int] = []
        self.structure = "tuple"
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.conv1 = nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False)
        self.depthwise = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
        self.wide = nn.Conv2d(CHANNELS, 2 * CHANNELS, 1)
        self.narrow = nn.Conv2d(2 * CHANNELS, CHANNELS, 1)
        self.norm = nn.BatchNorm2d(CHANNELS)
        self.linear = nn.Linear(CHANNELS, CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        self.identity = nn.Identity()
        self.count: Tensor
        self.average: Tensor
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("average", torch.linspace(0.5, 1, CHANNELS))

    def step(self, values: list[Any], name: str, arguments: list[int]) -> None:
        made = OPS[name][0](self, *(values[a] for a in arguments))
        values.extend(made if isinstance(made, (tuple, list)) else [] if made is None else [made])

    def forward(self, *inputs: Tensor) -> Any:
        values: list[Any] = list(inputs)
        for name, arguments in self.instructions:
            self.step(values, name, arguments)
        results = [values[r] for r in self.results]
        if self.structure == "one":
            return results[0]
        if self.structure == "dict":
            return {"first": results[0], "others": results[1:]}
        return results if self.structure == "list" else tuple(results)

    def extra_repr(self) -> str:
        lines = [f"{name}{arguments}" for name, arguments in self.instructions]
        return "; ".join(lines) + f" -> {self.structure}{self.results} of {self.inputs}"


@torch.no_grad()
def draw(seed: int) -> tuple[Network, list[Tensor]]:
    """Return a network, in eval mode, and an example for it."""
    dice = random.Random(seed)
    torch.manual_seed(seed)
    network = Network(dice.choice([1, 1, 2]))
    with torch.no_grad():
        network.norm.weight.uniform_(0.5, 1.5)
        network.norm.running_mean.uniform_(-0.5, 0.5)
        network.norm.running_var.uniform_(0.5, 2)
    network.eval()
    example = make_inputs(network.inputs, dice.choice([1, 2]), (4, 6), last=dice.random() < 0.3)
    values = _run(network, example)
    names = [*OPS, *LOUD * 4]
    wanted = dice.randint(2, 9)
    trial = copy.deepcopy(network)
    for _ in range(40):
        if len(network.instructions) == wanted:
            break
        name = dice.choice(names)
        # Mostly what was made last.
        arguments = [
            dice.randrange(len(values)) if dice.random() < 0.4 else max(0, len(values) - dice.randint(1, 3))
            for _ in range(OPS[name][1])
        ]
        if name in OVERWRITING and _overlap(*(values[a] for a in arguments)):
            continue
        known = len(values)
        try:
            with torch.no_grad():
                trial.step(values, name, arguments)
        except (RuntimeError, IndexError, ValueError, TypeError):
            continue
        if all(isinstance(v, Tensor) and v.numel() < 5000 and v.isfinite().all() for v in values):
            network.instructions.append((name, arguments))
        else:
            trial = copy.deepcopy(network)
            values = _run(trial, example)
            assert len(values) == known
    n = len(values)
    network.results = [n - 1, *(dice.randrange(n) for _ in range(dice.choice([0, 0, 1, 2])))]
    dice.shuffle(network.results)
    network.structure = "one" if len(network.results) == 1 else dice.choice(["tuple", "list", "dict"])
    return network, example


def _overlap(x: Any, y: Any) -> bool:
    """Return whether x and y share memory but are not the same elements: torch does not define the result then."""
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        return False
    places = [(t.data_ptr(), t.shape, t.stride()) for t in (x, y)]
    return x.untyped_storage()._cdata == y.untyped_storage()._cdata and places[0] != places[1]


def _run(network: Network, example: list[Tensor]) -> list[Any]:
    values: list[Any] = [x.clone() for x in example]
    with torch.no_grad():
        for instruction in network.instructions:
            network.step(values, *instruction)
    return values


def make_inputs(count: int, batch: int, size: tuple[int, int], *, last: bool = False) -> list[Tensor]:
    inputs = [torch.randn(batch, CHANNELS, *size) for _ in range(count)]
    return [x.contiguous(memory_format=torch.channels_last) if last else x for x in inputs]


# --- the comparison ---------------------------------------------------------------------------------------------------


def _memory(tensors: list[Tensor]) -> list[int]:
    return [x.untyped_storage()._cdata if x.numel() else -1 - i for i, x in enumerate(tensors)]


def _close(got: list[Any], expected: list[Any], what: str) -> None:
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        a, b = a.detach(), b.detach()
        scale = max(1.0, float(b.abs().max())) if b.numel() else 1.0
        # Nine operations, each a sum of at most 72 products, rounded by torch and by us: 2 * 9 * 72 * 2^-24 = 8e-5.
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4 * scale, msg=lambda m, i=i: f"{what} {i}: {m}")


def _reshapes(network: Network, inputs: list[Tensor]) -> bool:
    ours = [x.clone() for x in inputs]
    network(*ours)
    return any(x.shape != y.shape for x, y in zip(ours, inputs, strict=True))


@torch.no_grad()
def check(seed: int) -> str:
    """Compare a network, optimised, with torch. Return "", or why the comparison was cut short.

    Values, what becomes of the inputs, what shares memory with what, results after later calls, a state that calls
    change, and the model itself, which optimising must leave alone.
    """
    network, example = draw(seed)
    dice = random.Random(seed)
    dynamic = dice.random() < 0.15
    torchs = copy.deepcopy(network)
    state = copy.deepcopy(network.state_dict())
    flags = [p.requires_grad for p in network.parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = [x.clone() for x in example]
        try:
            fast = fastcnn.optimize(network, tuple(given), dynamic=dynamic)
        except fastcnn.BackendError as error:
            # torch.export cannot trace them.
            if "changes the shape of an argument" not in str(error) or not _reshapes(torchs, given):
                raise
            return "refused: " + str(error)
    _close(given, example, "optimize changed its example")
    kept: list[tuple[list[Tensor], list[Tensor]]] = []
    remark = ""
    shapes = [(example[0].shape[0], (4, 6)), (example[0].shape[0], (4, 6))]
    if dynamic:
        shapes += [(3, (4, 6)), (1, (6, 4)), (2, (6, 8))]
    for turn, (batch, size) in enumerate(shapes):
        last = example[0].is_contiguous() if turn == 1 else not example[0].is_contiguous()
        inputs = make_inputs(network.inputs, batch, size, last=last)
        ours = [x.clone() for x in inputs]
        before = copy.deepcopy(torchs.state_dict())
        try:
            with torch.no_grad():
                expected = pytree.tree_leaves(torchs(*inputs))
        except (RuntimeError, IndexError, ValueError):
            torchs.load_state_dict(before)
            continue  # a view that this layout or size does not allow
        try:
            result = fast(*ours)
        except fastcnn.ArgumentError as error:
            if turn < 2 and batch == example[0].shape[0] and "strides" not in str(error):
                raise
            torchs.load_state_dict(before)
            if "count" in repr(network) or "running" in repr(network):
                return "refused: " + str(error)  # torch's state is ahead
            remark = "refused: " + str(error)
            continue
        got = pytree.tree_leaves(result)
        _close(got, expected, f"turn {turn}, result")
        _close(ours, inputs, f"turn {turn}, input")
        # torch's sharing is an upper bound.
        a, b = _memory([*expected, *inputs]), _memory([*got, *ours])
        for i in range(len(got)):
            for j in range(len(b)):
                if i != j and b[i] == b[j] and a[i] != a[j]:
                    raise AssertionError(f"turn {turn}: results or inputs {i} and {j} share memory")
                if i < j and a[i] == a[j] and b[i] != b[j]:
                    remark = remark or "shares less"
        # torch's result may be a parameter or a buffer, which a later call writes to; ours is then the value alone.
        states = _memory([*torchs.parameters(), *torchs.buffers()])
        values = [i for i, memory in enumerate(_memory(expected)) if memory not in states]
        kept.append(([got[i] for i in values], [expected[i] for i in values]))
    for got, expected in kept:
        _close(got, expected, "a result that was kept")
    _close(list(network.state_dict().values()), list(state.values()), "optimize or a call changed the model")
    assert flags == [p.requires_grad for p in network.parameters()], "optimize changed requires_grad"
    # Results are the caller's, to write to; parameters and buffers are returned as torch returns them.
    if kept:
        for got, _ in kept:
            for x in got:
                if x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last):
                    x.fill_(7)
        inputs = make_inputs(network.inputs, example[0].shape[0], (4, 6), last=not example[0].is_contiguous())
        ours = [x.clone() for x in inputs]
        with torch.no_grad():
            expected = pytree.tree_leaves(torchs(*inputs))
        _close(pytree.tree_leaves(fast(*ours)), expected, "after writing to results, result")
    return remark
