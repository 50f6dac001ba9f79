"""Run a training script unchanged in this process, and write what it learns to a file of events.

`snsim compare FILE.sn SCRIPT.py` starts this file as a program of its own. It imports nothing of snsim.

    python watcher.py EVENTS SETTINGS SCRIPT [ARGS ...]

SETTINGS is a JSON object: see `Watcher`. `snsim.comparison.script.events` reads the file. The script is observed
through hooks of PyTorch that hold for all modules and all optimizers, a `TorchFunctionMode`, and
`torch.autograd.backward`.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import sys
import time
import traceback
import types
from typing import Any

FIGURE = re.compile(r"(?i)(loss|error|\berr\b|miss|accuracy|\bacc\b).*\d|\d.*(loss|error|miss|accuracy)")
_IN_PLACE = {"__setitem__"}
_MOST_BYTES = 1_500_000_000  # of events
_MOST_FIGURES = 5_000  # printed lines that are recorded


def projection(size: int) -> list[float]:
    """Return the vector whose product with a pattern is the pattern's fingerprint."""
    return [math.sin(1.0 + 0.7 * k + 0.013 * k * k) for k in range(size)]


class Events:
    """Writes events: the length of a JSON object, the object, and the bytes of the arrays that it lists."""

    def __init__(self, path: str):
        self._file = open(path, "wb")  # noqa: SIM115 - closed at the end of the process
        self._process = os.getpid()
        self.bytes = 0

    def write(self, kind: str, arrays: dict[str, Any] | None = None, **fields: Any) -> None:
        if os.getpid() != self._process:  # a worker that the script forked
            return
        chunks, described = [], []
        for name, tensor in (arrays or {}).items():
            array = tensor.detach().cpu()
            if array.dtype.is_floating_point and str(array.dtype) not in ("torch.float32", "torch.float64"):
                array = array.float()
            array = array.contiguous().numpy()
            described.append([name, array.dtype.str, list(array.shape)])
            chunks.append(array.tobytes())
        head = json.dumps({"event": kind, **fields, "arrays": described}).encode()
        self._file.write(struct.pack("<I", len(head)))
        self._file.write(head)
        for chunk in chunks:
            self._file.write(chunk)
        self.bytes += len(head) + sum(map(len, chunks))

    def flush(self) -> None:
        self._file.flush()


class Places:
    """Finds the line of the script that runs: the innermost frame of a file in the script's folder."""

    def __init__(self, script: str):
        self._folder = os.path.join(os.path.dirname(os.path.realpath(script)), "")
        self._names: dict[str, str | None] = {}

    def name(self, file: str) -> str | None:
        """Return the name of a file relative to the folder, or None if it is not the user's own."""
        if file not in self._names:
            path = os.path.realpath(file)
            inside = path.startswith(self._folder) and os.path.exists(path)
            own = inside and "site-packages" not in path and not path.startswith(os.path.join(sys.prefix, ""))
            self._names[file] = path[len(self._folder) :] if own else None
        return self._names[file]

    def here(self, depth: int = 1) -> list[Any] | None:
        """Return [file, line], or None."""
        frame = self.frame(depth + 1)
        return None if frame is None else [self.name(frame.f_code.co_filename), frame.f_lineno]

    def frame(self, depth: int = 1) -> types.FrameType | None:
        frame: types.FrameType | None = sys._getframe(depth)
        names = self._names
        while frame is not None:
            file = frame.f_code.co_filename
            if (names[file] if file in names else self.name(file)) is not None:
                return frame
            frame = frame.f_back
        return None


