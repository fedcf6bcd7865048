"""mteb evaluates a model on a task of its own, without network."""

import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead

mteb = pytest.importorskip("mteb")
datasets = pytest.importorskip("datasets")

from mteb.abstasks import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402

from quaterion_core.dataset import Document, Query  # noqa: E402
from quaterion_core.serving import MtebModel  # noqa: E402

WORDS = ["lemon", "pine", "violin", "harbour", "quartz", "goblet"]


class Letters(Encoder):
    """Counts letters, and remembers in which role it was given texts."""

    trainable, embedding_size = False, 26
    seen: set[type] = set()

    def get_collate_fn(self):
        def collate(texts):
            Letters.seen |= {type(text) for text in texts}
            return [[float(text.count(chr(97 + n))) for n in range(26)] for text in texts]

        return collate

    def forward(self, batch):
        return torch.tensor(batch)


class Anagrams(AbsTaskRetrieval):
    metadata = TaskMetadata(
        name="Anagrams", description="Find the word of an anagram.", type="Retrieval",
        dataset={"path": "local/anagrams", "revision": "1"}, eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
    )  # fmt: skip

    def load_data(self, num_proc=None, **kwargs):
        numbers = range(len(WORDS))
        self.dataset = {
            "default": {
                "test": {
                    "corpus": datasets.Dataset.from_list(
                        [{"id": f"d{n}", "text": WORDS[n], "title": ""} for n in numbers]
                    ),
                    "queries": datasets.Dataset.from_list(
                        [{"id": f"q{n}", "text": WORDS[n][::-1]} for n in numbers]
                    ),
                    "relevant_docs": {f"q{n}": {f"d{n}": 1} for n in numbers},
                    "top_ranked": None,
                }
            }
        }
        self.data_loaded = True


@pytest.fixture
def model():
    return SimilarityModel(Letters(), EmptyHead(26))


def test_a_local_task_is_evaluated_by_mteb(model, tmp_path):
    Letters.seen.clear()
    result = mteb.evaluate(
        MtebModel(model, name="acme/letters"), Anagrams(),
        cache=mteb.cache.ResultCache(tmp_path), co2_tracker=False, show_progress_bar=False,
    )  # fmt: skip
    (task,) = result.task_results
    assert task.get_score() == pytest.approx(1.0)
    assert result.model_name == "acme/letters"
    assert Letters.seen == {Query, Document}


def test_similarities_are_cosines(model):
    adapter = MtebModel(model)
    embeddings = adapter.encode([{"text": ["ab", "b"]}, {"text": ["c"]}])
    assert embeddings.shape == (3, 26)
    expected = torch.tensor([[1.0, 0.5**0.5, 0.0]])
    torch.testing.assert_close(adapter.similarity(embeddings[:1], embeddings), expected)
    torch.testing.assert_close(
        adapter.similarity_pairwise(embeddings[:1], embeddings[1:2]), expected[0, 1:2]
    )
