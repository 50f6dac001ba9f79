"""The forms (train ...), (stage ...), (cost ...) and (update ...): read and checked."""
