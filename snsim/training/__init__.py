"""How a declared network is trained, by every engine: the loop over passes, schedules, scores, initial weights.

Here belong initial distributions (initial.py), criteria (criteria.py), costs and update rules (forms/prelude.sn) and
the clauses of `(train ...)` (forms/). The words with which programs of SN-2.8 train are in `sn28/learning`. The room
`snsim/learning` is only the old name of this one.
"""
