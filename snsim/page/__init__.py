"""A page in which a net learns: one HTML file that needs no server and no network."""
