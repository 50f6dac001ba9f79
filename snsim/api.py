"""A description as a plain `torch.nn.Module`: `snsim.load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from snsim.engines.plan import plan
from snsim.errors import fail
from snsim.network.net import Net
from snsim.optional_packages import needing
from snsim.program import Program, read_program
from snsim.training.initial import initial_weights
from snsim.training.memory_need import check_module_memory
from snsim.training.parameter_scopes import rates_in_pass
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Training

if TYPE_CHECKING:
    import numpy as np
    import torch

    from snsim.engines.torch.module import SnModule


def load(
    path: str | Path,
    net: str | None = None,
    *,
    seed: int | None = None,
    dtype: torch.dtype | None = None,
    presets: Mapping[str, float | str] | None = None,
    memory: int | None = None,
) -> SnModule:
    """The net of a `.sn` file as a module, with the initial weights that its training draws.

    `net` names a training or a net of the file; without it, the last training that the file itself declares, or else
    its last net. `seed` replaces the training's first seed; `dtype` is torch.float32 unless stated; `presets` are the
    values of `--set`; `memory` is the limit of what the module may need in bytes (default: half of what there is).
    Without a training all weights that learn are 0 and `parameter_groups` has no rates.

    Parameters have the names and shapes that `snsim show FILE --stage torch` prints; `module.tables[...]` are the
    explicit connection tables and `module.parameter_groups(pass)` the groups for an optimiser of `torch.optim`.
    Raises SnError with every fault of the description.
    """
    with needing("torch", what="snsim.load"):
        from snsim.engines.torch.module import module as make_module

    program = read_program(path, presets=presets)
    chosen, training = _chosen(program, net)
    check_module_memory(chosen, 4 if dtype is None else dtype.itemsize, memory)
    made = make_module(plan(chosen)) if dtype is None else make_module(plan(chosen), dtype)
    if training is not None:
        made.load_weights(initial_weights(training, training.seeds[0] if seed is None else seed))
        made.schedule = _Schedule(training)
    return made


class _Schedule:
    """The rates of a training by the number of the pass; a class, so that the module can be copied and pickled."""

    def __init__(self, training: Training):
        self.training = training

    def __call__(self, number: int) -> Mapping[str, float | np.ndarray]:
        if not 1 <= number <= self.training.passes:
            raise fail(
                f"pass {number} of a training of {self.training.passes} passes",
                hint=f"write a pass from 1 to {self.training.passes}",
            )
        stage, inside = stage_of_pass(self.training.stages, number)
        return rates_in_pass(stage, self.training.net, inside, self.training.fan_in)


def _chosen(program: Program, name: str | None) -> tuple[Net, Training | None]:
    """The net that is meant, and the training it is initialised by, if there is one."""
    if name is None:
        if own := program.own_trainings:
            return own[-1].net, own[-1]
        nets = program.nets.own()
        if not nets:
            raise fail(
                f"{program.sources[0].name} declares no net", hint="write (net NAME ...) in it, or load another file"
            )
        return nets[-1].value, None
    if name in program.trainings:
        training = program.trainings.get(name)
        return training.net, training
    chosen = program.nets.get(name)
    trainings = [entry.value for entry in program.trainings.own()]
    return chosen, next((training for training in trainings if training.net is chosen), None)
