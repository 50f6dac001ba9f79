"""Reading one `(train NAME clause ...)`: clauses of `like` and own ones merged, read, completed, made a Training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from snsim.data.catalog import DATA_SETS
from snsim.engines.protocol import Cost
from snsim.errors import Fault, SnError
from snsim.language.forms import Node
from snsim.network.clauses import DEFAULT, STATED, Clause, Plain, arguments, make_node, name, sort_clauses
from snsim.network.net import Net
from snsim.registry import Shelf
from snsim.training.forms import data_clauses
from snsim.training.forms.costs import CostDefinition, check_sums, read_cost, remember_broken
from snsim.training.forms.stage_clauses import PRUNE
from snsim.training.forms.stage_form import (
    ONE_BY_ONE,
    RATES,
    SINGLES,
    InForce,
    Reading,
    read_rates,
    read_stages,
    refuse_epsi,
)
from snsim.training.forms.update_rules import UpdateDefinition, read_update
from snsim.training.forms.values_and_scopes import Family, read_family, read_number
from snsim.training.initial import INITIALISERS
from snsim.training.spec import DataChoice, Stage, Training

# The clauses of `train` with their syntax and line of help, in the order of the complete form: first these, then the
# initial distributions, then the others.
_BEFORE_INITIAL = (
    ("like", "(like TRAIN)", "first clause: the clauses of that training, then these"),
    ("net", "(net NAME)", "the net that learns; else the net called as the training, else that of `like`"),
    ("data", data_clauses.DATA, "where the patterns come from; of several names the first to be had"),
    ("ensemble", "(ensemble A B)", "train on patterns A to B, from 0, both included"),
    ("test-set", "(test-set A B)", "test on patterns A to B, from 0, both included"),
    ("frame", "(frame R C V)", "each picture in the middle of R x C cells of V"),
    ("targets", "(targets OFF ON)", "targets of data with classes; -1 1 if not stated"),
    ("cost", "(cost NAME NUM ...)", "E, minimised per pattern; lms if not stated"),
    ("correct", "(correct NAME NUM ...)", "when an output is right; max if not stated"),
)
_BEHIND_INITIAL = (
    ("fan-in", "(fan-in lines) or (fan-in weights)", "whether F counts the bias (lines, as SN) or not"),
    ("initial", '(initial "FILE")', "initial weights from an npz or safetensors file"),
    ("update", "(update NAME (option VALUE) ... (curvature N))", "the update rule; sgd if not stated"),
    ("epsilon", "(epsilon VALUE PLACE ...)", "the learning rate; 0 freezes"),
    ("epsi-sqrt", "(epsi-sqrt VALUE PLACE ...)", "learning rate VALUE/sqrt F"),
    ("epsi-inv", "(epsi-inv VALUE PLACE ...)", "learning rate VALUE/F: SN's epsi"),
    ("mask-epsi", "(mask-epsi VALUE PLACE ...)", "learning rate VALUE/sqrt(F sharers)"),
    ("batch", "(batch N sum|mean) or (batch all sum|mean)", "patterns per update; 1 if not stated"),
    ("order", "(order fixed|shuffled|shuffled once|random)", "order of presentation; fixed if not stated"),
    ("augment", "(augment (shift N FILL))", "each presentation moved by -N to N rows and columns; FILL may be wrap"),
    ("input-noise", "(input-noise VALUE)", "standard deviation of Gaussian noise on the inputs"),
    ("theta", "(theta VALUE)", "standard deviation of Gaussian noise on the weighted sums while learning"),
    ("dropout", "(dropout P LAYER ...)", "while learning states are 0 with probability P, the others divided by 1-P"),
    (
        "prune",
        PRUNE,
        "before this stage alone: cut the fraction F of the remaining connections (or free weights) of least h w^2",
    ),
    ("passes", "(passes N)", "every training pattern once, N times"),
    ("stage", "(stage clause ...)", "a stretch of passes, like the one before but for its clauses"),
    ("repeat", "(repeat N (stage ...) ...)", "the stages N times"),
    ("seed", "(seed N ...)", "one run each; 1 if not stated"),
    ("published", "(published (NAME NUM) ...)", "figures to print beside ours: " + " ".join(data_clauses.PUBLISHED)),
    ("note", '(note "TEXT" ...)', "what a reader of the report must know, of the published figures say"),
)
_MANY = {*RATES, "stage", "repeat"}  # and the initial distributions
_NOT_INHERITED = ("like", "net", "published", "note")


def clauses_of_train() -> Shelf[str]:
    """Return the syntax of every clause of `train` by its word, in the order of the complete form."""
    clauses: Shelf[str] = Shelf("clause of train")
    initial = ((entry.name, entry.value.syntax, entry.doc) for entry in INITIALISERS)
    for word, syntax, doc in (*_BEFORE_INITIAL, *initial, *_BEHIND_INITIAL):
        clauses.add(word, syntax, doc)
    return clauses


def _words_of_train() -> list[str]:
    """Return the words of `clauses_of_train`: each training goes through them, so no shelf is made for it."""
    return [*(word for word, _, _ in _BEFORE_INITIAL), *INITIALISERS.names(), *(word for word, _, _ in _BEHIND_INITIAL)]


def _is_many(word: str) -> bool:
    """Whether a training may state several clauses of this word."""
    return word in _MANY or word in INITIALISERS


def _read_initial_family(clauses: Iterable[Clause], reading: Reading, drop: Callable[[Clause], None]) -> Family:
    """The initial distributions among these clauses, by place."""
    return read_family(
        [clause for clause in clauses if clause.word in INITIALISERS],
        lambda word: read_number if INITIALISERS.get(word).takes_value else None,
        reading.net,
        reading.faults,
        drop,
    )


@dataclass
class _Form:
    """The clauses of one training, those of `like` merged in, and what they mean as far as they have been read."""

    call: Node
    reading: Reading
    singles: dict[str, Clause]
    initial: Family
    rates: Family
    stages: list[Clause]
    warnings: list[Fault] = field(default_factory=list)

    def node(self, word: str) -> Node | None:
        clause = self.singles.get(word)
        return None if clause is None else clause.node

    def default(self, word: str, *items: Plain) -> Node:
        """State the default of a clause, with the place of the form's name."""
        node = make_node([word, *items], self.call.items[1].span)
        self.singles[word] = Clause(node, DEFAULT)
        return node

    def drop(self, word: str, why: str) -> None:
        """Take away a clause that nothing reads."""
        self.reading.unread(self.singles.pop(word), why)


