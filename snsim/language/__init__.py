"""Read and evaluate SN's Lisp: text to forms to values. It knows no networks; its functions are in builtins/."""
