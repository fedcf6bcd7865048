import torch

from quaterion_core.mining.relation import Relation


def test_it_is_a_sparse_matrix():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(7, (30,), generator=generator)
    columns = torch.randint(5, (30,), generator=generator)
    dense = torch.zeros(7, 5, dtype=torch.bool)
    dense[rows, columns] = True
    relation = Relation(rows, columns, 7, 5)
    asked = torch.tensor([3, 0, 3, 6])
    found = torch.zeros(4, 5, dtype=torch.bool)
    found[relation.of(asked)] = True
    assert torch.equal(found, dense[asked])
    everything = torch.cartesian_prod(torch.arange(7), torch.arange(5))
    assert torch.equal(relation.holds(*everything.T), dense.flatten())


def test_an_empty_relation_holds_nowhere():
    none = torch.empty(0, dtype=torch.int64)
    relation = Relation(none, none, 3, 0)
    assert [len(part) for part in relation.of(torch.tensor([0, 2]))] == [0, 0]
    assert relation.holds(torch.tensor([1]), torch.tensor([0])).tolist() == [False]
