"""Write the class of a net for a page of PyTorch."""

from __future__ import annotations

import keyword

import numpy as np

from snsim.engines.plan import LayerPlan, Link, Plan, Transfer
from snsim.engines.torch.module import autograd_suffices
from snsim.errors import fail
from snsim.export import page_parts as parts
from snsim.export.page_names import (
    MODULE_NAMES,
    identifier,
    indented,
    maps_text,
    numbers_text,
    picture_shape,
    plain,
    tuple_text,
    variable,
)
from snsim.export.torch_expressions import expression_lines
from snsim.network.expressions import Expression
from snsim.network.expressions import number_text as number_of
from snsim.network.wiring import BORDER, Attention, Dense, Frames, MaxPooling, Normalization, Windows
from snsim.training.spec import Training

_MOST_TABLE = 100_000  # connections of an explicit table that a page may list
_RELU = "(if (<= x 0) 0 x)"
_METHODS = {"gauss-newton": "curvature", "full": "full_curvature"}


def softmax_text(outputs: str, rubbish: float | None, function: str = "softmax") -> str:
    """Return the text of softmax or log_softmax over the outputs; `rubbish` is the output of one more class, cut off.

    `outputs` is the name of a variable.
    """
    if rubbish is None:
        return f"torch.{function}({outputs}, 1)"
    more = f"torch.full_like({outputs}[:, :1], {number_of(rubbish)})"
    return f"torch.{function}(torch.cat([{outputs}, {more}], 1), 1)[:, :-1]"


def curvature_methods(training: Training) -> dict[str, str]:
    """Return the name of the net's method for each kind of second derivatives that a training uses."""
    kinds = {stage.rule.curvature for stage in training.stages}
    kinds |= {"full"} if any(stage.prune is not None for stage in training.stages) else set()
    if len(kinds - {None}) == 1:
        return {kind: "curvature" for kind in kinds if kind is not None}
    return {kind: method for kind, method in _METHODS.items() if kind in kinds}


