"""Read and check the forms (train ...), (stage ...), (cost ...) and (update ...)."""
