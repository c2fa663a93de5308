"""Telling systemd how the service is, by datagrams to ``NOTIFY_SOCKET``."""

import os
import socket

import structlog

log = structlog.get_logger(__name__)


class Notifier:
    """Speaks to systemd where the environment says so; else does nothing.

    ``NOTIFY_SOCKET`` is a path or, beginning with ``@``, an abstract name.
    """

    def __init__(self, environment=None):
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = environment.get("WATCHDOG_USEC", "") if mine else ""
        # seconds between two signs of life: half of what systemd allows
        self.interval = int(limit) / 2e6 if limit.isdigit() and int(limit) else None

    def ready(self) -> None:
        """The bridge works."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """A sign of life, with a line for ``systemctl status``."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """The bridge ends in good order."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
                link.sendto(text.encode(), address)
        except OSError as error:  # systemd that cannot be told is no reason to stop
            log.warning("systemd_unreachable", reason=str(error))
