"""A row of a list of meters and tenants with what it would do."""

from ..exchange.meter_list import HEADINGS

NEW, UPDATE, SAME, ERROR = "new", "update", "same", "error"
METER_FIELDS = {
    "profile": "profile",
    "line": "line",
    "address": "address",
    "ct": "ct_ratio",
    "relay": "has_relay",
}


def fold(text):
    """Names are the same whatever their case."""
    return (text or "").casefold()


class Entry:
    """A row with what it would do."""

    def __init__(self, row):
        self.row, self.values = row, row.values
        self.reasons = []
        self.point = self.meter = self.wallet = None  # those that exist
        self.changes = {"point": {}, "meter": {}}
        self.changed = []

    def made(self):
        """What a new row makes: its columns, in the order of the list."""
        parts = {"point": self.point, "serial": self.meter, "tenant": self.wallet}
        return [
            HEADINGS[c] for c, one in parts.items() if self.values.get(c) and not one
        ]

    @property
    def state(self):
        """new, update, same or error."""
        if self.reasons:
            return ERROR
        if not self.point or (self.values.get("serial") and not self.meter):
            return NEW
        return UPDATE if self.changed else SAME
