"""Read one form `(train NAME clause ...)`: merge inherited and stated clauses, and build a `Training`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from snsim.data.catalog import DATA_SETS
from snsim.engines.protocol import Cost
from snsim.errors import Fault, SnError, passes_text
from snsim.language.forms import Node
from snsim.network.clauses import (
    DEFAULT,
    STATED,
    Clause,
    Plain,
    make_node,
    read_arguments,
    read_name,
    read_whole_number,
    select_clauses,
)
from snsim.network.net import Net
from snsim.registry import Shelf
from snsim.training.criterion_check import criterion_warnings
from snsim.training.forms import data_clauses
from snsim.training.forms.costs import CostDefinition, check_sums, read_cost, remember_broken
from snsim.training.forms.stage_clauses import PRUNE
from snsim.training.forms.stage_form import (
    DECAY,
    ONE_BY_ONE,
    RATE_WORDS,
    SINGLE_WORDS,
    ClausesInForce,
    ReadContext,
    read_decays,
    read_rates,
    read_stages,
    refuse_epsi,
)
from snsim.training.forms.update_rules import UpdateDefinition, read_update
from snsim.training.forms.values_and_scopes import (
    Family,
    read_constant,
    read_family,
    read_scope,
    scope_problem,
    scope_text,
)
from snsim.training.initial import INITIALISERS
from snsim.training.parameter_scopes import scopes_of
from snsim.training.spec import DataChoice, Scope, Stage, Training

# The clauses of `train` with their syntax and help line, in the order of the complete form: first these, then the
# initial distributions, then _AFTER_INITIAL.
_BEFORE_INITIAL = (
    ("like", "(like TRAIN)", "first clause: start from the clauses of that training"),
    (
        "net",
        "(net NAME)",
        "the net to train; default: the net with the name of the training, or else that of the training in `like`",
    ),
    ("data", data_clauses.DATA, "the data set; of several names, the first that is available"),
    ("ensemble", "(ensemble A B)", "train on patterns A to B, counted from 0, both included"),
    ("test-set", "(test-set A B)", "test on patterns A to B, counted from 0, both included"),
    ("frame", "(frame R C V)", "pad each picture to R x C cells with the value V, centred"),
    ("targets", "(targets OFF ON)", "targets for data with class labels; default -1 1"),
    ("cost", "(cost NAME NUM ...)", "the cost E of a pattern, to be minimised; default lms"),
    ("correct", "(correct NAME NUM ...)", "when an output counts as right; default max"),
)
_AFTER_INITIAL = (
    ("fan-in", "(fan-in lines) or (fan-in weights)", "whether F counts the bias (lines, as in SN) or not (weights)"),
    (
        "initial",
        '(initial "FILE" SCOPE ...)',
        "initial weights from an npz or safetensors file: all, or those of SCOPEs",
    ),
    ("update", "(update NAME (option VALUE) ... (curvature N))", "the update rule; default sgd"),
    ("epsilon", "(epsilon VALUE SCOPE ...)", "the learning rate; 0 freezes"),
    ("epsi-sqrt", "(epsi-sqrt VALUE SCOPE ...)", "learning rate VALUE/sqrt F"),
    ("epsi-inv", "(epsi-inv VALUE SCOPE ...)", "learning rate VALUE/F: SN's epsi"),
    ("mask-epsi", "(mask-epsi VALUE SCOPE ...)", "learning rate VALUE/sqrt(F sharers)"),
    ("decay", "(decay V SCOPE ...)", "weight decay of the update rule, 0 where no SCOPE says otherwise"),
    ("batch", "(batch N sum|mean) or (batch all sum|mean)", "patterns per update; default 1"),
    ("order", "(order fixed|shuffled|shuffled once|random)", "order of presentation; default fixed"),
    (
        "augment",
        "(augment (shift N FILL))",
        "shift each pattern at random by -N to N rows and columns; FILL may be wrap",
    ),
    ("input-noise", "(input-noise VALUE)", "standard deviation of Gaussian noise on the inputs"),
    ("theta", "(theta VALUE)", "standard deviation of Gaussian noise on the weighted sums during training"),
    ("dropout", "(dropout P LAYER ...)", "during training, states are 0 with probability P, the others divided by 1-P"),
    (
        "prune",
        PRUNE,
        "before this stage, cut the fraction F of the remaining connections (or free weights), those with the "
        "smallest h w^2",
    ),
    ("passes", "(passes N)", "N passes, each over every training pattern once"),
    (
        "stage",
        "(stage clause ...)",
        "a part of the training with its own passes, rates or order; other settings stay as in the stage before",
    ),
    ("repeat", "(repeat N (stage ...) ...)", "run the stages N times"),
    (
        "keep",
        "(keep best FIGURE)",
        "also keep the weights of the pass with the smallest FIGURE, such as test-misses",
    ),
    (
        "stop-after",
        "(stop-after N)",
        "stop the training after N passes without an improvement of the figure of (keep best ...)",
    ),
    (
        "time",
        "(time N)",
        "for a net with delays: gradients go back through the last N steps of a sequence; default 1",
    ),
    ("seed", "(seed N ...)", "one run for each seed; default 1"),
    (
        "published",
        "(published (NAME NUM) ...)",
        "published results, shown beside ours: " + " ".join(data_clauses.PUBLISHED),
    ),
    (
        "prior",
        "(prior WEIGHT)",
        "how likely this training is beside the others of its study, before any run: `snsim reproduce --joint`; "
        "0 for one whose runs only help to judge the others",
    ),
    ("note", '(note "TEXT" ...)', "remarks for the readers of the report, for example about the published figures"),
)
# Clauses that may be stated several times; initial distributions may too.
_REPEATABLE = {*RATE_WORDS, DECAY, "stage", "repeat"}
MOST_STEPS = 200  # of `time`: an engine compiles code for each
_NOT_INHERITED = ("like", "net", "published", "prior", "note")


def clauses_of_train() -> Shelf[str]:
    """Return the syntax of every clause of `train` by its word, in the order of the complete form."""
    clauses: Shelf[str] = Shelf("clause of train")
    initial = ((entry.name, entry.value.syntax, entry.doc) for entry in INITIALISERS)
    for word, syntax, doc in (*_BEFORE_INITIAL, *initial, *_AFTER_INITIAL):
        clauses.add(word, syntax, doc)
    return clauses


def _train_words() -> list[str]:
    """Return the words of `clauses_of_train`, without making a shelf: every training needs them."""
    return [*(word for word, _, _ in _BEFORE_INITIAL), *INITIALISERS.names(), *(word for word, _, _ in _AFTER_INITIAL)]


def _is_repeatable(word: str) -> bool:
    """Tell whether a training may state several clauses with this word."""
    return word in _REPEATABLE or word in INITIALISERS


def _read_initial_family(clauses: Iterable[Clause], context: ReadContext, drop: Callable[[Clause], None]) -> Family:
    """Return the initial distributions among these clauses, by scope."""
    return read_family(
        [clause for clause in clauses if clause.word in INITIALISERS],
        lambda word: read_constant if INITIALISERS.get(word).takes_value else None,
        context.net,
        context.faults,
        drop,
    )


@dataclass
class _MergedForm:
    """The clauses of one training, inherited and stated ones merged, and what has been read of them."""

    call: Node
    context: ReadContext
    singles: dict[str, Clause]
    initial: Family
    rates: Family
    decays: Family
    stages: list[Clause]
    warnings: list[Fault] = field(default_factory=list)

    def node(self, word: str) -> Node | None:
        clause = self.singles.get(word)
        return None if clause is None else clause.node

    def default(self, word: str, *items: Plain) -> Node:
        """Add a clause with its default, at the place of the name of the form, and return its node."""
        node = make_node([word, *items], self.call.items[1].span)
        self.singles[word] = Clause(node, DEFAULT)
        return node

    def drop(self, word: str, why: str) -> None:
        """Remove a clause that has no effect."""
        self.context.refuse_or_drop(self.singles.pop(word), why)


def read_training(
    call: Node,
    trainings: Shelf[Training],
    costs: Shelf[CostDefinition],
    updates: Shelf[UpdateDefinition],
    nets: Shelf[Net],
    included: bool = False,
) -> tuple[Training, list[Fault]]:
    """Read a form, put its training on the shelf, and return the training and warnings.

    `included` is true if an included file declares it. Raise SnError with every fault of the form.
    """
    context = ReadContext(None, updates)
    faults = context.faults
    if read_arguments(call, 1, None, "(train NAME clause ...)", faults) is None:
        faults.raise_if_any()
    name = trainings.declared_name(read_name(call.items[1], "the name of a training", faults) or "")
    with faults.gathered():
        trainings.check_free(name, call.items[1].span)
    nodes = refuse_epsi(call.items[2:], context)
    words = _train_words()
    stated = [Clause(node) for node in select_clauses(nodes, words, "train", filter(_is_repeatable, words), faults)]
    parent = _find_parent(stated, call, trainings, context)
    net_clause = _find_net(name, stated, parent, nets, call, context)
    form = _merge_clauses(call, stated, parent, context)
    training = _build_training(name, form, costs, net_clause, included)
    if faults.any or training is None:
        remember_broken(trainings, call)
        raise SnError(_sort_faults(faults.found, call))
    return trainings.add(name, training, _summary(training), call.items[1].span), form.warnings


def _find_parent(stated: list[Clause], call: Node, trainings: Shelf[Training], context: ReadContext) -> Training | None:
    """Return the training that `(like NAME)` names; None without such a clause, or after a fault."""
    clause = next((c for c in stated if c.word == "like"), None)
    if clause is None:
        return None
    if clause.node is not call.items[2]:
        context.faults.add(
            "(like ...) must be the first clause, because the clauses after it replace inherited ones",
            clause.node.span,
            "move it to the front",
        )
    args = read_arguments(clause.node, 1, 1, "(like TRAIN)", context.faults)
    context.complete = False  # until the training that it names is known to have no faults
    if args is None or read_name(args[0], "a training", context.faults) is None:
        return None
    with context.faults.gathered():
        parent = trainings.get(args[0].name, args[0].span)
        context.complete = True
        return parent
    return None


def _find_net(
    name: str, stated: list[Clause], parent: Training | None, nets: Shelf[Net], call: Node, context: ReadContext
) -> Clause | None:
    """Set the net of the context, and return its clause; None after a fault.

    It is that of `(net NAME)` if stated, else the net with the name of the training, else that of `like`.
    """
    faults = context.faults
    net_clause = next((c for c in stated if c.word == "net"), None)
    if net_clause is not None:
        args = read_arguments(net_clause.node, 1, 1, "(net NAME)", faults)
        if args is not None and read_name(args[0], "a net", faults) is not None:
            with faults.gathered():
                context.net = nets.get(args[0].name, args[0].span)
                if context.net.name != args[0].name:  # short for a net of this cell of a design
                    return Clause(
                        Node(
                            (net_clause.node.items[0], make_node(context.net.name, args[0].span)), net_clause.node.span
                        )
                    )
        return net_clause
    origin = DEFAULT
    if name in nets or nets.is_broken(name):
        with faults.gathered():
            context.net = nets.get(name, call.items[1].span)
    elif parent is not None:
        context.net, origin = parent.net, parent.name
    elif context.complete:
        faults.add(
            f'no net: this training names none, and there is no net "{name}"',
            call.items[1].span,
            lambda: f"add (net NAME); {nets.suggest(name)}",
        )
    return None if context.net is None else Clause(make_node(["net", context.net.name], call.items[1].span), origin)


def _merge_clauses(call: Node, stated: list[Clause], parent: Training | None, context: ReadContext) -> _MergedForm:
    """Merge inherited and stated clauses: a stated one replaces the inherited one of the same word, or scope."""
    inherited = (
        []
        if parent is None
        else [
            _without_defaults(clause).inherited(parent.name)
            for clause in parent.clauses
            if clause.origin != DEFAULT and clause.word not in _NOT_INHERITED
        ]
    )
    singles: dict[str, Clause] = {}
    for clause in (*inherited, *stated):
        if not _is_repeatable(clause.word) and clause.word not in ("like", "net"):
            singles[clause.word] = clause
    initial: Family = {}
    rates: Family = {}
    decays: Family = {}
    for clauses in (inherited, stated):
        initial.update(_read_initial_family(clauses, context, context.dropped.append))
        rates.update(read_rates(clauses, context))
        decays.update(read_decays(clauses, context))
    stages = [[c for c in clauses if c.word in ("stage", "repeat")] for clauses in (stated, inherited)]
    return _MergedForm(call, context, singles, initial, rates, decays, stages[0] or stages[1])


def _without_defaults(clause: Clause) -> Clause:
    """Return the clause without its default options, which may differ in the training that inherits it."""
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


def _build_training(
    name: str, form: _MergedForm, costs: Shelf[CostDefinition], net_clause: Clause | None, included: bool
) -> Training | None:
    context, faults = form.context, form.context.faults
    data = _read_data(form)
    ranges = {
        word: data_clauses.read_range(node, faults)
        for word in ("ensemble", "test-set")
        if (node := form.node(word)) is not None
    }
    frame_node = form.node("frame")
    frame = None if frame_node is None else data_clauses.read_frame(frame_node, context.net, faults)
    targets = _read_targets(form, data)
    cost = _read_cost(form, costs, data, targets)
    correct = data_clauses.read_correct(form.node("correct") or form.default("correct", "max"), faults)
    _check_criterion(form, correct, data)
    fan_in = data_clauses.read_choice(
        form.node("fan-in") or form.default("fan-in", "lines"),
        ("lines", "weights"),
        "(fan-in lines) or (fan-in weights)",
        faults,
    )
    initial_file, initial_scopes = _read_initial(form)
    top_clauses = ClausesInForce(
        {word: form.singles[word] for word in SINGLE_WORDS if word in form.singles}, form.rates, form.decays
    )
    stages = read_stages(top_clauses, form.stages, form.call, context)
    seeds = data_clauses.read_seeds(form.node("seed") or form.default("seed", 1), faults)
    keep, stop_after = _read_keep(form, correct)
    steps = _read_time(form, stages)
    published = form.node("published")
    figures = () if published is None else data_clauses.read_published(published, faults) or ()
    prior_node = form.node("prior")
    prior = 1.0 if prior_node is None else data_clauses.read_prior(prior_node, faults)
    note = form.node("note")
    notes = () if note is None else data_clauses.read_notes(note, faults)
    if faults.any or context.net is None or data is None or cost is None or correct is None:
        return None
    if fan_in is None or seeds is None:
        return None
    return Training(
        name=name,
        net=context.net,
        data=data,
        cost=cost,
        criterion=correct,
        initial=tuple(s.scoped for s in form.initial.values()),
        stages=stages,
        seeds=seeds,
        targets=targets or (-1.0, 1.0),
        fan_in=fan_in,
        initial_file=initial_file,
        initial_scopes=initial_scopes,
        ensemble=ranges.get("ensemble"),
        test_set=ranges.get("test-set"),
        frame=frame,
        published=figures,
        notes=notes,
        prior=prior,
        keep=keep,
        stop_after=stop_after,
        time=steps,
        included=included,
        clauses=_complete_form(form, top_clauses, net_clause, stages),
        dropped=tuple(context.dropped),
        span=form.call.span,
    )


def _read_data(form: _MergedForm) -> DataChoice | None:
    node = form.node("data")
    if node is not None:
        return data_clauses.read_data(node, DATA_SETS, form.context.net, form.context.faults)
    if form.context.complete:
        form.context.faults.add(
            "no data: this training does not say which patterns it learns",
            form.call.span,
            f"add (data SET ...); data sets: {', '.join(DATA_SETS.names())}",
        )
    return None


def _read_targets(form: _MergedForm, data: DataChoice | None) -> tuple[float, float] | None:
    """Return the targets OFF and ON; None for `examples` and `patterns`, which have their own targets."""
    if data is not None and not data.names and data.own_data is None:
        if "targets" in form.singles:
            form.drop("targets", "examples and patterns state their own targets")
        return None
    return data_clauses.read_targets(form.node("targets") or form.default("targets", -1, 1), form.context.faults)


def _read_cost(
    form: _MergedForm, costs: Shelf[CostDefinition], data: DataChoice | None, targets: tuple[float, float] | None
) -> Cost | None:
    faults, net = form.context.faults, form.context.net
    cost_and_node = read_cost(form.node("cost") or form.default("cost", "lms"), costs, net, faults)
    if cost_and_node is None:
        return None
    cost, node = cost_and_node
    form.singles["cost"] = replace(form.singles["cost"], node=node)
    if cost.softmax and targets is not None and net is not None:
        stated = form.singles["targets"]
        check_sums(cost, *targets, net.layers[-1].units, node if stated.origin == DEFAULT else stated.node, faults)
    if cost.softmax and data is not None and data.targets is not None:
        sums = data.targets.sum(axis=1)
        if np.abs(sums - 1).max() > 1e-6:
            row = int(np.abs(sums - 1).argmax())
            faults.add(
                f"{cost.name} needs targets that sum to 1; those of pattern {row} sum to {sums[row]:g}",
                data.span,
                "use targets of which one is 1 and the others are 0",
            )
    return cost


def _check_criterion(form: _MergedForm, correct: tuple[str, tuple[float, ...]] | None, data: DataChoice | None) -> None:
    """Warn of a criterion that does not fit the targets in the text; those of files are checked when they are read."""
    net = form.context.net
    if correct is None or net is None or data is None or data.targets is None:
        return
    if data.targets.shape[1] == net.layers[-1].units:
        at = form.singles["correct"].node.span
        form.warnings += criterion_warnings(correct, data.targets, net.layers[-1], at)


def _read_keep(form: _MergedForm, correct: tuple[str, tuple[float, ...]] | None) -> tuple[str | None, int | None]:
    """Return the figure of `(keep best FIGURE)` and N of `(stop-after N)`; None where it is not stated."""
    keep_node, stop_node, faults, net = (
        form.node("keep"),
        form.node("stop-after"),
        form.context.faults,
        form.context.net,
    )
    keep = None if keep_node is None else data_clauses.read_keep(keep_node, faults)
    if stop_node is not None and keep_node is None:
        faults.add("(stop-after N) needs a figure to watch", stop_node.span, "add (keep best test-misses)")
    has_rejection = correct is None or (correct[0] == "max" and (net is None or net.layers[-1].units > 1))
    if keep_node is not None and keep is not None and keep.endswith("-rejection") and not has_rejection:
        faults.add(
            "rejection is computed only with (correct max) and several outputs",
            keep_node.span,
            f"write (keep best {keep.replace('rejection', 'misses')})",
        )
    return keep, None if stop_node is None else data_clauses.read_stop_after(stop_node, faults)


def _read_time(form: _MergedForm, stages: tuple[Stage, ...]) -> int:
    """Return the steps of `(time N)`, 1 by default. For a net with delays, refuse what does not read sequences."""
    net, faults = form.context.net, form.context.faults
    if net is None:
        return 1
    if not net.delayed:
        if "time" in form.singles:
            form.drop("time", f"net {net.name} has no connection with (delay 1), so its patterns are single steps")
        return 1
    node = form.node("time") or form.default("time", 1)
    args = read_arguments(node, 1, 1, "(time N)", faults)
    steps = None if args is None else read_whole_number(args[0], "the steps of (time N)", faults, 1)
    if steps is not None and args is not None and steps > MOST_STEPS:
        faults.add(
            f"gradients go back through at most {MOST_STEPS} steps, not {steps:,}",
            args[0].span,
            f"write (time {MOST_STEPS}) or less: the net is computed once for each step",
        )
    delay = net.delayed[0]
    also = () if delay.span is None else (("the delay", delay.span),)
    refused = [
        (stage.rule.conjugate, "update", "conjugate gradient", "write another update rule, such as (update sgd)")
        for stage in stages
    ]
    refused += [
        (stage.curvature_patterns is not None, "update", "(curvature N)", "write (gamma V) in its place")
        for stage in stages
    ]
    refused += [(stage.order == "random", "order", "(order random)", "write (order fixed)") for stage in stages]
    refused += [(stage.shift is not None, "augment", "(augment ...)", "remove it") for stage in stages]
    refused += [(bool(stage.dropout), "dropout", "(dropout ...)", "remove it") for stage in stages]
    refused += [(stage.theta is not None, "theta", "(theta ...)", "remove it") for stage in stages]
    for is_stated, word, what, hint in dict.fromkeys(refused):
        if is_stated:
            at = next((n.span for n in _nodes_of(form, word)), form.call.span)
            faults.add(f"{what} cannot train net {net.name}, which reads sequences", at, hint, also)
    return steps or 1


def _nodes_of(form: _MergedForm, word: str) -> Iterator[Node]:
    """Yield the clauses with a word, in stages too."""
    if (node := form.node(word)) is not None:
        yield node

    def inside(node: Node) -> Iterator[Node]:
        for item in node.items[1:]:
            if item.head == word:
                yield item
            elif item.head in ("stage", "repeat"):
                yield from inside(item)

    for clause in form.stages:
        yield from inside(clause.node)


def _read_initial(form: _MergedForm) -> tuple[str | None, tuple[Scope, ...]]:
    """Return the file of initial weights and the scopes that it is for, () for all weights.

    A file for all weights replaces all distributions. Otherwise the default one is added to those that are stated.
    """
    node, context = form.node("initial"), form.context
    scopes: tuple[Scope, ...] = ()
    file = None
    if node is not None and len(node.items) > 2:
        scopes = _read_initial_scopes(form, node)
        overruled = [
            s
            for s in form.initial.values()
            if _covered(s.scoped.scope, context.net) <= _covered_by_file(scopes, context.net)
        ]
    else:
        overruled = list(form.initial.values())
    if (
        node is not None
        and form.singles["initial"].origin != STATED
        and any(s.clause.origin == STATED for s in overruled)
    ):
        form.drop("initial", "this training states other initial weights")
        scopes = ()
    elif node is not None:
        for statement in overruled:
            context.refuse_or_drop(
                statement.clause, f"(initial ...) gives {'these weights' if scopes else 'every weight'}"
            )
            del form.initial[statement.scoped.scope]
        file = data_clauses.read_file(node, context.faults)
        if not scopes:
            return file, ()
    has_modules = context.net is not None and context.net.module_weights is not None
    default = make_node(["module-weights"] if has_modules else ["forget-sqrt", 1], form.call.items[1].span)
    family = _read_initial_family([Clause(default, DEFAULT)], form.context, lambda clause: None)
    form.initial = {**family, **form.initial}
    return file, scopes


def _read_initial_scopes(form: _MergedForm, node: Node) -> tuple[Scope, ...]:
    """Return the scopes of `(initial "FILE" SCOPE ...)`; a scope in which nothing learns is a fault."""
    faults, net = form.context.faults, form.context.net
    scopes: dict[Scope, Node] = {}
    for item in node.items[2:]:
        scope = read_scope(item, faults)
        if scope is None:
            continue
        problem = None if net is None else scope_problem(scope, net)
        if problem is not None:
            faults.add(problem[0], item.span, problem[1])
        elif scope in scopes:
            faults.add(
                f"the initial weights {scope_text(scope)} are stated twice in this form",
                item.span,
                "remove one of them",
                (("first here", scopes[scope].span),),
            )
        scopes[scope] = item
    return tuple(scopes)


def _covered(scope: Scope, net: Net | None) -> set[str]:
    """Return the names of the parameters that learn in a scope."""
    return set() if net is None else {p.name for p in net.parameters if p.learns and scope in scopes_of(p)}


def _covered_by_file(scopes: Iterable[Scope], net: Net | None) -> set[str]:
    return set().union(*(_covered(scope, net) for scope in scopes))


# ---- The complete form -------------------------------------------------------------------------------------------


def _complete_form(
    form: _MergedForm, top_clauses: ClausesInForce, net_clause: Clause | None, stages: tuple[Stage, ...]
) -> tuple[Clause, ...]:
    """Return every clause in the order of `clauses_of_train`, with defaults; each scoped clause has one scope."""
    dropped = {id(clause) for clause in form.context.dropped}
    singles = {
        word: c
        for word, c in form.singles.items()
        if (word not in SINGLE_WORDS or word in top_clauses.singles) and id(c) not in dropped
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
    if any("batch" in _clause_words(clause.node) for clause in form.stages):
        batched = None  # inside a repeat, the batch in force may change from one round to the next
    if "update" in singles:
        singles["update"] = _complete_update(singles["update"], form.context, batched)
    # All scoped values of a family are at the position of the first word of the family.
    statements = {
        INITIALISERS.names()[0]: list(form.initial.values()),
        RATE_WORDS[0]: list(top_clauses.rates.values()),
        DECAY: list(top_clauses.decays.values()),
    }
    clauses: list[Clause] = []
    for word in _train_words():
        if word in statements:
            clauses += [s.clause for s in statements[word] if id(s.clause) not in dropped]
        elif word in singles:
            clauses.append(singles[word])
        elif word == "stage":
            clauses += [replace(c, node=_complete_clause(c.node, form.context, batched)) for c in form.stages]
    return tuple(clauses)


def _first_stage(stages: list[Clause]) -> tuple[Node, ...]:
    """Return the clauses of the first stage to run."""
    node = stages[0].node if stages else None
    while node is not None and node.head == "repeat":
        node = node.items[2]
    return () if node is None else node.items[1:]


def _is_batched(node: Node) -> bool:
    """Tell whether `(batch ...)` has more than one pattern per update."""
    return len(node.items) > 1 and not (node.items[1].is_number and node.items[1].value == 1)


def _clause_words(node: Node) -> Iterator[str]:
    """Yield the words of the clauses in a stage or repeat."""
    for item in node.items[1:]:
        yield item.head
        if item.head in ("stage", "repeat"):
            yield from _clause_words(item)


def _complete_update(clause: Clause, context: ReadContext, batched: bool | None) -> Clause:
    """Return the update clause with all options of the rule, each with its origin."""
    node = _complete_clause(clause.node, context, batched)
    before = {part.word: part.origin for part in clause.parts}  # of an inherited clause
    stated = {option.head for option in clause.node.items[2:]}
    parts = [
        Clause(option, before.get(option.head, clause.origin if option.head in stated else DEFAULT))
        for option in node.items[2:]
    ]
    return replace(clause, node=node, parts=tuple(parts))


def _complete_clause(node: Node, context: ReadContext, batched: bool | None) -> Node:
    """Return a clause in which every `(update ...)` states all its options.

    The default of gamma depends on whether updates are `batched`; if that is not known (None), gamma is left out.
    """
    if node.head == "update":
        update = read_update(node, context.updates, context.faults, bool(batched))
        if update is None:
            return node
        stated = {item.head for item in node.items}
        return Node(
            tuple(
                item
                for item in update.node.items
                if item.head in stated
                or (not (item.head == "gamma" and batched is None) and not (item.head == DECAY and context.decays))
            ),
            node.span,
        )
    if node.head in ("stage", "repeat"):
        batch = next((item for item in node.items if node.head == "stage" and item.head == "batch"), None)
        batched = batched if batch is None else _is_batched(batch)
        return Node(tuple(_complete_clause(item, context, batched) for item in node.items), node.span)
    return node


def _summary(training: Training) -> str:
    rules = ", ".join(dict.fromkeys(stage.rule.name for stage in training.stages))
    data = " or ".join(training.data.names) or "its own examples"
    if training.data.own_data is not None:
        data = " and ".join(training.data.own_data.files)
    return f"net {training.net.name} on {data}, {rules}, {passes_text(training.passes)}"


def _sort_faults(faults: list[Fault], call: Node) -> list[Fault]:
    """Return each fault once, in the order of the text; one in an inherited clause names this form too."""
    here = call.items[1].span
    unique: dict[tuple[object, ...], Fault] = {}
    for fault in faults:
        span = fault.span
        inside = span is None or (span.source is here.source and call.span.start <= span.start < call.span.end)
        shown = fault if inside else replace(fault, also=(*fault.also, ("inherited by this training", here)))
        unique.setdefault((fault.message, fault.span), shown)
    return sorted(unique.values(), key=lambda f: -1 if f.span is None else f.span.start)
