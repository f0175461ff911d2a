"""Load a user's network from ``file.py:Class``, and check that it scores windows one by one.

The file is Python code, and it runs.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from jundscan.dna.letters import ALPHABET, UNKNOWN, WINDOW_LENGTH
from jundscan.errors import InputError
from train.config import NetworkConfig
from train.export.model_folder import MAX_PARITY_DIFFERENCE

Takes = Literal["one-hot", "codes"]
"""What a network takes of a window's bases."""
PROBE_ROWS = 9
"""Windows that a network is tried on."""
MAX_CALL_WINDOWS = 512
"""Maximum windows per call of an adopted graph."""
MAX_CALL_BYTES = 1 << 26
"""Maximum bytes of the layers' outputs in a call, because several threads call at once."""
_LEAST_CALL_WINDOWS = 16


class AdoptedNetwork(nn.Module):
    """A user's network on codes (N, 101) and percentiles of accessibility (N, 1). It returns logits (N,).

    Attributes
    ----------
    own : torch.nn.Module
        The user's network.
    config : train.config.NetworkConfig
        What it sees: the window alone.
    """

    config = NetworkConfig("cnn")

    def __init__(self, own: nn.Module, takes: Takes, missing: float) -> None:
        super().__init__()
        self.own, self.takes, self.missing = own, takes, missing
        self.reads_accessibility = len(_positional(own.forward)) > 1

    def prepare(self, codes: Tensor, accessibility: Tensor) -> tuple[Tensor, ...]:
        """Return the inputs of the user's network. NaN becomes ``missing``, and an unknown letter a row of zeros."""
        letters = torch.arange(len(ALPHABET), dtype=torch.uint8, device=codes.device)
        bases = codes if self.takes == "codes" else (codes[..., None] == letters).float()
        known = torch.where(accessibility.isnan(), self.missing, accessibility)
        return (bases, known) if self.reads_accessibility else (bases,)

    def forward(self, codes: Tensor, accessibility: Tensor) -> Tensor:
        """Map codes (N, 101) and percentiles (N, 1), NaN where not available, to logits (N,)."""
        logits: Tensor = self.own(*self.prepare(codes, accessibility))
        return logits.reshape(len(codes))


