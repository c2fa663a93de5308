from collections import defaultdict
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..ingest.window import counted
from . import supply
from .energy_interval import GAP
from .energy_service_point_outage import SILENT

PAUSE = 2  # seconds in which open boards are told once
FRESH = timedelta(minutes=5)  # a power that was measured longer ago is not "now"
XIDS = 2**32
MOST_SITES = 1000  # in a list to choose from
WINDOW = timedelta(hours=1)  # in which a feeder is compared with what is below it
STALE = timedelta(hours=2)  # who has no reading since does not hold up the others
FLAGS = ("locked_out", "tripped", "has_relay", "relay", "desired")
COLUMNS = (
    "id",
    "parent",
    "name",
    "commodity",
    "active",
    "kept_on",
    "switched_off",
    "max_power",
    "loss_limit",
    "technical",
    "serial",
    "power",
    "power_at",
    "heard_at",
    "wallet_id",
    "wallet",
    "balance",
    "level",
    "currency",
    *FLAGS,
)
# What of a row is of its meter alone, and of its wallet: most changes are no more.
METER = (
    "id",
    "serial",
    "power",
    "power_at",
    "heard_at",
    "has_relay",
    "relay",
    "state",
)
WALLET = ("wallet_id", "wallet", "balance", "level")
# A row has changed where its point, meter or wallet was written by a transaction that
# may have been unfinished when the caller looked last. No stamp has to be written for
# that, whoever writes. Savepoints have numbers of their own, above their transaction's.
ROWS = """
SELECT point.id, point.parent_id, point.name, point.commodity, point.active,
       COALESCE(point.kept_on, false), COALESCE(point.switched_off, false),
       point.max_power_kw::float8, point.loss_limit::float8,
       CASE WHEN point.loss_fixed > 0 OR point.loss_percent > 0 OR point.loss_load > 0
            THEN ARRAY[point.loss_fixed, point.loss_percent, point.loss_load]::float8[]
       END,
       meter.serial, meter.power_kw::float8,
       extract(epoch FROM meter.telemetry_at)::bigint,
       extract(epoch FROM GREATEST(meter.telemetry_at, meter.last_reading_at,
                                   meter.relay_at))::bigint,
       wallet.id, wallet.name, wallet.balance::float8, wallet.level, wallet.currency_id,
       COALESCE(point.locked_out, false), COALESCE(point.tripped, false),
       COALESCE(meter.has_relay, false), meter.relay_state, point.desired_state,
       %(point_changed)s AND COALESCE(point.write_date >= %(edited)s, true),
       %(point_changed)s OR %(meter_changed)s, %(wallet_changed)s
  FROM energy_service_point point
  LEFT JOIN energy_meter meter ON meter.id = point.meter_id AND meter.id IN %(meters)s
  LEFT JOIN energy_wallet wallet ON wallet.id = point.wallet_id
   AND wallet.id IN %(wallets)s
 WHERE point.id = ANY(%(points)s)
   AND (%(point_changed)s OR %(meter_changed)s OR %(wallet_changed)s)
 ORDER BY point.name, point.id
"""
# A batch of readings writes the point as well, but only its rating state. Where a
# person or a decision wrote it, the date says so; a board loads all anew after five
# minutes.
EDITED = timedelta(minutes=10)
CHANGED = "COALESCE(age(%s) <= age(%s::text::xid), false)"
TOLD = "energy_board/changed"
_told = {}  # (database, site id) -> when this process last told its boards


