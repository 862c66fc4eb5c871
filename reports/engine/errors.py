"""What the engine says when a whole file cannot be read."""


class EngineError(Exception):
    """The file cannot be aggregated. `code` is stable, for programs; `message` says to people what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
