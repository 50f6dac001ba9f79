"""Run programs of Lush, SN's successor: idx objects, their words, and gblearn2's modules on top of them."""
