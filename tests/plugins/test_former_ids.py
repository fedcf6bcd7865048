"""Tests that renamed and moved components are found by their former ids."""

import pytest

from quaterion_core.plugins import AmbiguousNameError, MissingComponentError, PluginWarning
from quaterion_core.plugins.loading import examine_plugin
from quaterion_core.plugins.records import Component
from quaterion_core.plugins.reports import Provenance


def moved(name, *former_ids):
    """Write a plugin whose loss NAME had other ids before."""
    return f"""
        from quaterion_core.plugins import Component, hookimpl

        quaterion_api = 1

        @hookimpl
        def quaterion_losses():
            return {{{name!r}: Component("somewhere.losses:Loss", former_ids={former_ids!r})}}
        """


def notes(registry, distribution):
    (report,) = [r for r in registry.plugins() if r.provenance.distribution == distribution]
    return list(report.notes)


def test_a_renamed_component_keeps_its_id_and_its_short_name(site):
    site.install("acme", moved("new", "acme/old"))
    registry = site.registry()

    assert registry.find("loss", "acme/old").id == "acme/new"
    assert registry.find("loss", "old").id == "acme/new"
    with pytest.raises(MissingComponentError, match="no such name"):
        registry.find("head", "acme/old")


def test_a_component_that_moved_keeps_its_id_where_the_old_owner_is_gone(site):
    site.install("newer", moved("proxy", "older/proxy"))

    assert site.registry().find("loss", "older/proxy").id == "newer/proxy"


def test_a_component_that_moved_keeps_its_id_where_the_old_owner_has_let_it_go(site):
    site.install("older", losses={"other": "older.losses:Other"})
    site.install("newer", moved("proxy", "older/proxy"))

    assert site.registry().find("loss", "older/proxy").id == "newer/proxy"


def test_what_the_owner_of_an_id_declares_is_never_taken_over(site):
    site.install("older", losses={"proxy": "older.losses:Proxy"})
    site.install("newer", moved("proxy", "older/proxy"))
    registry = site.registry()

    assert registry.find("loss", "older/proxy").target == "older.losses:Proxy"
    registry.plugins()
    assert registry.find("loss", "older/proxy").target == "older.losses:Proxy"
    assert (
        "the loss 'newer/proxy' is not found by its former id 'older/proxy': the package 'older' "
        "declares it"
    ) in notes(registry, "newer")


@pytest.mark.parametrize("state", ["disabled", "broken"])
def test_an_id_is_not_taken_over_from_an_owner_that_is_not_in_use(site, monkeypatch, state):
    site.install("older", "1 / 0" if state == "broken" else None, losses={})
    site.install("newer", moved("proxy", "older/proxy"))
    if state == "disabled":
        monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", "older")
        with pytest.raises(MissingComponentError, match="disabled"):
            site.registry().find("loss", "older/proxy")
    else:
        with (
            pytest.warns(PluginWarning, match="older"),
            pytest.raises(MissingComponentError, match="ZeroDivisionError"),
        ):
            site.registry().find("loss", "older/proxy")


def test_an_id_that_two_claim_is_ambiguous(site):
    site.install("first", moved("proxy", "older/proxy"))
    site.install("second", moved("proxies", "older/proxy"))
    registry = site.registry()

    with pytest.raises(AmbiguousNameError, match="'first/proxy' or 'second/proxies'"):
        registry.find("loss", "older/proxy")
    assert any("also claimed for 'second/proxies'" in note for note in notes(registry, "first"))


def test_a_present_short_name_comes_before_a_former_one(site):
    site.install("acme", moved("new", "acme/old"))
    site.install("other", losses={"old": "other.losses:Old"})

    assert site.registry().find("loss", "old").id == "other/old"


def test_a_claim_on_what_moved_to_core_changes_nothing(site):
    site.install("greedy", moved("supcon", "quaterion-cv/supcon"))

    assert site.registry().find("loss", "quaterion-cv/supcon").id == "quaterion-core/supcon"


def test_a_disabled_plugin_claims_nothing(site, monkeypatch):
    site.install("newer", moved("proxy", "older/proxy"))
    monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", "newer")

    with pytest.raises(MissingComponentError, match="not installed"):
        site.registry().find("loss", "older/proxy")


