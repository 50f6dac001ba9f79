"""What a network is: its layers, its connections and the forms that declare it.

Here belong connection schemes (schemes.py), non-linearities (prelude.sn), the clauses of `(net ...)` (net_form.py) and
what every net must satisfy (check.py). How a net is computed belongs to `engines`, how it learns to `training`.
"""
