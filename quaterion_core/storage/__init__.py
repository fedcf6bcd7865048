"""How anything is written to disk and read back: whole or not at all, checked, never pickled.

Torch is imported where modules are saved or loaded, so that a command which writes a folder of
text need not wait for it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
