import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.train.xbm import XbmConfig


def test_a_model_is_trained_for_short_embeddings(vector_encoder, make_trainer):
    """The groups differ in eight numbers, which the first two then have to tell apart."""
    torch.manual_seed(0)
    centres = 3 * torch.eye(8)
    samples = [
        SimilarityGroupSample((centres[n % 8] + 0.3 * torch.randn(8)).tolist(), n % 8)
        for n in range(160)
    ]
    model = Quaterion.build(
        encoder=vector_encoder(8, 8, trainable=True),
        loss={"name": "matryoshka", "loss": "softmax", "dims": [8, 2]},
        optimizer={"name": "adam", "lr": 0.02},
        xbm=XbmConfig(buffer_size=64, start_iteration=10),
        data=samples,
    )
    trainer = make_trainer(max_epochs=40)
    Quaterion.fit(model, trainer, GroupSimilarityDataLoader(samples, batch_size=32, shuffle=True))
    short = model.model.encode([sample.obj for sample in samples], dim=2)
    assert short.shape == (160, 2)
    directions = torch.nn.functional.normalize(torch.tensor(short), dim=1)
    similarity = (directions @ directions.T).fill_diagonal_(-1)
    nearest = similarity.argmax(dim=1) % 8
    assert (nearest == torch.arange(160) % 8).float().mean() > 0.8
