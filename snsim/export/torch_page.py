"""Write a net and its training as one page of plain PyTorch, and what the page reads."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from snsim.engines.plan import LayerPlan, Link, Plan
from snsim.engines.torch.module import autograd_suffices
from snsim.errors import fail
from snsim.export import page_parts as parts
from snsim.export.subject import Subject
from snsim.export.torch_expressions import expression_lines
from snsim.network.expressions import Expression, number, substitute
from snsim.network.expressions import number_text as number_of
from snsim.network.net import Parameter
from snsim.network.wiring import BORDER, Dense, Frames, Normalization, Windows
from snsim.training.initial import CURVATURE, NOISE, ORDER, stream_generator
from snsim.training.loop import presentation_order
from snsim.training.parameter_scopes import StatementsByScope, fan_in_of
from snsim.training.spec import Stage, Training, Value

_MOST_TABLE = 100_000  # connections of an explicit table that a page may list
_MOST_DRAWN = 50_000_000  # numbers that are kept of the draws of a training
_RELU = "(if (<= x 0) 0 x)"


@dataclass(frozen=True, eq=False)
class TorchPage:
    """A page of PyTorch, and the arrays that it reads.

    `names` are the page's names of the parameters by snsim's. `left_out` says why the page does not train; None if it
    does.
    """

    text: str
    names: Mapping[str, str]
    left_out: str | None
    data: Mapping[str, np.ndarray] = field(default_factory=dict)


def torch_page(subject: Subject, stem: str) -> TorchPage:
    """Return the page; `stem` is the name of its file without `.py`. SnError if the net is too irregular for a page."""
    writer = _NetWriter(subject.plan, subject)
    left_out = _why_not_trained(subject)
    training = None if left_out else subject.training
    body = writer.net_class(training)
    stem = _plain(stem)
    head = [f'"""{_plain(subject.name)}, from {_plain(subject.origin)}: plain PyTorch, written by snsim.', ""]
    data: dict[str, np.ndarray] = {}
    train: list[str] = []
    if training is not None:
        data = _patterns(subject) | _draws(subject, training)
        data |= {f"start.{writer.names[name]}": values for name, values in (subject.start or {}).items()}
        train = _training_text(subject, training, writer, data)
        head += [
            f"`python {stem}.py` trains it: patterns and initial weights are in {stem}-data.pt. "
            f"`python {stem}.py 1` makes one pass."
        ]
    elif subject.training is not None:
        head += [f"This page does not train: {_plain(left_out or '')}."]
    if subject.trained:
        head += [f'Trained weights: `net.load_state_dict(torch.load("{stem}.pt", weights_only=True))`.']
    elif training is None:
        head += [f'Its weights: `net.load_state_dict(torch.load("{stem}.pt", weights_only=True))`.']
    head += ['"""', ""]
    imports = ["import sys", ""] if train else []
    imports += ["import torch", "from torch import nn"]
    pieces = [*writer.functions(), *writer.classes(), body]
    text = "\n".join(piece.strip("\n") + "\n\n" for piece in pieces) + "\n" + "\n".join(train)
    if "F." in text:
        imports.append("from torch.nn import functional as F")
    return TorchPage("\n".join([*head, *imports, "", "", text]).rstrip() + "\n", writer.names, left_out, data)


def _why_not_trained(subject: Subject) -> str | None:
    """Return why the page has no training; None if it has one."""
    training = subject.training
    if training is None:
        return "the net has no training"
    if subject.data is None:
        return "its data were not found"
    if subject.start is None:
        return "the file of its initial weights was not found"
    stage, net = training.stages[0], training.net
    if len(training.stages) > 1:
        return f"its training has {len(training.stages)} stages"
    if stage.rule.conjugate:
        return f"the rule {stage.rule.name} moves all weights at once"
    if stage.prune is not None or stage.theta is not None:
        return f"({'prune' if stage.prune is not None else 'theta'} ...) is not written in PyTorch"
    if training.criterion[0] not in parts.CRITERIA:
        return f"(correct {training.criterion[0]}) is not written in PyTorch"
    normalized = any(c.weight_norm for c in net.connections)
    if stage.rule.curvature and (net.transforms or stage.dropout or normalized):
        what = "normalize or attend" if net.transforms else "dropout" if stage.dropout else "weight-norm"
        return f"the curvature through {what} is not written in PyTorch"
    if any(_rate_text(stage, p, training.fan_in) is None for p in net.parameters if p.learns):
        return "the weights of one parameter have different rates"
    return None


# ---- The net -----------------------------------------------------------------------------------------------------


