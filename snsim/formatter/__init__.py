"""Texts in their canonical layout: what is read stays, how it stands on the page is put in order."""
