import pickle

import pytest

from quaterion_core.plugins import MissingComponentError, MissingReason, PluginWarning, Registry


def missing(registry, *names, **options):
    """Request a missing component and return the reason and hint of the error."""
    with pytest.raises(MissingComponentError) as caught:
        registry.require(names, **options)
    return [(entry.reason, entry.hint) for entry in caught.value.missing]


def test_everything_that_is_missing_is_told_at_once():
    names = [("loss", "tripplet"), ("loss", "triplet"), ("head", "acme/x"), ("encoder", "nothing")]
    with pytest.raises(MissingComponentError) as caught:
        Registry([]).require(names)
    assert [entry.id for entry in caught.value.missing] == ["tripplet", "acme/x", "nothing"]
    message = str(caught.value)
    assert message.startswith("3 components are missing:")
    for part in ("loss 'tripplet' (no such name)", "head 'acme/x' (not installed)", "'nothing'"):
        assert part in message


def test_a_known_package_comes_with_the_command_that_installs_it():
    assert missing(Registry([]), ("encoder", "quaterion-nlp/static"), source="model.json") == [
        (MissingReason.NOT_INSTALLED, "pip install quaterion-nlp")
    ]


def test_any_other_package_is_named_by_the_file_and_not_advised():
    ((reason, hint),) = missing(Registry([]), ("encoder", "acme/x"), source="model/config.json")
    assert reason is MissingReason.NOT_INSTALLED
    assert hint == (
        "model/config.json names the package 'acme', which is not installed; "
        "install it only if you trust its source"
    )


def test_a_name_near_that_of_a_known_package_is_not_advised():
    ((_, hint),) = missing(Registry([]), ("encoder", "quaterion-nlp-extra/x"))
    assert "pip install" not in hint


def test_a_disabled_plugin_says_what_disables_it(site, monkeypatch):
    site.install("acme", losses={"x": "acme.losses:X"})
    monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", "acme")
    ((reason, hint),) = missing(site.registry(), ("loss", "acme/x"))
    assert reason is MissingReason.DISABLED
    assert "QUATERION_DISABLE_PLUGINS names 'acme'" in hint


def test_a_failed_plugin_chains_its_cause(site):
    site.install("acme", "1 / 0")
    with pytest.warns(PluginWarning), pytest.raises(MissingComponentError) as caught:
        site.registry().find("loss", "acme/x")
    assert caught.value.missing[0].reason is MissingReason.FAILED
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_another_api_is_told(site):
    site.install("acme", "quaterion_api = 7")
    with pytest.warns(PluginWarning):
        ((reason, hint),) = missing(site.registry(), ("loss", "acme/x"))
    assert reason is MissingReason.WRONG_API
    assert "plugin API 7" in hint


def test_the_nearest_short_name_is_suggested(site):
    site.install("acme", losses={"proxy-anchor": "acme.losses:ProxyAnchor"})
    assert missing(site.registry(), ("loss", "proxyanchor")) == [
        (MissingReason.NO_SUCH_NAME, "did you mean 'proxy-anchor'?")
    ]


def test_the_nearest_name_of_the_same_package_is_suggested(site):
    site.install("acme", losses={"proxy-anchor": "acme.losses:A", "unlike": "acme.losses:B"})
    assert missing(site.registry(), ("loss", "acme/proxy-ankor")) == [
        (MissingReason.NO_SUCH_NAME, "did you mean 'acme/proxy-anchor'?")
    ]


def test_a_name_of_another_package_is_suggested(site):
    site.install("acme", losses={"x": "acme.losses:X"})
    ((_, hint),) = missing(site.registry(), ("loss", "acme/triplet"))
    assert hint == "did you mean 'quaterion-core/triplet'?"


def test_a_component_of_another_kind_is_told():
    hints = missing(Registry([]), ("head", "triplet"), ("head", "quaterion-core/triplet"))
    assert [hint for _, hint in hints] == ["'quaterion-core/triplet' is a loss"] * 2


def test_a_package_without_a_plugin_is_told(site):
    (site.install("acme") / "entry_points.txt").unlink()
    ((reason, hint),) = missing(site.registry(), ("loss", "acme/x"))
    assert reason is MissingReason.NO_SUCH_NAME
    assert "'acme' is installed, but has no plugin" in hint


def test_a_name_near_to_nothing_lists_what_there_is_and_where_more_may_be(site):
    site.install("broken", "1 / 0")
    with pytest.warns(PluginWarning):
        ((_, hint),) = missing(site.registry(), ("metric", "zzz"))
    assert "the metrics are hit-rate, knn-accuracy, map, map-at-r, mrr, ndcg, pair-accuracy" in hint
    assert "the plugin broken 1.0 is left out: ZeroDivisionError" in hint
    assert "more for text: pip install quaterion-nlp" in hint


def test_a_class_of_ones_own_is_told_how_to_register():
    ((_, hint),) = missing(Registry([]), ("encoder", "local/mine"))
    assert '@register_encoder("mine")' in hint
    assert "components={'local/mine': ...}" in hint


@pytest.mark.parametrize("name", ["subprocess:Popen", "os.system", "../x", "a/b/c", "", "A/b"])
def test_a_malformed_name_is_no_name(name):
    ((reason, hint),) = missing(Registry([]), ("loss", name))
    assert reason is MissingReason.NO_SUCH_NAME
    assert "lower-case words joined by hyphens" in hint


def test_the_error_travels_between_processes():
    with pytest.raises(MissingComponentError) as caught:
        Registry([]).find("loss", "tripplet")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.missing == caught.value.missing
    assert str(copy) == str(caught.value)
