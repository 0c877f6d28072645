"""The README for package indices, where its relative links would lead nowhere: a provider for scikit-build-core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(!?)(\[[^\]]*\]\()(?![a-z]+:|#)([^)]+\))")


def dynamic_metadata(field: str, settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, str]:
    """Return README.md with links into the release's tag at `project.urls.Repository`."""
    release = f"{project['urls']['Repository']}/{{}}/v{project['version']}/"

    def absolute(found: re.Match[str]) -> str:
        picture, text, path = found.groups()
        return f"{picture}{text}{release.format('raw' if picture else 'blob')}{path}"

    return {"content-type": "text/markdown", "text": _LINK.sub(absolute, Path("README.md").read_text(encoding="utf-8"))}
