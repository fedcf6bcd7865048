import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder, SwitchEncoder
from quaterion_core.heads import EmptyHead, GatedHead, SkipConnectionHead
from quaterion_core.utils.objects import about_object

OBJECTS = [[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]


@pytest.fixture
def model(vector_encoder):
    return SimilarityModel(
        {"b": vector_encoder(2, 3), "a": vector_encoder(2, 4, trainable=False)}, GatedHead(7)
    )


def test_outputs_are_concatenated_in_the_order_of_keys(model):
    inputs = torch.tensor(OBJECTS)
    expected = torch.cat(
        [model.encoders["a"].layer(inputs), model.encoders["b"].layer(inputs)], dim=1
    )
    model.head.gates.data.fill_(50.0)  # tanh(50) is 1
    assert list(model.encoders) == ["a", "b"]
    np.testing.assert_allclose(model.encode(OBJECTS), expected.detach().numpy(), rtol=1e-6)


def test_one_encoder_gets_the_default_key(vector_encoder):
    assert list(SimilarityModel(vector_encoder(2, 3), EmptyHead(3)).encoders) == ["default"]


def test_encode_does_not_depend_on_the_batch_size(model):
    np.testing.assert_allclose(
        model.encode(OBJECTS, batch_size=1), model.encode(OBJECTS, batch_size=3), rtol=1e-6
    )


def test_encode_takes_one_object_and_no_object(model):
    assert model.encode(OBJECTS[0:1][0:1]).shape == (1, 7)
    assert model.encode([]).shape == (0, 7)


def test_encode_takes_objects_of_similar_length_together_and_keeps_their_order():
    batches = []

    class Words(Encoder):
        trainable = False
        embedding_size = 2

        def get_collate_fn(self):
            return lambda words: torch.tensor([[len(word), ord(word[0])] for word in words]).float()

        def get_length_fn(self):
            return lambda words: [len(word) for word in words]

        def forward(self, batch):
            batches.append(batch[:, 0].tolist())
            return batch

    words = ["dddd", "a", "bb", "eeeee", "ccc"]
    embeddings = SimilarityModel(Words(), EmptyHead(2)).encode(words, batch_size=2)
    assert batches == [[1, 2], [3, 4], [5]]
    assert embeddings.tolist() == [[len(word), ord(word[0])] for word in words]


def test_encode_restores_every_mode(model):
    model.train()
    model.head.eval()
    before = [module.training for module in model.modules()]
    model.encode(OBJECTS)
    assert [module.training for module in model.modules()] == before


def test_encode_restores_modes_when_it_fails(model):
    model.train()
    with pytest.raises(ValueError, match="expected sequence"):
        model.encode([[1.0, 2.0], [1.0]])
    assert model.training


def test_encode_returns_an_ordinary_tensor(model):
    embeddings = model.encode(OBJECTS, to_numpy=False)
    layer = torch.nn.Linear(7, 1)
    layer(embeddings).sum().backward()
    assert layer.weight.grad is not None


def test_train_and_eval_return_the_model(model):
    assert model.train() is model
    assert model.eval() is model


def test_a_frozen_encoder_is_a_constant_in_training(model):
    model.train()
    frozen = model.encoders["a"]
    assert not any(module.training for module in frozen.modules())
    batch = model.get_collate_fn()(OBJECTS)
    model(batch).sum().backward()
    assert all(parameter.grad is None for parameter in frozen.parameters())
    assert all(parameter.grad is not None for parameter in model.encoders["b"].parameters())


def test_a_head_that_does_not_fit_is_refused_with_all_sizes(vector_encoder):
    with pytest.raises(ValueError, match=r"size 5, but the encoders give 4 \(a\) \+ 3 \(b\)"):
        SimilarityModel({"b": vector_encoder(2, 3), "a": vector_encoder(2, 4)}, EmptyHead(5))


@pytest.mark.parametrize("key", ["", "a/b", "..", "a.b", "-a", "a b"])
def test_keys_that_are_no_folder_names_are_refused(vector_encoder, key):
    with pytest.raises(ValueError, match="cannot be the key"):
        SimilarityModel({key: vector_encoder(2, 3)}, EmptyHead(3))


@pytest.mark.parametrize("key", ["head", "keys", "training", "forward", "encoders"])
def test_keys_that_are_words_of_torch_work(vector_encoder, key, tmp_path):
    model = SimilarityModel({key: vector_encoder(2, 3)}, EmptyHead(3))
    model.save(tmp_path / "model")
    loaded = SimilarityModel.load(
        tmp_path / "model", components={"local/vector-encoder": vector_encoder}
    )
    np.testing.assert_array_equal(loaded.encode(OBJECTS), model.encode(OBJECTS))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            lambda batch: torch.zeros(len(batch), 4),
            r"\(3, 4\) of torch.float32 instead of .*\(3, 3\)",
        ),
        (lambda batch: torch.zeros(1, 3), r"\(1, 3\)"),
        (lambda batch: torch.zeros(len(batch), 3, dtype=torch.int64), "int64"),
        (lambda batch: None, "NoneType"),
    ],
)
def test_a_wrong_output_of_an_encoder_is_named(vector_encoder, output, message):
    class Wrong(vector_encoder):
        def forward(self, batch):
            return output(batch)

    model = SimilarityModel({"text": Wrong(2, 3)}, EmptyHead(3))
    with pytest.raises(ValueError, match=rf"encoder 'text' \(Wrong\) returned .*{message}"):
        model.encode(OBJECTS)


