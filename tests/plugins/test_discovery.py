import threading
import warnings

import pytest

from quaterion_core.plugins import (
    MissingComponentError,
    PluginLoadError,
    PluginStatus,
    PluginWarning,
    Registry,
)

LOG_THE_IMPORT = """\
import pathlib

with pathlib.Path(__file__).with_name("imports.log").open("a") as log:
    log.write("x")
"""


def report_of(registry, distribution):
    (report,) = [r for r in registry.plugins() if r.provenance.distribution == distribution]
    return report


def failing(registry, distribution):
    """Discover a plugin that should cause a warning, and return its report."""
    with pytest.warns(PluginWarning, match=distribution):
        return report_of(registry, distribution)


def test_an_installed_plugin_is_found_with_its_provenance(site):
    site.install("Acme.Text", version="2.3", encoders={"bytes": "acme_text.encoders:Bytes"})
    record = site.registry().find("encoder", "acme-text/bytes")
    assert record.distribution == "acme-text"
    assert record.version == "2.3"
    assert record.entry_point == "acme_text = acme_text.plugin"
    assert record.target == "acme_text.encoders:Bytes"


def test_names_of_core_are_answered_without_discovery(site):
    site.install("acme", "import pathlib; pathlib.Path(__file__).with_name('imported').touch()")
    registry = site.registry()
    registry.find("loss", "triplet")
    registry.find("head", "quaterion-core/gated")
    assert not (site.folder / "acme" / "imported").exists()


def test_a_component_module_is_not_imported_by_discovery(site):
    site.install(
        "acme",
        encoders={"bytes": "acme.encoders:Bytes"},
        files={"acme/encoders.py": "raise AssertionError('imported')"},
    )
    assert site.registry().find("encoder", "bytes").id == "acme/bytes"


def test_a_plugin_is_loaded_once(site):
    site.install("acme", LOG_THE_IMPORT)
    registry = site.registry()
    with pytest.warns(PluginWarning):
        registry.plugins()
    registry.plugins()
    registry.components()
    assert (site.folder / "acme" / "imports.log").read_text() == "x"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_reported_and_the_others_work(site, source, reason):
    site.install("broken", source)
    site.install("acme", encoders={"bytes": "acme.encoders:Bytes"})
    registry = site.registry()
    report = failing(registry, "broken")
    assert report.status is PluginStatus.FAILED
    assert reason in report.reason
    assert type(report.cause).__name__ == reason.partition(":")[0]
    assert registry.find("encoder", "bytes").id == "acme/bytes"


def test_an_exception_that_cannot_be_read_is_reported_as_well(site):
    site.install(
        "broken",
        """
        class Unreadable(Exception):
            def __str__(self):
                raise RuntimeError

        raise Unreadable
        """,
    )
    assert failing(site.registry(), "broken").reason == "Unreadable: (its message cannot be read)"


def test_a_keyboard_interrupt_is_no_failure_of_a_plugin(site):
    site.install("acme", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.registry().plugins()


def test_a_hook_that_raises_fails_the_whole_plugin(site, write_plugin_source):
    site.install(
        "acme",
        write_plugin_source(
            "@hookimpl\ndef quaterion_losses():\n    raise OSError('no disk')\n",
            encoders={"bytes": "acme.encoders:Bytes"},
        ),
    )
    registry = site.registry()
    report = failing(registry, "acme")
    assert report.reason == "OSError: no disk"
    assert report.components == ()
    assert "acme" not in {record.distribution for record in registry.components()}


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"Bytes": "acme:A"}, "'Bytes'; a name is lower-case words joined by hyphens"),
        ({3: "acme:A"}, "declares the name 3"),
        ({"bytes": "acme.encoders.Bytes"}, "'acme.encoders.Bytes' for 'bytes'; a target is"),
        ({"bytes": 3}, "maps it to 3"),
        (["bytes"], "has to return a mapping"),
    ],
)
def test_a_malformed_declaration_fails_the_plugin(site, declared, reason):
    site.install("acme", encoders=declared)
    report = failing(site.registry(), "acme")
    assert report.status is PluginStatus.FAILED
    assert reason in report.reason


@pytest.mark.parametrize(
    ("source", "stated"),
    [("quaterion_api = 2", "is for plugin API 2"), ("", "states no quaterion_api")],
)
def test_another_api_version_is_skipped_with_its_reason(site, source, stated):
    site.install("acme", source)
    report = failing(site.registry(), "acme")
    assert report.status is PluginStatus.WRONG_API
    assert stated in report.reason
    assert "plugin API 1" in report.reason


