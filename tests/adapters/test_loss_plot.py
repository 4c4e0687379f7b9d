"""The picture of a training."""

from __future__ import annotations

from pathlib import Path

from adapters.lesson import Loss
from adapters.loss_plot import save_loss_plot


def test_the_losses_become_a_png_of_960_by_540(tmp_path: Path) -> None:
    losses, held_out = [Loss(5, 3.0), Loss(10, 2.0)], [Loss(10, 2.5)]
    save_loss_plot(losses, held_out, 10, "warm@1", tmp_path / "training.png")
    header = (tmp_path / "training.png").read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n")
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (960, 540)
