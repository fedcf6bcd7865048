import hashlib
import json

import numpy as np
import pytest

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EncoderHead, GatedHead, SequentialHead, SkipConnectionHead
from quaterion_core.plugins import MissingComponentError
from quaterion_core.storage import (
    InvalidFolderError,
    NotSavableError,
    OutputExistsError,
    UnsupportedFormatError,
)

OBJECTS = [[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]]


@pytest.fixture
def model(vector_encoder):
    return SimilarityModel(
        {"b": vector_encoder(2, 3), "a": vector_encoder(2, 4, trainable=False)},
        SkipConnectionHead(7),
    )


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def load(vector_encoder):
    return lambda path: SimilarityModel.load(
        path, components={"local/vector-encoder": vector_encoder}
    )


def edit(folder, change, *, sign=True):
    """Change config.json and update its checksum."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    change(config)
    if sign:
        config.pop("checksum", None)
        text = json.dumps(config, sort_keys=True)
        config["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    file.write_text(json.dumps(config))


def test_a_loaded_model_gives_the_same_bits(model, saved, load):
    np.testing.assert_array_equal(load(saved).encode(OBJECTS), model.encode(OBJECTS))


def test_the_folder_says_what_it_is(saved):
    config = json.loads((saved / "config.json").read_text())
    assert config["format"] == "quaterion-model"
    assert config["head"]["component"] == "quaterion-core/skip-connection"
    assert config["encoders"]["a"] == {"component": "local/vector-encoder", "version": None}
    assert set(config["files"]) == {
        str(path.relative_to(saved)) for path in saved.rglob("*") if path.is_file()
    } - {"config.json"}


def test_nothing_is_a_pickle(saved):
    suffixes = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}


def test_a_loaded_model_keeps_frozen_encoders_frozen(saved, load):
    encoder = load(saved).train().encoders["a"]
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_a_second_save_into_the_same_folder_changes_nothing(model, saved):
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    with pytest.raises(OutputExistsError):
        model.save(saved)
    assert before == {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}


def test_a_model_replaces_a_model_when_asked(model, saved, load):
    for parameter in model.head.parameters():
        parameter.data.fill_(0.25)
    model.save(saved, overwrite=True)
    np.testing.assert_array_equal(load(saved).encode(OBJECTS), model.encode(OBJECTS))


def test_overwrite_replaces_nothing_but_models(model, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.json").write_text('{"editor": "vim"}')
    with pytest.raises(OutputExistsError, match="contains something else"):
        model.save(tmp_path / "project", overwrite=True)
    assert (tmp_path / "project" / "config.json").read_text() == '{"editor": "vim"}'


def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path):
    class Unsavable(Encoder):
        trainable = False
        embedding_size = 2

        def get_collate_fn(self):
            return list

        def forward(self, batch):
            return batch

    with pytest.raises(NotImplementedError, match=r"Unsavable cannot be saved.*get_config_dict"):
        SimilarityModel(Unsavable(), GatedHead(2)).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_is_not_json_leaves_nothing_behind(tmp_path, vector_encoder):
    class Odd(vector_encoder):
        def get_config_dict(self):
            return {"function": print}

    with pytest.raises(NotSavableError, match="builtin_function_or_method at 'function'"):
        SimilarityModel(Odd(2, 2), GatedHead(2)).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_two_classes_of_one_name_are_refused(tmp_path, vector_encoder):
    namesake = type("VectorEncoder", (vector_encoder,), {})
    model = SimilarityModel({"a": vector_encoder(2, 2), "b": namesake(2, 2)}, GatedHead(4))
    with pytest.raises(NotSavableError, match="Two classes .* 'local/vector-encoder'"):
        model.save(tmp_path / "model")


def test_notes_lie_in_the_folder_and_may_change(model, tmp_path, load):
    model.save(tmp_path / "model", notes={"README.md": "First"})
    (tmp_path / "model" / "README.md").write_text("Second")
    load(tmp_path / "model")


def test_every_truncated_or_edited_file_is_found(saved, load):
    files = [path for path in saved.rglob("*") if path.is_file()]
    assert len(files) == 7
    for file in files:
        content = file.read_bytes()
        for changed in (content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1])):
            file.write_bytes(changed)
            with pytest.raises(InvalidFolderError):
                load(saved)
        file.unlink()
        with pytest.raises(InvalidFolderError):
            load(saved)
        file.write_bytes(content)
    load(saved)


def test_an_edited_configuration_is_found(saved, load):
    edit(saved, lambda config: config["head"].update(version="9"), sign=False)
    with pytest.raises(InvalidFolderError, match="was changed after saving"):
        load(saved)


def test_a_later_version_says_what_to_do(saved, load):
    edit(saved, lambda config: config.update(format_version=2, core_version="7.0"))
    with pytest.raises(UnsupportedFormatError, match=r"saved by quaterion-core 7.0.*pip install"):
        load(saved)


def test_a_folder_of_something_else_is_refused(tmp_path, load):
    with pytest.raises(InvalidFolderError, match="has no config.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["Bert"]}')
    with pytest.raises(InvalidFolderError, match="does not belong to a saved model"):
        load(tmp_path)


def test_all_missing_components_are_told_at_once_and_nothing_is_advised_to_install(saved):
    def rename(config):
        config["encoders"]["b"]["component"] = "evil-package/thing"
        config["head"]["component"] = "quaterion-core/gatd"

    edit(saved, rename)
    with pytest.raises(MissingComponentError) as caught:
        SimilarityModel.load(saved.rename(saved.with_name("elsewhere")))
    message = str(caught.value)
    assert "evil-package/thing" in message
    assert "quaterion-core/gatd" in message
    assert "gated" in message
    assert "local/vector-encoder" in message
    assert "pip install evil-package" not in message


class Doubling(EncoderHead):
    @property
    def output_size(self):
        return self.input_embedding_size

    def transform(self, input_vectors):
        return 2 * input_vectors


def test_classes_that_this_process_saved_there_need_not_be_given(model, tmp_path):
    head = SequentialHead(Doubling(7), SequentialHead(Doubling(7), output_size=7), output_size=7)
    model = SimilarityModel(model.encoders, head)
    model.save(tmp_path / "model")
    loaded = SimilarityModel.load(tmp_path / "model")
    assert [type(module) for module in loaded.modules()] == [type(m) for m in model.modules()]
    np.testing.assert_array_equal(loaded.encode(OBJECTS), model.encode(OBJECTS))


def test_a_class_is_remembered_for_the_folder_that_it_was_saved_to_alone(model, saved, tmp_path):
    SimilarityModel(model.encoders, Doubling(7)).save(tmp_path / "doubling")
    with pytest.raises(MissingComponentError, match="local/vector-encoder"):
        SimilarityModel.load(saved.rename(tmp_path / "elsewhere"))
    model.save(saved)
    edit(saved, lambda config: config["head"].update(component="local/doubling"))
    with pytest.raises(MissingComponentError, match="local/doubling"):
        SimilarityModel.load(saved)


def test_a_class_that_is_defined_again_has_to_be_given(model, tmp_path, monkeypatch):
    SimilarityModel(model.encoders, Doubling(7)).save(tmp_path / "model")
    monkeypatch.setitem(globals(), "Doubling", type("Doubling", (Doubling,), {}))
    with pytest.raises(MissingComponentError, match="local/doubling"):
        SimilarityModel.load(tmp_path / "model")


def test_two_classes_of_one_id_are_refused_at_any_depth(model, tmp_path):
    inner = type("Doubling", (Doubling,), {})(7)
    head = SequentialHead(Doubling(7), inner, output_size=7)
    with pytest.raises(NotSavableError, match="'local/doubling': .*Rename one of them"):
        SimilarityModel(model.encoders, head).save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["subprocess:Popen", "os.system", "../head", "torch.nn/Linear", 5])
def test_a_file_cannot_name_code(saved, load, name):
    edit(saved, lambda config: config["head"].update(component=name))
    with pytest.raises((InvalidFolderError, MissingComponentError)):
        load(saved)


def test_a_component_of_another_kind_is_refused(saved, load):
    edit(saved, lambda config: config["head"].update(component="quaterion-core/triplet"))
    with pytest.raises(MissingComponentError):
        load(saved)


def test_keys_cannot_lead_out_of_the_folder(saved, load):
    edit(saved, lambda config: config["encoders"].update({"../../x": config["encoders"]["a"]}))
    with pytest.raises(InvalidFolderError, match="no valid key"):
        load(saved)


class Outer:
    class DoublingHead(EncoderHead):
        @property
        def output_size(self):
            return self.input_embedding_size

        def transform(self, input_vectors):
            return 2 * input_vectors


def test_a_class_inside_another_one_is_saved_and_loaded(vector_encoder, tmp_path):
    """Nested classes once could not be saved."""

    class Nested(vector_encoder):
        pass

    model = SimilarityModel(Nested(2, 3), Outer.DoublingHead(3))
    model.save(tmp_path / "model")
    components = {"local/nested": Nested, "local/doubling-head": Outer.DoublingHead}
    loaded = SimilarityModel.load(tmp_path / "model", components=components)
    assert type(loaded.head) is Outer.DoublingHead
    np.testing.assert_array_equal(loaded.encode(OBJECTS), model.eval().encode(OBJECTS))
