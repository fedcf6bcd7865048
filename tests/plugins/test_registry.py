import sys
import threading
import types

import pytest

from quaterion_core.plugins import (
    AmbiguousNameError,
    Component,
    ComponentKind,
    MissingComponentError,
    MissingReason,
    RegistrationError,
    Registry,
    registry,
)


@pytest.fixture
def two_plugins(site):
    site.install("acme", losses={"x": "acme.losses:X", "triplet": "acme.losses:Triplet"})
    site.install("other", losses={"x": "other.losses:X"})
    return site.registry()


def test_a_short_name_of_core_means_core_before_and_after_discovery(two_plugins):
    before = two_plugins.find("loss", "triplet")
    two_plugins.plugins()
    assert before.id == two_plugins.find("loss", "triplet").id == "quaterion-core/triplet"


def test_a_plugin_reaches_its_namesake_of_cores_by_its_id(two_plugins):
    assert two_plugins.find("loss", "acme/triplet").target == "acme.losses:Triplet"


def test_a_short_name_of_two_plugins_lists_both(two_plugins):
    with pytest.raises(AmbiguousNameError) as caught:
        two_plugins.find("loss", "x")
    assert caught.value.candidates == ("acme/x", "other/x")
    assert str(caught.value) == "The loss 'x' is ambiguous; write 'acme/x' or 'other/x'"


def test_the_full_id_settles_an_ambiguity(two_plugins):
    assert two_plugins.find("loss", "other/x").distribution == "other"


def test_a_short_name_is_unique_within_its_kind(site):
    site.install("acme", losses={"x": "acme.losses:X"})
    site.install("other", heads={"x": "other.heads:X"})
    found = site.registry()
    assert (found.find("loss", "x").id, found.find("head", "x").id) == ("acme/x", "other/x")


def test_a_kind_may_be_given_by_its_value_or_its_member():
    assert Registry([]).find("loss", "triplet") == Registry([]).find(ComponentKind.LOSS, "triplet")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="the kinds are encoder, head"):
        Registry([]).find("tokenizer", "adam")


@pytest.mark.parametrize("name", [None, 5, ["triplet"]])
def test_a_name_that_is_no_string_is_refused(name):
    with pytest.raises(TypeError, match="The name of a loss is a string"):
        Registry([]).find("loss", name)


def test_components_are_sorted_by_kind_and_id(two_plugins):
    records = two_plugins.components()
    kinds = [record.kind for record in records]
    assert kinds == sorted(kinds, key=list(ComponentKind).index)
    losses = [record.id for record in two_plugins.components("loss")]
    assert losses == sorted(losses)
    assert {"acme/x", "other/x", "quaterion-core/triplet"} < set(losses)
    assert losses == [record.id for record in records if record.kind is ComponentKind.LOSS]


def test_loading_imports_the_class(site):
    site.install(
        "acme",
        losses={"x": "acme.losses:Outer.X"},
        files={"acme/losses.py": "class Outer:\n    class X: ...\n"},
    )
    assert site.registry().load("loss", "x").__qualname__ == "Outer.X"


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("", "AttributeError"),
        ("X = 3", "acme.losses:X is not a class but 3"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
    ],
)
def test_a_class_that_cannot_be_imported_is_missing_with_the_cause(site, module, hint):
    site.install("acme", losses={"x": "acme.losses:X"}, files={"acme/losses.py": module})
    with pytest.raises(MissingComponentError) as caught:
        site.registry().load("loss", "x")
    (missing,) = caught.value.missing
    assert (missing.id, missing.reason) == ("acme/x", MissingReason.FAILED)
    assert hint in missing.hint
    assert caught.value.__cause__ is not None


def test_an_extra_of_a_known_package_comes_with_the_command(site):
    site.install(
        "quaterion-nlp",
        encoders={"ft": Component("fake_nlp.ft:FT", extra="fasttext")},
        package="fake_nlp",
        files={"fake_nlp/ft.py": "import no_such_gensim"},
    )
    with pytest.raises(MissingComponentError) as caught:
        site.registry().load("encoder", "ft")
    (missing,) = caught.value.missing
    assert missing.reason is MissingReason.EXTRA_MISSING
    assert 'pip install "quaterion-nlp[fasttext]"' in missing.hint
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_an_extra_of_any_other_package_comes_without_a_command(site):
    site.install(
        "acme",
        encoders={"ft": Component("acme.ft:FT", extra="fasttext")},
        files={"acme/ft.py": "import no_such_gensim"},
    )
    with pytest.raises(MissingComponentError) as caught:
        site.registry().load("encoder", "ft")
    (missing,) = caught.value.missing
    assert missing.reason is MissingReason.EXTRA_MISSING
    assert "the extra 'fasttext' of the package 'acme'" in missing.hint
    assert "pip install" not in missing.hint


