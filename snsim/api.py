"""Load a net of a `.sn` file as a `torch.nn.Module`: `snsim.load`."""

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
    """Return a net of a `.sn` file as a module, with the initial weights that its training draws.

    Parameters
    ----------
    path : str or Path
    net : str, optional
        The name of a training or of a net in the file. Default: the last training that the file itself declares, or
        else its last net.
    seed : int, optional
        The seed of the initial weights. Default: the first seed of the training.
    dtype : torch.dtype, optional
        torch.float32 by default.
    presets : mapping, optional
        Values of variables, as `--set` on the command line.
    memory : int, optional
        The limit, in bytes, of the memory of the module. Default: half of the memory of this machine.

    Returns
    -------
    SnModule
        Its parameters have the names and shapes that `snsim show FILE --stage torch` prints. `module.tables[...]` are
        the explicit connection tables, and `module.parameter_groups(pass)` are the groups for an optimiser of
        `torch.optim`. Without a training, all weights that learn are 0 and `parameter_groups` has no rates.

    Raises
    ------
    SnError
        With every fault of the file.
    """
    with needing("torch", what="snsim.load"):
        from snsim.engines.torch.module import build_module

    program = read_program(path, presets=presets)
    selected, training = _select_net(program, net)
    check_module_memory(selected, 4 if dtype is None else dtype.itemsize, memory)
    module = build_module(plan(selected)) if dtype is None else build_module(plan(selected), dtype)
    if training is not None:
        module.load_weights(initial_weights(training, training.seeds[0] if seed is None else seed))
        module.schedule = _Schedule(training)
    return module


class _Schedule:
    """The rates of a training by pass number. It is a class so that the module can be copied and pickled."""

    def __init__(self, training: Training):
        self.training = training

    def __call__(self, number: int) -> Mapping[str, float | np.ndarray]:
        if not 1 <= number <= self.training.passes:
            raise fail(
                f"there is no pass {number} in a training of {self.training.passes} passes",
                hint=f"write a pass from 1 to {self.training.passes}",
            )
        stage, inside = stage_of_pass(self.training.stages, number)
        return rates_in_pass(stage, self.training.net, inside, self.training.fan_in)


def _select_net(program: Program, name: str | None) -> tuple[Net, Training | None]:
    """Return the net of this name (see `load`), and the training that initialises it, if there is one."""
    if name is None:
        if trainings := program.own_trainings:
            return trainings[-1].net, trainings[-1]
        nets = program.nets.own()
        if not nets:
            raise fail(
                f"{program.sources[0].name} declares no net", hint="write (net NAME ...) in it, or load another file"
            )
        return nets[-1].value, None
    if name in program.trainings:
        training = program.trainings.get(name)
        return training.net, training
    selected = program.nets.get(name)
    declared = (entry.value for entry in program.trainings.own())
    return selected, next((training for training in declared if training.net is selected), None)