class EnergySite(models.Model):
    """What the live board shows of a site: a snapshot, and then what changed."""

    _inherit = "energy.site"

    # -------------------------------------------------------------------- for the board

    @api.readonly
    @api.model
    def board_sites(self):
        """The sites to choose from: a list of dicts ``id, name``."""
        return self.search_read([], ["name"], limit=MOST_SITES)

    @api.readonly
    def board_snapshot(self):
        """All that the board shows, in a constant number of queries.

        :return: dict: site, may_act (whether the user may switch), columns, meter and
            wallet (names of the values that :meth:`board_changes` sends alone), rows
            (of the active points), losses (feeder -> day -> values), and the keys of
            :meth:`board_changes` and :meth:`board_hour`.
        """
        self.ensure_one()
        self.check_access("read")
        points = self._board_points()
        fresh = {"fresh": FRESH.total_seconds(), "silent": SILENT.total_seconds()}
        return {
            "site": {"id": self.id, "name": self.name},
            "may_act": self.env["energy.service.point"].has_access("write"),
            "columns": [*COLUMNS, "state"],
            "meter": METER,
            "wallet": WALLET,
            **self._board_rows(points.filtered("active")),
            "losses": self._board_losses(),
            **self._board_hour(points.filtered("active")),
            **fresh,
            **self._board_news(points),
        }

    @api.readonly
    def board_changes(self, since, known=None):
        """The rows that changed; never too few, now and then one that did not.

        :param str since: ``since`` of the last answer.
        :param str known: ``known`` of the last answer.
        :return: dict: rows (of points that were written, also archived ones), meters
            and wallets (values of those that were written: no more of the points'
            rows), count (of active points: another one means that some were deleted or
            are not seen any more),
            alarms (all, or False where they are as before), stopped (the reason why
            nobody is cut off), now (epoch seconds), since and known (for the next
            call).
        :raise UserError: ``since`` is none.
        """
        self.ensure_one()
        self.check_access("read")
        if not str(since).isdecimal() or int(since) >= XIDS:
            raise UserError(self.env._("since: %s is of no earlier answer.", since))
        points = self._board_points()
        news = self._board_news(points)
        if news["known"] == known:
            news["alarms"] = False
        return {**self._board_rows(points, str(since)), **news}

    @api.readonly
    def board_hour(self):
        """What each meter counted in the last hour that all of them know.

        :return: dict: hour (energies by point id; the unknown ones are not there),
            until (epoch seconds).
        """
        self.ensure_one()
        self.check_access("read")
        return self._board_hour(self._board_points().filtered("active"))

    # ------------------------------------------------------------------------ its parts

    def _board_points(self):
        """The points of the site that the user may read, archived ones as well."""
        Point = self.env["energy.service.point"].with_context(active_test=False)
        return Point.search_fetch([("site_id", "=", self.id)], ["active"], order="id")

    def _board_rows(self, points, since=None):
        """The rows of these points as lists in the order of the columns.

        Raw SQL: the points were searched, meters and wallets are those that the user
        may read.

        :param str since: a transaction's number; what was not written since is left
            out. None: all.
        :return: dict: rows, meters, wallets.
        """
        everything = {"active_test": False}
        meters = self.env["energy.meter"].with_context(**everything)._search([])
        wallets = self.env["energy.wallet"].with_context(**everything)._search([])
        self.env.flush_all()
        found = self.env.execute_query(
            SQL(
                ROWS,
                points=points.ids,
                meters=meters.subselect(),
                wallets=wallets.subselect(),
                edited=fields.Datetime.now() - EDITED,
                **{
                    f"{table}_changed": SQL("TRUE")
                    if since is None
                    else SQL(CHANGED, SQL.identifier(table, "xmin"), since)
                    for table in ("point", "meter", "wallet")
                },
            )
        )
        rows, meters, wallets = [], [], {}
        for *row, edited, meter_changed, wallet_changed in found:
            state = supply.supply_state(**dict(zip(FLAGS, row[-5:], strict=True)))
            row.append(state)
            if edited or since is None:
                rows.append(row)
                continue
            values = dict(zip((*COLUMNS, "state"), row, strict=True))
            if meter_changed:
                meters.append([values[name] for name in METER])
            if wallet_changed:
                wallets[values["wallet_id"]] = [values[name] for name in WALLET]
        return {"rows": rows, "meters": meters, "wallets": list(wallets.values())}

    def _board_hour(self, points):
        """The energies of one and the same hour: see :meth:`board_hour`.

        The hour ends where the last of the meters that are read was read.
        """
        now = fields.Datetime.now()
        # sudo: when a meter was read last, of points that the user may read
        read = [
            at
            for at in points.sudo().meter_id.mapped("last_reading_at")
            if at and at > now - STALE
        ]
        if not read:
            return {"hour": {}, "until": False}
        until = min(*read, now)
        energies = counted(
            self.env, points.ids, until - WINDOW, until, timedelta(hours=GAP)
        )
        return {
            "hour": {point: float(energy) for point, energy in energies.items()},
            "until": int(until.replace(tzinfo=UTC).timestamp()),
        }

    def _board_news(self, points):
        """What each answer has, whatever changed."""
        reason = self.cutoffs_stopped and (self.stop_reason or self.env._("stopped"))
        [(since,)] = self.env.execute_query(
            SQL("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        )
        alarms = self._board_alarms(points)
        last = alarms[-1]["id"] if alarms else 0
        return {
            "count": len(points.filtered("active")),
            "alarms": alarms,
            "known": f"{len(alarms)}:{last}",  # another one comes, or one goes
            "stopped": reason or False,
            "now": int(time()),
            "since": str(since % XIDS),
        }

    def _board_alarms(self, points):
        """What calls for a person, at points and bridges, the oldest first."""
        gateways = self.env["energy.gateway"].search([("site_id", "=", self.id)])
        names = {gateway.id: gateway.name for gateway in gateways}
        # sudo: who may read a point may see what is to be done there, whoever does it
        activities = (
            self.env["mail.activity"]
            .sudo()
            .search_fetch(
                [
                    "|",
                    "&",
                    ("res_model", "=", "energy.service.point"),
                    ("res_id", "in", points.ids),
                    "&",
                    ("res_model", "=", "energy.gateway"),
                    ("res_id", "in", gateways.ids),
                ],
                ["res_model", "res_id", "summary", "activity_type_id", "create_date"],
                order="id",
            )
        )
        return [
            {
                "id": activity.id,
                "point": activity.res_model == "energy.service.point"
                and activity.res_id,
                "place": activity.res_model == "energy.gateway"
                and names[activity.res_id],
                "text": activity.summary or activity.activity_type_id.name or "",
                "at": int(activity.create_date.timestamp()),
            }
            for activity in activities
        ]

    def _board_losses(self):
        """dict feeder id -> today and yesterday -> what it lost in hours that are over.

        :return: of each day: loss, unexplained (kWh), percent, hours, known (of them).
        """
        today = datetime.now(ZoneInfo(self.tz)).date()
        days = {today: "today", fields.Date.subtract(today, days=1): "yesterday"}
        groups = self.env["energy.loss"]._read_group(
            [("site_id", "=", self.id), ("day", "in", list(days))],
            ["service_point_id", "day:day"],
            ["loss:sum", "unexplained:sum", "percent:avg", "hours:sum", "known:sum"],
        )
        losses = defaultdict(dict)
        for point, day, loss, unexplained, percent, hours, known in groups:
            losses[point.id][days[fields.Date.to_date(day)]] = {
                "loss": loss,
                "unexplained": unexplained,
                "percent": percent or 0,
                "hours": hours,
                "known": known,
            }
        return dict(losses)

    # ------------------------------------------------------------------------ the bus

    def _tell_board(self):
        """Tell the open boards of these sites that there is something to fetch.

        The message says no more than that, and each process sends one in :data:`PAUSE`
        seconds: a board fetches once more after that pause. A batch of readings pays
        for a look into a dictionary, and seldom for one row of the bus.
        """
        waiting = self.env.cr.precommit.data.setdefault(TOLD, set())
        for site in self:
            key = (self.env.cr.dbname, site.id)
            told = _told.get(key)
            if site.id in waiting or (told and monotonic() - told < PAUSE):
                continue
            waiting.add(site.id)
            self.env["bus.bus"]._sendone(site, TOLD, {"site": site.id})
            # noted when it is told: a transaction that is begun anew tells again
            self.env.cr.postcommit.add(lambda key=key: _told.update({key: monotonic()}))
