import torch

from quaterion_core.train.xbm import XbmConfig, XbmPairBuffer


def batch(start, count):
    """Pairs whose first objects are start, start + 1, ..., and whose second ones 100 more."""
    first = torch.arange(start, start + count)
    embeddings = torch.stack([torch.cat([first, first + 100]).float()] * 2, dim=1)
    places = torch.arange(count)
    return embeddings, {
        "pairs": torch.stack([places, places + count], dim=1),
        "labels": (first % 2).float(),
        "subgroups": first.repeat(2),
    }


def remembered(buffer):
    embeddings, targets = buffer.recall(torch.zeros(1))
    return {
        int(embeddings[a, 0]): (int(embeddings[b, 0]), float(label), int(targets["subgroups"][a]))
        for (a, b), label in zip(targets["pairs"], targets["labels"], strict=True)
    }


def test_the_latest_pairs_are_remembered_with_what_they_state():
    buffer = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=2)
    for start, count in ((0, 3), (3, 1), (4, 3)):
        buffer.remember(*batch(start, count))
    assert buffer.is_full
    assert remembered(buffer) == {n: (n + 100, float(n % 2), n) for n in range(2, 7)}


def test_the_state_is_restored():
    first = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=2)
    first.remember(*batch(0, 4))
    second = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=2)
    second.load_state_dict(first.state_dict())
    for buffer in (first, second):
        buffer.remember(*batch(4, 3))
    assert remembered(first) == remembered(second)


def test_pairs_may_share_rows():
    buffer = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=1)
    targets = {
        "pairs": torch.tensor([[0, 1], [0, 2]]),
        "labels": torch.tensor([1.0, 0.0]),
        "subgroups": torch.tensor([7, 7, 7]),
    }
    buffer.remember(torch.tensor([[1.0], [2.0], [3.0]]), targets)
    embeddings, recalled = buffer.recall(torch.zeros(1))
    assert embeddings[recalled["pairs"]].squeeze(2).tolist() == [[1.0, 2.0], [1.0, 3.0]]


def test_what_else_is_stated_of_objects_is_remembered_too():
    buffer = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=2)
    for start in (0, 3):
        embeddings, targets = batch(start, 3)
        guide = torch.arange(6.0).reshape(6, 1, 1) + 10 * start
        buffer.remember(embeddings, {**targets, "guide": guide.repeat(1, 3, 1)})
    restored = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=2)
    restored.load_state_dict(buffer.state_dict())
    embeddings, targets = restored.recall(torch.zeros(1))
    stated = {int(row[0]): guide for row, guide in zip(embeddings, targets["guide"], strict=True)}
    assert stated[1].shape == (3, 1)
    assert {n: float(guide[0, 0]) for n, guide in stated.items() if n in (1, 4, 104)} == {
        1: 1.0, 4: 31.0, 104: 34.0,
    }  # fmt: skip


def test_the_ids_of_objects_are_remembered_exactly():
    buffer = XbmPairBuffer(XbmConfig(buffer_size=2), embedding_size=2)
    large = 2**62 + 1  # no float holds it
    for start in (0, 1, 2):
        embeddings, targets = batch(start, 1)
        objects = torch.tensor([large + start, -large - start])
        buffer.remember(embeddings, {**targets, "objects": objects})
    restored = XbmPairBuffer(XbmConfig(buffer_size=2), embedding_size=2)
    restored.load_state_dict(buffer.state_dict())
    embeddings, targets = restored.recall(torch.zeros(1))
    found = dict(zip(embeddings[:, 0].int().tolist(), targets["objects"].tolist(), strict=True))
    assert found == {1: large + 1, 2: large + 2, 101: -large - 1, 102: -large - 2}


def test_every_field_keeps_its_type_in_half_precision():
    """Labels and ids took on the type of the embeddings: 0.9 became 0.898, 1001 became 1000."""
    buffer = XbmPairBuffer(XbmConfig(buffer_size=5), embedding_size=2)
    targets = {
        "pairs": torch.tensor([[0, 1]]),
        "labels": torch.tensor([0.9]),
        "subgroups": torch.tensor([2**40 + 1, 2**40 + 3]),
        "ids": torch.tensor([1001, -1003]),
        "guide": torch.tensor([[0.1], [0.3]], dtype=torch.float64),
    }
    embeddings = torch.randn(2, 2, dtype=torch.bfloat16)
    buffer.remember(embeddings, targets)
    remembered, recalled = buffer.recall(embeddings)
    assert torch.equal(remembered, embeddings)
    assert recalled.keys() == targets.keys()
    for name, values in targets.items():
        assert recalled[name].dtype == values.dtype
        assert torch.equal(recalled[name], values), name


def test_what_an_earlier_version_packed_is_unpacked():
    """Rows of 2 · 2 numbers of embeddings, 2 · 1 of the guide, and the label."""
    state = {
        "_extra_state": {"shapes": {"embeddings": (2,), "guide": (1,)}},
        "_rows._extra_state": {
            "embeddings": torch.tensor(
                [[1.0, 2.0, 3.0, 4.0, 0.1, 0.2, 1.0], [5.0, 6.0, 7.0, 8.0, 0.3, 0.4, 0.0]]
            ),
            "targets": torch.tensor([11, 12]),
            "seen": 2,
        },
    }
    buffer = XbmPairBuffer(XbmConfig(buffer_size=2), embedding_size=2)
    buffer.load_state_dict(state)
    embeddings, targets = buffer.recall(torch.zeros(1))
    assert embeddings.tolist() == [[1.0, 2.0], [5.0, 6.0], [3.0, 4.0], [7.0, 8.0]]
    assert targets["labels"].tolist() == [1.0, 0.0]
    assert targets["subgroups"].tolist() == [11, 12, 11, 12]
    torch.testing.assert_close(targets["guide"], torch.tensor([[0.1], [0.3], [0.2], [0.4]]))
    assert buffer.state_dict().keys() == state.keys()
