"""Component lookup: hooks, discovery of installed plugins, the registry and its errors.

A plugin module imports from here only; nothing here imports torch.
"""

from quaterion_core.plugins.component_registry import Registry, registry
from quaterion_core.plugins.errors import (
    ActivationError,
    AmbiguousNameError,
    MissingComponent,
    MissingComponentError,
    MissingReason,
    PluginError,
    PluginLoadError,
    PluginWarning,
    RegistrationError,
)
from quaterion_core.plugins.hooks import (
    API_VERSION,
    ENTRY_POINT_GROUP,
    QuaterionHooks,
    hookimpl,
    hookspec,
)
from quaterion_core.plugins.lifecycle import Lifecycle, activate
from quaterion_core.plugins.records import (
    Component,
    ComponentKind,
    ComponentRecord,
    is_id,
    is_name,
)
from quaterion_core.plugins.registration import (
    register_augmentation,
    register_batch_sampler,
    register_callback,
    register_dataset,
    register_encoder,
    register_head,
    register_logger,
    register_loss,
    register_metric,
    register_optimizer,
    register_schedule,
    register_store,
)
from quaterion_core.plugins.reports import PluginReport, PluginStatus, Provenance

__all__ = [
    "API_VERSION",
    "ENTRY_POINT_GROUP",
    "ActivationError",
    "AmbiguousNameError",
    "Component",
    "ComponentKind",
    "ComponentRecord",
    "Lifecycle",
    "MissingComponent",
    "MissingComponentError",
    "MissingReason",
    "PluginError",
    "PluginLoadError",
    "PluginReport",
    "PluginStatus",
    "PluginWarning",
    "Provenance",
    "QuaterionHooks",
    "RegistrationError",
    "Registry",
    "activate",
    "hookimpl",
    "hookspec",
    "is_id",
    "is_name",
    "register_augmentation",
    "register_batch_sampler",
    "register_callback",
    "register_dataset",
    "register_encoder",
    "register_head",
    "register_logger",
    "register_loss",
    "register_metric",
    "register_optimizer",
    "register_schedule",
    "register_store",
    "registry",
]
