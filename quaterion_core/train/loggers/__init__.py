"""Loggers that need a package of their own, each imported with it."""
