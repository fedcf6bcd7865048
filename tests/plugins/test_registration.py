import pytest

from quaterion_core.plugins import (
    AmbiguousNameError,
    RegistrationError,
    Registry,
    register_dataset,
    register_encoder,
    register_head,
    register_loss,
    register_metric,
    registry,
)


def make_class(name, module="notebook"):
    return type(name, (), {"__module__": module})


@pytest.mark.parametrize(
    ("register", "kind"),
    [
        (register_encoder, "encoder"),
        (register_head, "head"),
        (register_loss, "loss"),
        (register_metric, "metric"),
        (register_dataset, "dataset"),
    ],
)
def test_each_decorator_registers_its_kind_and_returns_the_class(register, kind):
    cls = make_class("Decorated")
    assert register("decorated-in-a-test")(cls) is cls
    assert registry.load(kind, "local/decorated-in-a-test") is cls
    assert registry.load(kind, "decorated-in-a-test") is cls
    assert registry.id_of(kind, cls) == "local/decorated-in-a-test"


def test_a_cell_that_runs_again_replaces_the_class():
    found = Registry([])
    found.register("encoder", "mine", make_class("Mine"))
    found.register("encoder", "mine", second := make_class("Mine"))
    assert found.load("encoder", "mine") is second


@pytest.mark.parametrize("other", [make_class("Other"), make_class("Mine", module="script")])
def test_a_name_cannot_change_its_meaning(other):
    found = Registry([])
    found.register("encoder", "mine", make_class("Mine"))
    with pytest.raises(RegistrationError, match="'local/mine' is notebook:Mine already"):
        found.register("encoder", "mine", other)


def test_one_name_may_be_used_for_two_kinds():
    found = Registry([])
    found.register("encoder", "switch-mine", make_class("E"))
    found.register("head", "switch-mine", make_class("H"))
    assert found.load("head", "switch-mine").__name__ == "H"


@pytest.mark.parametrize(
    "name", ["MyEncoder", "my_encoder", "local/mine", "", None, make_class("A")]
)
def test_a_malformed_name_shows_how_it_is_done(name):
    with pytest.raises(RegistrationError, match=r'@register_encoder\("my-encoder"\)'):
        Registry([]).register("encoder", name, make_class("Mine"))


def test_only_classes_can_be_registered():
    with pytest.raises(RegistrationError, match="Only a class"):
        Registry([]).register("encoder", "mine", lambda: None)


def test_a_short_name_of_core_keeps_its_meaning():
    found = Registry([])
    found.register("loss", "triplet", make_class("Mine"))
    assert found.find("loss", "triplet").id == "quaterion-core/triplet"
    assert found.find("loss", "local/triplet").target == "notebook:Mine"


def test_a_name_that_a_plugin_has_as_well_is_ambiguous_from_the_start(site):
    site.install("acme", losses={"mine": "acme.losses:Mine"})
    found = site.registry()
    found.register("loss", "mine", make_class("Mine"))
    with pytest.raises(AmbiguousNameError) as caught:
        found.find("loss", "mine")
    assert caught.value.candidates == ("acme/mine", "local/mine")


def test_registries_do_not_share_registrations():
    Registry([]).register("loss", "mine", make_class("Mine"))
    assert "mine" not in {record.name for record in Registry([]).components("loss")}
