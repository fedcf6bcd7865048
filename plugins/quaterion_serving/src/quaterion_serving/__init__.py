"""From a fitted model to its users: export, stores, calibrated matches and an HTTP service.

Names are imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
