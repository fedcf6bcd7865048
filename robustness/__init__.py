"""Hostile input and crashes: what is tried, and what became of it.

``python -m robustness --cases 10000`` tries long; the tests try briefly.
"""
