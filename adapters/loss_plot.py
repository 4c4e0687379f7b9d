"""The picture of a training: how the losses fell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters.lesson import Loss

PLOT_FILE = "training.png"
_WIDTH, _HEIGHT, _DOTS = 8.0, 4.5, 120


def save_loss_plot(
    losses: Sequence[Loss], held_out_losses: Sequence[Loss], best_step: int, title: str, path: Path
) -> None:
    """Draw the loss on training batches and on held-out examples over the steps, as a PNG of 960 x 540.

    Losses are in nats a token; `best_step` is where the kept weights were.
    """
    # A figure of its own, for pyplot would keep it open in a list of the whole process.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    for points, label, style in ((losses, "training", "-"), (held_out_losses, "held out", "o-")):
        axes.plot([loss.step for loss in points], [loss.value for loss in points], style, label=label)
    axes.axvline(best_step, color="grey", linestyle=":", label=f"kept: step {best_step}")
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats a token)")
    axes.set_ylim(0, 1.1 * max((loss.value for loss in (*losses, *held_out_losses)), default=1.0))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=_DOTS)
