"""Stores: approximate search, and servers of vectors."""