def test_a_former_id_that_is_declared_by_the_same_plugin_is_a_contradiction(site):
    source = moved("new", "acme/old").replace("return {", "return {'old': 'acme.losses:Old', ")
    site.install("acme", source)

    with pytest.warns(PluginWarning, match="'acme/old' is declared as acme.losses:Old and as"):
        site.registry().plugins()


@pytest.mark.parametrize(
    ("former_ids", "problem"),
    [
        (("old",), "an id is 'distribution/name'"),
        ((3,), "an id is 'distribution/name'"),
        ("acme/old", "as a tuple"),
        (("quaterion-core/triplet",), "ids of 'quaterion-core' cannot be taken over"),
        (("local/mine",), "ids of 'local' cannot be taken over"),
    ],
)
def test_a_malformed_former_id_fails_the_plugin(former_ids, problem):
    class Plugin:
        quaterion_api = 1

    from quaterion_core.plugins import hookimpl

    plugin = Plugin()
    plugin.quaterion_losses = hookimpl(
        lambda: {"new": Component("acme.losses:New", former_ids=former_ids)}
    )
    with pytest.raises((TypeError, ValueError), match=problem):
        examine_plugin(plugin, Provenance("acme", "1.0", "acme = acme.plugin"))


def test_components_that_moved_to_core_have_their_ids_and_import_paths(site):
    import quaterion_cv
    import quaterion_nlp
    from quaterion_core import plugins

    former = [
        (record, former_id)
        for record in plugins.registry.components()
        if record.distribution == "quaterion-core"
        for former_id in record.former_ids
    ]
    assert len(former) == 12
    for record, former_id in former:
        cls = plugins.registry.load(record.kind, former_id)
        assert cls is plugins.registry.load(record.kind, record.id)
        package = quaterion_cv if former_id.startswith("quaterion-cv/") else quaterion_nlp
        assert getattr(package, cls.__name__) is cls
        assert site.registry().find(record.kind, former_id).id == record.id


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("quaterion_cv.losses", "quaterion_core.loss",
         "SupConLoss NTXentLoss MultiSimilarityLoss ProxyAnchorLoss"),
        ("quaterion_cv.losses.sup_con_loss", "quaterion_core.loss", "SupConLoss"),
        ("quaterion_cv.losses.nt_xent_loss", "quaterion_core.loss", "NTXentLoss"),
        ("quaterion_cv.losses.multi_similarity_loss", "quaterion_core.loss", "MultiSimilarityLoss"),
        ("quaterion_cv.losses.proxy_anchor_loss", "quaterion_core.loss", "ProxyAnchorLoss"),
        ("quaterion_cv.metrics", "quaterion_core.eval",
         "MapAtR RecallAtK RocAuc PairRocAuc TarAtFar PairTarAtFar"),
        ("quaterion_cv.metrics", "quaterion_core.eval.group", "map_at_r recall_at_k"),
        ("quaterion_cv.metrics.map_at_r", "quaterion_core.eval.group", "MapAtR map_at_r"),
        ("quaterion_cv.metrics.recall_at_k", "quaterion_core.eval.group", "RecallAtK recall_at_k"),
        ("quaterion_cv.metrics.roc_auc", "quaterion_core.eval", "RocAuc PairRocAuc"),
        ("quaterion_cv.metrics.tar_at_far", "quaterion_core.eval", "TarAtFar PairTarAtFar"),
        ("quaterion_cv.metrics.verification", "quaterion_core.eval.verification",
         "VerificationMetric ScoredPairs area_under_roc true_accept_rate"),
        ("quaterion_nlp.metrics", "quaterion_core.eval.pair",
         "PearsonCorrelation SpearmanCorrelation pearson_correlation spearman_correlation"),
        ("quaterion_nlp.metrics.pearson_correlation", "quaterion_core.eval.pair",
         "PearsonCorrelation pearson_correlation"),
        ("quaterion_nlp.metrics.spearman_correlation", "quaterion_core.eval.pair",
         "SpearmanCorrelation spearman_correlation"),
    ],
)  # fmt: skip
def test_old_import_paths_give_the_same_objects(old, new, names):
    from importlib import import_module

    for name in names.split():
        assert getattr(import_module(old), name) is getattr(import_module(new), name)