class _NetWriter:
    """The class of the net, and the names in it."""

    def __init__(self, plan: Plan, subject: Subject):
        self.plan, self.dtype = plan, subject.dtype
        self.softmax = subject.training is not None and subject.training.cost.softmax
        self.dropout = {} if subject.training is None else dict(subject.training.stages[0].dropout)
        self._taken = {"forward", "cost", "curvature", "training", "weight", "bias", "states", "tables", "schedule"}
        self._taken |= {"input_shape", "output_shape", "parameter_names", "layer_names", "load_weights", "connection"}
        self._parts: set[str] = set()
        self._functions: dict[str, str] = {}  # text of a non-linearity by its name
        self._function_of: dict[tuple[Expression, Expression, Expression], str] = {}
        self.names: dict[str, str] = {}
        self._modules: dict[str, str] = {}
        for stage in plan.stages:
            for link in stage.links:
                module = self._modules[link.connection.name] = self._attribute(link.connection.name)
                self.names[link.slot] = f"{module}.weight"
                if link.gain is not None:
                    self.names[link.gain] = f"{module}.gain"
            module = self._modules[stage.name] = self._attribute(stage.name)
            if stage.bias is not None:
                self.names[stage.bias] = f"{module}.bias"
        self._used: set[str] = set()  # names of the variables in the methods of the net
        self._locals = {0: self._local(_identifier(plan.layer_names[0]))}
        self._locals |= {stage.layer: self._local(self._modules[stage.name]) for stage in plan.stages}
        self.shapes = {0: _shape(plan.input_shape, False)}
        for stage in plan.stages:
            only_frames = bool(stage.links) and all(isinstance(link.structure, Frames) for link in stage.links)
            self.shapes[stage.layer] = _shape(stage.shape, only_frames)

    def _local(self, name: str) -> str:
        """Return a name for the states of a layer; its sums and squares have the same name with an ending."""
        name = _variable(name)
        while self._used & {name, f"{name}_a", f"{name}_q"}:
            name += "_"
        self._used |= {name, f"{name}_a", f"{name}_q"}
        return name

    def _attribute(self, name: str) -> str:
        attribute = _identifier(name)
        while attribute in self._taken or attribute in _MODULE_NAMES or keyword.iskeyword(attribute):
            attribute += "_"
        self._taken.add(attribute)
        return attribute

    # ---- Non-linearities ---------------------------------------------------------------------------------------

    def _nlf(self, stage: LayerPlan) -> str:
        key = (stage.f, stage.df, stage.ddf)
        if key not in self._function_of:
            nlf = self.plan.net.layer(stage.name).nlf
            stated = "nlf" if nlf is None else nlf.name.split()[0].strip("(")
            name = _variable(_identifier(stated))
            while name in self._functions or {name, f"{name}_slope"} & self._used:
                name += "_"
            self._function_of[key] = name
            self._functions[name] = self._nlf_text(name, stage)
        return self._function_of[key]

    def _nlf_text(self, name: str, stage: LayerPlan) -> str:
        if str(stage.f) == _RELU and autograd_suffices(stage):
            return f"def {name}(x):\n    return F.relu(x)\n"
        if autograd_suffices(stage):
            lines, (f,) = expression_lines([stage.f], {"x"}, self.dtype)
            f = f if stage.f.variables() else f"torch.full_like(x, {f})"
            return "\n".join([f"def {name}(x):", *_indented(lines), f"    return {f}", ""])
        lines, texts = expression_lines([stage.f, stage.df, stage.ddf], {"x"}, self.dtype, {"x": "at"})
        f, df, ddf = (
            text if e.variables() else f"torch.full_like(at, {text})"
            for text, e in zip(texts, (stage.f, stage.df, stage.ddf))
        )
        return "\n".join(
            [
                f"def {name}(x):",
                '    """f at x, with the derivatives that the net states: a Taylor polynomial round x itself."""',
                "    at = x.detach()",
                *_indented(lines),
                f"    f, slope, bend = {f}, {df}, {ddf}",
                "    return f + (x - at) * (slope + 0.5 * (x - at) * bend)",
                "",
            ]
        )

    def functions(self) -> list[str]:
        """Return the text of each non-linearity and transform."""
        used = list(self._functions.values())
        structures = [t.structure for stage in self.plan.stages for t in stage.transfers]
        if any(isinstance(s, Normalization) for s in structures):
            used.append(parts.NORMALIZE.replace("{epsilon:g}", f"{Normalization.EPSILON:g}"))
        if any(not isinstance(s, Normalization) for s in structures):
            used.append(parts.ATTEND)
        return used

    def classes(self) -> list[str]:
        """Return the text of each class that the net uses, Net itself excepted."""
        gains = any(link.gain is not None for stage in self.plan.stages for link in stage.links)
        base = (
            parts.CONNECTION.replace("{gain_argument}", ", owners=None" if gains else "")
            .replace("{gain_lines}", parts.GAIN_LINES if gains else "")
            .replace("{weight}", "self.normalized()" if gains else "self.weight")
        )
        base += (parts.NORMALIZED if gains else "") + (parts.SQUARES if "curvature" in self._parts else "")
        texts = [base] if self._parts - {"curvature"} else []
        if self._parts & {"WINDOWS", "EQUAL", "LOCAL"}:
            self._parts.add("WINDOWS")
        order = ("FULL", "ONE_TO_ONE", "TABLE", "FRAMES", "WINDOWS", "EQUAL", "LOCAL", "WRAPPED")
        texts += [getattr(parts, name) for name in order if name in self._parts]
        texts += [
            f"class {name}(Wrapped, {name.removeprefix('Wrapped')}):\n    pass\n"
            for name in sorted(self._parts)
            if name.startswith("Wrapped")
        ]
        return [*texts, parts.LAYER]

    # ---- Connections -------------------------------------------------------------------------------------------

    def _connection(self, link: Link, stage: LayerPlan) -> list[str]:
        parameter, structure = self.plan.parameters[link.slot], link.structure
        module = f"self.{self._modules[link.connection.name]}"
        options = [] if parameter.fixed is None else [f"fixed={number_of(parameter.fixed)}"]
        options += [f"border={number_of(link.border_value)}"] if link.border_value else []
        options += [f"scale={number_of(link.scale)}"] if link.scale != 1 else []
        after: list[str] = []
        shape = [str(n) for n in parameter.shape]
        if isinstance(structure, Dense):
            kind, arguments = "Full", []
        elif isinstance(structure, Windows):
            kind = {"map": "Windows", "unit": "LocalWindows", "pair": "EqualWindows"}[structure.sharing]
            self._parts.add({"map": "WINDOWS", "unit": "LOCAL", "pair": "EQUAL"}[structure.sharing])
            rows = [np.flatnonzero(column).tolist() for column in structure.maps.T]
            arguments = [
                f"{structure.source}",
                _maps_text(rows, structure.source[0]),
                f"{structure.window}",
                f"{structure.step}",
                f"{structure.border}",
            ]
            if structure.wrap:
                self._parts |= {"WRAPPED", f"Wrapped{kind}"}
                kind = f"Wrapped{kind}"
                reach = tuple((structure.target[k + 1] - 1) * structure.step[k] + structure.window[k] for k in (0, 1))
                after = [f"{module}.reach = {reach}"]
        elif isinstance(structure, Frames):
            kind, arguments = "Frames", [f"{structure.source}", f"{structure.step}"]
        else:
            kind, arguments = self._table(link, stage)
        self._parts |= {{"Full": "FULL", "OneToOne": "ONE_TO_ONE", "Table": "TABLE", "Frames": "FRAMES"}.get(kind, "")}
        self._parts.discard("")
        if link.gain is not None:
            options.append(f"owners={_numbers_text(link.connection.wiring.owners())}")
        return [f"{module} = {kind}({', '.join([*arguments, *shape, *options])})", *after]

    def _table(self, link: Link, stage: LayerPlan) -> tuple[str, list[str]]:
        table = link.table
        units = self.plan.net.layers[link.source].units
        same = np.arange(len(table.source))
        if units == stage.units == len(same) and all(
            np.array_equal(part, same) for part in (table.source, table.target, table.weight)
        ):
            return "OneToOne", []
        if len(same) > _MOST_TABLE:
            raise fail(
                f"the connection {link.connection.name} has a table of {len(same):,} entries, too many for a page",
                link.connection.span,
                hint="write --to pt2, which keeps the table as numbers",
            )
        columns = (np.where(table.source == BORDER, units, table.source), table.target, table.weight)
        return "Table", [*map(_numbers_text, columns), f"{stage.units}"]

    def _layer(self, stage: LayerPlan) -> str:
        arguments = [self._nlf(stage)]
        if stage.bias is not None:
            shape = self.plan.parameters[stage.bias].shape
            own, layer = self.plan.net.layer(stage.name), self.shapes[stage.layer]
            view = (*shape, 1, 1) if own.bias == "map" and len(layer) == 3 else shape
            arguments += [_tuple(shape), _tuple(view)]
        return f"self.{self._modules[stage.name]} = Layer({', '.join(arguments)})"

    # ---- The class ---------------------------------------------------------------------------------------------

    def net_class(self, training: Training | None) -> str:
        """Return the text of the class of the net."""
        names = self.plan.layer_names
        drawn = " -> ".join(
            f"{_plain(name)} {'x'.join(map(str, layer.shape))}" for name, layer in zip(names, self.plan.net.layers)
        )
        made: list[str] = []
        for stage in self.plan.stages:
            for link in stage.links:
                made += self._connection(link, stage)
            made.append(self._layer(stage))
        text = ["class Net(nn.Module):", f'    """{drawn}"""', "", "    def __init__(self):"]
        text += _indented(["super().__init__()", *made], 8)
        text += ["", *self._forward()]
        if training is not None:
            text += ["", *self._cost(training)]
            if training.stages[0].rule.curvature:
                self._parts.add("curvature")
                text += ["", *self._curvature(training)]
        return "\n".join(text) + "\n"

    def _sums(self, stage: LayerPlan) -> str:
        """Return the weighted sums of a layer, without its bias."""
        terms = [
            self._fitted(f"self.{self._modules[link.connection.name]}({self._locals[link.source]})", link, stage)
            for link in stage.links
        ]
        for transfer in stage.transfers:
            states = ", ".join(self._locals[source] for source in transfer.sources)
            s = transfer.structure
            terms.append(f"normalize({states})" if isinstance(s, Normalization) else f"attend({states}, {s.heads})")
        return " + ".join(terms)

    def _fitted(self, text: str, link: Link, stage: LayerPlan) -> str:
        """Return sums in the shape of the layer."""
        structure, shape = link.structure, self.shapes[stage.layer]
        natural: tuple[int, ...] = (stage.units,)
        if isinstance(structure, (Windows, Frames)):
            natural = structure.target
        return text if natural == shape else f"{text}.reshape(-1, {', '.join(map(str, shape))})"

    def _drop(self, layer: int) -> list[str]:
        chance, local = self.dropout.get(self.plan.layer_names[layer]), self._locals[layer]
        return [] if chance is None else [f"{local} = F.dropout({local}, {chance!r}, self.training)"]

    def _entry(self) -> str:
        return f"{self._locals[0]} = x.reshape(-1, {', '.join(map(str, self.shapes[0]))})"

    def _forward(self) -> list[str]:
        shape = "x".join(map(str, self.plan.input_shape))
        lines = [self._entry(), *self._drop(0)]
        for stage in self.plan.stages:
            lines.append(f"{self._locals[stage.layer]} = self.{self._modules[stage.name]}({self._sums(stage)})")
            lines += self._drop(stage.layer)
        return [
            "    def forward(self, x):",
            f'        """x: (patterns, {shape}) in any shape. Returns (patterns, {self.plan.output_units})."""',
            *_indented(lines, 8),
            f"        return {self._locals[len(self.plan.stages)]}.flatten(1)",
        ]

    def _cost(self, training: Training) -> list[str]:
        cost = training.cost
        head = [
            "    def cost(self, x, d):",
            f'        """{_plain(cost.name)}, summed over the patterns. x: outputs; d: targets."""',
        ]
        if cost.e is None:
            return [*head, "        return -(d * torch.log_softmax(x, 1)).sum()"]
        lines, (e,) = expression_lines([cost.e], {"x", "d"}, self.dtype, {"n": str(self.plan.output_units)})
        return [*head, *_indented(lines, 8), f"        return ({e}).sum()"]

    def _curvature(self, training: Training) -> list[str]:
        """Return the method that computes h: see docs/reference/export.md."""
        full = training.stages[0].rule.curvature == "full"
        last = self._locals[len(self.plan.stages)]
        lines = [self._entry()]
        states = []
        for stage in self.plan.stages:
            local, layer = self._locals[stage.layer], f"self.{self._modules[stage.name]}"
            lines += [
                f"{local}_a = {layer}.biased({self._sums(stage)}, {layer}.bias)",
                f"{local} = {layer}.f({local}_a)",
            ]
            states.append(local)
        if full:
            lines += [f"slopes = torch.autograd.grad(self.cost({last}.flatten(1), d), [{', '.join(states)}])"]
        lines += ["v = {name: (w * w).detach().requires_grad_() for name, w in self.named_parameters()}", "bent = 0.0"]
        lines += [f"{self._locals[0]}_q = {self._locals[0]} * {self._locals[0]}"]
        for k, stage in enumerate(self.plan.stages):
            local, layer = self._locals[stage.layer], f"self.{self._modules[stage.name]}"
            terms = []
            for link in stage.links:
                module = f"self.{self._modules[link.connection.name]}"
                name = self.names[link.slot]
                fixed = self.plan.parameters[link.slot].fixed is not None
                v = f"{module}.weight ** 2" if fixed else f'v["{name}"]'
                terms.append(self._fitted(f"{module}.squares({self._locals[link.source]}_q, {v})", link, stage))
            bias = "" if stage.bias is None else f'v["{self.names[stage.bias]}"]'
            summed = " + ".join(terms)
            lines.append(f"s = {layer}.biased({summed}, {bias})" if bias else f"s = {summed}")
            f = self._derivative_name(stage, full)
            if full:
                lines += [
                    f"slope, bend = {f}({local}_a.detach())",
                    f"bent = bent + (slopes[{k}] * bend * (s - s.detach())).sum()",
                ]
            else:
                lines.append(f"slope = {f}({local}_a.detach())")
            lines.append(f"{local}_q = ({local} * {local}).detach() + slope * slope * (s - s.detach())")
        cost = training.cost
        if cost.dde is None:
            lines += [
                f"p = torch.softmax({last}.detach().flatten(1), 1)",
                "second = p * (1 - p) * d.sum(1, keepdim=True)",
            ]
        else:
            names = {"x": "x", "d": "d", "n": str(self.plan.output_units)}
            used, (dde,) = expression_lines([cost.dde], {"x", "d"}, self.dtype, names)
            lines += [f"x = {last}.detach().flatten(1)"] if cost.dde.variables() & {"x"} else []
            lines += [*used, f"second = {dde}"]
        lines += [
            f"total = (second * {last}_q.flatten(1)).sum() + bent",
            "return dict(zip(v, torch.autograd.grad(total, list(v.values()))))",
        ]
        if not full:
            lines = [line.replace(" + bent", "") for line in lines if line != "bent = 0.0"]
        about = "d2E/dw2 of each weight" if full else "d2E/dw2 of each weight, never negative"
        return [
            "    def curvature(self, x, d):",
            f'        """{about} (Becker and LeCun 1988; LeCun et al. 1989), summed over the patterns.',
            "",
            "        They go back as first derivatives do, with states, weights and slopes squared. So each layer",
            "        has a twin: its value is the state squared, its derivative by the sums of squares `s` is the",
            "        slope of the non-linearity squared. One step of autograd through the twins gives them all.",
            '        """',
            *_indented(lines, 8),
        ]

    def _derivative_name(self, stage: LayerPlan, full: bool) -> str:
        name = f"{self._nlf(stage)}_slope"
        if name not in self._functions:
            wanted = [stage.df, stage.ddf] if full else [stage.df]
            lines, texts = expression_lines(wanted, {"x"}, self.dtype)
            what = "The first and second derivative" if full else "The derivative"
            self._functions[name] = "\n".join(
                [
                    f"def {name}(x):",
                    f'    """{what} of {self._nlf(stage)}."""',
                    *_indented(lines),
                    f"    return {', '.join(texts)}",
                    "",
                ]
            )
        return name


