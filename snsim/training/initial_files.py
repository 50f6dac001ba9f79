"""Initial weights from a file: npz or safetensors, by parameter name or by layer as `H1w`, `H1b`."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Mapping

import numpy as np

from snsim.errors import Fault, SnError, Span, fail
from snsim.network.net import Net, Parameter
from snsim.training.initial import gains

KEYS = ("keys are parameter names, those of snsim or of its torch module, or NAMEw and NAMEb with NAME a layer or the "
        "beginning of its name")


def load_initial(path: Path, net: Net, span: Span | None = None) -> dict[str, np.ndarray]:
    """The weights in a file for every parameter of the net that learns, float64.

    Keys are our parameter names, those of `snsim.load`'s module (`_` for a hyphen), or NAMEw (the weights that enter
    layer NAME) and NAMEb (its bias), NAME without regard to case or by unique prefix. Windows have the order (target
    map, source maps of the table ascending, row, column), full connections (inputs, outputs). Gains without a key are
    the lengths of their weights. SnError with every key that fits nothing, every other parameter without a key, and
    every shape that differs.
    """
    arrays = read_arrays(path, span)
    learning = {p.name: p for p in net.parameters if p.learns}
    faults: list[Fault] = []
    found: dict[str, tuple[str, np.ndarray]] = {}
    for key, array in arrays.items():
        name, why = _parameter_for(key, net, learning)
        if name is None:
            faults.append(Fault(f'"{key}" in {path} {why}', span, KEYS))
        elif name in found:
            faults.append(Fault(f'"{found[name][0]}" and "{key}" in {path} are both {name}', span))
        else:
            found[name] = key, array
    for name, parameter in learning.items():
        if name in found:
            faults += _faults_of(*found[name], parameter, path, span)
        elif parameter.kind != "gain":
            faults.append(Fault(f"{path} has nothing for {name}, {_size(parameter.shape)}", span, KEYS))
    if faults:
        raise SnError(faults)
    made = {name: np.array(array, np.float64) for name, (_, array) in found.items()}
    made |= {p.name: gains(net, p, made) for p in learning.values() if p.name not in made}
    return {name: made[name] for name in learning}


def _faults_of(key: str, array: np.ndarray, parameter: Parameter, path: Path, span: Span | None) -> list[Fault]:
    if array.shape != parameter.shape:
        return [Fault(f'"{key}" in {path} is {_size(array.shape)}, {parameter.name} is {_size(parameter.shape)}', span)]
    if array.dtype.kind not in "fiu":
        return [Fault(f'"{key}" in {path} holds {array.dtype}, not numbers', span)]
    if not np.isfinite(array).all():
        return [Fault(f'"{key}" in {path} holds a number that is not finite', span)]
    return []


def _parameter_for(key: str, net: Net, learning: Mapping[str, Parameter]) -> tuple[str | None, str]:
    """The name of the parameter that a key means, or None and why there is none."""
    if key in learning:
        return key, ""
    spelled = [name for name in learning if re.sub(r"\W", "_", name) == re.sub(r"\W", "_", key)]
    if len(spelled) == 1:
        return spelled[0], ""
    layer, kind = key[:-1].lower(), {"w": "weight", "b": "bias"}.get(key[-1:].lower())
    names = [later.name for later in net.layers[1:]]
    matching = [layer] if layer in names else [name for name in names if layer and name.startswith(layer)]
    if kind is None or not matching:
        return None, f"names no parameter of net {net.name}"
    if len(matching) > 1:
        return None, f"could mean the layers {' and '.join(matching)}"
    meant = [p.name for p in learning.values() if p.layer == matching[0] and p.kind == kind]
    if len(meant) > 1:
        return None, f"could mean {' and '.join(meant)}"
    return (meant[0], "") if meant else (None, f"is the {kind} of {matching[0]}, which has none that learns")


def read_arrays(path: Path, span: Span | None = None) -> dict[str, np.ndarray]:
    """The arrays of an npz or safetensors file by key. SnError if there is no such file or it is damaged."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        if zipped:
            with np.load(path, allow_pickle=False) as archive:
                if not all(name.endswith(".npy") for name in archive.zip.namelist()):
                    raise ValueError("it is a zip file with other things")
                return {key: archive[key] for key in archive.files}
        from safetensors.numpy import load_file

        return dict(load_file(path))
    except FileNotFoundError:
        raise fail(f"there is no file {path} with initial weights", span) from None
    except OSError as error:
        raise fail(f"{path} cannot be read: {error.strerror or error}", span) from None
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise fail(f"{path} is damaged or holds no plain arrays: {error}", span,
                   "give an npz or safetensors file") from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise fail(f"{path} is neither an npz nor a safetensors file: {error}", span) from None


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"
