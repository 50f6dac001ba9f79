"""Read the stages of a training, and the clauses that may change from stage to stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import TypeVar

from snsim.data_classes import dataclass
from snsim.language.forms import Node
from snsim.network.clauses import (
    STATED,
    Clause,
    Faults,
    describe,
    make_node,
    read_arguments,
    read_whole_number,
    select_clauses,
)
from snsim.network.net import Net
from snsim.registry import Shelf
from snsim.training.forms.stage_clauses import (
    read_augment,
    read_batch,
    read_dropout,
    read_noise,
    read_order,
    read_prune,
)
from snsim.training.forms.update_rules import UpdateClause, UpdateDefinition, read_update
from snsim.training.forms.values_and_scopes import Family, ScopedStatement, read_constant, read_family, read_value
from snsim.training.parameter_scopes import StatementsByScope
from snsim.training.pruning import with_kept_state
from snsim.training.schedule import check_steps_fill
from snsim.training.spec import Scope, Stage, Value

Setting = TypeVar("Setting")

RATE_WORDS = ("epsilon", "epsi-sqrt", "epsi-inv", "mask-epsi")
SINGLE_WORDS = ("passes", "update", "batch", "order", "augment", "input-noise", "theta", "dropout", "prune")
DECAY = "decay"
MOST_REPEATS = 10_000  # of one `repeat`
MOST_STAGES, MOST_RATES = 100_000, 5_000_000  # of one training; a rate counts once for each stage in which it holds
# Clauses that conjugate gradient does not use.
ONE_BY_ONE = ("batch", "order", "augment", "input-noise", "theta", "dropout")


@dataclass
class ReadContext:
    """What is known while the clauses of one form are read, and what reading them collects."""

    net: Net | None  # None if the net has faults
    updates: Shelf[UpdateDefinition]
    faults: Faults = field(default_factory=Faults)
    dropped: list[Clause] = field(default_factory=list)  # inherited clauses without effect here
    complete: bool = True  # False if the form that `like` names has faults; missing clauses are no faults then
    decays: bool = False  # whether a clause states a decay, so that the option of the rule is not completed
    rates_complete: bool = True  # False if a clause of rates has faults; missing rates are no faults then
    updates_read: dict[tuple[int, bool], tuple[Clause | None, UpdateClause]] = field(default_factory=dict)
    # Sets of scopes that give every parameter that learns a rate.
    sufficient_scopes: set[frozenset[Scope]] = field(default_factory=set)

    def refuse_or_drop(self, clause: Clause, why: str) -> None:
        """Handle a clause without effect: add a fault if it is stated, drop it if it is inherited."""
        if clause.origin == STATED:
            self.faults.add(f"({clause.word} ...) has no effect: {why}", clause.node.span, "remove it")
        else:
            self.dropped.append(clause)


@dataclass(frozen=True)
class ClausesInForce:
    """The clauses in force for a stage, whether stated in it or earlier."""

    singles: dict[str, Clause]
    rates: Family
    decays: Family = field(default_factory=dict)

    def updated_by(self, later: ClausesInForce) -> ClausesInForce:
        """Return these clauses with later ones, which replace those of the same word or scope."""
        return ClausesInForce(
            {**self.singles, **later.singles}, {**self.rates, **later.rates}, {**self.decays, **later.decays}
        )


def refuse_epsi(nodes: Iterable[Node], context: ReadContext) -> list[Node]:
    """Return the nodes without `epsi`, which is a fault: in SN it means something else."""
    kept = []
    for node in nodes:
        if node.head == "epsi":
            context.rates_complete = False
            context.faults.add(
                "in SN (epsi x) divides x by the fan-in; inside a form that rate is called epsi-inv",
                node.items[0].span,
                "write (epsi-inv x), or (epsilon x) for the constant rate x",
            )
        else:
            kept.append(node)
    return kept


def read_rate(node: Node, what: str, faults: Faults) -> Value | None:
    """Read a learning rate, a VALUE that is never negative; None after a fault."""
    value = read_value(node, what, faults)
    if value is not None and min(value.numbers) < 0:
        faults.add(
            f"a learning rate cannot be negative: {min(value.numbers):g}",
            node.span,
            f"write {-min(value.numbers):g}, without the minus sign",
        )
        return None
    return value


def read_rates(clauses: Iterable[Clause], context: ReadContext) -> Family:
    """Return the rates that the clauses of one form or stage state, by scope."""
    rate_clauses = [clause for clause in clauses if clause.word in RATE_WORDS]
    before = len(context.faults.found)
    family = read_family(rate_clauses, lambda word: read_rate, context.net, context.faults, context.dropped.append)
    context.rates_complete = context.rates_complete and len(context.faults.found) == before
    return family


def read_decays(clauses: Iterable[Clause], context: ReadContext) -> Family:
    """Return the weight decays that the clauses of one form or stage state, by scope."""
    decays = [clause for clause in clauses if clause.word == DECAY]
    context.decays = context.decays or bool(decays)
    return read_family(decays, lambda word: _read_decay, context.net, context.faults, context.dropped.append)


def _read_decay(node: Node, what: str, faults: Faults) -> Value | None:
    value = read_constant(node, what, faults)
    if value is not None and value.numbers[0] < 0:
        faults.add(f"a decay cannot be negative: {value.numbers[0]:g}", node.span, f"write {-value.numbers[0]:g}")
        return None
    return value


# ---- Several stages ----------------------------------------------------------------------------------------------


def read_stages(top: ClausesInForce, clauses: list[Clause], at: Node, context: ReadContext) -> tuple[Stage, ...]:
    """Return the stages of a form.

    Without stage clauses, `top` is the only stage. Otherwise each stage starts from the clauses of the one before, and
    the first from `top`.
    """
    if not clauses:
        stage = _build_stage(top, top, at, context, "prune" in top.singles)
        return () if stage is None else (stage,)
    if (number := sum(_stage_count(clause.node) for clause in clauses)) > MOST_STAGES:
        context.faults.add(
            f"this training has {number:,} stages; the limit is {MOST_STAGES:,}",
            clauses[0].node.span,
            "repeat fewer stages, or let each take more passes",
        )
        return ()
    stages: list[Stage] = []
    previous, first, pruned, rates = top, True, False, 0
    for clause in _unroll(clauses, context.faults):
        stated = _read_stage(clause, context)
        if first:
            _check_top_is_read(top, stated, context)
        in_force = previous.updated_by(stated)
        rates += len(in_force.rates)
        if rates > MOST_RATES:
            context.faults.add(
                f"the stages of this training have more than {MOST_RATES:,} rates in total",
                clause.node.span,
                "state fewer stages, or rates for fewer scopes",
            )
            return ()
        pruned = pruned or "prune" in in_force.singles
        stage = _build_stage(in_force, in_force if first else stated, clause.node, context, pruned)
        if stage is not None:
            stages.append(stage)
            in_force = ClausesInForce(in_force.singles, in_force.rates if stage.rates else {}, in_force.decays)
        # Pruning takes place once, in the stage that states it.
        lasting = {word: clause for word, clause in in_force.singles.items() if word != "prune"}
        previous, first = ClausesInForce(lasting, in_force.rates, in_force.decays), False
    return tuple(stages)


def _stage_count(node: Node) -> int:
    """Return how many stages `_unroll` makes of a clause."""
    if node.head != "repeat":
        return int(node.head == "stage")
    times = node.items[1].value if len(node.items) > 1 else 1
    inner = sum(_stage_count(item) for item in node.items[2:])
    return inner * int(times) if isinstance(times, float) and 1 <= times <= MOST_REPEATS else inner


def _unroll(clauses: Iterable[Clause], faults: Faults) -> Iterator[Clause]:
    """Yield the stages one after the other, those of `(repeat N ...)` N times."""
    for clause in clauses:
        if clause.word == "stage":
            yield clause
            continue
        args = read_arguments(clause.node, 2, None, "(repeat N (stage ...) ...)", faults)
        times = read_whole_number(args[0], "the times of a repeat", faults, 1) if args else None
        inner = []
        for node in args[1:] if args else ():
            if node.head in ("stage", "repeat"):
                inner.append(Clause(node, clause.origin))
            else:
                faults.add(f"repeat takes stages, not {describe(node)}", node.span, "write (repeat N (stage ...) ...)")
        if args is not None and times is not None and times > MOST_REPEATS:
            faults.add(
                f"(repeat {times} ...) is more than the limit of {MOST_REPEATS}",
                args[0].span,
                f"write at most {MOST_REPEATS}, with more passes in each stage",
            )
            times = 1
        for _ in range(times or 1):
            yield from _unroll(inner, faults)


def _read_stage(clause: Clause, context: ReadContext) -> ClausesInForce:
    nodes = refuse_epsi(clause.node.items[1:], context)
    kept = select_clauses(nodes, [*SINGLE_WORDS, *RATE_WORDS, DECAY], "stage", (*RATE_WORDS, DECAY), context.faults)
    stated = [Clause(node, clause.origin) for node in kept]
    singles = {c.word: c for c in stated if c.word in SINGLE_WORDS}
    return ClausesInForce(singles, read_rates(stated, context), read_decays(stated, context))


def _check_top_is_read(top: ClausesInForce, first: ClausesInForce, context: ReadContext) -> None:
    """Refuse or drop clauses of the training that the first stage replaces: they have no effect."""
    for word, clause in list(top.singles.items()):
        if word in first.singles:
            context.refuse_or_drop(clause, "the first stage has its own, which replaces it")
            del top.singles[word]
    for scope, statement in list(top.rates.items()):
        if scope in first.rates:
            context.refuse_or_drop(statement.clause, "the first stage states its own for this scope")
            del top.rates[scope]
    for scope, statement in list(top.decays.items()):
        if scope in first.decays:
            context.refuse_or_drop(statement.clause, "the first stage states its own for this scope")
            del top.decays[scope]


# ---- One stage ---------------------------------------------------------------------------------------------------


def _build_stage(
    in_force: ClausesInForce, stated: ClausesInForce, at: Node, context: ReadContext, pruned: bool
) -> Stage | None:
    """Return the stage of the clauses `in_force`; None after a fault.

    `stated` are the clauses stated for this stage, not for an earlier one. `pruned` is true if weights are pruned in it
    or earlier.
    """
    faults, before = context.faults, len(context.faults.found)
    passes = _read_passes(in_force.singles.get("passes"), at, context)
    batch_faults = Faults()
    batch = _read_clause(in_force, "batch", read_batch, batch_faults) or (1, False)
    update = _read_update(in_force.singles.get("update"), at, context, batch[0] != 1)
    if update is not None and update.rule.conjugate:
        in_force, batch = _one_step_a_pass(in_force, stated, update, context), (None, False)
    else:
        faults.found.extend(batch_faults.found)  # a batch without effect is not checked
    order = _read_clause(in_force, "order", read_order, faults) or "fixed"
    shift = _read_clause(in_force, "augment", lambda node, f: read_augment(node, context.net, f), faults)
    noise, theta = (_read_clause(in_force, word, read_noise, faults) for word in ("input-noise", "theta"))
    dropout = _read_clause(in_force, "dropout", lambda node, f: read_dropout(node, context.net, f), faults) or ()
    prune = _read_clause(in_force, "prune", lambda node, f: read_prune(node, context.net, f), faults)
    if update is None:
        return None
    rates = _rates_of(update, in_force.rates, stated.rates, at, context)
    decays = _decays_of(update, in_force, context)
    if passes is None:
        return None
    values = [*(r.scoped.value for r in rates), *update.options.values(), *(v for v in (noise, theta) if v)]
    for value in values:
        check_steps_fill(value, passes, faults)
    if len(faults.found) > before:
        return None
    return Stage(
        passes,
        with_kept_state(update.rule) if pruned else update.rule,
        update.options,
        tuple(r.scoped for r in rates),
        update.curvature_patterns,
        batch[0],
        batch[1],
        order,
        shift,
        noise,
        dropout,
        theta,
        tuple(s.scoped for s in decays),
        prune,
    )


def _one_step_a_pass(
    in_force: ClausesInForce, stated: ClausesInForce, update: UpdateClause, context: ReadContext
) -> ClausesInForce:
    """Return the clauses without those about single patterns, which have no effect with one step per pass."""
    for word in ONE_BY_ONE:
        if word in stated.singles:
            context.refuse_or_drop(
                stated.singles[word], f"each pass of {update.rule.name} is one step over all training patterns"
            )
    return ClausesInForce(
        {word: clause for word, clause in in_force.singles.items() if word not in ONE_BY_ONE},
        in_force.rates,
        in_force.decays,
    )


def _read_clause(
    in_force: ClausesInForce, word: str, read: Callable[[Node, Faults], Setting | None], faults: Faults
) -> Setting | None:
    clause = in_force.singles.get(word)
    return None if clause is None else read(clause.node, faults)


def _read_passes(clause: Clause | None, at: Node, context: ReadContext) -> int | None:
    if clause is not None:
        args = read_arguments(clause.node, 1, 1, "(passes N)", context.faults)
        return read_whole_number(args[0], "the passes", context.faults, 1) if args else None
    if context.complete:
        what = "stage" if at.head == "stage" else "training"
        context.faults.add(
            f"no passes: this {what} does not say how often the training patterns are presented",
            at.span,
            "add (passes N)",
        )
    return None


def _read_update(clause: Clause | None, at: Node, context: ReadContext, batched: bool) -> UpdateClause | None:
    """Return the update of a stage. A clause that many stages share is read once, unless it has faults."""
    known = context.updates_read.get((id(clause), batched))
    if known is not None:
        return known[1]
    before = len(context.faults.found)
    node = make_node(["update", "sgd"], at.span) if clause is None else clause.node
    update = read_update(node, context.updates, context.faults, batched)
    if update is not None and len(context.faults.found) == before:
        context.updates_read[id(clause), batched] = clause, update  # the clause is stored to keep its id valid
    return update


def _decays_of(update: UpdateClause, in_force: ClausesInForce, context: ReadContext) -> list[ScopedStatement]:
    """Return the decays in force; a fault if the rule has none, or if it states its own as an option."""
    statements = list(in_force.decays.values())
    if not statements:
        return []
    clause = in_force.singles.get("update")
    option = None if clause is None else next((o for o in clause.node.items[2:] if o.head == DECAY), None)
    if DECAY not in dict(update.rule.options):
        for statement in statements:
            context.refuse_or_drop(statement.clause, f"the update rule {update.rule.name} has no decay")
        return []
    if clause is not None and option is not None:
        if all(s.clause.origin != STATED for s in statements) and clause.origin == STATED:
            context.dropped.extend(s.clause for s in statements)
            return []
        context.faults.add(
            f"the decay is stated twice: as a clause, and as an option of {update.rule.name}",
            statements[0].clause.node.span,
            "remove one of them; the clause may have scopes, as in (decay 0.01) (decay 0 biases)",
            (("the option is here", option.span),),
        )
    return statements


def _rates_of(
    update: UpdateClause, rates: Family, stated_scopes: Family, at: Node, context: ReadContext
) -> list[ScopedStatement]:
    """Return the rates in force, none if the rule has no rate; a parameter that learns without a rate is a fault."""
    statements = list(rates.values())
    if not update.has_rate:
        for scope, statement in rates.items():
            if scope in stated_scopes:
                context.refuse_or_drop(statement.clause, f"the update rule {update.rule.name} has no rate")
        return []
    if context.net is None or not (context.complete and context.rates_complete):
        return statements
    scopes = frozenset(rates)
    if scopes in context.sufficient_scopes:
        return statements
    by_scope = StatementsByScope(statement.scoped for statement in statements)
    unrated = [p.name for p in context.net.parameters if p.learns and by_scope.most_specific(p) is None]
    if unrated:
        of_which = "" if not statements else f" for {', '.join(unrated[:4])}{' ...' if len(unrated) > 4 else ''}"
        context.faults.add(
            f"no learning rate{of_which}, and the update rule {update.rule.name} has one",
            at.span,
            "add (epsilon V), (epsi-sqrt V), (epsi-inv V) or (mask-epsi V)",
        )
    else:
        context.sufficient_scopes.add(scopes)
    return statements
