"""What the reader, the optimizer and the command do, and what they refuse."""

import pytest
import torch
from click.testing import CliRunner

from quaterion_char_ngrams.corrections import CorrectionsDataset
from quaterion_char_ngrams.lion import Lion
from quaterion_char_ngrams.ngrams_command import ngrams


def test_corrections_are_read_in_order(tmp_path):
    file = tmp_path / "cities.txt"
    file.write_text("Belgrad -> Belgrade\n\nK\u00f8benhvn->K\u00f8benhavn\n", encoding="utf-8")
    samples = CorrectionsDataset({"train": file}).load("train")
    assert [(sample.obj_a, sample.obj_b) for sample in samples] == [
        ("Belgrad", "Belgrade"), ("K\u00f8benhvn", "K\u00f8benhavn"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["Belgrad", "Belgrad ->", "-> Belgrade"])
def test_a_line_without_a_correction_is_named(tmp_path, line):
    file = tmp_path / "cities.txt"
    file.write_text(f"a -> b\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: expected 'typed -> meant'"):
        CorrectionsDataset({"train": file}).load("train")


def test_two_steps_of_lion_are_those_of_the_paper():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = Lion([weight], lr=0.1, betas=(0.5, 0.8), weight_decay=0.2)
    for gradient in (3.0, -1.0):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
    # 1 - 0.1 * (1 + 0.2) = 0.88, m = 0.6; 0.5 * 0.6 - 0.5 < 0: 0.88 - 0.1 * (-1 + 0.2 * 0.88)
    torch.testing.assert_close(weight.detach(), torch.tensor([0.9624]))


def test_the_command_shows_the_ngrams_of_each_word():
    result = CliRunner().invoke(ngrams, ["ab c", "--smallest", "3", "--largest", "3"])
    assert result.output == "<ab ab>\n<c>\n"
    assert CliRunner().invoke(ngrams, ["ab", "--smallest", "0"]).exit_code == 2
