"""Models of other libraries in saved folders: what may be in their files, and how they are built.

Nobody vouches for a saved folder. Each file is checked against a table of what saving writes
before a library sees it; what is not in the table is refused.
"""
