"""Reports of nets and runs: tables, score lines, and the HTML page of a run."""
