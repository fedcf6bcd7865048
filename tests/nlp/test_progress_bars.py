"""Opening and saving a model print no progress bars of transformers."""

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_nlp.encoders import SentenceTransformerEncoder


def test_opening_saving_and_loading_print_nothing(tiny_folder, tmp_path, capfd):
    from transformers.utils import logging

    encoder = SentenceTransformerEncoder(str(tiny_folder))
    SimilarityModel(encoder, EmptyHead(encoder.embedding_size)).save(tmp_path / "model")
    SimilarityModel.load(tmp_path / "model")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert logging.is_progress_bar_enabled()  # for the user's own models
