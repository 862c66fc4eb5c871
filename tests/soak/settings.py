"""What the environment says of a soak."""

import os
import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    minutes: float = field(default_factory=lambda: float(os.environ.get("SOAK_MINUTES", "60")))
    seed: int = field(default_factory=lambda: int(os.environ.get("SOAK_SEED", random.randrange(10**6))))
    people: int = field(default_factory=lambda: int(os.environ.get("SOAK_PEOPLE", "5")))
    megabytes: float = field(default_factory=lambda: float(os.environ.get("SOAK_MEGABYTES", "60")))
    kill_seconds: float = field(default_factory=lambda: float(os.environ.get("SOAK_KILL_SECONDS", "60")))
    storage: str = field(default_factory=lambda: os.environ.get("SOAK_STORAGE", "files"))
    folder: str = field(default_factory=lambda: os.environ.get("SOAK_FOLDER", ""))

    @property
    def seconds(self) -> float:
        return 60 * self.minutes