# ---- The training ------------------------------------------------------------------------------------------------


def _training_text(
    subject: Subject, training: Training, writer: _NetWriter, data: Mapping[str, np.ndarray]
) -> list[str]:
    stage = training.stages[0]
    criterion, numbers = training.criterion
    if criterion == "sgn" and not any(numbers):
        criterion = "quadrant"
    text = _rule_text(stage, writer)
    text += [*_rates_text(stage, training, writer), "", ""] if "rate" in stage.rule.mentions else []
    text += [
        "def right(x, d):",
        '    """Which outputs x count as right for the targets d."""',
        f"    return {parts.CRITERIA[criterion].format(*numbers)}",
        "",
        "",
        "@torch.no_grad()",
        "def misses(net, x, d):",
        '    """Return how many patterns are wrong, as text."""',
        "    outputs = torch.cat([net(part) for part in x.split(1000)])",
        '    return f"{int((~right(outputs, d)).sum())} of {len(x):,}"',
        "",
        "",
        "def numbers(data, name):",
        '    """An array of the data file; one of few different numbers is kept as indices of `levels`."""',
        '    levels = data.get(name + ".levels")',
        "    return data[name] if levels is None else levels[data[name].long()]",
        "",
        "",
    ]
    if stage.shift is not None:
        kind = parts.SHIFTED["wrap" if stage.shift[1] is None else "fill"]
        fill = number_of(stage.shift[1] or 0.0)
        text += [*kind.replace("{fill:g}", fill).strip("\n").split("\n"), "", ""]
    return [*text, *_main_text(subject, training, stage, data)]


