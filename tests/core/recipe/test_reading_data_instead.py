"""A recipe that is data leads to the command that needs none."""

import pytest

from quaterion_core import fit_recipe
from quaterion_core.recipe import RecipeError


@pytest.mark.parametrize("name", ["faq.csv", "faq.jsonl", "faq.tsv.gz", "faq.parquet"])
def test_data_are_no_recipe(tmp_path, name):
    (tmp_path / name).write_text("question,answer\n")
    with pytest.raises(RecipeError, match=r"got the data .*quaterion tune .*--output DIR"):
        fit_recipe(tmp_path / name)