def test_a_misspelt_hook_is_told_and_the_rest_of_the_plugin_works(site, write_plugin_source):
    site.install(
        "acme",
        write_plugin_source(
            "@hookimpl\ndef quaterion_losess():\n    return {}\n",
            encoders={"bytes": "acme.encoders:Bytes"},
        ),
    )
    report = failing(registry := site.registry(), "acme")
    assert report.status is PluginStatus.OK
    assert "quaterion_losess is no hook of Quaterion" in report.warnings[0]
    assert "'quaterion_losses'" in report.warnings[0]
    assert registry.find("encoder", "bytes").id == "acme/bytes"


def test_a_hook_with_a_wrong_signature_is_told(site, write_plugin_source):
    site.install(
        "acme", write_plugin_source("@hookimpl\ndef quaterion_losses(registry):\n    return {}\n")
    )
    (warning,) = failing(site.registry(), "acme").warnings
    assert warning == "quaterion_losses asks for registry, but the hook offers no arguments"


def test_a_hook_without_its_marker_is_told(site, write_plugin_source):
    site.install("acme", write_plugin_source("def quaterion_losses():\n    return {}\n"))
    (warning,) = failing(site.registry(), "acme").warnings
    assert "quaterion_losses is not marked with @hookimpl" in warning


def test_a_hook_marked_optional_may_be_unknown(site, write_plugin_source):
    source = "@hookimpl(optionalhook=True)\ndef quaterion_samplers():\n    return {}\n"
    site.install("acme", write_plugin_source(source, losses={"x": "acme.losses:X"}))
    assert report_of(site.registry(), "acme").warnings == ()


def test_each_broken_plugin_is_warned_of_once(site, write_plugin_source):
    site.install("broken", "1 / 0")
    hooks = "@hookimpl\ndef quaterion_a():\n    pass\n\n@hookimpl\ndef quaterion_b():\n    pass\n"
    site.install("misspelt", write_plugin_source(hooks))
    registry = site.registry()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        registry.plugins()
        registry.plugins()
    assert len(caught) == 2
    assert "broken 1.0" in str(caught[0].message)
    assert "quaterion_a" in str(caught[1].message)
    assert "quaterion_b" in str(caught[1].message)


def test_a_warning_turned_into_an_error_leaves_the_registry_in_order(site):
    site.install("broken", "1 / 0")
    site.install("acme", encoders={"bytes": "acme.encoders:Bytes"})
    registry = site.registry()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PluginWarning):
            registry.plugins()
        assert registry.find("encoder", "bytes").id == "acme/bytes"


def test_a_plugin_that_declares_nothing_is_empty(site, write_plugin_source):
    site.install("acme", write_plugin_source())
    assert report_of(site.registry(), "acme").status is PluginStatus.EMPTY


def test_a_plugin_with_lifecycle_hooks_alone_is_not_empty(site, write_plugin_source):
    site.install(
        "acme", write_plugin_source("@hookimpl\ndef quaterion_after_fit(model):\n    pass\n")
    )
    report = report_of(site.registry(), "acme")
    assert report.status is PluginStatus.OK
    assert report.hooks == ("quaterion_after_fit",)


@pytest.mark.parametrize("spelling", ["acme-text", "Acme.Text", "other, ACME_text ,"])
def test_a_denied_plugin_is_not_imported(site, monkeypatch, spelling):
    site.install("acme-text", "raise AssertionError('imported')")
    monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", spelling)
    report = report_of(site.registry(), "acme-text")
    assert report.status is PluginStatus.DISABLED
    assert report.reason == "QUATERION_DISABLE_PLUGINS names 'acme-text'"


def test_only_allowed_plugins_are_imported(site, monkeypatch):
    site.install("acme", encoders={"bytes": "acme.encoders:Bytes"})
    site.install("other", "raise AssertionError('imported')")
    monkeypatch.setenv("QUATERION_PLUGINS", "acme")
    registry = site.registry()
    assert registry.find("encoder", "bytes").id == "acme/bytes"
    assert report_of(registry, "other").reason == "QUATERION_PLUGINS does not name 'other'"


def test_denial_wins_over_permission(site, monkeypatch):
    site.install("acme", "raise AssertionError('imported')")
    monkeypatch.setenv("QUATERION_PLUGINS", "acme")
    monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", "acme")
    assert report_of(site.registry(), "acme").status is PluginStatus.DISABLED


def test_an_empty_permission_permits_everything(site, monkeypatch):
    site.install("acme", encoders={"bytes": "acme.encoders:Bytes"})
    monkeypatch.setenv("QUATERION_PLUGINS", "")
    assert report_of(site.registry(), "acme").status is PluginStatus.OK


def test_core_cannot_be_disabled(site, monkeypatch):
    monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", "quaterion-core")
    assert site.registry().find("loss", "triplet").id == "quaterion-core/triplet"


