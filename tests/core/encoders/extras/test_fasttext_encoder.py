import os
import subprocess
import sys

import pytest

from quaterion_core.encoders.extras import fasttext_encoder


def test_the_old_path_gives_what_quaterion_nlp_brings():
    pytest.importorskip("gensim")
    ours = pytest.importorskip("quaterion_nlp.encoders.fasttext_encoder")

    from quaterion_core.encoders.extras.fasttext_encoder import (
        FasttextEncoder,
        load_fasttext_model,
    )

    assert FasttextEncoder is ours.FasttextEncoder
    assert load_fasttext_model is ours.load_fasttext_model


def test_importing_the_old_module_imports_no_plugin():
    program = (
        "import sys, quaterion_core.encoders.extras.fasttext_encoder\n"
        "assert not any(name.startswith(('quaterion_nlp', 'gensim')) for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_quaterion_nlp_an_import_error_names_the_way_out():
    result = subprocess.run(
        [sys.executable, "-c",
         "from quaterion_core.encoders.extras.fasttext_encoder import FasttextEncoder"],
        env={**os.environ, "QUATERION_DISABLE_PLUGINS": "quaterion-nlp"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    last_error = result.stderr.split("ImportError: ")[-1]
    assert "quaterion-nlp[fasttext]" in last_error
    assert "QUATERION_DISABLE_PLUGINS" in last_error


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="GloveEncoder"):
        _ = fasttext_encoder.GloveEncoder


def test_dir_lists_what_can_be_imported():
    assert {"FasttextEncoder", "load_fasttext_model"} <= set(dir(fasttext_encoder))
