"""Fine-tune similarity models: encoders, heads, losses and metrics, with plugins.

Every name is imported on first use, so that ``import quaterion_core`` costs nothing and serving a
model (:class:`SimilarityModel`) never imports the training stack.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
