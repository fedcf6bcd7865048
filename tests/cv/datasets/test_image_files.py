import warnings

import pytest

from quaterion_cv.datasets.image_files import ImageFiles


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_file_whose_second_half_is_missing_is_left_out(tmp_path, write_broken_image, suffix):
    broken = write_broken_image(tmp_path / f"broken.{suffix}")
    files = ImageFiles("skip")

    with pytest.warns(UserWarning, match=rf"1 of the 1 image files of here .*broken\.{suffix}"):
        assert files.readable([broken], "here") == set()
    assert str(broken) in files.skipped[str(broken)]


def test_faults_are_counted_and_the_first_ones_named(tmp_path, write_image):
    good = write_image(tmp_path / "good.png")
    lost = [tmp_path / f"lost{number}.png" for number in range(5)]
    (tmp_path / "text.png").write_text("no image")
    files = ImageFiles("skip")
    named = [good, *lost, tmp_path / "text.png"]

    message = r"6 of the 7 .* left out: There is no .*lost0.*; .*lost1.*; .*lost2.*; and 3 others"
    with pytest.warns(UserWarning, match=message):
        assert files.readable(named, "here") == {good}
    assert files.skipped.keys() == {*map(str, lost), str(tmp_path / "text.png")}


def test_each_file_is_read_once_and_told_of_once(tmp_path, write_image):
    good = write_image(tmp_path / "good.png")
    files = ImageFiles("skip")
    with pytest.warns(UserWarning, match="1 of the 2"):
        files.readable([good, tmp_path / "lost.png"], "here")
    good.write_text("broken now")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert files.readable([good, tmp_path / "lost.png"], "here") == {good}


def test_missing_files_stop_at_once_where_nothing_is_skipped(tmp_path, write_image):
    good = write_image(tmp_path / "good.png")

    with pytest.raises(FileNotFoundError, match=r"1 of the 2 .*lost\.png\. on_error='skip'"):
        ImageFiles("raise").readable([good, tmp_path / "lost.png"], "here")


def test_nothing_is_read_where_nothing_is_skipped(tmp_path, write_broken_image):
    broken = write_broken_image(tmp_path / "broken.png")

    assert ImageFiles("raise").readable([broken], "here") == {broken}


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="on_error to be 'raise', .* or 'skip', .* got 'ignore'"):
        ImageFiles("ignore")