def test_a_package_that_lacks_a_module_of_its_own_lacks_no_extra(site):
    site.install("acme", encoders={"ft": Component("acme.nowhere:FT", extra="fasttext")})
    with pytest.raises(MissingComponentError) as caught:
        site.registry().load("encoder", "ft")
    assert caught.value.missing[0].reason is MissingReason.FAILED


def test_require_returns_the_records_in_order(two_plugins):
    records = two_plugins.require([("loss", "other/x"), ("head", "gated"), ("loss", "acme/x")])
    assert [record.id for record in records] == ["other/x", "quaterion-core/gated", "acme/x"]


def test_the_id_of_a_class_of_core_needs_no_discovery(site):
    site.install("acme", "raise AssertionError('imported')")
    loss = type("TripletLoss", (), {"__module__": "quaterion_core.loss.triplet_loss"})
    assert site.registry().id_of("loss", loss) == "quaterion-core/triplet"


def test_the_id_of_a_class_of_a_plugin_is_found_by_discovery(site):
    site.install("acme", losses={"x": "acme.losses:X"})
    loss = type("X", (), {"__module__": "acme.losses"})
    assert site.registry().id_of("loss", loss) == "acme/x"


def test_a_class_may_be_declared_by_way_of_a_reexport(site):
    site.install(
        "acme",
        losses={"x": "acme:X"},
        files={"acme/__init__.py": "", "acme/losses.py": "class X: ...\n"},
    )
    import acme.losses

    acme.X = acme.losses.X
    assert site.registry().id_of("loss", acme.losses.X) == "acme/x"


def test_asking_for_an_id_imports_no_component(site):
    site.install(
        "acme",
        losses={"x": "acme.losses:X"},
        files={"acme/losses.py": "raise AssertionError('imported')"},
    )
    assert site.registry().id_of("loss", type("Y", (), {})) is None
    assert "acme.losses" not in sys.modules


def test_asking_for_an_id_does_not_wake_lazy_modules(site, monkeypatch):
    lazy = types.ModuleType("lazy_module")
    lazy.__getattr__ = lambda name: pytest.fail(f"{name} was asked for")
    monkeypatch.setitem(sys.modules, "lazy_module", lazy)
    site.install("acme", losses={"x": "lazy_module:X"})
    assert site.registry().id_of("loss", type("Y", (), {})) is None


def test_a_class_has_no_id_as_another_kind(site):
    site.install("acme", losses={"x": "acme.losses:X"})
    loss = type("X", (), {"__module__": "acme.losses"})
    assert site.registry().id_of("head", loss) is None


def test_a_class_that_is_registered_twice_has_the_id_that_others_can_install(site):
    site.install("acme", losses={"x": "acme.losses:X"})
    found = site.registry()
    loss = type("X", (), {"__module__": "acme.losses"})
    found.register("loss", "a-mine", loss)
    assert found.id_of("loss", loss) == "acme/x"


def test_given_classes_are_found_inside_the_with_alone():
    found = Registry([])
    mine = type("Mine", (), {})
    with found.given({"local/mine": mine}):
        assert found.load("encoder", "local/mine") is mine
        assert found.find("encoder", "local/mine").version is None
        assert found.require([("encoder", "local/mine")])[0].id == "local/mine"
    with pytest.raises(MissingComponentError):
        found.find("encoder", "local/mine")


def test_given_classes_win_over_registered_ones():
    found = Registry([])
    registered, given = type("Registered", (), {}), type("Given", (), {})
    found.register("encoder", "mine", registered)
    with found.given({"local/mine": given}):
        assert found.load("encoder", "local/mine") is given
    assert found.load("encoder", "local/mine") is registered


def test_given_classes_add_up():
    found = Registry([])
    with found.given({"local/a": int}), found.given({"local/b": str}):
        assert found.load("head", "local/a") is int
        assert found.load("head", "local/b") is str


def test_given_classes_are_not_seen_by_other_threads():
    found = Registry([])
    seen = []

    def look():
        try:
            seen.append(found.load("encoder", "local/mine"))
        except MissingComponentError as error:
            seen.append(error)

    with found.given({"local/mine": int}):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert isinstance(seen[0], MissingComponentError)


@pytest.mark.parametrize("name", ["mine", "acme/mine", "quaterion-core/triplet", "local/Mine", 3])
def test_only_local_ids_can_be_given(name):
    with pytest.raises(RegistrationError, match="local/<name>"), Registry([]).given({name: int}):
        pass


def test_what_is_given_has_to_be_a_class():
    with (
        pytest.raises(RegistrationError, match="given as a class"),
        Registry([]).given({"local/a": 3}),
    ):
        pass


@pytest.mark.parametrize(
    "record",
    [record for record in Registry([]).components() if record.kind.is_class],
    ids=lambda record: f"{record.kind.value}-{record.name}",
)
def test_core_declares_its_components_where_they_are(record):
    if record.extra in ("mlflow", "wandb"):  # too heavy for the tests of every change
        pytest.importorskip(record.extra)
    assert registry.id_of(record.kind, registry.load(record.kind, record.id)) == record.id
