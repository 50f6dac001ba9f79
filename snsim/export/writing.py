"""Write an export and run it beside the engine at once. Imports torch."""

from __future__ import annotations

import io
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snsim.export.subject import Exported, Subject, check_difference
from snsim.export.torch_page import torch_page
from snsim.protected_files import write_file


def tensor_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a file of tensors as torch.load(..., weights_only=True) reads it."""
    content = io.BytesIO()
    torch.save({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, content)
    return content.getvalue()


def export_torch(subject: Subject, path: Path) -> Exported:
    """Write a net as a page of PyTorch, the Python file `path`, with its weights and data in .pt files.

    The page is run beside the engine first: SnError, and no file, if their outputs differ.
    """
    stem = path.name.removesuffix(".py")
    page = torch_page(subject, stem)
    dtype = np.dtype(subject.dtype)
    weights = {page.names[name]: np.asarray(values, dtype) for name, values in subject.weights.items()}
    data = {n: a.astype(dtype) if a.dtype == np.float64 else a for n, a in page.data.items()}
    net = _load_page(page.text, path).to(getattr(torch, subject.dtype))
    net.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in weights.items()})

    def step(inputs: np.ndarray, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        made, next_context = net.step(torch.from_numpy(inputs), torch.from_numpy(context))
        return made.numpy(), next_context.numpy()

    with torch.no_grad():
        outputs = (
            subject.outputs_by_steps(step)
            if subject.net.delayed
            else torch.cat([net(x) for x in torch.from_numpy(np.array(subject.inputs)).split(1000)]).numpy()
        )
    difference = check_difference(subject, outputs, "the page")
    files = {path: page.text.encode()}
    if subject.trained or page.left_out:
        files[path.with_name(f"{stem}.pt")] = tensor_bytes(weights)
    if data:
        files[path.with_name(f"{stem}-data.pt")] = tensor_bytes(data)
    for file, content in files.items():
        write_file(file, content)
    notes = page.notes if page.left_out is None else (f"the page does not train: {page.left_out}",)
    return Exported(tuple(files), notes, difference, subject.checked_on)


def _load_page(text: str, path: Path) -> Any:
    """Return the net of a page that was just written. No name of a description reaches it but as an identifier."""
    page = types.ModuleType("page")
    page.__file__ = str(path)
    exec(compile(text, str(path), "exec"), page.__dict__)
    return page.__dict__["Net"]().train(False)
