"""A bridge that polls, for the tests of relays, limits, trips and alarms."""

from .common import EnergyCase, credit


class RelayCase(EnergyCase):
    """The wallet has 1; ten kWh use it up. The relay of M-1 is closed."""

    def setUp(self):
        super().setUp()
        credit(self.wallet, "1", f"test:{self.id()}")
        self.poll("closed")

    def poll(self, relay, generation=0, serial="M-1", **more):
        """One heartbeat of the bridge; the commands it gets."""
        row = {"meter_serial": serial, "relay": relay, "generation": generation}
        return self.bridge.commands([{**row, **more}])["commands"]

    def run_dry(self):
        """Use more than the wallet has; the commands in the same answer."""
        return self.ingest((0, "0"), (60, "10"))["commands"]

    def topup(self, amount):
        """Book a top-up, or a use where it is below zero."""
        self.topups = getattr(self, "topups", 0) + 1
        credit(self.wallet, amount, f"topup-{self.topups}:{self.id()}")

    def command(self, *domain):
        """The commands to M-1, the newest first."""
        return self.env["energy.command"].search(
            [("meter_id", "=", self.meter.id), *domain]
        )

    def event(self, kind, seconds=0, serial="M-1", uid=None):
        """The meter tells of something, ``seconds`` after the test's beginning."""
        self.events = getattr(self, "events", 0) + 1
        return self.ingest(
            events=[
                {
                    "uid": uid or f"e-{self.events}",
                    "meter_serial": serial,
                    "time": self.at(seconds),
                    "kind": kind,
                    "data": {},
                }
            ]
        )

    def lock_out(self, point=None, user=None):
        """Lock a point out, as a user does."""
        wizard = self.env["energy.lockout"].with_user(user or self.env.user)
        wizard.create(
            {"service_point_id": (point or self.point).id, "reason": "busbar"}
        ).action_lock_out()

    def confirm(self, note="Motor blocked, freed", point=None, user=None):
        """Confirm on site, as a user does."""
        wizard = self.env["energy.trip.confirm"].with_user(user or self.env.user)
        wizard.create(
            {"service_point_id": (point or self.point).id, "note": note}
        ).action_confirm()

    def alarms(self, record=None):
        """The kinds of the open alarms of a record, sorted."""
        types = (record or self.point).activity_ids.activity_type_id
        names = types.get_external_id().values()
        return sorted(name.rpartition(".")[2] for name in names)