def test_nan_of_an_encoder_is_named_with_its_object(model):
    with pytest.raises(
        ValueError, match=r"'a' .* 1 of 2 objects of a batch, the first of which is object 1"
    ):
        model.encode([[1.0, 2.0], [float("nan"), 0.0]])


def test_nan_of_the_head_is_named(model):
    model.head.gates.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="head .GatedHead. returns NaN"):
        model.encode(OBJECTS)


def test_what_is_no_encoder_or_no_head_is_refused(vector_encoder):
    with pytest.raises(TypeError, match="the encoder 'default' to be an Encoder .*got a Linear"):
        SimilarityModel({"default": torch.nn.Linear(1, 1)}, EmptyHead(3))
    with pytest.raises(TypeError, match="the head to be an EncoderHead .*got an Identity"):
        SimilarityModel(vector_encoder(2, 3), torch.nn.Identity())
    with pytest.raises(ValueError, match="at least one encoder"):
        SimilarityModel({}, EmptyHead(3))


def test_serving_imports_no_training_stack():
    code = (
        "import sys, quaterion_core; quaterion_core.SimilarityModel;"
        "print([name for name in ('pytorch_lightning', 'transformers', 'torchmetrics', 'sklearn')"
        " if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_importing_the_package_imports_no_torch():
    code = "import sys, quaterion_core; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def test_an_untrained_skip_connection_hardly_changes_embeddings(vector_encoder):
    encoder = vector_encoder(2, 8)
    plain = SimilarityModel(encoder, EmptyHead(8)).encode(OBJECTS)
    skipped = SimilarityModel(encoder, SkipConnectionHead(8)).encode(OBJECTS)
    cosine = (
        (plain * skipped).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(skipped, axis=1)
    )
    assert (cosine > 0.99).all()


@pytest.mark.parametrize("count", [1, 3])
def test_the_head_gets_the_meta_of_all_encoders_for_every_object(vector_encoder, count):
    """Metadata was merged over encoders: one object failed, and larger batches lost metadata."""

    class First(vector_encoder):
        @classmethod
        def extract_meta(cls, batch):
            return [{"first": obj[0]} for obj in batch]

    class Second(vector_encoder):
        @classmethod
        def extract_meta(cls, batch):
            return [{"second": obj[1]} for obj in batch]

    class Seeing(EmptyHead):
        def forward(self, input_vectors, meta=None):
            self.meta = meta
            return super().forward(input_vectors, meta)

    model = SimilarityModel({"a": First(2, 3), "b": Second(2, 3)}, Seeing(6))
    assert model.encode(OBJECTS[:count]).shape == (count, 6)
    assert model.head.meta == [{"first": a, "second": b} for a, b in OBJECTS[:count]]


def test_current_python_and_dependencies_may_be_installed_beside_it():
    """Earlier requirements excluded Python 3.11, Lightning 2, torchmetrics 0.9, protobuf 3.20."""
    package = metadata.distribution("quaterion-core")
    python = SpecifierSet(package.metadata["Requires-Python"])
    assert all(version in python for version in ("3.11", "3.12", "3.13", "3.14"))
    needs = [Requirement(line) for line in package.requires]
    specifiers = {need.name: need.specifier for need in needs if need.marker is None}
    assert "2.6.0" in specifiers["pytorch-lightning"]
    assert not {"torchmetrics", "protobuf"} & set(specifiers)


def test_embeddings_are_cut_off_to_their_first_numbers(vector_encoder):
    model = SimilarityModel(vector_encoder(3, 4), EmptyHead(4))
    objects = [[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]
    np.testing.assert_array_equal(model.encode(objects, dim=2), model.encode(objects)[:, :2])
    assert model.encode([], dim=2).shape == (0, 2)
    with pytest.raises(ValueError, match="Expected dim to be between 1 and the embedding size 4"):
        model.encode(objects, dim=5)


def test_hubness_is_reduced_by_what_the_head_gives(model):
    vectors = model.encode(OBJECTS, to_numpy=False)
    model.reduce_hubness(OBJECTS, neighbors=2, weight=1.0)
    unit = torch.nn.functional.normalize(vectors, dim=1)
    crowding = (unit @ unit.T).topk(2).values.mean(dim=1, keepdim=True)
    expected = torch.nn.functional.normalize(torch.cat([unit, 1 - crowding], dim=1), dim=1)
    embeddings = model.encode(OBJECTS)
    np.testing.assert_allclose(embeddings, expected.numpy(), atol=1e-6)
    assert model.embedding_size == 8


@pytest.mark.parametrize("training", [False, True])
def test_a_reduction_of_hubness_keeps_the_mode_of_the_model(model, training):
    model.train(training)
    modes = [module.training for module in model.modules()]
    model.reduce_hubness(OBJECTS, neighbors=2)
    model.head, reduction = model.head.head, model.head
    assert reduction.training is training
    assert [module.training for module in model.modules()] == modes


def test_hubness_that_is_reduced_again_is_that_of_the_head_inside(model):
    inner = model.head
    model.reduce_hubness(OBJECTS, neighbors=2)
    once = model.encode(OBJECTS)
    model.reduce_hubness(OBJECTS, neighbors=2)
    assert model.head.head is inner
    np.testing.assert_array_equal(model.encode(OBJECTS), once)


def test_a_saved_model_keeps_its_hubness_reduction(model, vector_encoder, tmp_path):
    model.reduce_hubness(OBJECTS, neighbors=2)
    model.save(tmp_path / "model")
    restored = SimilarityModel.load(
        tmp_path / "model", components={"local/vector-encoder": vector_encoder}
    )
    np.testing.assert_array_equal(restored.encode(OBJECTS), model.encode(OBJECTS))


def test_hubness_is_reduced_by_a_sample_of_many_objects(vector_encoder):
    model = SimilarityModel(vector_encoder(1, 2), EmptyHead(2))
    objects = [[float(number)] for number in range(50)]
    model.reduce_hubness(objects, neighbors=3, max_objects=10)
    sample = model.head.reference
    model.reduce_hubness(objects, neighbors=3, max_objects=10)
    assert len(sample) == 10
    assert torch.equal(model.head.reference, sample)


def test_a_reduction_that_cannot_be_leaves_the_model_as_it_was(model):
    head = model.head
    with pytest.raises(ValueError, match="neighbors between 1 and 3"):
        model.reduce_hubness(OBJECTS)
    with pytest.raises(ValueError, match="weight"):
        model.reduce_hubness(OBJECTS, neighbors=2, weight=-1.0)
    with pytest.raises((TypeError, ValueError)):
        model.reduce_hubness(["no", "vectors"], neighbors=2)
    assert model.head is head


@pytest.mark.parametrize(
    ("size", "error"),
    [(-1, ValueError), (0, ValueError), (1.5, TypeError), (True, TypeError), ("8", TypeError),
     (None, TypeError)],
)  # fmt: skip
def test_a_batch_size_is_a_positive_integer(vector_encoder, size, error):
    """A negative batch size once returned no rows."""
    model = SimilarityModel(vector_encoder(2, 3), EmptyHead(3))
    with pytest.raises(error, match="Expected batch_size to be a positive integer, got"):
        model.encode([[1.0, 2.0]], batch_size=size)


def test_an_iterator_is_encoded_like_a_list(vector_encoder):
    model = SimilarityModel(vector_encoder(2, 3), EmptyHead(3))
    objects = [[1.0, 2.0], [3.0, 4.0]]
    assert (model.encode(iter(objects)) == model.encode(objects)).all()


class Rows(Encoder):
    """Embeds vectors of two numbers, in whatever shape they come."""

    trainable = False
    embedding_size = 2

    def get_collate_fn(self):
        return lambda objects: torch.stack([torch.as_tensor(row).float() for row in objects])

    def get_length_fn(self):
        return lambda objects: [int(row[0]) for row in objects]

    def forward(self, batch):
        return 2 * batch


@pytest.mark.parametrize("make", [torch.tensor, np.array], ids=["tensor", "array"])
def test_rows_of_a_tensor_are_objects_where_the_encoder_embeds_each(make):
    model = SimilarityModel(Rows(), EmptyHead(2))
    rows = make([[5.0, 2.0], [3.0, 4.0], [1.0, 0.0]])
    expected = [[10.0, 4.0], [6.0, 8.0], [2.0, 0.0]]
    assert model.encode(rows, batch_size=2).tolist() == expected
    assert model.encode(rows[0]).tolist() == expected[:1]
    with pytest.raises(ValueError, match=r"returned \(1, 3, 2\)"):
        model.encode([rows])
    with pytest.raises(ValueError, match=r"returned \(1, 2, 3, 2\)"):
        model.encode(make([rows.tolist()] * 2))


def test_errors_name_the_position_in_the_whole_list():
    model = SimilarityModel(Rows(), EmptyHead(2))
    objects = [[float(9 - row), 1.0] for row in range(9)]
    objects[2][1] = float("nan")
    with pytest.raises(ValueError, match="1 of 2 objects of a batch, .* object 2"):
        model.encode(objects, batch_size=2)


def test_errors_of_a_collate_function_name_the_position_in_the_whole_list():
    def collate(words):
        for index, word in enumerate(words):
            if not word:
                raise about_object(ValueError(f"Object {index} is empty."), index)
        return torch.tensor([[len(word)] for word in words]).float()

    class Lengths(Encoder):
        trainable = False
        embedding_size = 1

        def get_collate_fn(self):
            return collate

        def get_length_fn(self):
            return lambda words: list(map(len, words))

        def forward(self, batch):
            return batch

    class ByCase(SwitchEncoder):
        @classmethod
        def encoder_selection(cls, record):
            return "upper" if record.isupper() else "lower"

    options = {"upper": Lengths(), "lower": Lengths()}
    for encoder in (Lengths(), ByCase(options)):
        model = SimilarityModel(encoder, EmptyHead(1))
        words = ["abcd", "ABC", "ab", "A", "", "ABCDE"]
        with pytest.raises(ValueError, match="^Object 4 is empty"):
            model.encode(words, batch_size=6)
        with pytest.raises(ValueError, match="^Object 4 is empty"):
            model.encode(words, batch_size=2)


def test_addresses_of_the_hub_lead_to_what_loads_them():
    with pytest.raises(ValueError, match=r"load_from_hub, of quaterion-serving\[hub\]"):
        SimilarityModel.load("hf://owner/name@main")
