"""Accessibility rules (axe-core), run inside the real page, in light and in dark."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def assert_accessible(
    page: Page, *, schemes: Sequence[Scheme] = SCHEMES, without: Sequence[str] = (), preload: bool = True
) -> None:
    """Fail with a list of what axe finds wrong on the page as it stands, in each of the colour schemes.

    All rules count, also those that are only good practice; `without` names those that markup of others breaks. Without
    `preload` axe does not read style sheets (for one rule, that no orientation is locked): one that imports another is
    read by way of an inline style, which the page's policy forbids.
    """
    found: list[str] = []
    for scheme in schemes:
        use_scheme(page, scheme)
        rules = {rule: {"enabled": False} for rule in without}
        result = Axe().run(page, options={"resultTypes": ["violations"], "rules": rules, "preload": preload})
        found += [_told(scheme, violation) for violation in result.response["violations"]]
    page.emulate_media(color_scheme="null", reduced_motion="null")
    assert not found, f"{page.url} is not accessible:\n" + "\n".join(found)


def use_scheme(page: Page, scheme: Scheme) -> None:
    """Show the page in light or dark, and wait until its colours have arrived there."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(
        "() => Promise.all(document.getAnimations()"
        ".filter((animation) => Number.isFinite(animation.effect.getComputedTiming().endTime))"
        ".map((animation) => animation.finished.catch(() => null)))"
    )


def _told(scheme: Scheme, violation: dict[str, Any]) -> str:
    lines = [f"  [{scheme}] {violation['id']} ({violation['impact']}): {violation['help']}"]
    for node in violation["nodes"]:
        lines.append(f"    at {json.dumps(node['target'])}: {node['html']}")
        lines += [f"      {check['message']}" for kind in ("any", "all", "none") for check in node[kind]]
    return "\n".join(lines)
