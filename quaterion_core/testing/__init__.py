"""Conformance checks for components and plugins.

:func:`check_encoder`, :func:`check_head`, :func:`check_loss`, :func:`check_metric` and
:func:`check_dataset` check a single component, :func:`check_plugin` checks everything that an
installed package declares; each returns a :class:`Report`. :func:`conformance_tests` turns all of
them into pytest tests.

Names are imported on first use, so that the pytest plugin in this package does not import torch,
and only :func:`conformance_tests` needs pytest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
