"""Programs that measure, one per question: ``python -m benchmarks.NAME``."""
