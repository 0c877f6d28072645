"""Options that would do nothing: better refused than silently without effect."""

from __future__ import annotations

from collections.abc import Iterable

import typer


def given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Return which of some options stand on the command line, as they are written there."""
    # By name: which module the enumeration is of depends on typer's version.
    sources = {name: context.get_parameter_source(name) for name in names}
    return [
        f"--{name.replace('_', '-')}"
        for name, source in sources.items()
        if source is not None and source.name != "DEFAULT"
    ]


def refuse(context: typer.Context, names: Iterable[str], why: str, hint: str | None = None) -> None:
    """Refuse options, if they are given."""
    if found := given(context, names):
        raise typer.BadParameter(f"{', '.join(found)} {why}.", param_hint=hint)