def test_strictness_raises_with_the_cause_every_time(site, monkeypatch):
    site.install("broken", "1 / 0")
    monkeypatch.setenv("QUATERION_PLUGINS_STRICT", "1")
    registry = site.registry()
    for _ in range(2):
        with pytest.raises(PluginLoadError, match=r"broken 1\.0") as caught:
            registry.find("encoder", "bytes")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_strictness_is_off_at_zero(site, monkeypatch):
    site.install("broken", "1 / 0")
    monkeypatch.setenv("QUATERION_PLUGINS_STRICT", "0")
    assert failing(site.registry(), "broken").status is PluginStatus.FAILED


def test_an_entry_point_may_name_an_object(site):
    source = """
        from quaterion_core.plugins import hookimpl

        class Plugin:
            quaterion_api = 1

            @hookimpl
            def quaterion_losses(self):
                return {"x": "acme.losses:X"}

        plugin = Plugin()
    """
    site.install("acme", source, entry_points={"acme": "acme.plugin:plugin"})
    report = report_of(site.registry(), "acme")
    assert [record.id for record in report.components] == ["acme/x"]
    assert report.warnings == ()


@pytest.mark.parametrize("value", ["acme.plugin:nothing", "not a module!", "acme.nowhere"])
def test_an_entry_point_that_leads_nowhere_fails_the_plugin(site, value):
    site.install("acme", entry_points={"acme": value})
    assert failing(site.registry(), "acme").status is PluginStatus.FAILED


def test_malformed_entry_points_fail_one_distribution(site):
    info = site.install("broken")
    (info / "entry_points.txt").write_text("[quaterion.plugins]\nno equals sign\n")
    site.install("acme", encoders={"bytes": "acme.encoders:Bytes"})
    registry = site.registry()
    assert failing(registry, "broken").status is PluginStatus.FAILED
    assert registry.find("encoder", "bytes").id == "acme/bytes"


