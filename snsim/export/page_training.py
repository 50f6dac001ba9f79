"""Write how a net is trained, for a page of PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from snsim.engines.protocol import UpdateRule
from snsim.export import page_parts as parts
from snsim.export.page_names import identifier, indented, plain, variable
from snsim.export.page_net import NetWriter, curvature_methods, softmax_text
from snsim.export.torch_expressions import expression_lines
from snsim.network.expressions import Expression, number, substitute
from snsim.network.expressions import number_text as number_of
from snsim.network.net import Parameter
from snsim.training.parameter_scopes import StatementsByScope, decays_of, fan_in_of
from snsim.training.prepare import PreparedData
from snsim.training.pruning import KEPT_STATE
from snsim.training.spec import Stage, Training, Value


def training_text(
    training: Training, patterns: PreparedData, dtype: str, writer: NetWriter, data: Mapping[str, np.ndarray]
) -> list[str]:
    """Return the lines after the class of the net: update rules, rates, pruning, criterion and `main()`.

    `data` are the arrays that the page reads; what the training draws and is not among them, PyTorch draws.
    """
    return _TrainingWriter(training, patterns, dtype, writer, data).lines()


@dataclass
class _StageText:
    """One stage on the page: its first pass, the class of its rule, and the lines of a pass."""

    stage: Stage
    first: int
    rule: str
    before: list[str]  # what a pass does first
    each: list[str]  # what it does with each batch
    batch: int
    after: list[str]


class _TrainingWriter:
    def __init__(
        self,
        training: Training,
        patterns: PreparedData,
        dtype: str,
        writer: NetWriter,
        data: Mapping[str, np.ndarray],
    ):
        self._training, self._patterns, self._dtype, self._writer, self._data = training, patterns, dtype, writer, data
        self._several = len(training.stages) > 1
        self._prunes = any(stage.prune is not None for stage in training.stages)
        self._methods = curvature_methods(training)
        self._tables: dict[str, str] = {}  # functions and tables of rates and decays by their text without the name

    def lines(self) -> list[str]:
        criterion, numbers = self._training.criterion
        if criterion == "sgn" and not any(numbers):
            criterion = "quadrant"
        rules, text = self._rules()
        firsts = np.cumsum([1, *(stage.passes for stage in self._training.stages)]).tolist()
        stages = [
            self._stage(stage, first, rules[without_mask(stage.rule)])
            for stage, first in zip(self._training.stages, firsts)
        ]
        for body, name in self._tables.items():
            text += [*body.replace("@NAME@", name).split("\n"), "", ""]
        text += [
            "def right(x, d):",
            '    """Which outputs x count as right for the targets d."""',
            f"    return {parts.CRITERIA[criterion].format(*numbers)}",
            "",
            "",
            "@torch.no_grad()",
            *self._outputs_function(),
            "",
            "",
            "def misses(y, d):",
            '    """How many of the outputs y are wrong."""',
            "    return int((~right(y, d)).sum())",
            "",
            "",
            "def numbers(data, name):",
            '    """An array of the data file; one of few different numbers is kept as indices of `levels`."""',
            '    levels = data.get(name + ".levels")',
            "    return data[name] if levels is None else levels[data[name].long()]",
            "",
            "",
        ]
        text += [*parts.READER.strip("\n").split("\n"), "", ""] if self._delayed else []
        text += self._helpers(stages)
        learn: dict[tuple[str, ...], str] = {}
        if self._several:
            for stage in stages:
                one_pass = tuple(self._pass_lines(stage))
                if one_pass not in learn:
                    learn[one_pass] = f"learn_{len(learn) + 1}"
                    text += [
                        f"def {learn[one_pass]}(net, rule, x_train, d_train, data, number):",
                        '    """One pass over the training patterns; `number` counts the passes from 1."""',
                        *indented(list(one_pass)),
                        "",
                        "",
                    ]
        return [*text, *self._main(stages, learn)]

    # ---- Sequences -----------------------------------------------------------------------------------------------

    @property
    def _delayed(self) -> bool:
        return bool(self._training.net.delayed)

    @property
    def _context(self) -> int:
        return self._writer.plan.input_units - self._training.net.input_units

    def _starts(self, split: str) -> str:
        return f'data["starts_{split}"]'

    def _of_starts(self, split: str) -> str:
        return f", {self._starts(split)}" if self._delayed else ""

    def _outputs_function(self) -> list[str]:
        if self._delayed:
            return [
                "def outputs(net, x, starts):",
                '    """The outputs of the net for all steps of sequences."""',
                f"    return Reader(net, 1, {self._context}).outputs(x, starts)",
            ]
        return [
            "def outputs(net, x):",
            '    """The outputs of the net for many patterns."""',
            "    return torch.cat([net(part) for part in x.split(1000)])",
        ]

    # ---- Update rules --------------------------------------------------------------------------------------------

    def _rules(self) -> tuple[dict[UpdateRule, str], list[str]]:
        """Return the name of the class of each update rule, and the text of the classes."""
        rules: dict[UpdateRule, list[Stage]] = {}
        for stage in self._training.stages:
            rules.setdefault(without_mask(stage.rule), []).append(stage)
        self._constants: dict[UpdateRule, dict[str, float]] = {}
        self._scheduled: dict[UpdateRule, list[str]] = {}
        names: dict[UpdateRule, str] = {}
        text: list[str] = []
        for rule, stages in rules.items():
            names[rule] = "Rule" if len(rules) == 1 else f"Rule{len(names) + 1}"
            if rule.conjugate:
                names[rule] = names[rule].replace("Rule", "ConjugateGradient")
                text += self._conjugate_text(names[rule])
                continue
            values = {name: [stage.options[name] for stage in stages] for name in stages[0].options}
            self._constants[rule] = {
                name: each[0].numbers[0]
                for name, each in values.items()
                if all(v.kind == "constant" and v.numbers == each[0].numbers for v in each)
            }
            self._scheduled[rule] = [
                name for name in values if name not in self._constants[rule] and name in rule.mentions
            ]
            if self._has_decays(rule):
                self._constants[rule].pop("decay", None)
                self._scheduled[rule] = [name for name in self._scheduled[rule] if name != "decay"]
            text += self._rule_text(rule, names[rule])
        return names, text

    def _stages_of(self, rule: UpdateRule) -> list[Stage]:
        return [stage for stage in self._training.stages if without_mask(stage.rule) == rule]

    def _has_decays(self, rule: UpdateRule) -> bool:
        """Tell whether (decay V SCOPE) holds in a stage with this rule: each parameter has its own decay."""
        return "decay" in rule.mentions and any(stage.decays for stage in self._stages_of(rule))

    def _freezes(self, rule: UpdateRule) -> bool:
        """Tell whether a rate may be 0, which leaves a parameter and its states as they are."""
        if "rate" not in rule.mentions:
            return False
        return any(0 in scoped.value.numbers for stage in self._stages_of(rule) for scoped in stage.rates)

    def _rule_text(self, rule: UpdateRule, class_name: str) -> list[str]:
        """Return the class of an update rule, with its constant options as numbers."""
        constants = {name: number(value) for name, value in self._constants[rule].items()}
        groups = [[(target, substitute(e, constants)) for target, e in group] for group in rule.assignments]
        mentioned = {v for group in groups for _, e in group for v in e.variables()}
        own_decays = self._has_decays(rule)
        kept = _states_kept(groups, rule.states)
        names: dict[str, str] = {}
        for name in (*rule.states, *self._scheduled[rule]):
            text = variable(identifier(name))
            while text in names.values():
                text += "_"
            names[name] = text
        names |= {"h-full": "h", "h": "h", "g": "g", "w": "w", "n": "n", "rate": "rate"}
        names |= {"decay": "decay"} if own_decays else {}
        tensors = {"w", "g", "h", "h-full", *rule.states}
        if "rate" in mentioned and self._rates_are_arrays(rule):
            tensors.add("rate")
        body = _assignments(groups, kept, tensors, names, self._dtype)
        arguments = ["net", *(["rates"] if "rate" in mentioned else []), *(["curvature"] if rule.curvature else [])]
        arguments += ["decays"] if own_decays else []
        arguments += [names[name] for name in self._scheduled[rule]]
        lines = [f"class {class_name}:", f'    """The update rule {plain(rule.name)}."""', ""]
        lines += ["    def __init__(self, net):"]
        begin = len(lines)
        lines += ["        self.n = 0  # updates so far"] if "n" in mentioned else []
        for state in kept:
            lines.append(f"        self.{names[state]} = {{k: torch.zeros_like(w) for k, w in net.named_parameters()}}")
        if len(lines) == begin:
            lines.append("        pass")
        lines += ["", "    @torch.no_grad()", f"    def step(self, {', '.join(arguments)}):"]
        lines += ["        self.n += 1", "        n = self.n"] if "n" in mentioned else []
        lines += ["        for name, w in net.named_parameters():"]
        if self._freezes(rule):
            rate = "torch.as_tensor(rates[name]).any()" if self._rates_are_arrays(rule) else "rates[name]"
            lines += [f"            if not {rate}:  # frozen", "                continue"]
        loads = [("g", "w.grad")] if "g" in mentioned else []
        loads += [("rate", "rates[name]")] if "rate" in mentioned else []
        loads += [("h", "curvature[name]")] if rule.curvature else []
        loads += [("decay", "decays[name]")] if own_decays else []
        loads += [(names[state], f"self.{names[state]}[name]") for state in kept]
        if loads:
            lines.append(f"            {', '.join(a for a, _ in loads)} = {', '.join(b for _, b in loads)}")
        return [*lines, *indented(body, 12), "", ""]

    def _conjugate_text(self, class_name: str) -> list[str]:
        masked = " * net.kept.get(n, 1)" if self._prunes else ""
        text = parts.CONJUGATE.replace("{name}", class_name).replace("{masked}", masked)
        bend = parts.CONJUGATE_BENDS[self._training.cost.softmax]
        bend = bend.replace("{softmax}", softmax_text("y", self._training.cost.rubbish))
        text = text.replace("{bend}", bend)
        return [*text.strip("\n").split("\n"), "", ""]

    # ---- Rates and decays ----------------------------------------------------------------------------------------

    def _rates_are_arrays(self, rule: UpdateRule) -> bool:
        """Tell whether the weights of one parameter may have different rates."""
        return any(
            self._rate_text(stage, p, 1)[1]
            for stage in self._stages_of(rule)
            for p in self._training.net.parameters
            if p.learns
        )

    def _rate_text(self, stage: Stage, parameter: Parameter, first: int) -> tuple[str, bool]:
        """Return the rate of a parameter in pass `number`, and whether it is an array."""
        scoped = StatementsByScope(stage.rates).most_specific(parameter)
        assert scoped is not None
        value = _value_text(scoped.value, stage.passes, first)
        value = f"({value})" if scoped.value.kind == "linear" else value
        if scoped.family == "epsilon":
            return value, False
        name = self._writer.names[parameter.name]
        pruned = KEPT_STATE in stage.rule.states
        lines = fan_in_of(parameter, self._training.fan_in)
        low, high = parameter.sharers_range
        if pruned:
            n, sharers = f'lines["{name}"]', f'data["sharers.{name}"]'
        elif lines.ndim or (scoped.family == "mask-epsi" and low != high):
            n, sharers = f'data["lines.{name}"]', f'data["sharers.{name}"]'
        else:
            n, sharers = number_of(float(lines)), str(low)
        text = {
            "epsi-sqrt": f"{value} / {n} ** 0.5",
            "epsi-inv": f"{value} / {n}",
            "mask-epsi": f"{value} / ({n} * {sharers}) ** 0.5",
        }[scoped.family]
        return text, "[" in n

    def _rates_call(self, stage: Stage, first: int) -> str:
        """Return the call of the function of the rates in a stage."""
        learning = [p for p in self._training.net.parameters if p.learns]
        texts = {self._writer.names[p.name]: self._rate_text(stage, p, first)[0] for p in learning}
        of_data = any("data[" in text or "lines[" in text for text in texts.values())
        arguments = "net, number, data" if of_data else "net, number"
        lines = [
            f"def @NAME@({arguments}):",
            '    """The learning rate of each parameter in pass `number`, from 1."""',
        ]
        if any("lines[" in text for text in texts.values()):
            lines.append("    lines = fan_in(net, data)")
        distinct = set(texts.values())
        if len(distinct) == 1:
            lines += [f"    rate = {distinct.pop()}", "    return {name: rate for name, _ in net.named_parameters()}"]
        else:
            lines += ["    return {", *(f'        "{name}": {text},' for name, text in texts.items()), "    }"]
        return f"{self._table(lines, 'rates')}({arguments})"

    def _decays_name(self, stage: Stage) -> str:
        """Return the name of the table of the weight decays of a stage."""
        decays = decays_of(stage, self._training.net)
        if decays is None:
            value = stage.options["decay"].numbers[0]
            decays = {p.name: value for p in self._training.net.parameters if p.learns}
        rows = [f'    "{self._writer.names[name]}": {number_of(value)},' for name, value in decays.items()]
        return self._table(["@NAME@ = {  # weight decay", *rows, "}"], "DECAY")

    def _table(self, lines: Sequence[str], name: str) -> str:
        """Return the name of a function or table that is written once for all stages with the same one."""
        body = "\n".join(lines)
        if body not in self._tables:
            same = sum(known.startswith(name) for known in self._tables.values())
            self._tables[body] = name if not same else f"{name}_{same + 1}"
        return self._tables[body]

    # ---- One pass ------------------------------------------------------------------------------------------------

    def _stage(self, stage: Stage, first: int, rule: str) -> _StageText:
        """Return the text of a stage whose first pass has the number `first`."""
        total = len(self._patterns.train)
        batch = min(stage.batch or total, total)
        if stage.rule.conjugate:
            mu = _value_text(stage.options["mu"], stage.passes, first)
            return _StageText(stage, first, rule, [f"rule.step(net, x_train, d_train, {mu})"], [], batch, [])
        before, each, step = self._curvature_lines(stage, batch)
        before.append("net.train()")
        before += [f"reader = Reader(net, {self._training.time}, {self._context})"] if self._delayed else []
        if "rate" in stage.rule.mentions:
            before.append(f"rate = {self._rates_call(stage, first)}")
        if stage.order != "fixed":
            key = '"order"' if stage.order == "shuffled once" else 'f"order.{number}"'
            stored = "order" if stage.order == "shuffled once" else f"order.{first}"
            before.append(f"order = data[{key}].long()" if stored in self._data else _order_text(stage.order))
        rows = "order[start : start + {}]" if stage.order != "fixed" else "slice(start, start + {})"
        inner = [f"rows = {rows.format(batch)}", "x, d = x_train[rows], d_train[rows]"]
        made = f"reader.outputs(x, {self._starts('train')}[rows])" if self._delayed else "net(x)"
        inner += self._disturbed(stage, first, batch)
        drawn, of_batch = self._gate_lines(stage, first, batch)
        before += drawn
        inner += of_batch
        divided = " / len(x)" if stage.batch_mean and batch > 1 else ""
        inner += [
            "net.zero_grad()",
            f"(net.cost({made}, d){divided}).backward()" if divided else f"net.cost({made}, d).backward()",
            *each,
        ]
        core = without_mask(stage.rule)
        arguments = ["net", *(["rate"] if "rate" in stage.rule.mentions else []), *step]
        arguments += [self._decays_name(stage)] if self._has_decays(core) else []
        arguments += [_value_text(stage.options[n], stage.passes, first) for n in self._scheduled[core]]
        inner.append(f"rule.step({', '.join(arguments)})")
        inner += ["keep(net)"] if KEPT_STATE in stage.rule.states else []
        after = ["net.gates = {}"] if of_batch and stage.dropout else []
        after += ["net.noises = {}"] if stage.theta is not None else []
        return _StageText(stage, first, rule, before, inner, batch, after)

    def _curvature_lines(self, stage: Stage, batch: int) -> tuple[list[str], list[str], list[str]]:
        """Return what a pass and a batch do for second derivatives, and the argument of the step."""
        if stage.rule.curvature is None:
            return [], [], []
        method = self._methods[stage.rule.curvature]
        if stage.curvature_patterns is None:
            each = [f"h = net.{method}(x, d)"]
            if stage.batch_mean and batch > 1:
                each.append("h = {name: of_one / len(x) for name, of_one in h.items()}")
            return [], each, ["h"]
        first = self._training.stages.index(stage)
        stored = f"held.{sum(s.passes for s in self._training.stages[:first]) + 1}" in self._data
        before = [
            'held = data[f"held.{number}"].long()  # h is the mean over these patterns, for the whole pass'
            if stored
            else f"held = torch.randperm(len(x_train))[:{stage.curvature_patterns}]",
            f"parts = [net.{method}(x_train[i], d_train[i]) for i in held.split(100)]",
            "h = {name: sum(part[name] for part in parts) / len(held) for name in parts[0]}",
        ]
        return before, [], ["h"]

    def _disturbed(self, stage: Stage, first: int, batch: int) -> list[str]:
        """Return the lines that shift the patterns of a batch and add noise to them."""
        lines = []
        if stage.shift is not None:
            most = stage.shift[0]
            drawn = (
                f'data[f"shift.{{number}}"][start : start + {batch}]'
                if f"shift.{first}" in self._data
                else f"torch.randint({-most}, {most + 1}, (len(x), 2))"
            )
            shape = ", ".join(map(str, self._patterns.shape))
            shifted = self._shifted_name(stage)
            lines += [
                f"moves = {drawn}",
                f"x = torch.stack([{shifted}(one.reshape({shape}), *move) for one, move in zip(x, moves)])",
            ]
        if stage.input_noise is not None:
            noise = _value_text(stage.input_noise, stage.passes, first)
            drawn = (
                f'data[f"noise.{{number}}"][start : start + {batch}].reshape(x.shape)'
                if f"noise.{first}" in self._data
                else "torch.randn_like(x)"
            )
            lines.append(f"x = x + ({noise}) * {drawn}")
        return lines

    def _gate_lines(self, stage: Stage, first: int, batch: int) -> tuple[list[str], list[str]]:
        """Return what a pass and a batch do for dropout and for noise on the sums."""
        net, total = self._training.net, len(self._patterns.train)
        before: list[str] = []
        each: list[str] = []
        if self._several and any(other.dropout for other in self._training.stages):
            before.append(f"net.dropout = {self._writer.dropout_text(dict(stage.dropout))}")
        modules = {layer: self._writer.modules[layer] for layer, _ in stage.dropout}
        if stage.dropout and f"gate.{first}.{next(iter(modules.values()))}" in self._data:
            rows = [
                f'"{modules[layer]}": bits(data[f"gate.{{number}}.{modules[layer]}"], {total}, '
                f"{net.layer(layer).units}) / {1.0 - chance!r}"
                for layer, chance in stage.dropout
            ]
            before += _table_lines("gates", rows)
            each.append(
                f"net.gates = {{layer: gate[start : start + {batch}].to(x.dtype) for layer, gate in gates.items()}}"
            )
        elif stage.dropout and stage.rule.curvature is not None and stage.curvature_patterns is None:
            rows = [
                f'"{modules[layer]}": (torch.rand(len(x), {net.layer(layer).units}) >= {chance!r}) / {1.0 - chance!r}'
                for layer, chance in stage.dropout
            ]
            each += _table_lines("net.gates", rows)  # the same for both derivatives
        if stage.theta is not None:
            theta = _value_text(stage.theta, stage.passes, first)
            rows = [
                f'"{module}": ({theta}) * '
                + (
                    f'data[f"theta.{{number}}.{module}"][start : start + {batch}]'
                    if f"theta.{first}.{module}" in self._data
                    else f"torch.randn(len(x), {layer.units})"
                )
                for layer in net.computed
                for module in (self._writer.modules[layer.name],)
            ]
            each += _table_lines("net.noises", rows)
        return before, each

    def _shifted_name(self, stage: Stage) -> str:
        assert stage.shift is not None
        fill = stage.shift[1]
        text = parts.SHIFTED["wrap" if fill is None else "fill"].replace("{fill:g}", number_of(fill or 0.0))
        return self._table(text.strip("\n").replace("def shifted(", "def @NAME@(").split("\n"), "shifted")

    def _pass_lines(self, text: _StageText) -> list[str]:
        if text.stage.rule.conjugate:
            return text.before
        return [
            *text.before,
            f"for start in range(0, len(x_train), {text.batch}):",
            *indented(text.each),
            *text.after,
        ]

    # ---- Helpers and main ----------------------------------------------------------------------------------------

    def _helpers(self, stages: Sequence[_StageText]) -> list[str]:
        """Return the functions that the passes and `main()` call."""
        text: list[str] = []
        used = "\n".join(line for stage in stages for line in (*stage.before, *stage.each))
        if "bits(" in used:
            text += [*parts.BITS.strip("\n").split("\n"), "", ""]
        if any("fan_in(" in body for body in self._tables):
            text += self._fan_in_text()
        if self._prunes:
            of = {stage.prune[1] for stage in self._training.stages if stage.prune is not None}
            for what in sorted(of):
                name = "prune" if what == "weights" else "prune_connections"
                prune = (
                    parts.PRUNE.replace("prune(", f"{name}(", 1)
                    .replace("{what}", what)
                    .replace("{method}", self._methods["full"])
                    .replace("{remaining}", parts.REMAINING[what])
                    .replace("{arguments}", "" if what == "weights" else ", data")
                )
                text += [*prune.strip("\n").split("\n"), "", ""]
            text += [*parts.KEEP.strip("\n").split("\n"), "", ""]
            if any("forget(" in line for stage in stages for line in self._start_of(stage, stages)):
                text += [*parts.FORGET.strip("\n").split("\n"), "", ""]
        return text

    def _fan_in_text(self) -> list[str]:
        net = self._training.net
        rows = []
        for layer in net.computed:
            names = [self._writer.names[p.name] for p in net.parameters_of(layer.name) if p.learns]
            if names:
                rows.append(f'    "{self._writer.modules[layer.name]}": {names!r},'.replace("'", '"'))
        return ["LAYERS = {", *rows, "}", "", "", *parts.FAN_IN.strip("\n").split("\n"), "", ""]

    def _start_of(self, text: _StageText, stages: Sequence[_StageText]) -> list[str]:
        """Return what `main()` does before the first pass of a stage."""
        lines = []
        place = stages.index(text)
        before = stages[place - 1] if place else None
        keeps = (
            before is not None
            and before.rule == text.rule
            and (text.stage.prune is None or not text.stage.rule.conjugate)
        )
        if text.stage.prune is not None:
            fraction, of = text.stage.prune
            name, more = ("prune", "") if of == "weights" else ("prune_connections", ", data")
            lines.append(f"{name}(net, x_train, d_train, {fraction!r}{more})")
            if keeps:
                lines.append("forget(rule, net.kept)")
        if not keeps:
            lines.append(f"rule = {text.rule}(net)")
        return lines

    def _main(self, stages: Sequence[_StageText], learn: Mapping[tuple[str, ...], str]) -> list[str]:
        tested, whole = self._patterns.test is not None, self._training.passes
        text = [
            f"def main(passes={whole}):",
            '    """Train, print the misses after each pass, and return the net."""',
            f"    if not 1 <= passes <= {whole}:",
            f'        sys.exit("this training has {whole} pass{"" if whole == 1 else "es"}")',
            *(["    torch.set_default_dtype(torch.float64)"] if self._dtype == "float64" else []),
            "    torch.set_num_threads(1)  # so little work at a time is not worth two",
            '    data = torch.load(__file__.removesuffix(".py") + "-data.pt", weights_only=True)',
            '    x_train, d_train = numbers(data, "x_train"), numbers(data, "d_train")',
            *(['    x_test, d_test = numbers(data, "x_test"), numbers(data, "d_test")'] if tested else []),
            "    net = Net().eval()",
            '    net.load_state_dict({name[6:]: w for name, w in data.items() if name.startswith("start.")})',
        ]
        text += ["    net.kept = {}  # after pruning: 1 for each weight that remains, else 0"] if self._prunes else []
        text += [f"    {line}" for line in self._start_of(stages[0], stages)]
        text += [f"    learn = {next(iter(learn.values()))}"] if learn else []
        best = self._best_lines()
        text += indented(best.before)
        text.append("    for number in range(1, passes + 1):")
        if self._several:
            text += indented(self._changes(stages, learn), 8)
            text.append("        learn(net, rule, x_train, d_train, data, number)")
        else:
            text += indented(self._pass_lines(stages[0]), 8)
        text += [
            "        net.eval()",
            f"        y_train = outputs(net, x_train{self._of_starts('train')})",
            "        wrong_train = misses(y_train, d_train)",
            '        report = f"pass {number}: missed {wrong_train:,} of {len(x_train):,} training patterns"',
        ]
        if tested:
            text += [
                f"        y_test = outputs(net, x_test{self._of_starts('test')})",
                "        wrong_test = misses(y_test, d_test)",
                '        report += f", {wrong_test:,} of {len(x_test):,} test patterns"',
            ]
        text.append("        print(report, flush=True)")
        text += indented(best.each, 8)
        text += [*indented(best.after), "    return net", "", ""]
        return [*text, 'if __name__ == "__main__":', "    main(*map(int, sys.argv[1:]))", ""]

    def _changes(self, stages: Sequence[_StageText], learn: Mapping[tuple[str, ...], str]) -> list[str]:
        """Return the lines that begin each stage but what `main()` did before the first."""
        starts: dict[tuple[str, ...], list[int]] = {}
        now = next(iter(learn.values()))
        for stage in stages[1:]:
            name = learn[tuple(self._pass_lines(stage))]
            lines = self._start_of(stage, stages)
            lines += [f"learn = {name}"] if name != now else []
            now = name
            if lines:
                starts.setdefault(tuple(lines), []).append(stage.first)
        text = []
        for begin, numbers in starts.items():
            condition = f"number == {numbers[0]}" if len(numbers) == 1 else f"number in {tuple(numbers)}"
            text += [f"if {condition}:", *indented(list(begin))]
        return text

    def _best_lines(self) -> _BestText:
        """Return the lines for `(keep best FIGURE)` and `(stop-after N)`."""
        training = self._training
        if training.keep is None or training.keep not in figures_of_a_page():
            return _BestText([], [], [])
        split, _, figure = training.keep.partition("-")
        wrong, x, d = f"wrong_{split}", f"y_{split}", f"d_{split}"
        value = {
            "misses": wrong,
            "error": wrong,
            "loss": f"float(net.cost({x}.double(), {d}.double())) / len({d})",
            "mse": f"float((({d}.double() - {x}.double()) ** 2).mean())",
            "half-mse": f"float((({d}.double() - {x}.double()) ** 2).mean()) / 2",
        }[figure]
        each = [
            f"figure = {value}",
            "if figure < best:",
            "    best, best_pass = figure, number",
            "    weights = {name: w.clone() for name, w in net.state_dict().items()}",
        ]
        if training.stop_after is not None:
            each += [f"if number - best_pass >= {training.stop_after}:", "    break"]
        return _BestText(
            ['best, best_pass, weights = float("inf"), 0, net.state_dict()'],
            each,
            ["net.load_state_dict(weights)", 'print(f"the best pass is {best_pass}, and main() returns its weights")'],
        )


@dataclass
class _BestText:
    before: list[str]
    each: list[str]
    after: list[str]


def figures_of_a_page() -> tuple[str, ...]:
    """Return the names of the figures by which a page can choose the best pass, such as "test-misses"."""
    return tuple(f"{split}-{f}" for split in ("test", "train") for f in ("misses", "error", "loss", "mse", "half-mse"))


def without_mask(rule: UpdateRule) -> UpdateRule:
    """Return a rule without the assignment that keeps pruned weights at 0."""
    if KEPT_STATE not in rule.states:
        return rule
    return replace(rule, states=tuple(s for s in rule.states if s != KEPT_STATE), assignments=rule.assignments[:-1])


def _assignments(
    groups: Sequence[Sequence[tuple[str, Expression]]],
    kept: Sequence[str],
    tensors: set[str],
    local: Mapping[str, str],
    dtype: str,
) -> list[str]:
    """Return the lines of the assignments of a rule; `kept` are the states that the next update reads."""
    body: list[str] = []
    for group in groups:
        live = [
            (target, e)
            for target, e in group
            if target == "w" or target in kept or any(target in other.variables() for g in groups for _, other in g)
        ]
        lines, texts = expression_lines([e for _, e in live], tensors, dtype, dict(local))
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
    return body


def _states_kept(groups: Iterable[Iterable[tuple[str, Expression]]], states: tuple[str, ...]) -> list[str]:
    """Return the states that one update reads from the one before."""
    assigned: set[str] = set()
    kept: set[str] = set()
    for group in groups:
        for _, e in group:
            kept |= (e.variables() & set(states)) - assigned
        assigned |= {target for target, _ in group}
    return [state for state in states if state in kept]


def _value_text(value: Value, passes: int, first: int) -> str:
    """Return the value in pass `number` of a stage that has `passes` passes and begins with pass `first`."""
    if value.kind == "constant":
        return number_of(value.numbers[0])
    if value.kind == "linear":
        low, high = (number_of(n) for n in value.numbers)
        return low if passes == 1 else f"{low} + ({high} - {low}) * (number - {first}) / {passes - 1}"
    lengths = [*value.lengths, *([passes - sum(value.lengths)] if len(value.lengths) < len(value.numbers) else [])]
    steps = " + ".join(f"[{number_of(v)}] * {n}" for v, n in zip(value.numbers, lengths))
    return f"({steps})[number - {first}]"


def _order_text(order: str) -> str:
    if order == "random":
        return "order = torch.randint(len(x_train), (len(x_train),))"
    return "order = torch.randperm(len(x_train))"


def _table_lines(name: str, rows: Sequence[str]) -> list[str]:
    """Return the assignment of a dict, on one line if it is short."""
    line = f"{name} = {{{', '.join(rows)}}}"
    return [line] if len(line) <= 90 else [f"{name} = {{", *(f"    {row}," for row in rows), "}"]