@dataclass(frozen=True)
class NetworkSource:
    """Where a user's network comes from.

    Attributes
    ----------
    file : pathlib.Path
        A Python file.
    name : str
        A class in it.
    takes : {"one-hot", "codes"}
    missing : float
        What the network sees where accessibility is not available.
    weights : pathlib.Path or None
        File of a ``state_dict``.
    """

    file: Path
    name: str
    takes: Takes = "one-hot"
    missing: float = 0.0
    weights: Path | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"

    @classmethod
    def from_text(cls, text: str, takes: Takes, missing: float, weights: Path | None) -> NetworkSource:
        """Read ``file.py:Class``.

        Raises
        ------
        InputError
            When the text has another form, or a file is missing.
        """
        file, _, name = text.rpartition(":")
        if not file or not name.isidentifier():
            raise InputError(f"{text}: give a Python file and a class in it, for example cnn.py:CNN")
        for path in (Path(file), weights):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: no such file")
        return cls(Path(file), name, takes, missing, weights)

    @cached_property
    def network_class(self) -> Callable[[], nn.Module]:
        """The user's class. Its file runs when this is first read.

        Raises
        ------
        InputError
            When the file does not run, or the class is missing, is no torch module or needs arguments.
        """
        module = self._run_file()
        found = vars(module).get(self.name)
        networks = [name for name, value in vars(module).items() if _is_network(value)]
        if found is None:
            others = f"its networks are {', '.join(networks)}" if networks else "it has no subclass of torch.nn.Module"
            raise InputError(f"{self.file}: has no class {self.name}; {others}")
        if not _is_network(found):
            raise InputError(f"{self}: is no subclass of torch.nn.Module")
        needed = [one.name for one in _positional(found) if one.default is inspect.Parameter.empty]
        if needed:
            raise InputError(f"{self}: its constructor needs {', '.join(needed)}; give each argument a default")
        network: Callable[[], nn.Module] = found
        return network

    def _run_file(self) -> Any:
        spec = importlib.util.spec_from_file_location(f"adopted_{self.file.stem}", self.file)
        if spec is None or spec.loader is None:
            raise InputError(f"{self.file}: no Python file; its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        sys.path.insert(0, str(self.file.resolve().parent))  # modules beside the file
        try:
            with _blamed(f"{self.file}: does not run"):
                spec.loader.exec_module(module)
        finally:
            sys.path.pop(0)
        return module

    def build(self, seed: int = 0) -> AdoptedNetwork:
        """Make a new network, in evaluation mode. Its weights are those of ``weights``, else random.

        Raises
        ------
        InputError
            When the network cannot be made, or the weights do not fit.
        """
        torch.manual_seed(seed)
        with _blamed(f"{self}: its constructor fails"):
            own = self.network_class()
        inputs = _positional(own.forward)
        if not len(inputs) >= 1 or sum(one.default is inspect.Parameter.empty for one in inputs) > 2:
            raise InputError(f"{self}: forward takes {len(inputs)} inputs; it must take X and a, or X alone")
        if not any(True for _ in own.parameters()):
            raise InputError(f"{self}: has no parameters, so it is no network")
        if self.weights is not None:
            load_weights(own, self.weights)
        return AdoptedNetwork(own, self.takes, self.missing).eval()


def _is_network(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that a call without names fills."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one for one in inspect.signature(function).parameters.values() if one.kind in kinds]


@contextmanager
def _blamed(what: str, advice: str = "") -> Iterator[None]:
    """Turn whatever the user's code raises into an InputError of one line."""
    try:
        yield
    except (Exception, SystemExit) as err:  # the user's code may raise anything
        raise InputError(f"{what} ({describe_error(err)}){advice}") from err


def describe_error(err: BaseException) -> str:
    """Return type and first line of an error, and the line number of a SyntaxError."""
    line = f", line {err.lineno}" if isinstance(err, SyntaxError) else ""
    text = err.msg if isinstance(err, SyntaxError) else str(err)
    return f"{type(err).__name__}: {text.strip().partition(chr(10))[0]}{line}"


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a ``state_dict`` without running code from the file.

    Raises
    ------
    InputError
        When the file is no ``state_dict``, or is that of another network.
    """
    advice = "; write it by torch.save(network.state_dict(), FILE)"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # torch's and pickle's errors share no base but Exception
        raise InputError(f"{path}: not the weights of a network ({describe_error(err)}){advice}") from err
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError(f"{path}: holds no state_dict{advice}")
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in found]
    wrong += [f"{name} is not in the network" for name in found if name not in own]
    wrong += [
        f"{name} is {_shape(found[name])}, the network's is {_shape(own[name])}"
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise InputError(f"{path}: weights of another network: {wrong[0]}{more}")
    network.load_state_dict(found)


def _shape(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "a number"


def probe(rows: int = PROBE_ROWS) -> tuple[Tensor, Tensor]:
    """Make random windows with unknown letters, codes (rows, 101), and accessibility (rows, 1) with NaN."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(UNKNOWN, (rows, WINDOW_LENGTH), generator=generator, dtype=torch.uint8)
    codes[1, :5] = UNKNOWN
    accessibility = torch.rand((rows, 1), generator=generator)
    accessibility[2] = torch.nan
    return codes, accessibility


@torch.no_grad()
def check_network(network: AdoptedNetwork, name: str) -> None:
    """Check on random windows that a network gives a logit for each, whatever else is in the batch.

    Raises
    ------
    InputError
        When it does not.
    """
    codes, accessibility = probe()
    inputs = network.prepare(codes, accessibility)
    first = _logits(network, inputs, name)
    if not first.isfinite().all():
        raise InputError(f"{name}: gives NaN or infinite numbers for random windows; look for a division or a log of 0")
    if not _agree(first, _logits(network, inputs, name)):
        raise InputError(
            f"{name}: gives other scores for the same windows; dropout must be off in evaluation mode (nn.Dropout)"
        )
    some = torch.tensor([6, 1, 4, 0])
    if not _agree(first[some], _logits(network, tuple(one[some] for one in inputs), name)):
        raise InputError(
            f"{name}: the score of a window depends on the other windows of the batch; "
            "batch norm must use its running statistics in evaluation mode"
        )
    if not _agree(first.repeat(4), _logits(network, tuple(torch.cat([one] * 4) for one in inputs), name)):
        raise InputError(f"{name}: scores windows in a large batch otherwise than in a small one")
    if not _agree(first[:1], _logits(network, tuple(one[:1] for one in inputs), name)):
        raise InputError(f"{name}: scores a window alone otherwise than in a batch")


def _agree(one: Tensor, other: Tensor) -> bool:
    return bool(((one.sigmoid() - other.sigmoid()).abs() <= MAX_PARITY_DIFFERENCE).all())


def _logits(network: AdoptedNetwork, inputs: tuple[Tensor, ...], name: str) -> Tensor:
    """Return the logits (N,) of the user's network, after a check of what it returns."""
    count = len(inputs[0])
    windows = f"{count} window{'s' if count > 1 else ''} of {WINDOW_LENGTH} bases"
    shown = ", ".join(
        f"{letter} {str(one.dtype).removeprefix('torch.')} {tuple(one.shape)}"
        for letter, one in zip("Xa", inputs, strict=False)
    )
    other = "codes" if network.takes == "one-hot" else "one-hot"
    with _blamed(f"{name}: fails on {windows}, {shown}", f"; it must take these, or try --input {other}"):
        found = network.own(*inputs)
    if not isinstance(found, Tensor):
        raise InputError(f"{name}: returns {type(found).__name__}; it must return a tensor, one logit a window")
    if tuple(found.shape) not in ((count,), (count, 1)):
        raise InputError(
            f"{name}: returns the shape {tuple(found.shape)} for {windows}; it must be ({count},) or ({count}, 1)"
        )
    if found.dtype != torch.float32:
        raise InputError(f"{name}: returns {str(found.dtype).removeprefix('torch.')}; it must return float32")
    return found.reshape(count)


def check_trainable(network: AdoptedNetwork, name: str) -> None:
    """Check that a network can be fitted: one step forward and back in training mode.

    Raises
    ------
    InputError
        When it cannot.
    """
    network.train()
    with _blamed(f"{name}: cannot be fitted"):
        network(*probe()).sum().backward()
    network.zero_grad()


@torch.no_grad()
def windows_per_call(network: AdoptedNetwork) -> int:
    """Return the maximum windows per call, from the bytes of what the layers return for a window."""
    sizes: list[int] = []

    def count(layer: nn.Module, inputs: object, output: object) -> None:
        tensors = output if isinstance(output, tuple) else (output,)
        sizes.extend(one.numel() * one.element_size() for one in tensors if isinstance(one, Tensor))

    hooks = [one.register_forward_hook(count) for one in network.modules()]
    try:
        network(*probe())
    finally:
        for hook in hooks:
            hook.remove()
    windows = MAX_CALL_BYTES * PROBE_ROWS // max(sum(sizes), 1)
    return max(min(windows, MAX_CALL_WINDOWS) // _LEAST_CALL_WINDOWS, 1) * _LEAST_CALL_WINDOWS