def test_metadata_of_others_cannot_break_discovery(site):
    site.install("acme", encoders={"bytes": "acme.encoders:Bytes"})
    for name in ("malformed", "not-text", "without-metadata"):
        (site.folder / f"{name}-1.dist-info").mkdir()
    (site.folder / "malformed-1.dist-info" / "entry_points.txt").write_text("[scripts]\nno equals")
    (site.folder / "not-text-1.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    leftover = site.folder / "without-metadata-1.dist-info" / "entry_points.txt"
    leftover.write_text("[quaterion.plugins]\nx = nowhere\n")
    registry = site.registry()
    assert [report.provenance.distribution for report in registry.plugins()] == [
        "quaterion-core",
        "acme",
    ]


def test_of_two_copies_the_one_that_python_imports_counts(site, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    site.install("acme", version="2.0", encoders={"new": "acme.encoders:New"})
    site.install("acme", version="1.0", encoders={"old": "acme.encoders:Old"}, folder=later)
    registry = Registry(path=[str(site.folder), str(later)])
    assert report_of(registry, "acme").provenance.version == "2.0"
    assert [record.name for record in report_of(registry, "acme").components] == ["new"]


def test_a_copy_without_plugins_hides_a_later_one_with_plugins(site, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    info = site.install("acme", version="2.0")
    (info / "entry_points.txt").unlink()
    site.install("acme", version="1.0", encoders={"old": "acme.encoders:Old"}, folder=later)
    registry = Registry(path=[str(site.folder), str(later)])
    assert len(registry.plugins()) == 1


@pytest.mark.parametrize("name", ["quaterion-core", "local"])
def test_the_names_of_core_and_of_local_classes_are_reserved(site, name):
    site.install(name, encoders={"bytes": "acme.encoders:Bytes"})
    with pytest.warns(PluginWarning, match="reserved"):
        report = site.registry().plugins()[-1]
    assert report.status is PluginStatus.FAILED


def test_two_entry_points_of_a_distribution_may_share_the_work(site, write_plugin_source):
    site.install(
        "acme",
        encoders={"bytes": "acme.encoders:Bytes"},
        files={"acme/more.py": write_plugin_source(losses={"x": "acme.losses:X"})},
        entry_points={"one": "acme.plugin", "two": "acme.more"},
    )
    registry = site.registry()
    assert registry.find("encoder", "bytes").entry_point == "one = acme.plugin"
    assert registry.find("loss", "x").entry_point == "two = acme.more"


def test_two_entry_points_that_contradict_each_other_both_fail(site, write_plugin_source):
    site.install(
        "acme",
        encoders={"bytes": "acme.encoders:Bytes"},
        files={"acme/more.py": write_plugin_source(encoders={"bytes": "acme.other:Bytes"})},
        entry_points={"one": "acme.plugin", "two": "acme.more"},
    )
    registry = site.registry()
    with pytest.warns(PluginWarning, match="declared as"):
        reports = registry.plugins()[1:]
    assert [report.status for report in reports] == [PluginStatus.FAILED] * 2
    for report in reports:
        assert "acme.encoders:Bytes and as acme.other:Bytes" in report.reason


def test_names_that_are_shared_are_noted(site):
    site.install("acme", losses={"triplet": "acme.losses:Triplet", "x": "acme.losses:X"})
    site.install("other", losses={"x": "other.losses:X"})
    notes = report_of(site.registry(), "acme").notes
    assert notes == (
        "the loss 'triplet' means 'quaterion-core/triplet'; this one is reached as 'acme/triplet'",
        "the loss 'x' is also 'other/x'; this one is reached as 'acme/x'",
    )


def test_a_plugin_may_look_things_up_while_it_is_loaded(site, monkeypatch):
    monkeypatch.setattr("quaterion_core.plugins.registry", registry := site.registry())
    site.install(
        "acme",
        """
        from quaterion_core.plugins import hookimpl, registry

        quaterion_api = 1
        TARGET = registry.find("loss", "triplet").target
        registry.components()

        @hookimpl
        def quaterion_losses():
            return {"mine": TARGET}
        """,
    )
    assert registry.find("loss", "mine").target == registry.find("loss", "triplet").target


def test_threads_that_ask_at_once_load_a_plugin_once(site, write_plugin_source):
    site.install(
        "acme",
        write_plugin_source(
            LOG_THE_IMPORT + "import time\ntime.sleep(0.05)\n",
            encoders={"bytes": "acme.encoders:Bytes"},
        ),
    )
    registry = site.registry()
    start = threading.Barrier(8)
    found = []

    def look_up():
        start.wait()
        found.append(registry.find("encoder", "bytes").id)

    threads = [threading.Thread(target=look_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=600)
    assert found == ["acme/bytes"] * 8
    assert (site.folder / "acme" / "imports.log").read_text() == "x"


def test_discovery_and_an_import_that_registers_do_not_wait_for_each_other(site, run_python):
    site.install(
        "acme", "import shared\nfrom quaterion_core.plugins import hookimpl\nquaterion_api = 1\n"
    )
    (site.folder / "shared.py").write_text(
        "import time\n"
        "from quaterion_core.plugins import register_encoder\n"
        "time.sleep(0.5)\n"
        "@register_encoder('shared')\n"
        "class Shared: ...\n"
    )
    program = (
        "import importlib, threading, time\n"
        "from quaterion_core.plugins import registry\n"
        "thread = threading.Thread(target=importlib.import_module, args=['shared'])\n"
        "thread.start()\n"
        "time.sleep(0.1)\n"
        "registry.plugins()\n"
        "thread.join()\n"
        "print(registry.find('encoder', 'local/shared').id)\n"
    )
    assert "local/shared" in run_python("-c", program, path=[site.folder]).stdout


def test_a_full_id_loads_the_distribution_that_it_names_and_no_other(site):
    site.install("acme", LOG_THE_IMPORT + "raise RuntimeError")
    site.install("beta", encoders={"bytes": "beta.encoders:Bytes"})
    registry = site.registry()

    assert registry.find("encoder", "beta/bytes").distribution == "beta"
    assert registry.find("encoder", "beta/bytes").distribution == "beta"
    assert not (site.folder / "acme" / "imports.log").exists()
    with pytest.warns(PluginWarning, match="acme"):
        assert registry.find("encoder", "bytes").id == "beta/bytes"


def test_a_plugin_that_an_id_loaded_is_not_loaded_again(site):
    site.install("acme", LOG_THE_IMPORT)
    registry = site.registry()
    with pytest.warns(PluginWarning) as told, pytest.raises(MissingComponentError):
        registry.find("loss", "acme/x")
    registry.plugins()
    assert (site.folder / "acme" / "imports.log").read_text() == "x"
    assert len(told) == 1


@pytest.mark.parametrize("variable", ["QUATERION_PLUGINS", "QUATERION_DISABLE_PLUGINS"])
def test_a_full_id_does_not_load_what_is_disabled(site, monkeypatch, variable):
    site.install("acme", LOG_THE_IMPORT)
    monkeypatch.setenv(variable, "other" if variable == "QUATERION_PLUGINS" else "acme")

    with pytest.raises(MissingComponentError, match="disabled"):
        site.registry().find("loss", "acme/x")
    assert not (site.folder / "acme" / "imports.log").exists()


def test_strictness_is_about_the_distribution_that_an_id_names(site, monkeypatch):
    site.install("acme", "raise RuntimeError('broken')")
    site.install("beta", encoders={"bytes": "beta.encoders:Bytes"})
    monkeypatch.setenv("QUATERION_PLUGINS_STRICT", "1")
    registry = site.registry()

    assert registry.find("encoder", "beta/bytes").id == "beta/bytes"
    with pytest.raises(PluginLoadError, match="broken"):
        registry.find("encoder", "acme/bytes")
