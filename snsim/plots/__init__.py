"""Pictures of nets and runs, as figures and as text. matplotlib is imported when the first figure is drawn."""
