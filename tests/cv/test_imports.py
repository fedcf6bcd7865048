import subprocess
import sys

import pytest

import quaterion_cv


@pytest.mark.parametrize("module", ["quaterion_cv", "quaterion_cv.plugin"])
def test_a_plugin_is_found_without_importing_anything_heavy(module):
    heavy = "{'torch', 'timm', 'sklearn', 'numpy', 'PIL'}"
    program = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert output.stdout.strip() == b"[]", output.stderr


def test_all_names_are_listed_sorted_and_there():
    assert quaterion_cv.__all__ == sorted(quaterion_cv.__all__)
    assert all(getattr(quaterion_cv, name).__name__ == name for name in quaterion_cv.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="quaterion_cv attribute Digit"):
        _ = quaterion_cv.Digit
