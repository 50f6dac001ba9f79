"""Load initial weights from an npz or safetensors file, by parameter name or by layer as `H1w`, `H1b`."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from pathlib import Path

import numpy as np

from snsim.array_files import ArrayFile, Header, open_arrays
from snsim.data.formats import within
from snsim.errors import Fault, SnError, Span, fail
from snsim.input_files import shown
from snsim.network.net import Net, Parameter
from snsim.training.initial import initial_gains, initial_weights
from snsim.training.parameter_scopes import scopes_of
from snsim.training.spec import Training

KEYS = (
    "valid keys: parameter names, as in weights.safetensors of a run, or NAMEw and NAMEb, where NAME is a layer or "
    "the beginning of its name"
)
_BYTES_A_NUMBER = 8
_MOST_OF_ANY_NET = 1 << 33  # bytes of a file from which only some arrays are read
_SLACK = 1 << 20  # bytes allowed for names and headers, and for arrays that do not belong in the file


def starting_weights(
    training: Training, seed: int, file: Path | None, dtype: np.dtype | type | str, replaced: bool = False
) -> dict[str, np.ndarray]:
    """Return the initial weights of a run by parameter name, float64: those of a file, or drawn ones.

    With `(initial "FILE" SCOPE ...)` the weights of these scopes come from `file`, and the others are those that the
    run would draw without it. `replaced` is true if `file` is that of `--initial`, which gives every weight.
    """
    net = training.net
    if file is None:
        return initial_weights(training, seed)
    if replaced:
        return load_initial(file, net, dtype=dtype)
    span = training.span_of("initial")
    if not training.initial_scopes:
        return load_initial(file, net, span, dtype)
    scopes = set(training.initial_scopes)
    named = {p.name for p in net.parameters if p.learns and not scopes.isdisjoint(scopes_of(p))}
    return {**initial_weights(training, seed), **load_initial(file, net, span, dtype, named)}


def load_initial(
    path: Path,
    net: Net,
    span: Span | None = None,
    dtype: np.dtype | type | str = np.float64,
    only: Container[str] | None = None,
) -> dict[str, np.ndarray]:
    """Return the weights in a file for every parameter of the net that learns, float64.

    Keys are names of parameters as a run writes them (`input_h1.weight`; `input-h1.weight` too), or NAMEw (the weights
    that enter layer NAME) and NAMEb (its bias). NAME may be in any case, or a unique prefix. Windows have the order
    (target map, source maps of the table ascending, row, column), full connections (inputs, outputs). Gains without a
    key are the norms of their weights. `dtype` is the type of the engine. With `only`, the names of some parameters,
    the result has these alone, and the file may hold anything else besides.

    Raises
    ------
    SnError
        For every key that matches no parameter, every parameter without a key, every shape that differs, and the
        first array with numbers that are not finite in `dtype`.
    """
    everything = {p.name: p for p in net.parameters if p.learns}
    learning = {name: p for name, p in everything.items() if only is None or name in only}
    numbers = sum(math.prod(p.shape) for p in learning.values())
    with open_arrays(
        path,
        _MOST_OF_ANY_NET if only is not None else _BYTES_A_NUMBER * numbers + _SLACK,
        span,
        f"a file of the {numbers:,} weights of {net.name}",
        "give the npz or safetensors file of this net",
    ) as file:
        keys = _keys_of(file, net, everything, learning, span)
        weights = {name: _finite_array(file, key, learning[name], dtype, span) for name, key in keys.items()}
    weights |= {p.name: initial_gains(net, p, weights) for p in learning.values() if p.name not in weights}
    return {name: weights[name] for name in learning}


def _keys_of(
    file: ArrayFile,
    net: Net,
    everything: Mapping[str, Parameter],
    learning: Mapping[str, Parameter],
    span: Span | None,
) -> dict[str, str]:
    """Return the key of each parameter in the file; raise SnError with all mismatches, known from the headers alone.

    `learning` are the parameters to read, of `everything` that learns. If they are fewer, other keys are allowed.
    """
    faults: list[Fault] = []
    keys: dict[str, str] = {}
    by_torch_name: dict[str, list[str]] = {}
    for learned, parameter in everything.items():
        by_torch_name.setdefault(_torch_name(parameter.described_name), []).append(learned)
    meant = net.parameter_names(file.headers)
    for key, header in file.headers.items():
        name, why = _parameter_for(key, meant[key], net, everything, by_torch_name)
        if name not in learning and len(learning) < len(everything):
            continue
        if name is None:
            faults.append(Fault(f"{_array_text(file, key)} {why}", span, hint=KEYS))
        elif name in keys:
            faults.append(
                Fault(
                    f'"{shown(keys[name])}" and {_array_text(file, key)} are both {name}',
                    span,
                    hint=f'remove one of them, such as "{shown(key)}"',
                )
            )
        else:
            keys[name] = key
            faults += _header_faults(file, key, header, learning[name], span)
    faults += [
        Fault(f"{shown(file.path)} has no array for {name}, {_shape_text(parameter.shape)}", span, hint=KEYS)
        for name, parameter in learning.items()
        if name not in keys and parameter.kind != "gain"
    ]
    if faults:
        raise SnError(faults)
    return keys


def _header_faults(file: ArrayFile, key: str, header: Header, parameter: Parameter, span: Span | None) -> list[Fault]:
    what = _array_text(file, key)
    if header.shape != parameter.shape:
        turned = header.shape[::-1] == parameter.shape
        return [
            Fault(
                f"{what} is {_shape_text(header.shape)}, {parameter.name} is {_shape_text(parameter.shape)}",
                span,
                hint=f'transpose "{shown(key)}" before you save it'
                if turned
                else f'save an array of {_shape_text(parameter.shape)} as "{shown(key)}"',
            )
        ]
    if header.dtype.kind not in "fiu":
        return [Fault(f"{what} holds {header.dtype}, not numbers", span, hint="save it as float32")]
    return []


def _finite_array(
    file: ArrayFile, key: str, parameter: Parameter, dtype: np.dtype | type | str, span: Span | None
) -> np.ndarray:
    array = file.read(key)
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        index = " ".join(map(str, np.unravel_index(wrong[0], array.shape))) or "0"
        raise fail(
            f"{_array_text(file, key)} holds {len(wrong)} of {array.size} numbers that are not finite, the first "
            f"at {index}",
            span,
            hint=f"give finite numbers for {parameter.name}",
        )
    within(array, dtype, _array_text(file, key), span, "give smaller weights, or run with --dtype float64")
    return array.astype(np.float64)


def _array_text(file: ArrayFile, key: str) -> str:
    return f'"{shown(key)}" in {shown(file.path)}'


def _torch_name(name: str) -> str:
    """Return a name as it is in the torch module."""
    return re.sub(r"\W", "_", name)


def _parameter_for(
    key: str, meant: str, net: Net, learning: Mapping[str, Parameter], by_torch_name: Mapping[str, list[str]]
) -> tuple[str | None, str]:
    """Return the name of the parameter that a key means, or None and the reason why there is none.

    `meant` is what the key means as the name of a parameter.
    """
    if meant in learning:
        return meant, ""
    same_torch_name = by_torch_name.get(_torch_name(key), [])
    if len(same_torch_name) == 1:
        return same_torch_name[0], ""
    layer, kind = key[:-1].lower(), {"w": "weight", "b": "bias"}.get(key[-1:].lower())
    names = [later.name for later in net.computed]
    matching = [layer] if layer in names else [name for name in names if layer and name.startswith(layer)]
    if kind is None or not matching:
        return None, f"names no parameter of net {net.name}"
    if len(matching) > 1:
        return None, f"could mean the layers {' and '.join(matching)}"
    entering = [p.name for p in learning.values() if p.layer == matching[0] and p.kind == kind]
    if len(entering) > 1:
        return None, f"could mean {' and '.join(entering)}"
    return (entering[0], "") if entering else (None, f"is the {kind} of {matching[0]}, which has none that learns")


def _shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"