def _rule_text(stage: Stage, writer: _NetWriter) -> list[str]:
    """Return the class of the update rule, with its constant options as numbers."""
    rule = stage.rule
    constants = {n: number(v.numbers[0]) for n, v in stage.options.items() if v.kind == "constant"}
    groups = [[(target, substitute(e, constants)) for target, e in group] for group in rule.assignments]
    mentioned = {v for group in groups for _, e in group for v in e.variables()}
    scheduled = [name for name in stage.options if name not in constants and name in mentioned]
    kept = _states_kept(groups, rule.states)
    names: dict[str, str] = {}
    for name in (*rule.states, *scheduled):
        text = _variable(_identifier(name))
        while text in names.values():
            text += "_"
        names[name] = text
    names |= {"h-full": "h", "h": "h", "g": "g", "w": "w", "n": "n", "rate": "rate"}
    tensors = {"w", "g", "h", "h-full", *rule.states}
    body: list[str] = []
    local: dict[str, str] = dict(names)
    for group in groups:
        live = [
            (target, e)
            for target, e in group
            if target == "w" or target in kept or any(target in other.variables() for g in groups for _, other in g)
        ]
        lines, texts = expression_lines([e for _, e in live], tensors, writer.dtype, local)
        body += lines
        if len(live) > 1:
            new = "new_"
            while any(f"{new}{name}" in local.values() for name in local.values()):
                new = f"_{new}"
            body.append(f"{', '.join(new + local[t] for t, _ in live)} = {', '.join(texts)}")
            texts = [new + local[t] for t, _ in live]
        for (target, e), text in zip(live, texts):
            if target == "w" or target in kept:
                body.append(
                    f"{local[target]}.copy_({text})" if e.variables() & tensors else f"{local[target]}.fill_({text})"
                )
            else:
                body.append(f"{local[target]} = {text}")
    arguments = ["net", *(["rates"] if "rate" in mentioned else []), *(["curvature"] if rule.curvature else [])]
    arguments += [names[name] for name in scheduled]
    lines = ["class Rule:", f'    """The update rule {_plain(rule.name)}."""', "", "    def __init__(self, net):"]
    lines += ["        self.n = 0  # updates so far"] if "n" in mentioned else []
    for state in kept:
        lines.append(f"        self.{names[state]} = {{k: torch.zeros_like(w) for k, w in net.named_parameters()}}")
    if len(lines) == 4:
        lines.append("        pass")
    lines += ["", "    @torch.no_grad()", f"    def step(self, {', '.join(arguments)}):"]
    lines += ["        self.n += 1", "        n = self.n"] if "n" in mentioned else []
    lines += ["        for name, w in net.named_parameters():"]
    loads = [("g", "w.grad")] if "g" in mentioned else []
    loads += [("rate", "rates[name]")] if "rate" in mentioned else []
    loads += [("h", "curvature[name]")] if rule.curvature else []
    loads += [(names[state], f"self.{names[state]}[name]") for state in kept]
    if loads:
        lines.append(f"            {', '.join(a for a, _ in loads)} = {', '.join(b for _, b in loads)}")
    return [*lines, *_indented(body, 12), "", ""]


