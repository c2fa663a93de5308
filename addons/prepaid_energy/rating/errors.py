"""The exceptions of the rating package."""


class TariffError(ValueError):
    """A tariff or case document is wrong; the message starts with the JSON path."""

    def __init__(self, path: str, problem: str):
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


class Held(ValueError):
    """A register reading that must wait for review (decision 11)."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason
