"""Scores, against counts done by hand."""

import pytest
import torch

from gaugenet.metrics import score


def test_scores_of_two_surfaces_counted_by_hand():
    predictions = [torch.tensor([0, 0, 1, 2]), torch.tensor([1, 1])]
    labels = [torch.tensor([0, 1, 1, -100]), torch.tensor([1, 0])]
    m = score(predictions, labels, 4)
    assert m.counted == 5
    assert m.accuracy == pytest.approx(3 / 5)
    # class 0: TP 1, FP 1, FN 1; class 1: TP 2, FP 1, FN 1; classes 2 and 3 do not occur
    assert m.mean_iou == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert m.mean_mesh_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_a_surface_without_labels_does_not_count():
    alone = score([torch.tensor([0, 1])], [torch.tensor([0, 0])], 2)
    both = score([torch.tensor([0, 1]), torch.tensor([1])], [torch.tensor([0, 0]), torch.tensor([-100])], 2)
    assert alone == both


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="no vertex or face has a label"):
        score([torch.tensor([0])], [torch.tensor([-100])], 2)
    with pytest.raises(ValueError, match="got 1 for 2 labels"):
        score([torch.tensor([0])], [torch.tensor([0, 1])], 2)