def _states_kept(groups: list[list[tuple[str, Expression]]], states: tuple[str, ...]) -> list[str]:
    """Return the states that one update reads from the one before."""
    assigned: set[str] = set()
    kept: set[str] = set()
    for group in groups:
        for _, e in group:
            kept |= (e.variables() & set(states)) - assigned
        assigned |= {target for target, _ in group}
    return [state for state in states if state in kept]


def _value_text(value: Value, passes: int) -> str:
    """Return the value in pass `number` (from 1)."""
    if value.kind == "constant":
        return number_of(value.numbers[0])
    if value.kind == "linear":
        first, last = (number_of(n) for n in value.numbers)
        return first if passes == 1 else f"{first} + ({last} - {first}) * (number - 1) / {passes - 1}"
    lengths = [*value.lengths, *([passes - sum(value.lengths)] if len(value.lengths) < len(value.numbers) else [])]
    steps = " + ".join(f"[{number_of(v)}] * {n}" for v, n in zip(value.numbers, lengths))
    return f"({steps})[number - 1]"


def _rate_text(stage: Stage, parameter: Parameter, counting: str) -> str | None:
    """Return the rate of a parameter in pass `number`; None if its weights have different ones."""
    if "rate" not in stage.rule.mentions:
        return ""
    scoped = StatementsByScope(stage.rates).most_specific(parameter)
    assert scoped is not None
    value = _value_text(scoped.value, stage.passes)
    value = f"({value})" if scoped.value.kind == "linear" else value
    if scoped.family == "epsilon":
        return value
    lines = fan_in_of(parameter, counting)
    low, high = parameter.sharers_range
    if lines.ndim or (scoped.family == "mask-epsi" and low != high):
        return None
    n = number_of(float(lines))
    return {
        "epsi-sqrt": f"{value} / {n} ** 0.5",
        "epsi-inv": f"{value} / {n}",
        "mask-epsi": f"{value} / ({n} * {low}) ** 0.5",
    }[scoped.family]