def read_training(
    call: Node,
    trainings: Shelf[Training],
    costs: Shelf[CostDefinition],
    updates: Shelf[UpdateDefinition],
    nets: Shelf[Net],
    included: bool = False,
) -> tuple[Training, list[Fault]]:
    """The training a form declares, put on the shelf, and warnings. SnError with every fault of the form."""
    reading = Reading(None, updates)
    faults = reading.faults
    if arguments(call, 1, None, "(train NAME clause ...)", faults) is None:
        faults.raise_if_any()
    called = name(call.items[1], "the name of a training", faults) or ""
    with faults.gathered():
        trainings.check_free(called, call.items[1].span)
    nodes = refuse_epsi(call.items[2:], reading)
    words = _words_of_train()
    own = [Clause(node) for node in sort_clauses(nodes, words, "train", filter(_is_many, words), faults)]
    parent = _parent(own, call, trainings, reading)
    net_clause = _find_net(called, own, parent, nets, call, reading)
    form = _merged(call, own, parent, reading)
    training = _build(called, form, costs, net_clause, included)
    if faults.any or training is None:
        remember_broken(trainings, call)
        raise SnError(_sorted(faults.found, call))
    return trainings.add(called, training, _summary(training), call.items[1].span), form.warnings


def _parent(own: list[Clause], call: Node, trainings: Shelf[Training], reading: Reading) -> Training | None:
    """The training that `(like N)` names, if it is stated."""
    clause = next((c for c in own if c.word == "like"), None)
    if clause is None:
        return None
    if clause.node is not call.items[2]:
        reading.faults.add(
            "(like ...) is not the first clause, and everything after it replaces what it brings",
            clause.node.span,
            "put it first",
        )
    given = arguments(clause.node, 1, 1, "(like TRAIN)", reading.faults)
    reading.complete = False  # until the form that it names is found without faults
    if given is None or name(given[0], "a training", reading.faults) is None:
        return None
    with reading.faults.gathered():
        parent = trainings.get(given[0].name, given[0].span)
        reading.complete = True
        return parent
    return None


