"""Estimate the memory that a training needs, and refuse one that needs more than the limit.

The estimate follows from counts. `engines.memory` estimates the engine; this module adds the data, the initial weights
(float64), copies for a checkpoint, and arrays for pruning and for rates per weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snsim import engines
from snsim.engines.memory import Workload, count_weights
from snsim.engines.protocol import UpdateRule
from snsim.errors import Fault, SnError, fail
from snsim.memory_limit import available, default_limit, size_text, whole_gigabytes
from snsim.network.net import Net
from snsim.network.unrolled import unroll
from snsim.network.wiring import Windows
from snsim.operating_system import default_threads
from snsim.training.choose_engine import constant_options, preferred_engines
from snsim.training.prepare import PreparedData
from snsim.training.spec import Stage, Training

_WORD = 8  # bytes of a number in float64, and of an index
_BYTES_PRUNING = (
    72  # bytes per weight while the smallest saliencies are found and F of the remaining weights is counted
)
_BYTES_OWNERS = 50  # bytes per weight while the weights of each gain are found
_BYTES_OWN_RATE = 24  # bytes per weight if each weight has its own rate, because F or the number of sharers differs


@dataclass(frozen=True)
class PatternCounts:
    """The number of patterns in total, and the largest number that is evaluated at a time."""

    count: int = 0
    together: int = 1

    @staticmethod
    def of(data: PreparedData | None) -> PatternCounts:
        """Return the counts of data; zero if the data are not known yet."""
        if data is None:
            return PatternCounts()
        counts = len(data.train), 0 if data.test is None else len(data.test)
        return PatternCounts(sum(counts), max(counts))


def run_memory(
    training: Training,
    engine: str | None = None,
    dtype: np.dtype | type | str = "float32",
    patterns: PatternCounts = PatternCounts(),
    resumed: bool = False,
    threads: int | None = None,
) -> int:
    """Return the peak memory of a run in bytes, with an engine of this name (default: the preferred one).

    Data that are not loaded yet are not counted. `threads` None: as many as engines have by default. Raise SnError for
    an unknown engine.
    """
    name = preferred_engines(training)[0] if engine is None else engine
    net, number = training.net, np.dtype(dtype).itemsize
    n = count_weights(net)
    by_rule = {
        stage.rule: engines.estimate_memory(name, _work(training, stage, number, patterns.together, threads))
        for stage in training.stages
    }
    first = by_rule[training.stages[0].rule]
    peak = first.resident + max(
        first.making, _initial_weights_bytes(net) + (_BYTES_OWN_RATE * n if _draws_per_weight(training) else 0)
    )
    resident = 0
    for rule, memory in by_rule.items():  # an engine stays in memory until the run ends
        resident += memory.resident
        started = number * n if len(by_rule) > 1 else 0
        learning = max(
            memory.working + _rates_bytes(training, rule, number), _pruning_bytes(training, rule), memory.copied
        )
        peak = max(peak, resident + max(memory.making, started + learning))
    if training.keep is not None:  # the weights of the best pass, until they are written, beside a checkpoint
        peak += number * n
    if resumed:
        peak += max(number * n * (1 + len(rule.states)) for rule in by_rule)
    return max(memory.base for memory in by_rule.values()) + peak + _data_bytes(net, patterns.count, number)


def engine_memory(
    training: Training, engine: str, dtype: np.dtype | type | str, patterns: PatternCounts = PatternCounts()
) -> int:
    """Return the bytes that another engine needs in a process, with its packages, for the rule of the first stage."""
    work = _work(training, training.stages[0], np.dtype(dtype).itemsize, patterns.together)
    memory = engines.estimate_memory(engine, work)
    return memory.base + memory.resident + max(memory.making, memory.working)


def net_memory(net: Net) -> int:
    """Return the bytes, roughly, that a run needs with plain gradient descent on the native engine in float32."""
    memory = engines.estimate_memory("native", Workload(net))
    return memory.base + memory.resident + max(memory.making, _initial_weights_bytes(net))


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
    need = engines.estimate_memory("torch", Workload(net, bytes_a_number=number)).resident + _initial_weights_bytes(net)
    if allowed is not None and need > allowed:
        raise fail(
            f"the module of net {net.name} needs {size_text(need)} of memory, and the limit is "
            f"{size_text(allowed)}: it has {net.counts.weights:,} weights",
            net.span,
            hint=f"snsim.load(..., memory={need}) allows it if the machine has that much memory; or make the layers "
            "smaller",
        )


def check_memory(
    training: Training,
    engine: str,
    dtype: np.dtype | type | str,
    limit: int | None,
    patterns: PatternCounts = PatternCounts(),
    resumed: bool = False,
    besides: int = 0,
    threads: int | None = None,
) -> None:
    """Raise SnError, at the form of the net, if a run needs more memory than the limit.

    `limit` None means that of this machine. `besides` is the number of bytes needed in addition to those of the run.
    """
    allowed = default_limit() if limit is None else limit
    need = run_memory(training, engine, dtype, patterns, resumed, threads) + besides
    if allowed is None or need <= allowed:
        return
    one_thread = run_memory(training, engine, dtype, patterns, resumed, 1) + besides
    raise SnError(_memory_fault(training, engine, dtype, need, allowed, patterns, besides, one_thread))


def check_memory_together(
    training: Training, dtype: np.dtype | type | str, limit: int | None, data: PreparedData, count: int
) -> None:
    """Raise SnError if `count` nets that learn at the same time need more memory than the limit, as `check_memory`.

    On a device, most of it is that of the device; the estimate is the same.
    """
    counts, stage = training.net.counts, training.stages[0]
    of_weights = counts.weights * (4 + len(stage.rule.states))  # weights, gradient, curvature, and a copy
    units = training.net.input_units + training.net.layers[-1].units
    of_patterns = 8 * counts.units * min(stage.batch or 1, len(data.train)) + 2 * engines.PATTERNS_TOGETHER * units
    besides = (count - 1) * (of_weights + of_patterns) * np.dtype(dtype).itemsize
    check_memory(training, "torch", dtype, limit, PatternCounts.of(data), besides=besides)


def _memory_fault(
    training: Training,
    engine: str,
    dtype: np.dtype | type | str,
    need: int,
    allowed: int,
    patterns: PatternCounts,
    besides: int,
    one_thread: int,
) -> Fault:
    net, free = training.net, available()
    if free is None or need <= free:
        hint = f"--memory {whole_gigabytes(need)} allows it"
    else:
        hint = (
            f"make the layers smaller: this machine has {size_text(free)} available; --memory {whole_gigabytes(need)} "
            "allows it on a larger machine"
        )
    if one_thread <= allowed:
        hint += f"; --threads 1 needs only {size_text(one_thread)}"
    lean = run_memory(training, "native", "float32", patterns) + besides
    if (engine, np.dtype(dtype).name) != ("native", "float32") and lean <= allowed:
        hint += f"; --engine native --dtype float32 needs only {size_text(lean)}"
    return Fault(
        f"training {training.name} needs {size_text(need)} of memory with the engine {engine} in "
        f"{np.dtype(dtype).name}, and the limit is {size_text(allowed)}: net {net.name} has "
        f"{net.counts.weights:,} weights and {net.counts.connections:,} connections",
        net.span,
        hint=f"{hint}; `snsim show` prints the counts of each layer",
    )


def _work(training: Training, stage: Stage, number: int, together: int, threads: int | None = None) -> Workload:
    net = training.net
    return Workload(
        unroll(net, training.time).net if net.delayed else net,
        stage.rule,
        number,
        constant_options(training, stage),
        stage.batch != 1,
        stage.curvature_patterns is not None,
        together,
        default_threads() if threads is None else threads,
    )


def _rates_bytes(training: Training, rule: UpdateRule, number: int) -> int:
    """Return the bytes that the training loop needs for a rule: rates and conjugate directions."""
    net, n = training.net, count_weights(training.net)
    by_weight = any(
        scoped.family == "mask-epsi" or (scoped.family != "epsilon" and _is_uneven(net))
        for stage in training.stages
        if stage.rule == rule
        for scoped in stage.rates
    )
    return (_BYTES_OWN_RATE * n if by_weight else 0) + ((_WORD + 7 * number) * n if rule.conjugate else 0)


def _pruning_bytes(training: Training, rule: UpdateRule) -> int:
    """Return the bytes needed to choose the weights to prune and to count the remaining ones."""
    cuts = any(stage.prune is not None for stage in training.stages if stage.rule == rule)
    return _BYTES_PRUNING * count_weights(training.net) if cuts else 0


def _initial_weights_bytes(net: Net) -> int:
    """Return the bytes of the initial weights, and those needed to compute the norms of weights with gains."""
    return count_weights(net) * (_WORD + (_BYTES_OWNERS if any(c.weight_norm for c in net.connections) else 0))


def _draws_per_weight(training: Training) -> bool:
    """Tell whether the weights of one parameter may be drawn from different ranges, so that F is needed for each."""
    return _is_uneven(training.net) and any(scoped.family not in ("forget", "constant") for scoped in training.initial)


def _is_uneven(net: Net) -> bool:
    """Tell whether units of one layer may have different numbers of connections."""
    structures = [c.wiring.structure for c in net.connections]
    return any(s is None or (isinstance(s, Windows) and len(set(s.maps.sum(axis=0).tolist())) > 1) for s in structures)


def _data_bytes(net: Net, patterns: int, number: int) -> int:
    """Return the bytes of the patterns: as read, as the engine needs them, and to present and score them."""
    return patterns * (net.input_units * (_WORD + 2 * number) + net.layers[-1].units * 5 * _WORD)