def _rates_text(stage: Stage, training: Training, writer: _NetWriter) -> list[str]:
    texts = {
        writer.names[p.name]: _rate_text(stage, p, training.fan_in) or "" for p in training.net.parameters if p.learns
    }
    if not any(texts.values()):
        return []
    head = ["def rates(net, number):", '    """The learning rate of each parameter in pass `number`, from 1."""']
    distinct = set(texts.values())
    if len(distinct) == 1:
        return [*head, f"    rate = {distinct.pop()}", "    return {name: rate for name, _ in net.named_parameters()}"]
    return [*head, "    return {", *(f'        "{name}": {text},' for name, text in texts.items()), "    }"]


def _main_text(subject: Subject, training: Training, stage: Stage, data: Mapping[str, np.ndarray]) -> list[str]:
    assert subject.data is not None
    total, patterns = len(subject.data.train), subject.data
    batch = min(stage.batch or total, total)
    step = ["net"]
    inner: list[str] = []
    passes = ["net.train()"]
    if "rate" in stage.rule.mentions:
        passes.append("rate = rates(net, number)")
        step.append("rate")
    if stage.order != "fixed":
        row = "0" if stage.order == "shuffled once" else "number - 1"
        passes.append(f'order = data["order"][{row}].long()' if "order" in data else _order_text(stage.order))
    held = stage.curvature_patterns is not None and stage.rule.curvature is not None
    if held:
        passes += [
            'held = data["held"][number - 1].long()  # h is the mean over these patterns, for the whole pass'
            if "held" in data
            else f"held = torch.randperm(len(x_train))[:{stage.curvature_patterns}]",
            "parts = [net.curvature(x_train[i], d_train[i]) for i in held.split(100)]",
            "h = {name: sum(part[name] for part in parts) / len(held) for name in parts[0]}",
        ]
    rows = f"slice(start, start + {batch})"
    if stage.order != "fixed":
        rows = f"order[start : start + {batch}]"
    inner += [f"rows = {rows}", "x, d = x_train[rows], d_train[rows]"]
    if stage.shift is not None:
        shape = ", ".join(map(str, patterns.shape))
        most = stage.shift[0]
        drawn = (
            f'data["shifts"][number - 1][start : start + {batch}]'
            if "shifts" in data
            else f"torch.randint({-most}, {most + 1}, (len(x), 2))"
        )
        inner += [
            f"moves = {drawn}",
            f"x = torch.stack([shifted(one.reshape({shape}), *move) for one, move in zip(x, moves)])",
        ]
    if stage.input_noise is not None:
        noise = _value_text(stage.input_noise, stage.passes)
        inner.append(f"x = x + ({noise}) * torch.randn_like(x)")
    divided = " / len(x)" if stage.batch_mean and batch > 1 else ""
    inner += [
        "net.zero_grad()",
        f"(net.cost(net(x), d){divided}).backward()" if divided else "net.cost(net(x), d).backward()",
    ]
    if stage.rule.curvature:
        step.append("h")
        if not held:
            inner.append("h = net.curvature(x, d)")
            if divided:
                inner.append("h = {name: of_one / len(x) for name, of_one in h.items()}")
    constants = {n for n, v in stage.options.items() if v.kind == "constant"}
    step += [f"{_value_text(v, stage.passes)}" for n, v in stage.options.items() if n not in constants]
    inner.append(f"rule.step({', '.join(step)})")
    tested = patterns.test is not None
    report = ["done = misses(net, x_train, d_train) + ' training patterns'"]
    report += ["done += ', ' + misses(net, x_test, d_test) + ' test patterns'"] if tested else []
    report += ['print(f"pass {number}: missed {done}", flush=True)']
    return [
        f"def main(passes={stage.passes}):",
        '    """Train, and print the misses after each pass."""',
        *(["    torch.set_default_dtype(torch.float64)"] if subject.dtype == "float64" else []),
        "    torch.set_num_threads(1)  # so little work at a time is not worth two",
        '    data = torch.load(__file__.removesuffix(".py") + "-data.pt", weights_only=True)',
        '    x_train, d_train = numbers(data, "x_train"), numbers(data, "d_train")',
        *(['    x_test, d_test = numbers(data, "x_test"), numbers(data, "d_test")'] if tested else []),
        "    net = Net()",
        '    net.load_state_dict({name[6:]: w for name, w in data.items() if name.startswith("start.")})',
        "    rule = Rule(net)",
        "    for number in range(1, passes + 1):",
        *_indented(passes, 8),
        f"        for start in range(0, len(x_train), {batch}):",
        *_indented(inner, 12),
        "        net.eval()",
        *_indented(report, 8),
        "",
        "",
        'if __name__ == "__main__":',
        "    main(*map(int, sys.argv[1:]))",
        "",
    ]


