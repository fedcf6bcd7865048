import torch

from quaterion_core.heads import EmptyHead


def test_embeddings_stay_what_they_are():
    vectors = torch.randn(3, 4)
    assert torch.equal(EmptyHead(4)(vectors), vectors)


def test_it_has_no_weights_and_saves_none(tmp_path):
    EmptyHead(4).save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]
