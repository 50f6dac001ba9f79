"""How much memory a run of a training needs, and the refusal of one that needs more than it may.

Told from counts: the engine by `engines.memory`, and on top of it the data, the initial weights (float64), copies for
a checkpoint, and what pruning and single rates for weights take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snsim import engines
from snsim.engines.memory import Work, weights_of
from snsim.engines.protocol import UpdateRule
from snsim.errors import Fault, SnError, fail
from snsim.memory_limit import available, default_limit, size_text, whole_gigabytes
from snsim.network.net import Net
from snsim.network.wiring import Windows
from snsim.training.choose_engine import constant_options, default_engines
from snsim.training.prepare import PreparedData
from snsim.training.spec import Stage, Training

_WIDE = 8  # bytes of a number in float64, and of an index
_PRUNING = 72  # bytes a weight while the least are looked for and F of what is left is counted
_OWNERS = 50  # bytes a weight while those of each gain are looked for
_BY_WEIGHT = 24  # bytes a weight where F, or the connections that share a weight, make each rate another


@dataclass(frozen=True)
class Patterns:
    """How many patterns there are in all, and the most that are evaluated at a time."""

    count: int = 0
    together: int = 1

    @staticmethod
    def of(data: PreparedData | None) -> Patterns:
        """Those of data that are here; none where they are not known yet."""
        if data is None:
            return Patterns()
        counts = len(data.train), 0 if data.test is None else len(data.test)
        return Patterns(sum(counts), max(counts))


def run_memory(
    training: Training,
    engine: str | None = None,
    dtype: np.dtype | type | str = "float32",
    patterns: Patterns = Patterns(),
    resumed: bool = False,
) -> int:
    """The bytes that a run needs at most at a time, with an engine of this name (default: the first by default).

    Data that are not here yet are not counted. SnError for an unknown engine.
    """
    name = default_engines(training)[0] if engine is None else engine
    net, number = training.net, np.dtype(dtype).itemsize
    n = weights_of(net)
    of_rule = {
        stage.rule: engines.memory_of(name, _work(training, stage, number, patterns.together))
        for stage in training.stages
    }
    first = of_rule[training.stages[0].rule]
    peak = first.held + max(first.making, _drawn(net) + (_BY_WEIGHT * n if _draws_by_weight(training) else 0))
    held = 0
    for rule, memory in of_rule.items():  # an engine stays until the run is over
        held += memory.held
        started = number * n if len(of_rule) > 1 else 0
        learning = max(memory.working + _rates(training, rule, number), _pruned(training, rule), memory.copied)
        peak = max(peak, held + max(memory.making, started + learning))
    if resumed:
        peak += max(number * n * (1 + len(rule.states)) for rule in of_rule)
    return max(memory.base for memory in of_rule.values()) + peak + _data(net, patterns.count, number)


def engine_memory(
    training: Training, engine: str, dtype: np.dtype | type | str, patterns: Patterns = Patterns()
) -> int:
    """The bytes that one more engine needs in a process, for the rule of the first stage; with its packages."""
    work = _work(training, training.stages[0], np.dtype(dtype).itemsize, patterns.together)
    memory = engines.memory_of(engine, work)
    return memory.base + memory.held + max(memory.making, memory.working)


def net_memory(net: Net) -> int:
    """The bytes that a run of a net needs, about, under plain gradient descent on the native engine in float32."""
    memory = engines.memory_of("native", Work(net))
    return memory.base + memory.held + max(memory.making, _drawn(net))


def check_module_memory(net: Net, number: int, limit: int | None) -> None:
    """Raise SnError, at the form of the net, if its torch module needs more memory than the limit.

    Parameters
    ----------
    number : int
        Bytes of one weight: 4 or 8.
    limit : int or None
        Bytes; None for the limit of this machine. The initial weights are counted too.
    """
    allowed = default_limit() if limit is None else limit
    need = engines.memory_of("torch", Work(net, bytes_a_number=number)).held + _drawn(net)
    if allowed is not None and need > allowed:
        raise fail(
            f"the module of net {net.name} needs {size_text(need)} of memory, and the limit is "
            f"{size_text(allowed)}: it has {net.counts.weights:,} weights",
            net.span,
            hint=f"snsim.load(..., memory={need}) allows it, where there is that much; or make its layers smaller",
        )


def check_memory(
    training: Training,
    engine: str,
    dtype: np.dtype | type | str,
    limit: int | None,
    patterns: Patterns = Patterns(),
    resumed: bool = False,
    besides: int = 0,
) -> None:
    """SnError, at the form of the net, if a run needs more memory than the limit (None: that of this machine).

    `besides` are bytes that are needed beside those of the run.
    """
    allowed = default_limit() if limit is None else limit
    need = run_memory(training, engine, dtype, patterns, resumed) + besides
    if allowed is None or need <= allowed:
        return
    raise SnError(_too_large(training, engine, dtype, need, allowed, patterns, besides))


def _too_large(
    training: Training,
    engine: str,
    dtype: np.dtype | type | str,
    need: int,
    allowed: int,
    patterns: Patterns,
    besides: int,
) -> Fault:
    net, there = training.net, available()
    if there is None or need <= there:
        hint = f"--memory {whole_gigabytes(need)} allows it"
    else:
        hint = (
            f"make its layers smaller: there are {size_text(there)} of memory here; --memory {whole_gigabytes(need)} "
            "allows it on a larger machine"
        )
    lean = run_memory(training, "native", "float32", patterns) + besides
    if (engine, np.dtype(dtype).name) != ("native", "float32") and lean <= allowed:
        hint += f"; --engine native --dtype float32 needs {size_text(lean)} only"
    return Fault(
        f"training {training.name} needs {size_text(need)} of memory with the engine {engine} in "
        f"{np.dtype(dtype).name}, and the limit is {size_text(allowed)}: net {net.name} has "
        f"{net.counts.weights:,} weights and {net.counts.connections:,} connections",
        net.span,
        hint=f"{hint}; `snsim show` tells the counts of each layer",
    )


def _work(training: Training, stage: Stage, number: int, together: int) -> Work:
    return Work(
        training.net,
        stage.rule,
        number,
        constant_options(training, stage),
        stage.batch != 1,
        stage.curvature_patterns is not None,
        together,
    )


def _rates(training: Training, rule: UpdateRule, number: int) -> int:
    """Bytes that the loop over the passes takes while an engine learns by a rule: rates, conjugate directions."""
    net, n = training.net, weights_of(training.net)
    by_weight = any(
        placed.family == "mask-epsi" or (placed.family != "epsilon" and _is_uneven(net))
        for stage in training.stages
        if stage.rule == rule
        for placed in stage.rates
    )
    return (_BY_WEIGHT * n if by_weight else 0) + ((_WIDE + 7 * number) * n if rule.conjugate else 0)


def _pruned(training: Training, rule: UpdateRule) -> int:
    """Bytes that are taken to choose the weights that are cut, and to count what is left."""
    cuts = any(stage.prune is not None for stage in training.stages if stage.rule == rule)
    return _PRUNING * weights_of(training.net) if cuts else 0


def _drawn(net: Net) -> int:
    """Bytes of the initial weights, and what it takes to find the lengths of those with gains."""
    return weights_of(net) * (_WIDE + (_OWNERS if any(c.weight_norm for c in net.connections) else 0))


def _draws_by_weight(training: Training) -> bool:
    """Whether initial weights of one parameter may have different ranges, so that F is counted for each."""
    return _is_uneven(training.net) and any(placed.family not in ("forget", "constant") for placed in training.initial)


def _is_uneven(net: Net) -> bool:
    """Whether units of one layer may have different numbers of connections."""
    structures = [c.wiring.structure for c in net.connections]
    return any(s is None or (isinstance(s, Windows) and len(set(s.maps.sum(axis=0).tolist())) > 1) for s in structures)


def _data(net: Net, patterns: int, number: int) -> int:
    """Bytes of the patterns: as they were read, as the engine takes them, and what is made to present and score
    them.
    """
    return patterns * (net.layers[0].units * (_WIDE + 2 * number) + net.layers[-1].units * 5 * _WIDE)