def _order_text(order: str) -> str:
    if order == "random":
        return "order = torch.randint(len(x_train), (len(x_train),))"
    return "order = torch.randperm(len(x_train))"


# ---- Arrays ------------------------------------------------------------------------------------------------------


def _patterns(subject: Subject) -> dict[str, np.ndarray]:
    """Return the patterns: an array of at most 256 different numbers as bytes and a table of the numbers."""
    assert subject.data is not None
    arrays: dict[str, np.ndarray] = {}
    for split, patterns in (("train", subject.data.train), ("test", subject.data.test)):
        if patterns is not None:
            for name, values in ((f"x_{split}", patterns.inputs), (f"d_{split}", patterns.targets)):
                levels = np.unique(values[:1000])
                levels = np.unique(values) if len(levels) <= 256 else levels
                if len(levels) <= 256 < values.size:
                    arrays[name] = np.searchsorted(levels, values).astype(np.uint8)
                    arrays[f"{name}.levels"] = levels.astype(subject.dtype)
                else:
                    arrays[name] = values.astype(subject.dtype)
    return arrays


def _draws(subject: Subject, training: Training) -> dict[str, np.ndarray]:
    """Return what the training draws, pass by pass, as the training loop draws it: orders, shifts, held patterns."""
    assert subject.data is not None
    stage, total, seed = training.stages[0], len(subject.data.train), subject.seed
    arrays: dict[str, np.ndarray] = {}
    passes = range(stage.passes)
    if stage.order == "shuffled once":
        arrays["order"] = presentation_order(stage.order, total, seed, np.random.default_rng())[None]
    elif stage.order != "fixed" and total * stage.passes <= _MOST_DRAWN:
        draw = stream_generator(seed, ORDER)
        arrays["order"] = np.stack([presentation_order(stage.order, total, seed, draw) for _ in passes])
    if stage.shift is not None and stage.input_noise is None and total * stage.passes <= _MOST_DRAWN:
        draw, most = stream_generator(seed, NOISE), stage.shift[0]
        kind = np.int8 if most < 128 else np.int32
        arrays["shifts"] = np.stack([draw.integers(-most, most + 1, (total, 2)).astype(kind) for _ in passes])
    if stage.curvature_patterns is not None and stage.rule.curvature is not None:
        draw = stream_generator(seed, CURVATURE)
        arrays["held"] = np.stack([draw.permutation(total)[: stage.curvature_patterns] for _ in passes])
    return {name: a.astype(np.int32) if a.dtype == np.int64 else a for name, a in arrays.items()}


