"""docker-compose.yml as Docker Compose reads it."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from tests.services.processes import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}")


class Compose:
    def __init__(self, **env: str) -> None:
        """What stands in .env."""
        self._env = env
        self.services: dict[str, dict[str, Any]] = self._filled(yaml.safe_load(FILE.read_text()))["services"]

    def command(self, service: str) -> list[str]:
        """What the container runs."""
        described = self.services[service]
        return [*described.get("entrypoint", []), *shlex.split(described["command"])]

    def environment(self, service: str) -> dict[str, str]:
        """Without those that are only passed on, and are not there."""
        given: Mapping[str, str | None] = self.services[service].get("environment", {})
        filled = {name: self._env.get(name) if value is None else value for name, value in given.items()}
        return {name: value for name, value in filled.items() if value is not None}

    def _filled(self, value: Any) -> Any:
        """With the variables' values in place of them."""
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: self._env.get(found[1]) or found[2] or "", value)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        return value
