"""Reading what may change from stage to stage: passes, rule, rates, batch, order, shifts, noise; and the stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

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
from snsim.training.forms.values_and_scopes import Family, ScopedStatement, read_family, read_value
from snsim.training.parameter_scopes import StatementsByScope
from snsim.training.pruning import with_kept_state
from snsim.training.schedule import check_steps_fill
from snsim.training.spec import Scope, Stage, Value

T = TypeVar("T")

RATE_WORDS = ("epsilon", "epsi-sqrt", "epsi-inv", "mask-epsi")
SINGLE_WORDS = ("passes", "update", "batch", "order", "augment", "input-noise", "theta", "dropout", "prune")
MOST_REPEATS = 10_000  # of one `repeat`
MOST_STAGES, MOST_RATES = 100_000, 5_000_000  # of one training; a rate counts in each stage in which it holds
ONE_BY_ONE = ("batch", "order", "augment", "input-noise", "theta", "dropout")  # what conjugate gradient does not read


@dataclass
class ReadContext:
    """What the clauses of one form are read against, and where faults and dropped clauses go."""

    net: Net | None  # None when the net has faults of its own
    updates: Shelf[UpdateDefinition]
    faults: Faults = field(default_factory=Faults)
    dropped: list[Clause] = field(default_factory=list)  # clauses that `like` brought and nothing reads here
    complete: bool = True  # False when the form that `like` names has faults: nothing is known to be missing then
    rates_complete: bool = True  # False when a clause of rates has faults: no rate is known to be missing then
    updates_read: dict[tuple[int, bool], tuple[Clause | None, UpdateClause]] = field(default_factory=dict)
    places_enough: set[frozenset[Scope]] = field(default_factory=set)  # with a rate for every parameter that learns

    def unread(self, clause: Clause, why: str) -> None:
        """A stated clause that nothing reads is a fault; one that `like` brought is dropped."""
        if clause.origin == STATED:
            self.faults.add(f"({clause.word} ...) has no effect: {why}", clause.node.span, "remove it")
        else:
            self.dropped.append(clause)


@dataclass(frozen=True)
class ClausesInForce:
    """The clauses that hold for a stage, whether stated in it or before."""

    singles: dict[str, Clause]
    rates: Family

    def then(self, later: ClausesInForce) -> ClausesInForce:
        """These clauses, where the later ones do not replace them."""
        return ClausesInForce({**self.singles, **later.singles}, {**self.rates, **later.rates})


def refuse_epsi(nodes: Iterable[Node], reading: ReadContext) -> list[Node]:
    """The nodes without bare `epsi`, which would mean something else here than in SN."""
    kept = []
    for node in nodes:
        if node.head == "epsi":
            reading.rates_complete = False
            reading.faults.add(
                "in SN (epsi x) divides x by the fan-in; inside a form that rate is called epsi-inv",
                node.items[0].span,
                "write (epsi-inv x), or (epsilon x) for the constant rate x",
            )
        else:
            kept.append(node)
    return kept


def read_rate(node: Node, what: str, faults: Faults) -> Value | None:
    """A learning rate: VALUE, nowhere below 0."""
    value = read_value(node, what, faults)
    if value is not None and min(value.numbers) < 0:
        faults.add(
            f"a learning rate cannot be negative: {min(value.numbers):g}",
            node.span,
            f"write {-min(value.numbers):g}, without the minus sign",
        )
        return None
    return value


def read_rates(clauses: Iterable[Clause], reading: ReadContext) -> Family:
    """The rates that the clauses of one form or stage state, by place."""
    chosen = [clause for clause in clauses if clause.word in RATE_WORDS]
    before = len(reading.faults.found)
    family = read_family(chosen, lambda word: read_rate, reading.net, reading.faults, reading.dropped.append)
    reading.rates_complete = reading.rates_complete and len(reading.faults.found) == before
    return family


# ---- Several stages ----------------------------------------------------------------------------------------------


def read_stages(top: ClausesInForce, clauses: list[Clause], at: Node, reading: ReadContext) -> tuple[Stage, ...]:
    """The stages of a form: `top` alone without stage clauses; else each like the one before, the first like `top`."""
    if not clauses:
        made = _stage(top, top, at, reading, "prune" in top.singles)
        return () if made is None else (made,)
    if (number := sum(_count(clause.node) for clause in clauses)) > MOST_STAGES:
        reading.faults.add(
            f"this training has {number:,} stages; the limit is {MOST_STAGES:,}",
            clauses[0].node.span,
            "repeat fewer stages, or let each take more passes",
        )
        return ()
    stages: list[Stage] = []
    before, first, pruned, rates = top, True, False, 0
    for clause in _unrolled(clauses, reading.faults):
        own = _read_stage(clause, reading)
        if first:
            _check_top_is_read(top, own, reading)
        now = before.then(own)
        rates += len(now.rates)
        if rates > MOST_RATES:
            reading.faults.add(
                f"the stages of this training have more than {MOST_RATES:,} rates in total",
                clause.node.span,
                "state fewer stages, or rates for fewer scopes",
            )
            return ()
        pruned = pruned or "prune" in now.singles
        made = _stage(now, now if first else own, clause.node, reading, pruned)
        if made is not None:
            stages.append(made)
            now = ClausesInForce(now.singles, now.rates if made.rates else {})
        done = {word: clause for word, clause in now.singles.items() if word != "prune"}  # cut once, where it is stated
        before, first = ClausesInForce(done, now.rates), False
    return tuple(stages)


def _count(node: Node) -> int:
    """Return how many stages `_unrolled` makes of a clause."""
    if node.head != "repeat":
        return int(node.head == "stage")
    times = node.items[1].value if len(node.items) > 1 else 1
    inner = sum(_count(item) for item in node.items[2:])
    return inner * int(times) if isinstance(times, float) and 1 <= times <= MOST_REPEATS else inner


def _unrolled(clauses: Iterable[Clause], faults: Faults) -> Iterator[Clause]:
    """The stages one after the other, those of `(repeat N ...)` N times."""
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
            yield from _unrolled(inner, faults)


def _read_stage(clause: Clause, reading: ReadContext) -> ClausesInForce:
    nodes = refuse_epsi(clause.node.items[1:], reading)
    kept = select_clauses(nodes, [*SINGLE_WORDS, *RATE_WORDS], "stage", RATE_WORDS, reading.faults)
    own = [Clause(node, clause.origin) for node in kept]
    return ClausesInForce({c.word: c for c in own if c.word in SINGLE_WORDS}, read_rates(own, reading))


def _check_top_is_read(top: ClausesInForce, first: ClausesInForce, reading: ReadContext) -> None:
    """Clauses beside the stages hold for the first stage; what it states itself, nothing reads."""
    for word, clause in list(top.singles.items()):
        if word in first.singles:
            reading.unread(clause, "the first stage states its own")
            del top.singles[word]
    for place, statement in list(top.rates.items()):
        if place in first.rates:
            reading.unread(statement.clause, "the first stage states its own for this scope")
            del top.rates[place]


# ---- One stage ---------------------------------------------------------------------------------------------------


def _stage(now: ClausesInForce, own: ClausesInForce, at: Node, reading: ReadContext, pruned: bool) -> Stage | None:
    """The stage these clauses make; `own` are those stated for it, not for a stage before. `pruned`: whether weights
    are cut by then.
    """
    faults, before = reading.faults, len(reading.faults.found)
    passes = _read_passes(now.singles.get("passes"), at, reading)
    of_batch = Faults()
    batch = _read(now, "batch", read_batch, of_batch) or (1, False)
    update = _read_update(now.singles.get("update"), at, reading, batch[0] != 1)
    if update is not None and update.rule.conjugate:
        now, batch = _one_step_a_pass(now, own, update, reading), (None, False)
    else:
        faults.found.extend(of_batch.found)  # what nothing reads need not be right
    order = _read(now, "order", read_order, faults) or "fixed"
    shift = _read(now, "augment", lambda node, f: read_augment(node, reading.net, f), faults)
    noise, theta = (_read(now, word, read_noise, faults) for word in ("input-noise", "theta"))
    dropout = _read(now, "dropout", lambda node, f: read_dropout(node, reading.net, f), faults) or ()
    prune = _read(now, "prune", lambda node, f: read_prune(node, reading.net, f), faults)
    if update is None:
        return None
    rates = _rates_of(update, now.rates, own.rates, at, reading)
    if passes is None:
        return None
    values = [*(r.placed.value for r in rates), *update.options.values(), *(v for v in (noise, theta) if v)]
    for value in values:
        check_steps_fill(value, passes, faults)
    if len(faults.found) > before:
        return None
    return Stage(
        passes,
        with_kept_state(update.rule) if pruned else update.rule,
        update.options,
        tuple(r.placed for r in rates),
        update.curvature_patterns,
        batch[0],
        batch[1],
        order,
        shift,
        noise,
        dropout,
        theta,
        prune,
    )


def _one_step_a_pass(
    now: ClausesInForce, own: ClausesInForce, update: UpdateClause, reading: ReadContext
) -> ClausesInForce:
    """The clauses without those that say how patterns are presented one by one, which nothing reads here."""
    for word in ONE_BY_ONE:
        if word in own.singles:
            reading.unread(own.singles[word], f"a pass of {update.rule.name} is one step for all patterns as they are")
    return ClausesInForce({word: clause for word, clause in now.singles.items() if word not in ONE_BY_ONE}, now.rates)


def _read(now: ClausesInForce, word: str, read: Callable[[Node, Faults], T | None], faults: Faults) -> T | None:
    clause = now.singles.get(word)
    return None if clause is None else read(clause.node, faults)


def _read_passes(clause: Clause | None, at: Node, reading: ReadContext) -> int | None:
    if clause is not None:
        args = read_arguments(clause.node, 1, 1, "(passes N)", reading.faults)
        return read_whole_number(args[0], "the passes", reading.faults, 1) if args else None
    if reading.complete:
        what = "stage" if at.head == "stage" else "training"
        reading.faults.add(
            f"no passes: this {what} does not say how often the training patterns are presented",
            at.span,
            "add (passes N)",
        )
    return None


def _read_update(clause: Clause | None, at: Node, reading: ReadContext, batched: bool) -> UpdateClause | None:
    """The update of a stage; the clause that many stages share is read once, unless it has faults."""
    known = reading.updates_read.get((id(clause), batched))
    if known is not None:
        return known[1]
    before = len(reading.faults.found)
    node = make_node(["update", "sgd"], at.span) if clause is None else clause.node
    update = read_update(node, reading.updates, reading.faults, batched)
    if update is not None and len(reading.faults.found) == before:
        reading.updates_read[id(clause), batched] = clause, update  # kept with it, so that no other has its id
    return update


def _rates_of(
    update: UpdateClause, rates: Family, own_places: Family, at: Node, reading: ReadContext
) -> list[ScopedStatement]:
    """The statements in force, if the rule has a rate; then every parameter that learns must have one."""
    stated = list(rates.values())
    if not update.has_rate:
        for place, statement in rates.items():
            if place in own_places:
                reading.unread(statement.clause, f"the update rule {update.rule.name} has no rate")
        return []
    if reading.net is None or not (reading.complete and reading.rates_complete):
        return stated
    places = frozenset(rates)
    if places in reading.places_enough:
        return stated
    placed = StatementsByScope(statement.placed for statement in stated)
    without = [p.name for p in reading.net.parameters if p.learns and placed.most_specific(p) is None]
    if without:
        whose = "" if not stated else f" for {', '.join(without[:4])}{' ...' if len(without) > 4 else ''}"
        reading.faults.add(
            f"no learning rate{whose}, and the update rule {update.rule.name} has one",
            at.span,
            "add (epsilon V), (epsi-sqrt V), (epsi-inv V) or (mask-epsi V)",
        )
    else:
        reading.places_enough.add(places)
    return stated
