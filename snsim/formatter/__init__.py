"""Format programs in the canonical layout. Only blanks and line ends change, never the forms."""
