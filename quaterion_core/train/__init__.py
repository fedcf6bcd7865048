"""Training: the trainable model and what surrounds it."""

# Lazily: optimizers and schedules are checked without Lightning, which the trainable model imports.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
