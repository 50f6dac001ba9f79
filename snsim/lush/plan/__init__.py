"""Compiled plans for trainings of gblearn2: several presentations at a time, with the bits of the modules.

A trainer presents the last pattern of each message module by module, so that every slot holds what it should. What
comes before it runs compiled (`ahead`), if the machine is a chain of known modules (`chain`). `layout` lists the
`operations` of such a chain, and `patterns` reads known sources. See docs/reference/gblearn2.md, section 14.
"""
