"""Sentences with faces: the table reads, and faces become numbers and come back."""

import pytest
import torch

from controllers.described import N_FACE, described_sentences, face_row, read_described, row_expression
from controllers.expression import Expression, parse_codes
from emohead.errors import InputError


def test_the_table_has_faces_for_thousands_of_sentences():
    found = described_sentences()
    assert len(found) > 9000 and len({item.text for item in found}) == len(found)
    shown = [item for item in found if item.expression.au]
    assert 0.02 < 1.0 - len(shown) / len(found) < 0.15, "some ask for no face, and only some"
    assert sum(len(item.expression.au) for item in shown) / len(shown) > 4.0
    assert all(0.0 < value <= 1.0 for item in shown for value in item.expression.au.values())


def test_a_face_becomes_numbers_and_comes_back():
    expression = parse_codes("1=.6 12R=.4 62=.5 54=.4")
    row = face_row(expression)
    assert row.shape == (N_FACE,)
    back = row_expression(row, least=0.12)
    assert torch.allclose(face_row(back), row) and back.au == pytest.approx(dict(expression.au))
    assert row_expression(torch.zeros(N_FACE), least=0.12) == Expression()


@pytest.mark.parametrize("line", ["no columns", "happy\t12=2\t\t", "happy\t12=.5\tsideways\t", "happy\t12=.5\t\tspin", "happy\t999=.5\t\t"])
def test_a_line_that_cannot_be_read_is_named(line: str):
    with pytest.raises(InputError, match=r"mine\.tsv, line 2"):
        read_described(f"fine\t12=.5\taway\ttilt\n{line}", "mine.tsv")
