"""Atomic writing to disk and checked reading, without pickle.

Torch is imported only where modules are saved or loaded, so that commands that write text do not
wait for it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