class NetWriter:
    """Writes the Python class of a net for the page of PyTorch.

    Attributes
    ----------
    names : dict of str to str
        The names of the parameters on the page by snsim's.
    modules : dict of str to str
        The attribute of each layer and connection, by its name.
    """

    def __init__(self, plan: Plan, training: Training | None, dtype: str):
        self.plan, self.dtype = plan, dtype
        stages = () if training is None else training.stages
        self._noisy = any(stage.theta is not None for stage in stages)
        self._changes = any(stage.dropout != stages[0].dropout for stage in stages)
        self._first_dropout = dict(stages[0].dropout) if stages else {}
        self._dropped = {layer for stage in stages for layer, _ in stage.dropout}
        self._taken = {"forward", "cost", "curvature", "training", "weight", "bias", "states", "tables", "schedule"}
        self._taken |= {"input_shape", "output_shape", "parameter_names", "layer_names", "load_weights", "connection"}
        self._taken |= {"step"} if plan.carried else set()
        self._taken |= {"full_curvature", "bend", "drop", "dropout", "gates", "noisy", "noises", "kept"}
        self._parts: set[str] = set()
        self._bends = training is not None and "full" in curvature_methods(training)
        self._functions: dict[str, str] = {}  # text of a non-linearity by its name
        self._function_of: dict[tuple[Expression, Expression, Expression], str] = {}
        self.names: dict[str, str] = {}
        self.modules: dict[str, str] = {}
        for stage in plan.stages:
            for link in stage.links:
                if link.connection.weights_of is not None:
                    continue
                module = self.modules[link.connection.name] = self._attribute(link.connection.name)
                self.names[link.slot] = f"{module}.weight"
                if link.gain is not None:
                    self.names[link.gain] = f"{module}.gain"
            module = self.modules[stage.name] = self._attribute(stage.name)
            if stage.bias is not None:
                self.names[stage.bias] = f"{module}.bias"
        for link in (link for stage in plan.stages for link in stage.links if link.connection.weights_of is not None):
            self.modules[link.connection.name] = self.modules[plan.net.owner_of(link.connection).name]
        for layer in plan.inputs:
            self.modules[layer.name] = self._attribute(layer.name)
        self._used: set[str] = set()  # names of the variables in the methods of the net
        self._locals = {k: self._local(identifier(layer.name)) for k, layer in enumerate(plan.inputs)}
        self._locals |= {stage.layer: self._local(self.modules[stage.name]) for stage in plan.stages}
        self.shapes = {k: picture_shape(layer.shape, False) for k, layer in enumerate(plan.inputs)}
        for stage in plan.stages:
            only_frames = bool(stage.links) and all(isinstance(link.structure, Frames) for link in stage.links)
            self.shapes[stage.layer] = picture_shape(stage.shape, only_frames)

    def _local(self, name: str) -> str:
        """Return a name for the states of a layer; its sums and squares have the same name with an ending."""
        name = variable(name)
        endings = ("", "_a", "_q", "_gate")
        while self._used & {f"{name}{ending}" for ending in endings}:
            name += "_"
        self._used |= {f"{name}{ending}" for ending in endings}
        return name

    def _attribute(self, name: str) -> str:
        attribute = identifier(name)
        while attribute in self._taken or attribute in MODULE_NAMES or keyword.iskeyword(attribute):
            attribute += "_"
        self._taken.add(attribute)
        return attribute

    # ---- Non-linearities ---------------------------------------------------------------------------------------

    def _nlf(self, stage: LayerPlan) -> str:
        key = (stage.f, stage.df, stage.ddf)
        if key not in self._function_of:
            nlf = self.plan.net.layer(stage.name).nlf
            stated = "nlf" if nlf is None else nlf.name.split()[0].strip("(")
            name = variable(identifier(stated))
            name = name if name.strip("_") else "nlf"  # of an expression; a class renames what begins with two _
            while name in self._functions or {name, f"{name}_slope", f"{name}_slopes"} & self._used:
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
            return "\n".join([f"def {name}(x):", *indented(lines), f"    return {f}", ""])
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
                *indented(lines),
                f"    f, slope, bend = {f}, {df}, {ddf}",
                "    return f + (x - at) * (slope + 0.5 * (x - at) * bend)",
                "",
            ]
        )

    def functions(self) -> list[str]:
        """Return the Python source of each non-linearity and transform that the net uses."""
        used = list(self._functions.values())
        structures = [t.structure for stage in self.plan.stages for t in stage.transfers]
        if any(isinstance(s, Normalization) for s in structures):
            used.append(parts.NORMALIZE.replace("{epsilon:g}", f"{Normalization.EPSILON:g}"))
        if any(isinstance(s, Attention) for s in structures):
            used.append(parts.ATTEND)
        if any(isinstance(s, MaxPooling) for s in structures) and "curvature" in self._parts:
            used.append(parts.POOLED)
        structures = [s for s in structures if not isinstance(s, MaxPooling)]
        if structures and "curvature" in self._parts:
            used.append(parts.SQUARED)
            used += [parts.BENDS] if self._bends else []
        return used

    def classes(self) -> list[str]:
        """Return the Python source of each class that the PyTorch page defines for this net, except `Net`."""
        gains = any(link.gain is not None for stage in self.plan.stages for link in stage.links)
        base = (
            parts.CONNECTION.replace("{gain_argument}", ", owners=None" if gains else "")
            .replace("{gain_lines}", parts.GAIN_LINES if gains else "")
            .replace("{weight}", "self.normalized()" if gains else "self.weight")
        )
        curved = "curvature" in self._parts
        base += (parts.NORMALIZED if gains else "") + (parts.SQUARES if curved else "")
        base += parts.CURVATURE_OF_PARTS if gains and curved else ""
        texts = [base] if self._parts - {"curvature"} else []
        if self._parts & {"WINDOWS", "EQUAL", "LOCAL"}:
            self._parts.add("WINDOWS")
        order = ("FULL", "ONE_TO_ONE", "TABLE", "DISTANCES", "FRAMES", "WINDOWS", "EQUAL", "LOCAL", "WRAPPED")
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
        module = f"self.{self.modules[link.connection.name]}"
        options = []
        if isinstance(parameter.fixed, np.ndarray):
            options = ["fixed=0"]  # the codes follow
        elif parameter.fixed is not None:
            options = [f"fixed={number_of(parameter.fixed)}"]
        options += [f"border={number_of(link.border_value)}"] if link.border_value else []
        options += [f"scale={number_of(link.scale)}"] if link.scale != 1 else []
        after: list[str] = []
        shape = [str(n) for n in parameter.shape]
        if link.distance:
            kind, (_, arguments) = "Distances", self._table(link, stage, listed=True)
            self._parts |= {"TABLE", "DISTANCES"}
        elif isinstance(structure, Dense):
            kind, arguments = "Full", []
        elif isinstance(structure, Windows):
            kind = {"map": "Windows", "unit": "LocalWindows", "pair": "EqualWindows"}[structure.sharing]
            self._parts.add({"map": "WINDOWS", "unit": "LOCAL", "pair": "EQUAL"}[structure.sharing])
            rows = [np.flatnonzero(column).tolist() for column in structure.maps.T]
            arguments = [
                f"{structure.source}",
                maps_text(rows, structure.source[0]),
                f"{structure.window}",
                f"{structure.step}",
                f"{(*structure.sides[1], *structure.sides[0])}",
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
            options.append(f"owners={numbers_text(link.connection.wiring.owners())}")
        if isinstance(parameter.fixed, np.ndarray):
            numbers = ", ".join(number_of(value) for value in parameter.fixed.ravel().tolist())
            after.append(f"{module}.weight = torch.tensor([{numbers}]).reshape({tuple_text(parameter.shape)})")
        return [f"{module} = {kind}({', '.join([*arguments, *shape, *options])})", *after]

    def _table(self, link: Link, stage: LayerPlan, listed: bool = False) -> tuple[str, list[str]]:
        table = link.table
        units = self.plan.net.layers[link.source].units
        same = np.arange(len(table.source))
        if (
            not listed
            and units == stage.units == len(same)
            and all(np.array_equal(part, same) for part in (table.source, table.target, table.weight))
        ):
            return "OneToOne", []
        if len(same) > _MOST_TABLE:
            raise fail(
                f"the connection {link.connection.name} has a table of {len(same):,} entries, too many for a page",
                link.connection.span,
                hint="write --to pt2, which keeps the table as numbers",
            )
        columns = (np.where(table.source == BORDER, units, table.source), table.target, table.weight)
        return "Table", [*map(numbers_text, columns), f"{stage.units}"]

    def _layer(self, stage: LayerPlan) -> str:
        arguments = [self._nlf(stage)]
        if stage.bias is not None:
            shape = self.plan.parameters[stage.bias].shape
            own, layer = self.plan.net.layer(stage.name), self.shapes[stage.layer]
            view = (*shape, 1, 1) if own.bias == "map" and len(layer) == 3 else shape
            arguments += [tuple_text(shape), tuple_text(view)]
        return f"self.{self.modules[stage.name]} = Layer({', '.join(arguments)})"

    # ---- The class ---------------------------------------------------------------------------------------------

    def net_class(self, training: Training | None) -> str:
        """Return the Python source of the class `Net`, with methods for the second derivatives a training uses."""
        names = self.plan.layer_names
        drawn = " -> ".join(
            f"{plain(name)} {'x'.join(map(str, layer.shape))}" for name, layer in zip(names, self.plan.net.layers)
        )
        made: list[str] = []
        for stage in self.plan.stages:
            for link in stage.links:
                if link.connection.weights_of is None:
                    made += self._connection(link, stage)
            made.append(self._layer(stage))
        text = ["class Net(nn.Module):", f'    """{drawn}"""', "", "    def __init__(self):"]
        text += indented(["super().__init__()", *made, *self._training_attributes()], 8)
        text += ["", *self._forward()]
        text += self._drop_method() if self._dropped else []
        text += parts.NOISY.rstrip("\n").split("\n") if self._noisy else []
        if training is not None:
            methods = curvature_methods(training)
            text += ["", *self._cost(training)]
            if methods or any(stage.rule.conjugate for stage in training.stages):
                text += ["", *self._bend(training)]
            for kind, method in methods.items():
                self._parts.add("curvature")
                text += ["", *self._curvature(kind == "full", method)]
        return "\n".join(text) + "\n"

    def _training_attributes(self) -> list[str]:
        """Return the lines that make what a training sets."""
        lines = []
        if self._changes:
            lines.append(f"self.dropout = {self.dropout_text(self._first_dropout)}  # p of each layer; main() sets it")
        if self._dropped:
            lines.append("self.gates = {}  # what dropout multiplies states by, where a training has drawn it")
        if self._noisy:
            lines.append("self.noises = {}  # what a training adds to sums")
        return lines

    def dropout_text(self, dropout: dict[str, float]) -> str:
        """Return the dropout probabilities by layer as the Python text of a dict."""
        return "{" + ", ".join(f'"{self.modules[layer]}": {p!r}' for layer, p in dropout.items()) + "}"

    def _drop_method(self) -> list[str]:
        probability = "self.dropout.get(layer, 0.0)" if self._changes else "p"
        argument = "" if self._changes else ", p"
        return [
            "",
            f"    def drop(self, x, layer{argument}):",
            '        """Dropout: with the gates that a training has drawn, or else with those of PyTorch."""',
            "        if layer in self.gates:",
            "            return x * self.gates[layer].reshape(x.shape)",
            f"        return F.dropout(x, {probability}, self.training)",
        ]

    def _sums(self, stage: LayerPlan) -> str:
        """Return the weighted sums of a layer, without its bias."""
        terms = [
            self._fitted(f"self.{self.modules[link.connection.name]}({self._locals[link.source]})", link, stage)
            for link in stage.links
        ]
        for transfer in stage.transfers:
            states = ", ".join(self._locals[source] for source in transfer.sources)
            terms.append(self._transform(transfer, states))
        return " + ".join(terms)

    def _transform(self, transfer: Transfer, states: str) -> str:
        """Return the call that computes a transform of states."""
        s = transfer.structure
        if isinstance(s, MaxPooling):
            maps = f"{states}.reshape(-1, {', '.join(map(str, s.source))})"
            return self._pooled(f"F.max_pool2d({maps}, {s.window}, {s.step})", s, transfer)
        return f"normalize({states})" if isinstance(s, Normalization) else f"attend({states}, {s.heads})"

    def _pooled(self, text: str, s: MaxPooling, transfer: Transfer) -> str:
        shape = self.shapes[self.plan.layer_names.index(transfer.transform.target)]
        return text if s.target == shape else f"{text}.reshape(-1, {', '.join(map(str, shape))})"

    def _fitted(self, text: str, link: Link, stage: LayerPlan) -> str:
        """Return sums in the shape of the layer."""
        structure, shape = link.structure, self.shapes[stage.layer]
        natural: tuple[int, ...] = (stage.units,)
        if not link.distance and isinstance(structure, (Windows, Frames)):
            natural = structure.target
        return text if natural == shape else f"{text}.reshape(-1, {', '.join(map(str, shape))})"

    def _drop(self, layer: int) -> list[str]:
        name, local = self.plan.layer_names[layer], self._locals[layer]
        if name not in self._dropped:
            return []
        p = "" if self._changes else f", {self._first_dropout[name]!r}"
        return [f'{local} = self.drop({local}, "{self.modules[name]}"{p})']

    def _noisy_sums(self, stage: LayerPlan) -> str:
        """Return the weighted sums of a layer, with the noise of a training but without the bias."""
        sums = self._sums(stage)
        return f'self.noisy({sums}, "{self.modules[stage.name]}")' if self._noisy else sums

    def _entry(self) -> list[str]:
        """Return the lines that make the states of the input layers."""
        places = list(self.plan.net.input_places.values())
        rows = [f"x.flatten(1)[:, {place.start}:{place.stop}]" for place in places] if len(places) > 1 else ["x"]
        lines = []
        for k, row in enumerate(rows):
            lines.append(f"{self._locals[k]} = {row}.reshape(-1, {', '.join(map(str, self.shapes[k]))})")
            lines += self._drop(k)
        return lines

    def _forward(self) -> list[str]:
        lines = self._entry()
        for stage in self.plan.stages:
            lines.append(f"{self._locals[stage.layer]} = self.{self.modules[stage.name]}({self._noisy_sums(stage)})")
            lines += self._drop(stage.layer)
        outputs = f"{self._locals[self.plan.stages[-1].layer]}.flatten(1)"
        if self.plan.carried:
            return self._steps(lines, outputs)
        shape = "x".join(map(str, self.plan.input_shape))
        return [
            "    def forward(self, x):",
            f'        """x: (patterns, {shape}) in any shape. Returns (patterns, {self.plan.output_units})."""',
            *indented(lines, 8),
            f"        return {outputs}",
        ]

    def _steps(self, lines: list[str], outputs: str) -> list[str]:
        """Return the methods of a net with delays: one step, whose `lines` compute all states, and several."""
        layers = self.plan.net.layers
        names = " and ".join(plain(layers[k].name) for k, _ in self.plan.carried)
        context = [f"{self._locals[k]}.flatten(1)" for k, _ in self.plan.carried]
        after = context[0] if len(context) == 1 else f"torch.cat([{', '.join(context)}], 1)"
        units = sum(layers[k].units for k, _ in self.plan.carried)
        own = layers[len(self.plan.carried) : len(self.plan.inputs)]
        shape = "x".join(map(str, own[0].shape if len(own) == 1 else (sum(layer.units for layer in own),)))
        return [
            "    def step(self, x, context):",
            f'        """One step. x: (sequences, {shape}) in any shape; context: (sequences, {units}).',
            "",
            f"        The context is the states of {names} one step before. Returns the outputs and the next context.",
            '        """',
            "        x = torch.cat([context, x.flatten(1)], 1)",
            *indented(lines, 8),
            f"        return {outputs}, {after}",
            "",
            "    def forward(self, x, context=None):",
            f'        """x: (steps, sequences, {shape}) in any shape.',
            "",
            "        Without a context, sequences start with zeros.",
            f"        Returns the outputs, (steps, sequences, {self.plan.output_units}), and the context after it.",
            '        """',
            f"        context = x.new_zeros(x.shape[1], {units}) if context is None else context",
            "        made = []",
            "        for one in x:",
            "            y, context = self.step(one, context)",
            "            made.append(y)",
            "        return torch.stack(made), context",
        ]

    def _cost(self, training: Training) -> list[str]:
        cost = training.cost
        head = [
            "    def cost(self, x, d):",
            f'        """{plain(cost.name)}, summed over the patterns. x: outputs; d: targets."""',
        ]
        if cost.e is None:
            return [*head, f"        return -(d * {softmax_text('x', cost.rubbish, 'log_softmax')}).sum()"]
        lines, (e,) = expression_lines([cost.e], {"x", "d"}, self.dtype, {"n": str(self.plan.output_units)})
        return [*head, *indented(lines, 8), f"        return ({e}).sum()"]

    def _bend(self, training: Training) -> list[str]:
        """Return the method of the second derivative of the cost."""
        cost = training.cost
        if cost.dde is None:
            lines = [f"p = {softmax_text('x', cost.rubbish)}"]
            result = "p * (1 - p) * d.sum(1, keepdim=True)"
        else:
            names = {"x": "x", "d": "d", "n": str(self.plan.output_units)}
            lines, (result,) = expression_lines([cost.dde], {"x", "d"}, self.dtype, names)
            result = result if cost.dde.variables() & {"x", "d"} else f"torch.full_like(x, {result})"
        return [
            "    def bend(self, x, d):",
            '        """The second derivative of the cost by each output."""',
            *indented([*lines, f"return {result}"], 8),
        ]

    def _curvature(self, full: bool, method: str) -> list[str]:
        """Return the method that computes h (or h-full): see docs/reference/export.md."""
        last = self._locals[self.plan.stages[-1].layer]
        links = [link for stage in self.plan.stages for link in stage.links if link.connection.weights_of is None]
        gains = [link for link in links if link.gain is not None]
        count = 0  # slopes of states; those of gains follow
        lines = self._entry()
        states = []
        for stage in self.plan.stages:
            local, layer = self._locals[stage.layer], f"self.{self.modules[stage.name]}"
            lines += [
                f"{local}_a = {layer}.biased({self._noisy_sums(stage)}, {layer}.bias)",
                f"{local} = {layer}.f({local}_a)",
            ]
            if stage.name in self._dropped:
                lines += [
                    f'{local}_gate = self.gates.get("{self.modules[stage.name]}", torch.ones_like({local}))'
                    f".reshape({local}.shape)",
                    f"{local} = {local} * {local}_gate",
                ]
            states.append(local)
        if full:
            wanted = [state for state, stage in zip(states, self.plan.stages) if self._learns_below(stage.layer)]
            count = len(wanted)
            for link in gains:
                module = f"self.{self.modules[link.connection.name]}"
                wanted += [f"{module}.weight", f"{module}.gain"]
            lines.append(f"slopes = torch.autograd.grad(self.cost({last}.flatten(1), d), [{', '.join(wanted)}])")
        lines.append("v = {name: (w * w).detach().requires_grad_() for name, w in self.named_parameters()}")
        for link in gains:
            module = f"self.{self.modules[link.connection.name]}"
            lines += [
                f'v["{self.names[link.slot]}"] = ({module}.normalized() ** 2).detach().requires_grad_()',
                f'del v["{self.names[link.gain or ""]}"]',
            ]
        lines += ["bent = 0.0"] if full else []
        for k in range(len(self.plan.inputs)):
            lines.append(f"{self._locals[k]}_q = {self._locals[k]} * {self._locals[k]}")
        k = 0
        for stage in self.plan.stages:
            bends = full and self._learns_below(stage.layer)
            lines += self._twin(stage, k if bends else None, full)
            k += bends
        bent = " + bent" if full else ""
        lines += [
            f"second = self.bend({last}.detach().flatten(1), d)",
            f"total = (second * {last}_q.flatten(1)).sum(){bent}",
            f"{'h' if gains else 'return'}{' =' if gains else ''} "
            "dict(zip(v, torch.autograd.grad(total, list(v.values()))))",
        ]
        for k, link in enumerate(gains):
            module = f"self.{self.modules[link.connection.name]}"
            weight, gain = self.names[link.slot], self.names[link.gain or ""]
            at = count + 2 * k
            of_full = f", slopes[{at}], slopes[{at + 1}]" if full else ""
            lines.append(f'h["{weight}"], h["{gain}"] = {module}.curvature_of_parts(h["{weight}"]{of_full})')
        lines += ["return h"] if gains else []
        about = "d2E/dw2 of each weight" if full else "d2E/dw2 of each weight, never negative"
        if full and method != "curvature":
            about = "d2E/dw2 with the second derivatives of the non-linearities"
        return [
            f"    def {method}(self, x, d):",
            f'        """{about} (Becker and LeCun 1988; LeCun et al. 1989), summed over the patterns.',
            "",
            "        They go back as first derivatives do, with states, weights and slopes squared. So each layer",
            "        has a twin: its value is the state squared, its derivative by the sums of squares `s` is the",
            "        slope of the non-linearity squared. One step of autograd through the twins gives them all.",
            '        """',
            *indented(lines, 8),
        ]

    def _learns_below(self, layer: int) -> bool:
        """Tell whether the states of a layer depend on weights that learn."""
        if self.plan.is_input(layer):
            return False
        stage = self.plan.stages[layer - len(self.plan.inputs)]
        return (
            stage.bias is not None
            or any(link.gain is not None or self.plan.parameters[link.slot].learns for link in stage.links)
            or any(self._learns_below(link.source) for link in stage.links)
            or any(self._learns_below(source) for transfer in stage.transfers for source in transfer.sources)
        )

    def _twin(self, stage: LayerPlan, k: int | None, full: bool) -> list[str]:
        """Return the lines that compute the twin of a layer; its slope is the k-th of those that were computed."""
        local, layer = self._locals[stage.layer], f"self.{self.modules[stage.name]}"
        lines, terms = [], []
        after = []
        for link in stage.links:
            module = f"self.{self.modules[link.connection.name]}"
            fixed = self.plan.parameters[link.slot].fixed is not None
            v = f"{module}.weight ** 2" if fixed else f'v["{self.names[link.slot]}"]'
            x = self._locals[link.source]
            if link.distance:
                terms.append(self._fitted(f"{module}.twin({x}, {x}_q, {v})", link, stage))
                bends = self._fitted(f"{module}.bends({x}_q, {v})", link, stage)
                after.append(f"bent = bent + ((slopes[{k}] * slope).detach() * {bends}).sum()")
                continue
            terms.append(self._fitted(f"{module}.squares({x}_q, {v})", link, stage))
        for transfer in stage.transfers:
            sources = [self._locals[source] for source in transfer.sources]
            s = transfer.structure
            if isinstance(s, MaxPooling):
                maps = [f"{x}.reshape(-1, {', '.join(map(str, s.source))})" for x in (sources[0], f"{sources[0]}_q")]
                terms.append(self._pooled(f"pooled({', '.join(maps)}, {s.window}, {s.step})", s, transfer))
                continue
            f = "normalize" if isinstance(s, Normalization) else f"lambda q, k, v: attend(q, k, v, {s.heads})"
            states, squares = f"[{', '.join(sources)}]", f"[{', '.join(f'{source}_q' for source in sources)}]"
            terms.append(f"squared({f}, {states}, {squares})")
            after.append(f"bent = bent + bends({f}, {states}, {squares}, slopes[{k}] * slope)")
        bias = "" if stage.bias is None else f'v["{self.names[stage.bias]}"]'
        summed = " + ".join(terms)
        lines.append(f"s = {layer}.biased({summed}, {bias})" if bias else f"s = {summed}")
        f = self._derivative_name(stage, full)
        gate = f" * {local}_gate" if stage.name in self._dropped else ""
        if not full:
            lines.append(f"slope = {f}({local}_a.detach()){gate}")
        elif gate:
            lines.append(f"slope, bend = (part{gate} for part in {f}({local}_a.detach()))")
        else:
            lines.append(f"slope, bend = {f}({local}_a.detach())")
        if k is not None:
            lines += [f"bent = bent + (slopes[{k}] * bend * (s - s.detach())).sum()", *after]
        lines.append(f"{local}_q = ({local} * {local}).detach() + slope * slope * (s - s.detach())")
        return lines

    def _derivative_name(self, stage: LayerPlan, full: bool) -> str:
        name = f"{self._nlf(stage)}_slope{'s' if full else ''}"
        if name not in self._functions:
            wanted = [stage.df, stage.ddf] if full else [stage.df]
            lines, texts = expression_lines(wanted, {"x"}, self.dtype)
            what = "The first and second derivative" if full else "The derivative"
            self._functions[name] = "\n".join(
                [
                    f"def {name}(x):",
                    f'    """{what} of {self._nlf(stage)}."""',
                    *indented(lines),
                    f"    return {', '.join(texts)}",
                    "",
                ]
            )
        return name
