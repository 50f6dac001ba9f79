"""Pictures of nets and runs, as figures and as text. A new picture is a file here and a line in registry.py.

matplotlib is imported when the first figure is drawn.
"""