class Watcher:
    """Observes the training of a script.

    `settings` has `presentations` (how many are watched; 0 for all), `patterns` (in a pass of the description),
    `inputs` and `outputs` (units), and `units` (of the layers that are computed).
    """

    def __init__(self, events: Events, places: Places, settings: dict[str, Any]):
        import torch

        self.torch, self.events, self.places = torch, events, places
        self.limit, self.pass_length = settings["presentations"], settings["patterns"]
        self.inputs, self.outputs = settings["inputs"], settings["outputs"]
        self.units = set(settings["units"])
        self.number = 0  # of backward passes
        self.presented = 0  # patterns
        self.root: Any = None
        self.depth = 0
        self.leaves: list[Any] = []
        self.leaf_names: list[str] = []
        self.leaf_numbers: dict[int, int] = {}
        self.pointers: set[int] = set()
        self.snapshot: Any = None
        self.snapshot_number = -1
        self.watching = True
        self.in_mode = False
        self.roots: list[Any] = []
        self.uses: dict[int, str] = {}
        self.order: list[int] = []
        self.kept: list[Any] = []  # so that no id is used twice
        self.most_batch = 1024
        self.projections: dict[Any, Any] = {}
        self.fingerprints: list[float] = []
        self.evaluation: dict[str, Any] | None = None
        self.pending: dict[str, Any] | None = None
        self.groups = ""
        self.rates: list[float] = []
        self.figures = 0
        self.cost_sum, self.cost_count, self.cost_last = 0.0, 0, float("nan")
        self.pass_sum, self.pass_count = 0.0, 0
        self.step_place: Any = None
        self.steps = 0
        self.began = time.process_time()
        self.clear_forward()

    # ---- Hooks ---------------------------------------------------------------------------------------------------

    def install(self) -> None:
        torch = self.torch
        from torch.nn.modules import module
        from torch.optim import optimizer
        from torch.overrides import TorchFunctionMode

        watcher = self

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                if not watcher.watching or watcher.busy:
                    return func(*args, **(kwargs or {}))
                return watcher.see_function(func, args, kwargs or {})

        self.mode = Mode()
        module.register_module_forward_pre_hook(self.safe(self.before_module))
        module.register_module_forward_hook(self.safe(self.after_module))
        optimizer.register_optimizer_step_pre_hook(self.safe(self.before_step))
        optimizer.register_optimizer_step_post_hook(self.safe(self.after_step))
        backward, grad = torch.autograd.backward, torch.autograd.grad

        def watched_backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if self.in_backward:
                return backward(tensors, *args, **kwargs)
            roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
            self.safe(self.before_backward)(roots)
            self.in_backward = True  # PyTorch calls this function once more while the mode is in force
            try:
                result = backward(tensors, *args, **kwargs)
            finally:
                self.in_backward = False
            self.safe(self.after_backward)(None, None)
            return result

        def watched_grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            roots = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
            wanted = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
            of_weights = all(one.is_leaf for one in wanted) and not self.in_backward
            if of_weights:
                self.safe(self.before_backward)(roots)
            self.in_backward, outer = True, self.in_backward
            try:
                result = grad(outputs, inputs, *args, **kwargs)
            finally:
                self.in_backward = outer
            if of_weights:
                self.safe(self.after_backward)(wanted, result)
            return result

        torch.autograd.backward, torch.autograd.grad = watched_backward, watched_grad
        self.set_mode(True)

    def safe(self, function: Any) -> Any:
        """Return the function so that a fault of the watcher ends the watching, not the script."""

        def call(*args: Any) -> None:
            if self.broken or self.busy:
                return
            self.busy = True  # what the watcher computes is not seen by the mode
            try:
                function(*args)
            except Exception:
                self.end_watching()
            finally:
                self.busy = False

        return call

    broken = busy = in_backward = False

    def end_watching(self) -> None:
        self.broken, self.watching = True, False
        self.events.write("broken", text=traceback.format_exc()[-2000:])

    def set_mode(self, on: bool) -> None:
        """Enter or leave the mode, where nothing of the script lies above it."""
        from torch.overrides import _get_current_function_mode_stack

        if on and not self.in_mode:
            self.mode.__enter__()  # type: ignore[no-untyped-call]
            self.in_mode = True
        elif not on and self.in_mode:
            stack = _get_current_function_mode_stack()
            if stack and stack[-1] is self.mode:
                self.mode.__exit__(None, None, None)
                self.in_mode = False

    def watches(self) -> bool:
        """Return whether the next presentation is watched: the first ones, and those round the end of each pass."""
        if self.limit == 0 or self.presented < self.limit:
            return True
        place, edge = self.presented % self.pass_length, 2 * self.last_batch
        return bool(self.pass_length > 4 * edge and (place < edge or place >= self.pass_length - edge))

    # ---- Forward -------------------------------------------------------------------------------------------------

    def clear_forward(self) -> None:
        self.x: Any = None
        self.y: Any = None
        self.recent_x: Any = None
        self.targets: Any = None
        self.states: list[tuple[Any, str, Any]] = []
        self.gates: list[tuple[Any, dict[str, Any]]] = []
        self.cost_place: Any = None
        self.forward_place: Any = None
        self.training: bool | None = None
        self.touched = False
        self.batch = 1

    def before_module(self, module: Any, args: Any) -> None:
        if self.root is None:
            self.depth += 1
            if self.depth > 1 or not any(p.requires_grad for p in module.parameters()):
                return
            if self.find_x(args) is None:
                return
            self.root = module
            self.roots.append(module)
        elif module is not self.root:
            return
        x = self.find_x(args)
        if x is None:
            return
        self.flush_evaluation_if_pending()
        self.watching = self.watches()
        self.set_mode(self.watching)
        self.clear_forward()
        self.batch = max(1, x.numel() // self.inputs)
        self.x = x.detach().clone() if self.watching and self.batch <= self.most_batch else x.detach()
        self.use_one_thread()
        self.forward_place = self.places.here(3)
        self.training = bool(module.training)
        self.pending = {
            "patterns": self.batch,
            "training": self.training,
            "grad": self.torch.is_grad_enabled(),
            "place": self.forward_place,
            "prints": self.fingerprint(x),
        }

    def use_one_thread(self) -> None:
        """Use one thread if patterns come one by one: a second one is never faster then."""
        if self.number == 0 and self.batch == 1 and self.torch.get_num_threads() > 1:
            self.torch.set_num_threads(1)

    def find_x(self, args: Any) -> Any:
        for one in args:
            if isinstance(one, self.torch.Tensor) and one.numel():
                return one
        return None

    def after_module(self, module: Any, args: Any, output: Any) -> None:
        if self.root is None:
            self.depth -= 1
            return
        if module is self.root and self.watching:
            y = output
            if isinstance(y, (tuple, list)):
                y = next((one for one in y if isinstance(one, self.torch.Tensor)), None)
            elif isinstance(y, dict):
                y = next((one for one in y.values() if isinstance(one, self.torch.Tensor)), None)
            if isinstance(y, self.torch.Tensor):
                self.y = y.detach().clone()

    def fingerprint(self, x: Any) -> list[float]:
        """Return the product of each pattern with the projection."""
        torch = self.torch
        size = self.inputs
        if x.numel() % size or not x.is_floating_point():
            return []
        flat = x.detach().reshape(-1, size)
        if x.device not in self.projections:
            self.projections[x.device] = torch.tensor(projection(size), dtype=torch.float64).to(x.device)
        products: list[float] = (flat.double() @ self.projections[x.device]).tolist()
        return products

    def see_function(self, func: Any, args: Any, kwargs: Any) -> Any:
        torch = self.torch
        if func is torch.nn.functional.dropout and not self.broken:
            return self.see_dropout(func, args, kwargs)
        result = func(*args, **kwargs)
        if self.broken:
            return result
        self.busy = True
        try:
            self.record_function(func, args, kwargs, result)
        except Exception:
            self.end_watching()
        finally:
            self.busy = False
        return result

    def see_dropout(self, func: Any, args: Any, kwargs: Any) -> Any:
        x = args[0] if args else kwargs["input"]
        before = x.detach().clone()
        result = func(*args, **kwargs)
        p = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
        training = args[2] if len(args) > 2 else kwargs.get("training", True)
        if training and p and torch_grad_enabled(self.torch):
            gate = result.detach() / before
            gate[before == 0] = 1 / (1 - p) if p < 1 else 0.0
            self.gates.append((gate, {"p": p, "place": self.places.here(2)}))
            self.note_state(result, "dropout", 3)
        return result

    def note_state(self, result: Any, name: str, depth: int) -> None:
        numel = result.numel()
        if self.batch <= self.most_batch and numel % self.batch == 0 and numel // self.batch in self.units:
            self.states.append((result.detach().clone(), name, self.places.here(depth + 1)))

    def record_function(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        torch = self.torch
        tensor = torch.Tensor
        name = getattr(func, "__name__", "")
        operands = [one for one in args if isinstance(one, tensor)]
        for one in args:
            if isinstance(one, (tuple, list)):
                operands += [inner for inner in one if isinstance(inner, tensor)]
        if kwargs:
            operands += [one for one in kwargs.values() if isinstance(one, tensor)]
        if operands and self.changes_in_place(name, func):
            if operands[0].data_ptr() in self.pointers:
                self.step_place = self.places.here(3)
                return
            if operands[0].is_leaf:
                return  # it is made, not used
        if not torch.is_grad_enabled():
            return
        learns = False
        for one in operands:
            if one.requires_grad:
                learns = True
                if one.is_leaf and id(one) not in self.uses and name not in ("__get__", "zero_", "detach", "size"):
                    self.uses[id(one)] = name
                    self.order.append(id(one))
                    self.kept.append(one)
        if not isinstance(result, tensor):
            return
        if result.requires_grad and not result.is_leaf:
            if self.x is None and self.recent_x is not None and not self.touched:
                self.batch = max(1, self.recent_x.numel() // self.inputs)
            self.touched = True
            if result.dim() == 0 or result.numel() == 1:
                self.cost_place = self.places.here(3)
            self.note_state(result, name, 3)
            if learns and len(operands) > 1:
                for one in operands:
                    if one.requires_grad or one.is_leaf is False:
                        continue
                    count = one.numel()
                    is_coded = one.is_floating_point() and count == self.batch * self.outputs
                    is_label = not one.is_floating_point() and one.dtype != torch.bool and count == self.batch
                    if (is_coded or is_label) and (self.y is not None or self.x is None):
                        self.targets = one.detach().clone()
        elif self.x is None and (not self.touched or self.recent_x is None):
            for one in (*operands, result):
                if self.may_be_input(one):
                    self.recent_x = one.detach()
                    if self.touched:  # what came before it was an update
                        self.touched = False
                        self.states.clear()

    def may_be_input(self, one: Any) -> bool:
        """Return whether a tensor may be the input of a net without modules: patterns, as many as a batch has."""
        count = one.numel()
        if not count or count % self.inputs or one.requires_grad or not one.is_floating_point():
            return False
        return self.number == 0 or count <= self.last_batch * self.inputs

    def changes_in_place(self, name: str, func: Any) -> bool:
        if name == "__set__":
            data: Any = self.torch.Tensor.data
            return bool(func == data.__set__)
        return name in _IN_PLACE or (name.endswith("_") and (name.startswith("__i") or not name.startswith("__")))

    # ---- Backward ------------------------------------------------------------------------------------------------

    def before_backward(self, roots: list[Any]) -> None:
        if self.root is None:
            self.watching = self.watches()
        self.use_one_thread()
        self.most_batch = max(8, 2 * self.batch)
        if self.presented % self.pass_length == 0:
            self.pass_sum, self.pass_count = 0.0, 0
        found = self.graph_leaves(roots) if self.watching or not self.leaves else None
        if found is not None and any(id(one) not in self.leaf_numbers for one in found):
            self.add_leaves(found)
        self.backward_place = self.places.here(3)
        loss = roots[0].detach() if len(roots) == 1 else sum(one.detach().sum() for one in roots)
        self.cost = float(loss.sum())
        self.cost_sum += self.cost
        self.cost_count += 1
        self.pass_sum += self.cost
        self.pass_count += 1
        self.cost_last = self.cost
        if self.watching:
            self.take_snapshot()
            before = [one.grad for one in self.leaves]
            nonzero = any(one is not None and bool((one != 0).any()) for one in before)
            self.grad_before = self.flat_grad(before) if nonzero else None

    def after_backward(self, wanted: Any, gradients: Any) -> None:
        number = self.number
        self.number += 1
        presented = self.presented
        self.presented += self.batch
        self.last_batch = self.batch
        prints = self.pending["prints"] if self.pending is not None else []
        self.pending = None
        self.fingerprints += prints if prints else []
        if len(self.fingerprints) > 20_000:
            self.flush_prints()
        if not self.watching:
            return
        x = self.x if self.x is not None else self.recent_x
        if wanted is None:
            grads = [one.grad for one in self.leaves]
        else:
            by_id = {id(one): gradient for one, gradient in zip(wanted, gradients)}
            grads = [by_id.get(id(one)) for one in self.leaves]
        self.last_grad = self.flat_grad(grads)
        arrays: dict[str, Any] = {"grad": self.last_grad}
        if self.grad_before is not None and wanted is None:
            arrays["grad_before"] = self.grad_before
        for key, value in (("x", x), ("y", self.y), ("targets", self.targets)):
            if value is not None:
                arrays[key] = value
        states = self.states[-60:]
        for k, (state, _, _) in enumerate(states):
            arrays[f"state{k}"] = state
        for k, (gate, _) in enumerate(self.gates):
            arrays[f"gate{k}"] = gate
        self.events.write(
            "backward",
            arrays,
            number=number,
            presented=presented,
            batch=self.batch,
            cost=self.cost,
            weights=self.snapshot_number,
            missing=[k for k, one in enumerate(grads) if one is None],
            training=self.training,
            states=[[name, place] for _, name, place in states],
            gates=[fields for _, fields in self.gates],
            forward_place=self.forward_place,
            cost_place=self.cost_place,
            backward_place=self.backward_place,
        )
        if self.events.bytes > _MOST_BYTES and not self.is_full:
            self.limit, self.is_full = self.presented, True
            self.events.write("full", presented=self.presented)
        self.clear_forward()
        if not self.watches():
            self.after_window = True

    after_window = is_full = False

    def flat_grad(self, grads: list[Any]) -> Any:
        torch = self.torch
        return torch.cat(
            [
                torch.zeros(leaf.numel(), dtype=leaf.dtype, device=leaf.device)
                if grad is None
                else (grad.to_dense() if grad.is_sparse else grad).detach().reshape(-1)
                for leaf, grad in zip(self.leaves, grads)
            ]
        )

    def graph_leaves(self, roots: list[Any]) -> list[Any]:
        """Return the leaf tensors below, in the order of their first use."""
        found, seen = [], set()
        stack = [one.grad_fn for one in roots if one.grad_fn is not None]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            variable = getattr(node, "variable", None)
            if variable is not None:
                found.append(variable)
            stack += [following for following, _ in node.next_functions if following is not None]
        rank = {identity: k for k, identity in enumerate(self.order)}
        return sorted(found, key=lambda one: rank.get(id(one), len(rank)))

    def add_leaves(self, found: list[Any]) -> None:
        """Write the parameters with their names; those that the graph does not reach follow."""
        named: dict[int, str] = {}
        ordered = list(found)
        for root in self.roots:
            for name, parameter in root.named_parameters():
                named.setdefault(id(parameter), name)
                if parameter.requires_grad and all(parameter is not one for one in ordered):
                    ordered.append(parameter)
        self.name_from_frames(named, ordered)
        names = [named.get(id(one), f"tensor {k + 1}") for k, one in enumerate(ordered)]
        uses = [self.uses.get(id(one), "") for one in ordered]
        self.leaf_numbers = {id(one): k for k, one in enumerate(ordered)}
        before = [(name, one.shape) for name, one in zip(self.leaf_names, self.leaves)]
        self.leaves, self.leaf_names, self.kept = ordered, names, list(ordered)
        self.order = [identity for identity in self.order if identity in self.leaf_numbers]
        self.uses = {identity: use for identity, use in self.uses.items() if identity in self.leaf_numbers}
        if before == [(name, one.shape) for name, one in zip(names, ordered)]:
            self.renews = True
            return
        self.snapshot = None
        modes = sorted(
            {
                type(part).__name__
                for root in self.roots
                for part in root.modules()
                if "Dropout" in type(part).__name__ or "Norm" in type(part).__name__
            }
        )
        reached = {id(one) for one in found}
        self.events.write(
            "leaves",
            number=self.number,
            dtype=str(ordered[0].dtype).removeprefix("torch."),
            modules=[type(root).__name__ for root in self.roots],
            modes=modes,
            place=self.forward_place or self.places.here(3),
            leaves=[[name, list(one.shape), use, id(one) in reached] for name, use, one in zip(names, uses, ordered)],
        )

    def name_from_frames(self, named: dict[int, str], leaves: list[Any]) -> None:
        """Name tensors by the variables of the script that hold them."""
        wanted = {id(one) for one in leaves} - set(named)
        frame = self.places.frame(3)
        while frame is not None and wanted:
            if self.places.name(frame.f_code.co_filename) is not None:
                for variables in (frame.f_locals, frame.f_globals):
                    for name, value in list(variables.items()):
                        if isinstance(value, dict):
                            inner = [(f"{name}[{key!r}]", one) for key, one in value.items()]
                        elif isinstance(value, (list, tuple)):
                            inner = [(f"{name}[{k}]", one) for k, one in enumerate(value[:200])]
                        else:
                            inner = [(name, value)]
                        for shown, one in inner:
                            if id(one) in wanted:
                                named.setdefault(id(one), shown)
            frame = frame.f_back

    def take_snapshot(self) -> int:
        """Write the weights if they are not those of the last snapshot; return the number of the snapshot."""
        torch = self.torch
        if not self.leaves:
            return -1
        self.pointers = {one.data_ptr() for one in self.leaves}
        flat = torch.cat([one.detach().reshape(-1) for one in self.leaves])
        if self.snapshot is None or not torch.equal(flat, self.snapshot):
            self.snapshot = flat
            self.snapshot_number += 1
            self.events.write(
                "weights", {"w": flat}, snapshot=self.snapshot_number, number=self.number, place=self.step_place
            )
        return self.snapshot_number

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Write the gradients if they are no longer those of the backward pass."""
        last, self.last_grad = self.last_grad, None
        if last is None or not self.watching:
            return
        now = self.flat_grad([one.grad for one in self.leaves])
        if not self.torch.equal(now, last):
            self.events.write("changed gradient", {"grad": now}, number=self.number, place=self.places.here(3))

    last_grad: Any = None
    last_batch = 1
    renews = False  # whether the script makes new tensors in each step

    # ---- Steps ---------------------------------------------------------------------------------------------------

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.steps += 1
        if not self.watching:
            rates = [group.get("lr") for group in optimizer.param_groups]
            if self.rates == rates:
                if self.after_window:
                    self.after_window = False
                    self.take_snapshot()
                return
        groups = []
        for group in optimizer.param_groups:
            settings = {
                key: (float(value) if isinstance(value, self.torch.Tensor) else value)
                for key, value in group.items()
                if key != "params"
                and (
                    isinstance(value, (int, float, bool, str, type(None), tuple, list))
                    or (isinstance(value, self.torch.Tensor) and value.numel() == 1)
                )
            }
            groups.append(
                {
                    "settings": {k: v for k, v in settings.items() if k not in ("param_names", "initial_lr")},
                    "leaves": [self.leaf_numbers[id(p)] for p in group["params"] if id(p) in self.leaf_numbers],
                }
            )
        self.rates = [group.get("lr") for group in optimizer.param_groups]
        text = json.dumps([type(optimizer).__name__, groups], default=str)
        if text != self.groups:
            self.groups = text
            self.events.write(
                "optimizer",
                presented=self.presented,
                number=self.number,
                name=type(optimizer).__name__,
                groups=json.loads(text)[1],
                place=self.places.here(3),
            )
        if self.watching or self.after_window:
            self.step_place = self.places.here(3)
            self.after_window = False
            snapshot = self.take_snapshot()
            self.events.write("step", number=self.number, weights=snapshot, place=self.step_place)

    # ---- Evaluations and printed figures -------------------------------------------------------------------------

    def flush_evaluation_if_pending(self) -> None:
        """Write the last forward pass as an evaluation if no backward pass followed it; join equal ones."""
        pending, self.pending = self.pending, None
        if pending is None:
            self.flush_evaluation()
            return
        last = self.evaluation
        if last is not None and last["place"] == pending["place"] and last["training"] == pending["training"]:
            last["patterns"] += pending["patterns"]
            last["prints"] += pending["prints"]
            return
        self.flush_evaluation()
        self.evaluation = pending

    def flush_evaluation(self) -> None:
        done, self.evaluation = self.evaluation, None
        if done is None:
            return
        torch = self.torch
        prints = done.pop("prints")
        self.events.write(
            "evaluation",
            {"prints": torch.tensor(prints[:200_000], dtype=torch.float64)},
            presented=self.presented,
            number=self.number,
            weights=self.take_snapshot(),
            **done,
        )

    def see_line(self, text: str) -> None:
        """Record a printed line that may hold a figure."""
        if self.figures >= _MOST_FIGURES or not self.leaves or FIGURE.search(text) is None:
            return
        self.figures += 1
        self.find_renewed()
        self.flush_evaluation_if_pending()
        self.flush_evaluation()
        self.events.write(
            "printed",
            presented=self.presented,
            number=self.number,
            text=text[:1000],
            weights=self.take_snapshot(),
            place=self.places.here(4),
            costs=[
                self.cost_last,
                self.cost_sum / max(1, self.cost_count),
                self.pass_sum / max(1, self.pass_count),
                self.cost_sum,
                self.pass_sum,
            ],
        )
        self.cost_sum, self.cost_count = 0.0, 0

    def find_renewed(self) -> None:
        """Take the newest tensors of a script that makes new ones in each step, by the names of their variables."""
        frame = self.places.frame(4) if self.renews else None
        for k, name in enumerate(self.leaf_names if frame is not None else ()):
            assert frame is not None
            now = frame.f_locals.get(name, frame.f_globals.get(name))
            if isinstance(now, self.torch.Tensor) and now.shape == self.leaves[k].shape:
                self.leaves[k] = now

    def flush_prints(self) -> None:
        if self.fingerprints:
            torch = self.torch
            self.events.write("prints", {"prints": torch.tensor(self.fingerprints, dtype=torch.float64)})
            self.fingerprints = []

    def end(self) -> None:
        self.watching = False
        self.flush_evaluation_if_pending()
        self.flush_evaluation()
        self.flush_prints()
        self.events.write(
            "end",
            presented=self.presented,
            number=self.number,
            steps=self.steps,
            weights=self.take_snapshot(),
            seconds=time.process_time() - self.began,
        )


def torch_grad_enabled(torch: Any) -> bool:
    return bool(torch.is_grad_enabled())


class Printed:
    """Standard output or standard error of the script; each whole line is shown to the watcher too."""

    def __init__(self, stream: Any, watcher: Watcher):
        self._stream, self._watcher, self._line = stream, watcher, ""

    def write(self, text: str) -> int:
        written: int = self._stream.write(text)
        self._line += text
        while "\n" in self._line:
            line, self._line = self._line.split("\n", 1)
            self._watcher.safe(self._watcher.see_line)(line)
        self._line = self._line[-2000:]
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main() -> int:
    path, settings, script, *args = sys.argv[1:]
    events = Events(path)
    script = os.path.realpath(script)
    sys.argv = [script, *args]
    sys.path[0] = os.path.dirname(script)
    places = Places(script)
    code = 0
    watcher = Watcher(events, places, json.loads(settings))
    watcher.install()
    sys.stdout, sys.stderr = Printed(sys.stdout, watcher), Printed(sys.stderr, watcher)
    module = types.ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    try:
        with open(script, "rb") as file:
            program = compile(file.read(), script, "exec")
        exec(program, module.__dict__)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if code:
            events.write("failed", type="SystemExit", message=str(stop.code)[:500], place=None)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if places.name(f.filename) is not None]
        place = [places.name(frames[-1].filename), frames[-1].lineno] if frames else None
        if isinstance(error, SyntaxError):
            place = [os.path.basename(error.filename or script), error.lineno]
        events.write("failed", type=type(error).__name__, message=str(error)[:500], place=place)
        code = 1
    watcher.safe(watcher.end)()
    events.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
