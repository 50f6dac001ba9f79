"""Pictures of nets and runs, by matplotlib, which is imported when the first one is drawn; and the same as text."""
