import types
from pathlib import Path

import pytest

from quaterion_core.components import plugin_faults
from quaterion_core.plugins import ActivationError, PluginWarning, Registry, activate, hookimpl

HEADER = "from quaterion_core.plugins import hookimpl\n\nquaterion_api = 1\n"


class Proposes:
    """A plugin that proposes trainer arguments and records the arguments of its hooks."""

    def __init__(self, proposal):
        self.proposal = proposal
        self.offered = None

    @hookimpl
    def quaterion_configure_trainer(self, trainer_kwargs):
        self.offered = dict(trainer_kwargs)
        return self.proposal


class Follows:
    """A plugin that logs the training run under its name."""

    def __init__(self, name, log):
        self.name = name
        self.log = log

    @hookimpl
    def quaterion_before_fit(self, trainer, model):
        self.log.append((self.name, "before", trainer, model))

    @hookimpl
    def quaterion_after_fit(self, model):
        self.log.append((self.name, "after", model))


def test_without_plugins_the_trainer_gets_the_defaults():
    assert activate([]).trainer_arguments({"max_epochs": 3}) == {"max_epochs": 3}


def test_a_proposal_wins_over_a_default():
    arguments = activate([Proposes({"max_epochs": 5})]).trainer_arguments({"max_epochs": 3, "a": 1})
    assert arguments == {"max_epochs": 5, "a": 1}


def test_the_users_own_argument_wins_over_a_proposal():
    lifecycle = activate([Proposes({"max_epochs": 5, "precision": 16})])
    assert lifecycle.trainer_arguments({"max_epochs": 3}, given={"max_epochs": 7}) == {
        "max_epochs": 7,
        "precision": 16,
    }


def test_a_plugin_sees_what_the_trainer_would_get_without_it():
    plugin = Proposes({})
    activate([plugin]).trainer_arguments({"a": 1, "b": 1}, given={"b": 2})
    assert plugin.offered == {"a": 1, "b": 2}


def test_a_plugin_cannot_change_what_it_is_shown():
    class Meddles:
        @hookimpl
        def quaterion_configure_trainer(self, trainer_kwargs):
            trainer_kwargs["a"] = "changed"

    assert activate([Meddles()]).trainer_arguments({"a": 1}) == {"a": 1}


def test_two_plugins_that_set_the_same_argument_are_named():
    first, second = (types.ModuleType(name) for name in ("first_plugin", "second_plugin"))
    for module, precision in ((first, 16), (second, 32)):
        module.quaterion_configure_trainer = hookimpl(
            lambda trainer_kwargs, precision=precision: {"precision": precision}
        )
    with pytest.raises(ActivationError, match="'precision': first_plugin and second_plugin"):
        activate([first, second]).trainer_arguments({})


def test_the_user_settles_what_plugins_disagree_about():
    lifecycle = activate([Proposes({"precision": 16}), Proposes({"precision": 32})])
    assert lifecycle.trainer_arguments({}, given={"precision": 64}) == {"precision": 64}


def test_a_proposal_has_to_be_a_mapping():
    with pytest.raises(ActivationError, match=r"has to return a mapping .* returned \[\]"):
        activate([Proposes([])]).trainer_arguments({})


def test_plugins_are_called_in_the_order_in_which_they_were_given():
    log = []
    lifecycle = activate([Follows("a", log), Follows("b", log)])
    lifecycle.before_fit("trainer", "model")
    lifecycle.after_fit("trainer", "model")
    assert log == [
        ("a", "before", "trainer", "model"),
        ("b", "before", "trainer", "model"),
        ("a", "after", "model"),
        ("b", "after", "model"),
    ]


def test_a_plugin_that_is_given_twice_is_called_once():
    log = []
    plugin = Follows("a", log)
    activate([plugin, plugin]).after_fit("trainer", "model")
    assert log == [("a", "after", "model")]


def test_what_a_hook_raises_is_passed_on():
    class Raises:
        @hookimpl
        def quaterion_before_fit(self):
            raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        activate([Raises()]).before_fit("trainer", "model")


def test_installing_a_plugin_activates_nothing(site, write_plugin_source):
    site.install(
        "acme",
        write_plugin_source("@hookimpl\ndef quaterion_before_fit():\n    raise AssertionError\n"),
    )
    found = site.registry()
    found.plugins()
    activate([], found).before_fit("trainer", "model")


@pytest.fixture
def acme(site, write_plugin_source):
    source = "@hookimpl\ndef quaterion_before_fit(trainer):\n    trainer.append(__name__)\n"
    site.install(
        "Acme.Text", write_plugin_source(source), entry_points={"text": "acme_text.plugin"}
    )
    return site.registry()


@pytest.mark.parametrize("name", ["acme-text", "Acme_Text", "text"])
def test_a_plugin_is_activated_by_distribution_or_entry_point(acme, name):
    called = []
    activate([name], acme).before_fit(called, "model")
    assert called == ["acme_text.plugin"]


def test_a_plugin_given_by_name_and_as_a_module_is_called_once(acme):
    acme.plugins()
    import acme_text.plugin

    called = []
    activate(["text", acme_text.plugin], acme).before_fit(called, "model")
    assert called == ["acme_text.plugin"]


def test_an_unknown_plugin_is_refused_with_the_nearest(acme):
    with pytest.raises(ActivationError, match=r"no plugin 'acme-test'.*did you mean 'acme-text'\?"):
        activate(["acme-test"], acme)


