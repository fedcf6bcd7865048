import pytest

from quaterion_core.plugins import registry
from quaterion_core.recipe import RecipeError, read_recipe

ENCODER = "encoder: {name: local/vectors, size: 3, embedding_size: 2}"
GOOD = f"""
data: {{name: csv, files: {{train: train.csv, validation: val.csv}}, obj: text, group: label}}
{ENCODER}
head: {{name: widening, expansion_factor: 2}}
loss: {{name: triplet, margin: 1e-1}}
metrics: [retrieval-r-precision]
optimizer: {{name: sgd, lr: 1e-3}}
epochs: 3
batch_size: 8
batch_sampler: {{name: groups, samples_per_group: 2}}
trainer: {{accelerator: cpu}}
early_stopping: {{patience: 2}}
cache: {{type: disk}}
"""


@pytest.fixture
def recipe(tmp_path, vector_encoder):
    # A class of its own: the fixture's is used under its own name by other tests.
    registry.register("encoder", "vectors", type("Vectors", (vector_encoder,), {}))

    def write(text):
        (tmp_path / "recipe.yaml").write_text(text)
        return tmp_path / "recipe.yaml"

    return write


def test_a_recipe_is_read_with_its_defaults(recipe):
    settings = read_recipe(recipe(GOOD))
    assert settings.epochs == 3
    assert settings.seed == 0
    assert settings.splits.train == "train"
    assert settings.splits.reference is None
    assert settings.early_stopping.patience == 2
    assert settings.cache.type == "disk"
    assert settings.cache.views == 1


def test_numbers_mean_what_people_write(recipe):
    settings = read_recipe(recipe(GOOD))
    assert settings.optimizer["lr"] == 0.001
    assert settings.loss["margin"] == 0.1


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        (
            "epochs: 3",
            "epoch: 3",
            ["line 8, epoch: A recipe has no key 'epoch': did you mean 'e"],
        ),
        (
            "epochs: 3",
            "splits: {referene: x}",
            ["splits has no key 'referene': did you mean 'refe"],
        ),
        (
            "patience: 2",
            "patienc: 2",
            ["early_stopping has no key 'patienc': did you mean 'p"],
        ),
        ("epochs: 3", "epochs: none", ["epochs: ", "integer", "'none'"]),
        ("epochs: 3", "epochs: 0", ["epochs: Expected an integer of at least 1, got 0."]),
        ("type: disk", "type: tape", ["cache.type: ", "'disk'", "'tape'"]),
        ("name: triplet", "name: tripplet", ["loss: ", "triplet"]),
        ("margin: 1e-1", "margni: 1", ["loss.margni: ", "'margni': did you mean 'margin'?"]),
        (
            "encoder: {name: local/vectors, size: 3, embedding_size: 2}",
            "",
            ["either 'encoder' or 'encoders'"],
        ),
        ("data: {name: csv,", "data: {", ["data: Expected the name of a dataset"]),
        ("batch_size: 8", "loader: {batch_size: 8}", ["loader: 'batch_size' belongs to the top"]),
        ("name: groups", "name: group", ["batch_sampler: ", "did you mean 'groups'"]),
        (
            "samples_per_group: 2",
            "samples_per_group: 3",
            ["batch_sampler: ", "a multiple of samples_per_group"],
        ),
        (
            "samples_per_group: 2",
            "per_group: 2",
            ["batch_sampler.per_group: ", "': did you mean"],
        ),
        ("loss: {name: triplet, margin: 1e-1}", "", ["loss: The key 'loss' is missing."]),
        (
            "epochs: 3",
            "hubness_reduction: {neighbours: 5}",
            ["hubness_reduction has no key 'neighbours': did you mean 'neighbors'?"],
        ),
        ("epochs: 3", "epochs: 3\nepochs: 4", ["not valid YAML", "epochs"]),
    ],
)
def test_what_is_wrong_is_named_with_what_was_meant(recipe, old, new, messages):
    assert old in GOOD
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe(GOOD.replace(old, new)))
    for message in messages:
        assert message in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once(recipe):
    text = GOOD.replace("name: triplet", "name: x").replace("name: widening", "name: y")
    with pytest.raises(RecipeError, match=r"(?s)head: .*loss: "):
        read_recipe(recipe(text))


@pytest.mark.parametrize("text", ["", "- a", "just text"])
def test_what_is_no_recipe_is_refused(recipe, text):
    with pytest.raises(RecipeError, match="holds no recipe"):
        read_recipe(recipe(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match="no.yaml cannot be read"):
        read_recipe(tmp_path / "no.yaml")
