"""Tests of the advice of `quaterion plugins --check`."""

import pytest

from quaterion_core.cli.plugin_check import check_plugins

HEADER = "from quaterion_core.plugins import hookimpl\nquaterion_api = 1\n"


@pytest.mark.parametrize(
    ("source", "fits", "misfits"),
    [
        ("", "state quaterion_api = 1 in acme.plugin", "bring the hooks"),
        ("quaterion_api = 7", "bring the hooks of acme.plugin to plugin API 1", "correct what"),
        (HEADER, "declare what the plugin brings", "correct the hook"),
        (
            HEADER + "def quaterion_losses():\n    return {}\n",
            "mark the function in acme.plugin with @hookimpl",
            "remove its marker",
        ),
        (
            HEADER + "@hookimpl\ndef quaterion_loses():\n    return {}\n",
            "correct the hook in acme.plugin, or remove its marker",
            "mark the function",
        ),
        (
            HEADER + "@hookimpl\ndef quaterion_losses():\n    return {'Bad Name': 'acme.a:B'}\n",
            "correct what quaterion_losses in acme.plugin returns",
            "python -c",
        ),
        (
            HEADER + "@hookimpl\ndef quaterion_losses():\n    return 7\n",
            "correct what quaterion_losses in acme.plugin returns",
            "python -c",
        ),
        (HEADER + "def (", "plugin.py, line 3: correct the syntax", "python -c"),
        (
            "from quaterion_core.plugins import Future\n",
            "require the versions of quaterion-core that have what the plugin imports",
            "python -c",
        ),
    ],
)
def test_the_advice_fits_the_fault(site, source, fits, misfits):
    site.install("acme", source)
    reports = [r for r in site.registry().plugins() if r.provenance.distribution == "acme"]
    (checked,) = check_plugins(reports)
    advice = " ".join(checked.advice)
    assert fits in advice
    assert misfits not in advice
