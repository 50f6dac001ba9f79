"""Read and evaluate SN's Lisp: text to forms to values."""
