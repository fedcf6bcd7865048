"""Components from a name and arguments: choices, their validation, and building."""

from quaterion_core.components.arguments import (
    Argument,
    arguments_of,
    callable_arguments,
    component_arguments,
)
from quaterion_core.components.building import (
    build_component,
    component_class,
    missing_arguments,
    named_class,
    named_record,
)
from quaterion_core.components.checked import CheckedArguments
from quaterion_core.components.choices import ComponentChoice, split_choice
from quaterion_core.components.declarations import declared_arguments
from quaterion_core.components.plugin_settings import (
    check_plugins,
    plugin_faults,
    plugin_settings,
)
from quaterion_core.components.validation import (
    Fault,
    argument_faults,
    component_faults,
    constrained,
    raise_faults,
    type_in_words,
    value_fault,
)

__all__ = [
    "Argument",
    "CheckedArguments",
    "ComponentChoice",
    "Fault",
    "argument_faults",
    "arguments_of",
    "build_component",
    "callable_arguments",
    "check_plugins",
    "component_arguments",
    "component_class",
    "component_faults",
    "constrained",
    "declared_arguments",
    "missing_arguments",
    "named_class",
    "named_record",
    "plugin_faults",
    "plugin_settings",
    "raise_faults",
    "split_choice",
    "type_in_words",
    "value_fault",
]
