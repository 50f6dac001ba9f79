"""Run the trainings of a file with all their seeds, on cores or a cluster, and write a report with their table."""
