"""How the findings of a platform's check are shown."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from bot.command import FAILED, console
from connectors.checking import Checked


def show_findings(findings: Iterable[Checked]) -> None:
    """Print each finding with its fix; the exit status tells whether anything is to be mended."""
    screen, found = console(), tuple(findings)
    for finding in found:
        mark = "✗" if finding.fix else "✓"
        screen.print(f"{mark} {finding.name}: {finding.found}", markup=False, highlight=False, soft_wrap=True)
        if finding.fix:
            screen.print(f"  {finding.fix}", markup=False, highlight=False, soft_wrap=True)
    if any(finding.fix for finding in found):
        raise typer.Exit(FAILED)
