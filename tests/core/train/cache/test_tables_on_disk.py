"""Tables of a cache on disk: full disks, damage, folders of others, changed code and files."""

import errno
import os
import stat
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_core.model import SimilarityModel
from quaterion_core.storage import NotWritableError
from quaterion_core.train.cache import CacheConfig, embedding_table
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.train.cache.filling import FillProgress
from quaterion_core.train.cache.fingerprint import encoder_fingerprint
from quaterion_core.train.cache.table_folder import (
    locked_folder,
    remove_folder,
    shared_temporary_folder,
)
from quaterion_core.train.cache.training_cache import TrainingCache

SIZE = 7


class Numbers(Encoder):
    """Embeds a number as itself; counts how many it has seen."""

    trainable, embedding_size = False, SIZE

    def __init__(self):
        super().__init__()
        self.seen = []

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        self.seen += batch.tolist()
        return batch.float().unsqueeze(1).expand(-1, SIZE) + torch.arange(SIZE)

    def get_config_dict(self):
        return {}


def fill(encoder=None, processes=1, **settings):
    """Fill a cache of 40 numbers; return its loader's embeddings, the encoder and the cache."""
    encoder = encoder or Numbers()
    samples = [SimilarityGroupSample(n, n % 4) for n in range(40)]
    cache = TrainingCache(
        SimilarityModel(encoder, EmptyHead(SIZE)),
        CacheConfig(**{"batch_size": 8, **settings}),
        GroupSimilarityDataLoader(samples, batch_size=40),
        device=torch.device("cpu"),
        processes=processes,
    )
    loaders, _ = cache.fill()
    features, _ = next(iter(loaders.train))
    return features["data"]["default"].embeddings.clone(), encoder, cache


EXPECTED = torch.arange(40.0).unsqueeze(1) + torch.arange(SIZE)


def test_space_is_reserved(tmp_path):
    EmbeddingTable(1000, 100, torch.float32, tmp_path / "table")
    found = (tmp_path / "table").stat()
    assert found.st_size == 400_000
    assert found.st_blocks * 512 >= 400_000


@pytest.mark.parametrize("name", ["embeddings.bin", "progress.json", "progress.new"])
def test_a_link_in_a_cache_leads_nowhere(tmp_path, name):
    fill(cache_type="disk", save_dir=str(tmp_path / "cache"))
    outside = tmp_path / "outside"
    outside.write_bytes(b"outside")
    (table,) = (tmp_path / "cache").iterdir()
    (table / name).unlink(missing_ok=True)
    (table / name).symlink_to(outside)
    if name == "embeddings.bin":
        with pytest.raises(NotWritableError, match=r"embeddings.bin: it is a link. Remove it"):
            fill(cache_type="disk", save_dir=str(tmp_path / "cache"))
    else:
        found, _, _ = fill(cache_type="disk", save_dir=str(tmp_path / "cache"))
        assert torch.equal(found, EXPECTED)
    assert outside.read_bytes() == b"outside"


def test_the_record_of_millions_of_batches_is_read(tmp_path):
    checksums = [2**32 - 1] * 200_000  # more than the usual limit of JSON files
    record = FillProgress(tmp_path / "progress.json")
    record.write(checksums)
    assert record.read(200_000) == checksums


