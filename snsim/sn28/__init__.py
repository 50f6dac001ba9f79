"""The words of SN-2.8, one folder for each subject. `all_words` adds all of them to the registry SN28.

A text that calls none of them is read without importing them, so this file imports nothing.

The functions that a program may replace are looked up by name at each call (`interpreter.call`), as SN does. State
that words keep between calls is a part of the interpreter (`interpreter.part`).
"""
