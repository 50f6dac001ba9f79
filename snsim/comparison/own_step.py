"""The method `learn(x, d)` of a module, which makes a whole step, and what the module remembers between steps.

Imports torch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from snsim.comparison.load_module import raising_faults
from snsim.comparison.match_parameters import ParameterMatch
from snsim.errors import fail

_HINT = (
    "learn(x, d) gets the inputs of a batch in the shape that forward takes (a tuple of tensors for several input "
    "layers), and the targets (patterns, units); "
    "it changes the weights in place"
)
_OF_TORCH = frozenset(vars(nn.Module()))  # attributes that every module has


def has_own_rule(module: nn.Module) -> bool:
    """Return whether a module states how it learns: by `learn(x, d)` or `configure_optimizers()`."""
    return any(callable(getattr(module, name, None)) for name in ("learn", "configure_optimizers"))


def own_step(module: nn.Module, pairs: Sequence[ParameterMatch]) -> OwnStep | None:
    """Return the method `learn` of a module, or None if it has none."""
    learn = getattr(module, "learn", None)
    return OwnStep(module, learn, pairs) if callable(learn) else None


class OwnStep:
    """The method `learn` of a module."""

    def __init__(self, module: nn.Module, learn: Callable[..., object], pairs: Sequence[ParameterMatch]):
        self._module, self._learn, self._pairs = module, learn, pairs

    def step(self, x: Tensor | tuple[Tensor, ...], d: Tensor) -> None:
        """Let the module learn a batch. SnError if it fails, or puts new parameters in place of its old ones."""
        with raising_faults("learn(x, d) of the module fails", _HINT), torch.enable_grad():
            self._learn(x, d)
        now = dict(self._module.named_parameters())
        for name, tensor in ((n, t) for pair in self._pairs for n, t in zip(pair.theirs.names, pair.theirs.tensors)):
            if now.get(name) is not tensor:
                raise fail(
                    f"learn(x, d) of the module replaces its parameter {name}, which can then not be followed",
                    hint=f"change the numbers in place: with torch.no_grad(): self.{name} -= step",
                )


class Memory:
    """What a module remembers besides its weights: buffers, and attributes such as a mean, a counter or an optimizer.

    `restore` puts everything back as it was when the memory was made. An attribute that Python cannot copy is left as
    it is.
    """

    def __init__(self, module: nn.Module):
        self._module = module
        self._buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        self._attributes = [(part, self._copied(vars_of(part))) for part in module.modules()]

    def restore(self) -> None:
        """Put buffers and attributes back."""
        with torch.no_grad():
            for name, buffer in self._module.named_buffers():
                if name in self._buffers and buffer.shape == self._buffers[name].shape:
                    buffer.copy_(self._buffers[name])
        for part, attributes in self._attributes:
            for name in [name for name in vars_of(part) if name not in attributes]:
                del vars(part)[name]
            vars(part).update(self._copied(attributes))

    def _copied(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return deep copies, in which parameters and modules are those of the module itself."""
        own = dict(self._own_parts())
        copies = {}
        for name, value in attributes.items():
            try:
                copies[name] = copy.deepcopy(value, dict(own))
            except Exception:
                copies[name] = value
        return copies

    def _own_parts(self) -> Iterator[tuple[int, object]]:
        for of_kind in (self._module.modules(), self._module.parameters(), self._module.buffers()):
            yield from ((id(part), part) for part in of_kind)


def vars_of(part: nn.Module) -> dict[str, Any]:
    """Return the attributes that a module's own code has set: no parameters, buffers, submodules or hooks."""
    return {name: value for name, value in vars(part).items() if name not in _OF_TORCH}