def _find_net(
    called: str, own: list[Clause], parent: Training | None, nets: Shelf[Net], call: Node, reading: Reading
) -> Clause | None:
    """Set the net: `(net N)` if stated, else the net called as the training, else that of `like`. Its clause."""
    faults = reading.faults
    stated = next((c for c in own if c.word == "net"), None)
    if stated is not None:
        given = arguments(stated.node, 1, 1, "(net NAME)", faults)
        if given is not None and name(given[0], "a net", faults) is not None:
            with faults.gathered():
                reading.net = nets.get(given[0].name, given[0].span)
        return stated
    origin = DEFAULT
    if called in nets or nets.is_broken(called):
        with faults.gathered():
            reading.net = nets.get(called, call.items[1].span)
    elif parent is not None:
        reading.net, origin = parent.net, parent.name
    elif reading.complete:
        faults.add(
            f'no net: there is none called "{called}", and this training names none',
            call.items[1].span,
            lambda: f"add (net NAME).  {nets.suggest(called)}",
        )
    return None if reading.net is None else Clause(make_node(["net", reading.net.name], call.items[1].span), origin)


def _merged(call: Node, own: list[Clause], parent: Training | None, reading: Reading) -> _Form:
    """The clauses of `like`, then the own ones: each replaces the earlier whole, in placed families place by place."""
    brought = (
        []
        if parent is None
        else [
            _as_stated(clause).inherited(parent.name)
            for clause in parent.clauses
            if clause.origin != DEFAULT and clause.word not in _NOT_INHERITED
        ]
    )
    singles: dict[str, Clause] = {}
    for clause in (*brought, *own):
        if not _is_many(clause.word) and clause.word not in ("like", "net"):
            singles[clause.word] = clause
    initial: Family = {}
    rates: Family = {}
    for clauses in (brought, own):
        initial.update(_read_initial_family(clauses, reading, reading.dropped.append))
        rates.update(read_rates(clauses, reading))
    stages = [[c for c in clauses if c.word in ("stage", "repeat")] for clauses in (own, brought)]
    return _Form(call, reading, singles, initial, rates, stages[0] or stages[1])


def _as_stated(clause: Clause) -> Clause:
    """The clause without options that are defaults: those may be others where it is inherited."""
    defaults = {id(part.node) for part in clause.parts if part.origin == DEFAULT}
    kept = tuple(item for item in clause.node.items if id(item) not in defaults)
    return (
        replace(
            clause,
            node=Node(kept, clause.node.span),
            parts=tuple(part for part in clause.parts if part.origin != DEFAULT),
        )
        if defaults
        else clause
    )


# ---- Reading the merged clauses ----------------------------------------------------------------------------------


def _build(
    called: str, form: _Form, costs: Shelf[CostDefinition], net_clause: Clause | None, included: bool
) -> Training | None:
    reading, faults = form.reading, form.reading.faults
    data = _read_data(form)
    ranges = {
        word: data_clauses.read_range(node, faults)
        for word in ("ensemble", "test-set")
        if (node := form.node(word)) is not None
    }
    frame_node = form.node("frame")
    frame = None if frame_node is None else data_clauses.read_frame(frame_node, reading.net, faults)
    targets = _read_targets(form, data)
    cost = _read_cost(form, costs, data, targets)
    correct = data_clauses.read_correct(form.node("correct") or form.default("correct", "max"), faults)
    _warn_of_one_output(form, correct)
    fan_in = data_clauses.read_choice(
        form.node("fan-in") or form.default("fan-in", "lines"),
        ("lines", "weights"),
        "(fan-in lines) or (fan-in weights)",
        faults,
    )
    initial_file = _read_initial(form)
    top = InForce({word: form.singles[word] for word in SINGLES if word in form.singles}, form.rates)
    stages = read_stages(top, form.stages, form.call, reading)
    seeds = data_clauses.read_seeds(form.node("seed") or form.default("seed", 1), faults)
    published = form.node("published")
    figures = () if published is None else data_clauses.read_published(published, faults) or ()
    note = form.node("note")
    notes = () if note is None else data_clauses.read_notes(note, faults)
    if faults.any or reading.net is None or data is None or cost is None or correct is None:
        return None
    if fan_in is None or seeds is None:
        return None
    return Training(
        name=called,
        net=reading.net,
        data=data,
        cost=cost,
        criterion=correct,
        initial=tuple(s.placed for s in form.initial.values()),
        stages=stages,
        seeds=seeds,
        targets=targets or (-1.0, 1.0),
        fan_in=fan_in,
        initial_file=initial_file,
        ensemble=ranges.get("ensemble"),
        test_set=ranges.get("test-set"),
        frame=frame,
        published=figures,
        notes=notes,
        included=included,
        clauses=_complete(form, top, net_clause, stages),
        dropped=tuple(reading.dropped),
        span=form.call.span,
    )