def test_a_full_disk_is_an_error_that_tells_what_is_needed(tmp_path, monkeypatch):
    def refuse(descriptor, start, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(NotWritableError, match=r"needs 400\.0 MB in .* but only [0-9,.]+ MB are"):
        EmbeddingTable(1_000_000, 100, torch.float32, tmp_path / "table")
    assert not (tmp_path / "table").exists()


def test_damaged_batches_alone_are_embedded_again(tmp_path):
    fill(save_dir=str(tmp_path))
    (table,) = tmp_path.glob("*/embeddings.bin")
    content = bytearray(table.read_bytes())
    content[-1] ^= 1
    table.write_bytes(content)
    with pytest.warns(UserWarning, match="1 of 5 batches of the cache .* are damaged"):
        embeddings, encoder, _ = fill(save_dir=str(tmp_path))
    assert encoder.seen == [*range(32, 40)]
    assert torch.equal(embeddings, EXPECTED)
    assert fill(save_dir=str(tmp_path))[1].seen == []


@pytest.fixture
def read_only(monkeypatch):
    """Refuse to open files to write to, also for the superuser, whom no mode keeps from it."""

    def refuse(file, length):
        raise OSError(errno.EROFS, "Read-only file system", str(file))

    return lambda: monkeypatch.setattr(embedding_table, "_reserve", refuse)


def test_a_read_only_cache_that_matches_is_used(tmp_path, read_only):
    fill(save_dir=str(tmp_path))
    read_only()
    embeddings, encoder, _ = fill(save_dir=str(tmp_path))
    assert encoder.seen == []
    assert torch.equal(embeddings, EXPECTED)


def test_a_read_only_cache_that_does_not_match_is_an_error(tmp_path, read_only):
    fill(save_dir=str(tmp_path))
    read_only()
    with pytest.raises(NotWritableError, match=r"Read-only file system.*choose another save_dir"):
        fill(save_dir=str(tmp_path), dtype=torch.float16)
    (table,) = tmp_path.glob("*/embeddings.bin")
    table.write_bytes(bytes(table.stat().st_size))
    with pytest.raises(NotWritableError, match="is read-only, and 5 of its 5 batches"):
        fill(save_dir=str(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_files_have_the_mode_of_the_umask_and_no_lock_stays(tmp_path):
    previous = os.umask(0o027)
    try:
        fill(save_dir=str(tmp_path / "cache"))
    finally:
        os.umask(previous)
    (folder,) = (tmp_path / "cache").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"embeddings.bin": 0o640, "progress.json": 0o640}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("processes", [1, 2])
def test_temporary_tables_are_private_and_leave_nothing(temporary, processes):
    embeddings, _, cache = fill(cache_type="disk", processes=processes)
    assert torch.equal(embeddings, EXPECTED)
    (folder,) = temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    cache.close()
    left = [path for path in temporary.rglob("*") if not path.is_dir()]
    assert left == []
    assert [path.name for path in temporary.iterdir()] in (
        [],
        [f"quaterion-cache-{os.getuid()}"],
    )


def test_a_planted_folder_is_refused(temporary):
    planted = temporary / f"quaterion-cache-{os.getuid()}"
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    planted.symlink_to(elsewhere)
    with pytest.raises(NotWritableError, match="expected a folder, got a link or a file"):
        fill(cache_type="disk", processes=2)
    planted.unlink()
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(NotWritableError, match="with mode 700, got one of user .* mode 777"):
        fill(cache_type="disk", processes=2)
    planted.chmod(0o700)
    assert shared_temporary_folder() == planted


def test_the_folder_of_another_user_is_refused(temporary, monkeypatch):
    other = os.getuid() + 1
    (temporary / f"quaterion-cache-{other}").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(NotWritableError, match="expected a folder of user"):
        shared_temporary_folder()


def test_a_folder_that_is_removed_while_one_waits_is_made_anew(tmp_path):
    with locked_folder(tmp_path / "a"):
        (tmp_path / "a" / "file").touch()
    remove_folder(tmp_path / "a")
    with locked_folder(tmp_path / "a"):
        assert [*(tmp_path / "a").iterdir()] == []
    remove_folder(tmp_path / "never there")


def test_changed_code_of_an_encoder_is_not_given_old_embeddings(tmp_path):
    def double(batch):
        return 2 * batch

    class Doubling(Numbers):
        def forward(self, batch):
            return super().forward(double(batch))

    class Same(Numbers):
        """Documented in another way."""

        def forward(self, batch):
            return super().forward(double(batch))  # with a comment

    Same.__qualname__ = Same.__name__ = Doubling.__qualname__
    before = encoder_fingerprint(Doubling())
    assert encoder_fingerprint(Doubling()) == before != encoder_fingerprint(Numbers())
    fill(Doubling(), save_dir=str(tmp_path))
    assert fill(Doubling(), save_dir=str(tmp_path))[1].seen == []

    def double(batch):  # noqa: F811  (the point of this test)
        return 3 * batch

    assert encoder_fingerprint(Doubling()) != before  # the function that forward() calls
    embeddings, _, _ = fill(Doubling(), save_dir=str(tmp_path))
    assert torch.equal(embeddings, EXPECTED[:, :1] * 3 + torch.arange(SIZE))


SCALE = 1


def test_constants_of_the_module_and_what_collates_are_code_too(monkeypatch):
    class Scaling(Numbers):
        def get_collate_fn(self):
            return lambda numbers: torch.tensor(numbers) * SCALE

    before = encoder_fingerprint(Scaling())
    monkeypatch.setitem(globals(), "SCALE", 2)
    assert encoder_fingerprint(Scaling()) != before


def test_code_is_digested_alike_in_every_process(run_python):
    program = (
        "from quaterion_core.encoders import Encoder\n"
        "from quaterion_core.train.cache.code_digest import code_digest\n"
        "class One(Encoder):\n"
        "    def forward(self, x): return x in {'a', 'b', 'c', 'd'}\n"
        "print(code_digest(One, Encoder))"
    )
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    first, second = (
        run_python("-c", program, path=path, PYTHONHASHSEED=seed).stdout for seed in ("1", "2")
    )
    assert first == second != ""


@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_that_was_replaced_is_another_object(tmp_path, as_text):
    file = tmp_path / "image.png"
    name = str(file) if as_text else file
    absent = object_digest(name)
    file.write_bytes(b"one")
    os.utime(file, ns=(1, 10**18))
    first = object_digest(name)
    assert object_digest(name) == first != absent
    file.write_bytes(b"longer")
    os.utime(file, ns=(1, 10**18))
    second = object_digest(name)
    os.utime(file, ns=(1, 10**18 + 1))
    assert len({first, second, object_digest(name)}) == 3


def test_texts_are_what_they_say():
    assert object_digest("a word.") == object_digest("a word.")
    assert object_digest("nothing.png") != object_digest(Path("nothing.png"))
    assert np.array_equal(*[np.frombuffer(object_digest("x" * 5000), np.uint8)] * 2)
