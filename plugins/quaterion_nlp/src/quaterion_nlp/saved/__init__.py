"""Models of other libraries in saved folders: what may be in their files, and how they are built.

A saved folder is untrusted. Each file is checked against a table of what saving writes before a
library reads it; everything else is refused.
"""