def _read_data(form: _Form) -> DataChoice | None:
    node = form.node("data")
    if node is not None:
        return data_clauses.read_data(node, DATA_SETS, form.reading.net, form.reading.faults)
    if form.reading.complete:
        form.reading.faults.add(
            "no data: this training does not say which patterns it learns",
            form.call.span,
            f"add (data SET ...); data sets: {', '.join(DATA_SETS.names())}",
        )
    return None


def _read_targets(form: _Form, data: DataChoice | None) -> tuple[float, float] | None:
    """OFF and ON; None for examples and patterns, which have their own targets."""
    if data is not None and not data.names and data.own is None:
        if "targets" in form.singles:
            form.drop("targets", "examples and patterns state their own targets")
        return None
    return data_clauses.read_targets(form.node("targets") or form.default("targets", -1, 1), form.reading.faults)


def _read_cost(
    form: _Form, costs: Shelf[CostDefinition], data: DataChoice | None, targets: tuple[float, float] | None
) -> Cost | None:
    faults, net = form.reading.faults, form.reading.net
    read = read_cost(form.node("cost") or form.default("cost", "lms"), costs, net, faults)
    if read is None:
        return None
    cost, node = read
    form.singles["cost"] = replace(form.singles["cost"], node=node)
    if cost.softmax and targets is not None and net is not None:
        stated = form.singles["targets"]
        check_sums(cost, *targets, net.layers[-1].units, node if stated.origin == DEFAULT else stated.node, faults)
    if cost.softmax and data is not None and data.targets is not None:
        sums = data.targets.sum(axis=1)
        if np.abs(sums - 1).max() > 1e-6:
            row = int(np.abs(sums - 1).argmax())
            faults.add(
                f"cross-entropy needs targets that sum to 1; those of pattern {row} sum to {sums[row]:g}",
                data.span,
                "state targets of which one is 1 and the others 0",
            )
    return cost


def _warn_of_one_output(form: _Form, correct: tuple[str, tuple[float, ...]] | None) -> None:
    net = form.reading.net
    if correct is not None and correct[0] == "max" and net is not None and net.layers[-1].units == 1:
        form.warnings.append(
            Fault(
                "of one output the largest is always right: (correct max) will report no misses",
                form.singles["correct"].node.span,
                hint="write (correct quadrant)",
                severity="warning",
            )
        )


def _read_initial(form: _Form) -> str | None:
    """The file of initial weights, which stands for the whole family; else the default of the family."""
    node = form.node("initial")
    if node is not None and form.singles["initial"].origin != STATED and _states_initial(form):
        form.drop("initial", "initial weights are stated anew")
    elif node is not None:
        for statement in list(form.initial.values()):
            form.reading.unread(statement.clause, "(initial ...) gives every weight")
        form.initial.clear()
        return data_clauses.read_file(node, form.reading.faults)
    default = make_node(["forget-sqrt", 1], form.call.items[1].span)
    family = _read_initial_family([Clause(default, DEFAULT)], form.reading, lambda clause: None)
    form.initial = {**family, **form.initial}
    return None


def _states_initial(form: _Form) -> bool:
    return any(statement.clause.origin == STATED for statement in form.initial.values())


# ---- The complete form -------------------------------------------------------------------------------------------


