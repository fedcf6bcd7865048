import pickle
from collections import Counter
from itertools import chain

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from quaterion_core.dataset import GroupSimilarityDataLoader
from quaterion_core.dataset.object_digest import object_digest
from quaterion_cv import ImageFolderDataset
from quaterion_cv.encoders.image_collator import ImageCollator


@pytest.fixture
def flat(tmp_path, write_image):
    """Ten groups of ten images."""
    for group in range(10):
        for number in range(10):
            write_image(tmp_path / f"group{group}" / f"{number}.png")
    return tmp_path


def listed(dataset, split="train"):
    return [
        (sample.obj.relative_to(dataset.roots[0]).as_posix(), sample.group)
        for sample in dataset.load(split)
    ]


def test_each_folder_is_a_group(tmp_path, write_image):
    for name in ("dog/b.png", "cat/2.JPG", "cat/1.webp", "cat/kittens/small/3.png"):
        write_image(tmp_path / name)

    dataset = ImageFolderDataset(tmp_path)

    assert dataset.splits == ("train",)
    assert listed(dataset) == [
        ("cat/1.webp", "cat"),
        ("cat/2.JPG", "cat"),
        ("cat/kittens/small/3.png", "cat"),
        ("dog/b.png", "dog"),
    ]


def test_what_is_no_image_and_in_no_group_does_not_count(tmp_path, write_image):
    for name in ("cat/1.png", "cat/._1.png", ".hidden/2.png", "3.png"):
        write_image(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("about cats")
    (tmp_path / "empty").mkdir()

    assert listed(ImageFolderDataset(tmp_path)) == [("cat/1.png", "cat")]


def test_a_folder_without_a_name_to_read_is_no_group(tmp_path, write_image):
    for name in ("cat/1.png", " /2.png", "dog/3.png"):
        write_image(tmp_path / name)
    samples = ImageFolderDataset(tmp_path).load("train")
    with pytest.raises(
        ValueError, match="1 missing value in 3 samples: sample 0 has the group ' '"
    ):
        next(iter(GroupSimilarityDataLoader(samples, batch_size=3)))


def test_folders_of_the_usual_names_are_splits(tmp_path, write_image):
    for split in ("train", "validation"):
        write_image(tmp_path / split / "cat" / "1.png")

    dataset = ImageFolderDataset(tmp_path)

    assert dataset.splits == ("train", "validation")
    assert listed(dataset, "validation") == [("validation/cat/1.png", "cat")]


def test_folders_of_other_names_can_be_splits(tmp_path, write_image):
    write_image(tmp_path / "training" / "cat" / "1.png")
    write_image(tmp_path / "val" / "dog" / "2.png")

    dataset = ImageFolderDataset(tmp_path, folders={"train": "training", "validation": "val"})

    assert dataset.splits == ("train", "validation")
    assert listed(dataset, "validation") == [("val/dog/2.png", "dog")]


def test_shares_of_samples_are_taken_of_each_group(flat):
    dataset = ImageFolderDataset(flat, shares={"validation": 0.2, "test": 0.1})
    parts = {split: listed(dataset, split) for split in dataset.splits}

    counts = {split: Counter(group for _, group in part) for split, part in parts.items()}
    assert set(counts["train"].values()) == {7}
    assert set(counts["validation"].values()) == {2}
    assert set(counts["test"].values()) == {1}
    assert sorted(chain.from_iterable(parts.values())) == listed(ImageFolderDataset(flat))


def test_small_groups_have_their_share_together(tmp_path, write_image):
    for group in range(20):
        for number in range(2):
            write_image(tmp_path / f"{group:02}" / f"{number}.png")

    assert len(listed(ImageFolderDataset(tmp_path, shares={"test": 0.1}), "test")) == 4


def test_shares_of_groups_keep_groups_whole(flat):
    dataset = ImageFolderDataset(flat, shares={"validation": 0.2, "test": 0.1}, divide="groups")
    counts = {
        split: Counter(group for _, group in listed(dataset, split)) for split in dataset.splits
    }

    assert {split: len(groups) for split, groups in counts.items()} == {
        "train": 7, "validation": 2, "test": 1,
    }  # fmt: skip
    assert set(sum(counts.values(), Counter()).values()) == {10}


@pytest.mark.parametrize("divide", ["samples", "groups"])
def test_the_seed_decides_what_is_in_a_split(flat, divide):
    def validation(seed):
        options = {"shares": {"validation": 0.3}, "divide": divide}
        return listed(ImageFolderDataset(flat, seed=seed, **options), "validation")

    assert validation(1) == validation(1)
    assert validation(1) != validation(2)


def test_the_same_images_elsewhere_are_divided_alike(flat, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    flat.rename(elsewhere)
    moved = listed(ImageFolderDataset(elsewhere, shares={"validation": 0.3}), "validation")
    elsewhere.rename(flat)

    assert moved == listed(ImageFolderDataset(flat, shares={"validation": 0.3}), "validation")


@pytest.mark.parametrize("shares", [{"train": 0.5}, {"test": 0.0}, {"a": 0.5, "b": 0.5}])
def test_impossible_shares_are_refused(flat, shares):
    with pytest.raises(ValueError, match="Expected shares of splits other than 'train'"):
        ImageFolderDataset(flat, shares=shares)


def test_two_ways_to_split_are_refused(flat):
    with pytest.raises(ValueError, match="Expected folders or shares, got both"):
        ImageFolderDataset(flat, folders={"train": "group1"}, shares={"test": 0.1})


def test_an_unknown_division_is_refused(flat):
    with pytest.raises(ValueError, match="'samples' or 'groups', got 'images'"):
        ImageFolderDataset(flat, divide="images")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere\."):
        ImageFolderDataset(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere\."):
        ImageFolderDataset(tmp_path, folders={"train": "nowhere"})


def test_a_folder_without_groups_is_an_error_that_shows_what_is_expected(tmp_path, write_image):
    write_image(tmp_path / "1.png")

    with pytest.raises(ValueError, match="a folder of images for each group, .* got no images"):
        ImageFolderDataset(tmp_path).load("train")


def test_a_share_that_is_too_small_is_an_error(tmp_path, write_image):
    write_image(tmp_path / "cat" / "1.png")

    with pytest.raises(ValueError, match="split 'test' .* share is too small for so few samples"):
        ImageFolderDataset(tmp_path, shares={"test": 0.1}).load("test")


def test_a_broken_image_is_left_out_and_counted(tmp_path, write_image, write_broken_image):
    write_image(tmp_path / "cat" / "1.png")
    broken = write_broken_image(tmp_path / "cat" / "2.png")
    dataset = ImageFolderDataset(tmp_path, on_error="skip")

    with pytest.warns(UserWarning, match=r"1 of the 2 image files of the split 'train' .*2\.png"):
        assert listed(dataset) == [("cat/1.png", "cat")]
    assert list(dataset.skipped) == [str(broken)]


def test_a_split_with_nothing_but_broken_images_is_an_error(tmp_path, write_broken_image):
    write_broken_image(tmp_path / "cat" / "1.png")

    with pytest.warns(match="1 of"), pytest.raises(ValueError, match="none of them can be read"):
        ImageFolderDataset(tmp_path, on_error="skip").load("train")


def test_a_broken_image_stops_a_worker_with_its_name(tmp_path, write_image, write_broken_image):
    write_image(tmp_path / "cat" / "1.png")
    write_broken_image(tmp_path / "cat" / "2.png")
    samples = ImageFolderDataset(tmp_path).load("train")
    collate = ImageCollator(3, (8, 8), {})
    loader = DataLoader([s.obj for s in samples], batch_size=2, num_workers=1, collate_fn=collate)

    with pytest.raises(ValueError, match=r"(?s)worker.*2\.png cannot be read as an image"):
        list(loader)


@pytest.fixture
def alphabets(tmp_path, write_image):
    """Characters of the same names in two alphabets, in folders as Omniglot has them."""
    for alphabet in ("Greek", "Latin"):
        for character in ("character01", "character02"):
            write_image(tmp_path / alphabet / character / "1.png")
    return tmp_path


def test_the_innermost_folders_can_be_the_groups(alphabets):
    dataset = ImageFolderDataset(alphabets, group_folders="innermost")

    assert listed(dataset) == [
        ("Greek/character01/1.png", "Greek/character01"),
        ("Greek/character02/1.png", "Greek/character02"),
        ("Latin/character01/1.png", "Latin/character01"),
        ("Latin/character02/1.png", "Latin/character02"),
    ]


def test_innermost_groups_may_be_of_any_depth(tmp_path, write_image):
    for name in ("Greek/alpha/1.png", "Greek/alpha/small/2.png", "digit/3.png"):
        write_image(tmp_path / name)

    groups = dict(listed(ImageFolderDataset(tmp_path, group_folders="innermost")))

    assert groups == {
        "Greek/alpha/1.png": "Greek/alpha",
        "Greek/alpha/small/2.png": "Greek/alpha/small",
        "digit/3.png": "digit",
    }


def test_a_part_of_the_alphabets_can_be_a_split(alphabets):
    dataset = ImageFolderDataset(
        alphabets, folders={"train": ".", "latin": "Latin"}, group_folders="innermost"
    )

    assert [group for _, group in listed(dataset, "latin")] == ["character01", "character02"]
    assert len(listed(dataset)) == 4


def test_innermost_groups_can_be_divided(alphabets):
    dataset = ImageFolderDataset(
        alphabets, shares={"test": 0.5}, divide="groups", group_folders="innermost"
    )

    parts = [{group for _, group in listed(dataset, split)} for split in dataset.splits]

    assert [len(groups) for groups in parts] == [2, 2]
    assert not parts[0] & parts[1]


def test_an_unknown_choice_of_group_folders_is_refused(flat):
    with pytest.raises(ValueError, match="'outermost' or 'innermost', got 'deepest'"):
        ImageFolderDataset(flat, group_folders="deepest")


def test_turned_training_images_are_groups_of_their_own(flat):
    options = {"shares": {"test": 0.2}}
    upright = ImageFolderDataset(flat, **options).load("train")

    samples = ImageFolderDataset(flat, turned_groups=True, **options).load("train")

    assert samples[: len(upright)] == upright
    assert len(samples) == 4 * len(upright)
    groups = Counter(sample.group for sample in samples)
    assert len(groups) == 40
    assert set(groups.values()) == {8}
    assert groups["group3"] == groups["group3 turned by 270 degrees"] == 8
    for group in range(10):
        turned = {s.obj.path for s in samples if s.group == f"group{group} turned by 90 degrees"}
        assert turned == {s.obj for s in upright if s.group == f"group{group}"}


def test_mirrored_training_images_are_groups_of_their_own(flat):
    upright = ImageFolderDataset(flat).load("train")

    samples = ImageFolderDataset(flat, mirrored_groups=True).load("train")

    assert samples[: len(upright)] == upright
    assert [sample.group for sample in samples[len(upright) :]] == [
        f"{sample.group} mirrored" for sample in upright
    ]
    assert all(sample.obj.mirrored for sample in samples[len(upright) :])


def test_mirrored_images_are_turned_too(flat):
    upright = ImageFolderDataset(flat).load("train")
    options = {"turned_groups": True, "mirrored_groups": True}

    samples = ImageFolderDataset(flat, **options).load("train")

    assert len({object_digest(sample.obj) for sample in samples}) == len(samples)
    assert len(samples) == 8 * len(upright)
    groups = Counter(sample.group for sample in samples)
    assert len(groups) == 80
    assert set(groups.values()) == {10}
    assert "group3 mirrored turned by 270 degrees" in groups


def test_images_of_other_splits_are_not_changed(flat):
    options = {"shares": {"test": 0.2}}
    changed = ImageFolderDataset(flat, turned_groups=True, mirrored_groups=True, **options)
    assert listed(changed, "test") == listed(ImageFolderDataset(flat, **options), "test")


def test_turned_images_are_told_apart_by_a_cache(flat):
    samples = ImageFolderDataset(flat, turned_groups=True).load("train")

    digests = {object_digest(sample.obj) for sample in samples}

    assert len(digests) == len(samples)
    again = pickle.loads(pickle.dumps(samples[-1].obj))
    assert object_digest(again) == object_digest(samples[-1].obj)


def test_broken_images_are_left_out_in_every_turn(tmp_path, write_image, write_broken_image):
    write_image(tmp_path / "cat" / "1.png")
    write_broken_image(tmp_path / "cat" / "2.png")
    dataset = ImageFolderDataset(tmp_path, turned_groups=True, on_error="skip")

    with pytest.warns(UserWarning, match="1 of the 2 image files"):
        assert len(dataset.load("train")) == 4


def test_images_are_read_by_the_collate_function(tmp_path, write_image):
    write_image(tmp_path / "cat" / "1.png")
    (sample,) = ImageFolderDataset(tmp_path).load("train")

    batch = ImageCollator(3, (8, 8), {})([sample.obj])

    assert batch.shape == (1, 3, 8, 8)
    assert torch.isfinite(batch).all()


def test_several_roots_are_read_as_one(tmp_path):
    for name in ("a/cat/1.png", "a/dog/2.png", "b/cat/1.png", "b/bird/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    dataset = ImageFolderDataset([tmp_path / "a", str(tmp_path / "b")])
    groups = [sample.group for sample in dataset.load("train")]
    assert sorted(groups) == ["bird", "cat", "cat", "dog"]
    rebuilt = ImageFolderDataset.from_config(dataset.get_config_dict())
    assert rebuilt.load("train") == dataset.load("train")
    (tmp_path / "b").rename(tmp_path / "a/train")
    assert ImageFolderDataset([tmp_path / "a"]).splits == ("train",)
    with pytest.raises(FileNotFoundError, match="b"):
        ImageFolderDataset([tmp_path / "a", tmp_path / "b"])


def test_no_root_is_refused():
    with pytest.raises(ValueError, match="one or more root folders"):
        ImageFolderDataset([])