def test_an_entry_point_of_two_distributions_is_ambiguous(site, write_plugin_source):
    source = write_plugin_source("@hookimpl\ndef quaterion_after_fit():\n    pass\n")
    site.install("one", source, entry_points={"tracker": "one.plugin"})
    site.install("two", source, entry_points={"tracker": "two.plugin"})
    with pytest.raises(ActivationError, match="ambiguous; write 'one' or 'two'"):
        activate(["tracker"], site.registry())


def test_a_plugin_that_is_left_out_cannot_be_activated(site):
    site.install("acme", "1 / 0")
    with pytest.warns(PluginWarning), pytest.raises(ActivationError, match="left out") as caught:
        activate(["acme"], site.registry())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_plugin_without_lifecycle_hooks_cannot_be_activated(site):
    site.install("acme", losses={"x": "acme.losses:X"})
    with pytest.raises(ActivationError, match="has nothing to do with a training run"):
        activate(["acme"], site.registry())


def test_of_a_distribution_the_plugins_with_lifecycle_hooks_are_activated(
    site, write_plugin_source
):
    site.install(
        "acme",
        losses={"x": "acme.losses:X"},
        files={
            "acme/hooks.py": write_plugin_source(
                "@hookimpl\ndef quaterion_before_fit(trainer):\n    trainer.append('called')\n"
            )
        },
        entry_points={"parts": "acme.plugin", "hooks": "acme.hooks"},
    )
    called = []
    activate(["acme"], site.registry()).before_fit(called, "model")
    assert called == ["called"]


def test_a_misspelt_hook_of_an_object_is_refused():
    class Misspelt:
        @hookimpl
        def quaterion_befor_fit(self, trainer):
            pass

    with pytest.raises(ActivationError, match="did you mean 'quaterion_before_fit'"):
        activate([Misspelt()], Registry([]))


RUN_HOOKS = """
from pathlib import Path

from quaterion_core.plugins import hookimpl


class Notes:
    \"""Notes on a run.\"""

    def __init__(self, file: Path = Path("notes.txt"), rounded: int = 4):
        if rounded < 0:
            raise ValueError(f"Expected rounded of at least 0, got {rounded}.")
        self.file, self.rounded, self.seen = file, rounded, []

    @hookimpl
    def quaterion_configure_trainer(self, output):
        return {"seen_output": output}

    @hookimpl
    def quaterion_before_fit(self, model, output):
        model.append((str(self.file), self.rounded, output))
"""


@pytest.fixture
def notes(site):
    """A registry with a plugin that takes settings, and one that takes none."""
    site.install(
        "acme-notes",
        HEADER + "\n\n@hookimpl\ndef quaterion_run_hooks():\n    return 'acme_notes.notes:Notes'\n",
        files={"acme_notes/notes.py": RUN_HOOKS}.items(),
    )
    site.install(
        "acme-plain", HEADER + "\n\n@hookimpl\ndef quaterion_after_fit(model):\n    pass\n"
    )
    return site.registry()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("acme-notes", ("notes.txt", 4)),
        ({"name": "acme-notes", "file": "mine.txt"}, ("mine.txt", 4)),
        ({"name": "Acme_Notes", "rounded": 2}, ("notes.txt", 2)),
    ],
    ids=["no settings", "a file", "a number"],
)
def test_a_run_has_an_instance_of_the_plugin_with_its_settings(notes, choice, expected):
    lifecycle = activate([choice], notes, output=Path("models/faq"))
    model = []
    lifecycle.before_fit(None, model)
    assert model == [(*expected, Path("models/faq"))]
    assert lifecycle.trainer_arguments({}) == {"seen_output": Path("models/faq")}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"name": "acme-plain", "x": 1}, "The plugin 'acme-plain' takes no settings, got 'x'. "),
        ({"name": "acme-notes", "rounded": -1}, "refuses its settings: Expected rounded of at"),
        ({"name": "acme-notes", "files": "x"}, "refuses its settings: .*files"),
        ({"name": "acme-note"}, "did you mean 'acme-notes'"),
        ({"x": 1}, "Expected the name of a plugin, or a mapping of its name and settings"),
    ],
    ids=["takes none", "out of range", "unknown", "misspelt", "no name"],
)
def test_settings_that_a_plugin_does_not_take_are_an_error(notes, choice, message):
    with pytest.raises(ActivationError, match=message):
        activate([choice], notes)


@pytest.mark.parametrize(
    "target", ["notes", "acme_notes.notes:Missing", "acme_notes.nothing:Notes"]
)
def test_a_class_of_hooks_that_cannot_be_imported_is_an_error(site, target):
    source = f"\n\n@hookimpl\ndef quaterion_run_hooks():\n    return {target!r}\n"
    site.install("acme-notes", HEADER + source, files={"acme_notes/notes.py": RUN_HOOKS}.items())
    with pytest.raises(ActivationError, match="acme-notes"):
        activate(["acme-notes"], site.registry())


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"name": "acme-notes", "rounded": "2"},
            "rounded: Expected an integer, got the string '2'",
        ),
        ({"name": "acme-notes", "filo": "x"}, "no setting 'filo': did you mean 'file'?"),
        ({"name": "acme-plain", "x": 1}, "takes no settings, got 'x'"),
        ("acme-note", "did you mean 'acme-notes'"),
    ],
    ids=["of the wrong type", "unknown", "takes none", "misspelt"],
)
def test_all_faults_of_settings_are_known_before_a_run(notes, choice, message, monkeypatch):
    found = notes.plugins()
    monkeypatch.setattr(Registry, "plugins", lambda _: found)
    assert message in " ".join(map(str, plugin_faults(choice)))
