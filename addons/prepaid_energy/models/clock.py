"""Local days as the database stores moments."""

from datetime import UTC, datetime

from ..rating.clock import midnight, zone


def local_day(tz, moment=None):
    """The day that a clock shows.

    :param str tz: a time zone's name; empty: UTC.
    :param datetime moment: naive UTC; None: now.
    """
    moment = moment.replace(tzinfo=UTC) if moment else datetime.now(UTC)
    return moment.astimezone(zone(tz or "UTC")).date()


def day_begin(day, tz):
    """The first instant of a local day.

    :param date day: by the clock of ``tz``, the name of a time zone.
    :return: naive UTC datetime.
    """
    return datetime.fromtimestamp(midnight(zone(tz), day), UTC).replace(tzinfo=None)
