"""Read `(train ...)` and its clauses (train_form.py). The built-in costs and update rules are in prelude.sn."""