# ---- Texts -------------------------------------------------------------------------------------------------------

_PAGE_NAMES = {
    *("x", "d", "v", "s", "p", "self", "torch", "nn", "F", "sys", "slope", "bend", "bent", "slopes", "second", "total"),
    *("Net", "Layer", "Rule", "Connection", "Full", "OneToOne", "Table", "Frames", "Windows", "EqualWindows"),
    *("LocalWindows", "Wrapped", "normalize", "attend", "shifted", "rates", "right", "misses", "numbers", "main"),
    *("dict", "zip", "list", "sum", "float", "int", "len", "range", "print", "name", "w", "g", "h", "n", "rate"),
    *("max", "min", "map", "super", "enumerate", "curvature", "net", "k", "abs"),
}
_MODULE_NAMES = {
    *("add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu", "cuda", "double"),
    *("dump_patches", "eval", "extra_repr", "float", "get_buffer", "get_extra_state", "get_parameter", "get_submodule"),
    *("half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules"),
    *("named_parameters", "parameters", "register_backward_hook", "register_buffer", "register_forward_hook"),
    *("register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook"),
    *("register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module"),
    *("register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_"),
    *("set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "type", "xpu"),
    *("zero_grad", "transform", "parameter_groups", "T_destination"),
}


def _identifier(name: str) -> str:
    """Return a name of the language as an identifier of Python."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", name))  # Python reads names in this form
    text = re.sub(r"\W", "_", text)
    mangled = text.startswith("__")  # a class gives such a name another one
    return text if text.isidentifier() and not mangled else f"n{text}"


def _variable(name: str) -> str:
    """Return a name of a variable that means nothing else on the page, for an identifier."""
    return f"{name}_" if name in _PAGE_NAMES or keyword.iskeyword(name) else name


def _shape(shape: tuple[int, ...], frames: bool) -> tuple[int, ...]:
    return (1, *shape) if len(shape) == 2 and not frames else shape


def _indented(lines: list[str], columns: int = 4) -> list[str]:
    return [" " * columns + line if line else line for line in lines]


def _tuple(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _maps_text(rows: list[list[int]], maps: int) -> str:
    """Return a table of maps; one in which each reads all is shorter."""
    if all(row == list(range(maps)) for row in rows) and len(rows) * maps > 1:
        return f"[{list(range(maps))}] * {len(rows)}"
    if len(rows) > 1 and rows == [[i] for i in range(len(rows))]:
        return f"[[i] for i in range({len(rows)})]"
    if len(rows) * maps > 30:
        pad = "\n" + " " * 12
        return "[" + "".join(f"{pad}{row}," for row in rows) + "\n        ]"
    return repr(rows)


def _numbers_text(numbers: np.ndarray) -> str:
    """Return whole numbers as a list."""
    flat = numbers.reshape(-1)
    if len(flat) > 1 and np.array_equal(flat, np.arange(len(flat))):
        return f"list(range({len(flat)}))"
    size = int(flat.max(initial=0)) + 1
    if len(flat) > size and len(flat) % size == 0:
        if np.array_equal(flat, np.tile(np.arange(size), len(flat) // size)):
            return f"list(range({size})) * {len(flat) // size}"
        if np.array_equal(flat, np.repeat(np.arange(size), len(flat) // size)):
            return f"[i for i in range({size}) for _ in range({len(flat) // size})]"
    return repr(flat.tolist())


def _plain(text: str) -> str:
    """Return a text, changed so that it cannot end a docstring."""
    return re.sub(r"[^\w .,:;()+*/=<>'-]", "_", text)
