"""Local days as the database stores moments."""

from datetime import UTC, datetime

from ..rating.clock import midnight, zone


def day_begin(day, tz):
    """The first instant of a local day.

    :param date day: by the clock of ``tz``, the name of a time zone.
    :return: naive UTC datetime.
    """
    return datetime.fromtimestamp(midnight(zone(tz), day), UTC).replace(tzinfo=None)
