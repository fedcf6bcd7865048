"""Each check of a plugin fails a plugin that has the fault which it catches, and no good one."""

from __future__ import annotations

import pytest

from quaterion_core.testing import PLUGIN_CHECKS, Status, check_plugin

pytestmark = pytest.mark.filterwarnings("ignore::quaterion_core.plugins.PluginWarning")

CLASSES = """
    from quaterion_core.loss.group_loss import GroupLoss

    class Good(GroupLoss):
        \"\"\"In order.\"\"\"

    class Undocumented(GroupLoss):
        pass

    class Alien:
        \"\"\"No loss.\"\"\"
"""
REQUIRES = "quaterion-core>=0.2,<0.3"


@pytest.fixture
def check(site):
    """Return a function that installs a plugin, beside another one, and checks it."""
    site.install("rival", losses={"proxy": "rival.losses:Proxy"})

    def check(name="acme", requires=REQUIRES, losses=None, **arguments):
        losses = {"good": "acme.losses:Good"} if losses is None else losses
        if "source" not in arguments:
            arguments["losses"] = losses
        info = site.install(name, files={"acme/losses.py": CLASSES}, **arguments)
        metadata = info / "METADATA"
        metadata.write_text(
            metadata.read_text().replace("\n\n", f"\nRequires-Dist: {requires}\n\n", 1)
        )
        return check_plugin("Acme", known=site.registry())

    return check


def test_a_good_plugin_passes_all_checks(check):
    report = check()
    report.raise_for_failures()
    assert report.ran == len(PLUGIN_CHECKS)


class FormerIds:
    """Source code that declares the working loss with former ids."""

    def __init__(self, *former_ids):
        self.former_ids = former_ids

    def __repr__(self):
        return f"Component('acme.losses:Good', former_ids={self.former_ids!r})"


def test_a_renamed_component_passes_all_checks(check, write_plugin_source):
    check(
        **source(write_plugin_source, losses={"good": FormerIds("acme/bad")})
    ).raise_for_failures()


def source(write, body="", **declared):
    return {"source": write(body, **(declared or {"losses": {"good": "acme.losses:Good"}}))}


MUTANTS = {
    "discovery": [lambda write: {"name": "other", "package": "acme"}],
    "api_version": [
        lambda write: source(write, "quaterion_api = 2"),
        lambda write: source(write, "del quaterion_api"),
    ],
    "loading": [
        lambda write: source(write, "raise SystemExit"),
        lambda write: source(write, "@hookimpl\ndef quaterion_encoder(): return {}"),
        lambda write: {"losses": {}},
    ],
    "import_cost": [lambda write: source(write, "import torch")],
    "names": [
        lambda write: {"losses": {"Good_Loss": "acme.losses:Good"}},
        lambda write: {"losses": {"good": "acme.losses.Good"}},
    ],
    "resolution": [lambda write: {"losses": {"good": "acme.losses:God"}}],
    "interfaces": [lambda write: {"losses": {"alien": "acme.losses:Alien"}}],
    "docstrings": [lambda write: {"losses": {"undocumented": "acme.losses:Undocumented"}}],
    "short_names": [
        lambda write: {"losses": {"triplet": "acme.losses:Good"}},
        lambda write: source(write, losses={"good": FormerIds("rival/proxy")}),
    ],
    "requirement": [
        lambda write: {"requires": "torch>=2.2"},
        lambda write: {"requires": "quaterion-core>=0.2"},
        lambda write: {"requires": "quaterion-core<0.3"},
        lambda write: {"requires": f"{REQUIRES}; extra == 'all'"},
    ],
}


def test_each_check_has_a_mutant():
    assert list(MUTANTS) == list(PLUGIN_CHECKS)


@pytest.mark.parametrize(
    ("name", "mutant"), [(name, mutant) for name, several in MUTANTS.items() for mutant in several]
)
def test_a_check_fails_what_it_catches(check, write_plugin_source, name, mutant):
    result = check(**mutant(write_plugin_source))[name]
    assert result.status is Status.FAILED, result
    assert result.message
    assert result.way_out == PLUGIN_CHECKS[name].way_out


@pytest.mark.parametrize(
    "requires",
    ["Quaterion_Core~=0.2.1", "quaterion-core==0.2.*", "quaterion-core[all] (<0.3,>=0.2)"],
)
def test_bounds_are_read_in_any_spelling(check, requires):
    assert check(requires=requires)["requirement"].status is Status.PASSED


def test_what_is_not_installed_is_told_from_what_has_no_plugin(check, site):
    missing = check(name="other", package="acme")["discovery"]
    assert "expected an installed distribution 'acme'" in missing.message
    assert "no entry point" in check_plugin("torch", known=site.registry())["discovery"].message
