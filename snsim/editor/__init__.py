"""What editors are told of the language: colours, what may stand where, faults while one types."""