def _complete(form: _Form, top: InForce, net_clause: Clause | None, stages: tuple[Stage, ...]) -> tuple[Clause, ...]:
    """Every clause in the order of `clauses_of_train`, defaults included; a placed clause states one place."""
    dropped = {id(clause) for clause in form.reading.dropped}
    singles = {
        word: c
        for word, c in form.singles.items()
        if (word not in SINGLES or word in top.singles) and id(c) not in dropped
    }
    if net_clause is not None:
        singles["net"] = net_clause
    at = form.call.items[1].span
    first = [node.head for node in _first_stage(form.stages)]
    unread = ONE_BY_ONE if stages and stages[0].rule.conjugate else ()
    defaults: tuple[tuple[str, Plain], ...] = (("update", "sgd"), ("batch", 1), ("order", "fixed"))
    for word, item in defaults:
        if word not in singles and word not in first and word not in unread:
            singles[word] = Clause(make_node([word, item], at), DEFAULT)
    batched: bool | None = "batch" in singles and _is_batched(singles["batch"].node)
    if any("batch" in _words(clause.node) for clause in form.stages):
        batched = None  # the batch in force where none is stated may differ from one time round to the next
    if "update" in singles:
        singles["update"] = _completed_update(singles["update"], form.reading, batched)
    # All statements of a placed family stand where the first word of the family does.
    statements = {INITIALISERS.names()[0]: list(form.initial.values()), RATES[0]: list(top.rates.values())}
    clauses: list[Clause] = []
    for word in _words_of_train():
        if word in statements:
            clauses += [s.clause for s in statements[word] if id(s.clause) not in dropped]
        elif word in singles:
            clauses.append(singles[word])
        elif word == "stage":
            clauses += [replace(c, node=_completed(c.node, form.reading, batched)) for c in form.stages]
    return tuple(clauses)


def _first_stage(stages: list[Clause]) -> tuple[Node, ...]:
    """The clauses of the stage that is run first."""
    node = stages[0].node if stages else None
    while node is not None and node.head == "repeat":
        node = node.items[2]
    return () if node is None else node.items[1:]


def _is_batched(node: Node) -> bool:
    """Whether `(batch ...)` gathers patterns."""
    return len(node.items) > 1 and not (node.items[1].is_number and node.items[1].value == 1)


def _words(node: Node) -> Iterator[str]:
    """The words of the clauses in a stage or repeat."""
    for item in node.items[1:]:
        yield item.head
        if item.head in ("stage", "repeat"):
            yield from _words(item)


def _completed_update(clause: Clause, reading: Reading, batched: bool | None) -> Clause:
    """The update clause with all options of the rule, each with its origin."""
    node = _completed(clause.node, reading, batched)
    before = {part.word: part.origin for part in clause.parts}  # of a clause that `like` brought
    stated = {option.head for option in clause.node.items[2:]}
    parts = [
        Clause(option, before.get(option.head, clause.origin if option.head in stated else DEFAULT))
        for option in node.items[2:]
    ]
    return replace(clause, node=node, parts=tuple(parts))


def _completed(node: Node, reading: Reading, batched: bool | None) -> Node:
    """A clause in which every `(update ...)` states all its options; but for gamma, whose default depends on whether
    patterns are `batched` there, where that is not known (None).
    """
    if node.head == "update":
        update = read_update(node, reading.updates, reading.faults, bool(batched))
        if update is None:
            return node
        stated = {item.head for item in node.items}
        return Node(
            tuple(
                item for item in update.node.items if batched is not None or item.head != "gamma" or "gamma" in stated
            ),
            node.span,
        )
    if node.head in ("stage", "repeat"):
        own = next((item for item in node.items if node.head == "stage" and item.head == "batch"), None)
        batched = batched if own is None else _is_batched(own)
        return Node(tuple(_completed(item, reading, batched) for item in node.items), node.span)
    return node


def _summary(training: Training) -> str:
    rules = ", ".join(dict.fromkeys(stage.rule.name for stage in training.stages))
    data = " or ".join(training.data.names) or "its own examples"
    if training.data.own is not None:
        data = " and ".join(training.data.own.files)
    return f"net {training.net.name} on {data}, {rules}, {training.passes} passes"


def _sorted(found: list[Fault], call: Node) -> list[Fault]:
    """Each fault once, in the order of the text; one in a clause that `like` brought names this form as well."""
    here = call.items[1].span
    unique: dict[tuple[object, ...], Fault] = {}
    for fault in found:
        span = fault.span
        inside = span is None or (span.source is here.source and call.span.start <= span.start < call.span.end)
        shown = fault if inside else replace(fault, also=(*fault.also, ("brought by like to this training", here)))
        unique.setdefault((fault.message, fault.span), shown)
    return sorted(unique.values(), key=lambda f: -1 if f.span is None else f.span.start)
