"""Write a net as ONNX or as a program of torch.export, and run what was written. Imports torch."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from snsim.engines.plan import Plan
from snsim.engines.torch.module import ConnectionModule, SnModule, build_module
from snsim.errors import fail
from snsim.export.subject import Exported, Subject, check_difference
from snsim.optional_packages import needing
from snsim.protected_files import write_file


class _Rows(nn.Module):
    """The net for several patterns: (patterns, *input shape) in, (patterns, *output shape) out."""

    def __init__(self, net: SnModule):
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> Tensor:
        units = 1
        for n in self.net.input_shape:
            units *= n
        outputs: Tensor = self.net._states(inputs.reshape(-1, units))[-1]
        return outputs.reshape(-1, *self.net.output_shape)


class _Step(nn.Module):
    """One step of a net with delays, for several sequences: inputs and context in, outputs and the next context out."""

    def __init__(self, net: SnModule, plan: Plan):
        super().__init__()
        self.net, self.output_shape = net, plan.output_shape
        self.carried = [layer for layer, _ in plan.carried]

    def forward(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        states = self.net._states(torch.cat([context, inputs.flatten(1)], 1))
        return states[-1].reshape(-1, *self.output_shape), torch.cat([states[k] for k in self.carried], 1)


def _net(subject: Subject) -> SnModule:
    net = build_module(subject.plan, getattr(torch, subject.dtype))
    dtype = np.dtype(subject.dtype)
    net.load_weights({name: np.array(values, dtype) for name, values in subject.weights.items()})
    return net.train(False)


def _program(subject: Subject, gathers: bool = False) -> torch.export.ExportedProgram:
    """Return the net as a program of torch.export, for any number of patterns; see `ConnectionModule.use_gathers`."""
    net = _net(subject)
    for part in net.modules():
        if gathers and isinstance(part, ConnectionModule):
            part.use_gathers()
    dtype = getattr(torch, subject.dtype)
    if subject.net.delayed:
        step = (
            torch.zeros(2, *subject.net.input_shape, dtype=dtype),
            torch.zeros(2, subject.context_units, dtype=dtype),
        )
        sequences = torch.export.Dim("sequences")
        return torch.export.export(_Step(net, subject.plan), step, dynamic_shapes=({0: sequences}, {0: sequences}))
    example = torch.zeros(2, *net.input_shape, dtype=dtype)
    patterns = torch.export.Dim("patterns")
    return torch.export.export(_Rows(net), (example,), dynamic_shapes=({0: patterns},))


def _in_shape(subject: Subject, inputs: np.ndarray) -> np.ndarray:
    return inputs.reshape(-1, *subject.net.input_shape)


def _shaped(subject: Subject) -> np.ndarray:
    return np.ascontiguousarray(subject.inputs.reshape(-1, *subject.plan.input_shape), subject.dtype)


def _metadata(subject: Subject) -> dict[str, str]:
    return {"snsim": json.dumps({"name": subject.name, "from": subject.origin, "dtype": subject.dtype})}


def export_pt2(subject: Subject, path: Path) -> Exported:
    """Write a program of torch.export, which torch.export.load reads.

    Loads and runs the program first. Raises SnError if its outputs differ from snsim's.
    """
    content = io.BytesIO()
    with _quiet():
        torch.export.save(_program(subject), content)
        content.seek(0)
        again = torch.export.load(content).module()

    def step(inputs: np.ndarray, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        made, next_context = again(torch.from_numpy(_in_shape(subject, inputs)), torch.from_numpy(context))
        return made.numpy(), next_context.numpy()

    with torch.no_grad():
        outputs = (
            subject.outputs_by_steps(step)
            if subject.net.delayed
            else torch.cat([again(x) for x in torch.from_numpy(_shaped(subject)).split(1000)]).numpy()
        )
    difference = check_difference(subject, outputs, "the program of torch.export")
    write_file(path, content.getvalue())
    return Exported((path,), (), difference, subject.checked_on)


def export_onnx(subject: Subject, path: Path) -> Exported:
    """Write an ONNX model with the input `inputs` and the output `outputs`, (patterns, units).

    Runs the model with onnxruntime first. Raises SnError if its outputs differ from snsim's, or a package is missing.
    """
    with needing("onnx", "onnxscript", "onnxruntime", what="snsim export --to onnx"):
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  # torch.onnx needs it
    with _quiet():
        program = torch.onnx.export(
            _program(subject, gathers=True),
            dynamo=True,
            input_names=["inputs", "context"] if subject.net.delayed else ["inputs"],
            output_names=["outputs", "next_context"] if subject.net.delayed else ["outputs"],
            verbose=False,
        )
    if program is None:
        raise fail("torch.onnx wrote no model", hint="install a newer PyTorch, or write --to pt2")
    model = program.model_proto
    for key, value in _metadata(subject).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class but Exception
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise fail(
            f"ONNX Runtime does not run the model in {subject.dtype}: {str(error).splitlines()[0]}",
            hint="write --to pt2 or --to object; ONNX Runtime has convolutions in float32 only: a description takes "
            "--dtype float32",
        ) from None

    def step(inputs: np.ndarray, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fed = {"inputs": _in_shape(subject, inputs), "context": context}
        made, next_context = session.run(["outputs", "next_context"], fed)
        return made, next_context

    if subject.net.delayed:
        outputs = subject.outputs_by_steps(step)
    else:
        inputs = _shaped(subject)
        outputs = np.concatenate(
            [session.run(["outputs"], {"inputs": inputs[k : k + 1000]})[0] for k in range(0, len(inputs), 1000)]
        )
    difference = check_difference(subject, outputs, "the ONNX model")
    write_file(path, content)
    return Exported((path,), (), difference, subject.checked_on)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what PyTorch prints while it exports: warnings about its own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
