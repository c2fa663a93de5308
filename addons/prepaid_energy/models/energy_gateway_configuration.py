import hashlib
import json
from datetime import UTC, datetime, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .protected import refuse, without_defaults

LEASE_SECONDS = 30
RENEW_SECONDS = 20  # a lease is written again when less than this is left
LEASE = ("lease_holder", "lease_since", "lease_until")
NAME_LENGTH = 64


class EnergyGateway(models.Model):
    """Which meter hangs where, and which of several bridges is the master."""

    _inherit = "energy.gateway"

    lease_holder = fields.Char(
        "Master",
        readonly=True,
        copy=False,
        help="Of several bridges of this gateway the one that reads and switches now.",
    )
    lease_since = fields.Datetime("Master Since", readonly=True, copy=False)
    lease_until = fields.Datetime("Master Until", readonly=True, copy=False)

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse a lease that was not granted here: it would make two masters."""
        for vals in vals_list:
            self._refuse_lease(vals)
        clean = without_defaults(self, LEASE)
        return super(EnergyGateway, clean).create(vals_list)

    def write(self, vals):
        """Refuse a lease that was not granted here: it would make two masters."""
        self._refuse_lease(vals)
        return super().write(vals)

    def _refuse_lease(self, vals):
        message = self.env._("%s: the bridges agree on it themselves.")
        refuse(self, vals, LEASE, message)

    # ------------------------------------------------------------------ bridge protocol

    @api.model
    def configuration(self, known=None):
        """Return the calling gateway's meters, unless it knows them already.

        :param str known: the version that the bridge has, or nothing.
        :return: dict ``version`` and, if that is another one, ``meters``: dicts
            ``serial, profile, line, address, ct, pt, poll_interval?`` of the meters
            that have a line and an address.
        :raise AccessError: (403) the caller is no gateway's user.
        """
        gateway = self._calling_gateway()
        meters = [meter._placement() for meter in gateway._placed_meters()]
        text = json.dumps(meters, sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        return {"version": version} | ({} if known == version else {"meters": meters})

    def _placed_meters(self):
        """The gateway's meters of which is known where they hang."""
        return self.env["energy.meter"].search(
            [
                ("gateway_id", "=", self.id),
                ("line", "not in", (False, "")),
                ("address", "not in", (False, "")),
            ],
            order="serial, id",
        )

    @api.model
    def commands(self, reported, instance=None):
        """See the base method; one of several bridges says its ``instance`` name.

        Only the master gets commands. What was handed to another master before
        bears ``read_back``: it may have been executed.

        :param str instance: unlike the names of the gateway's other bridges.
        :return: dict ``commands`` and, with an ``instance``, ``lease``: dict
            ``holder, since, seconds``.
        """
        if instance is None:
            return super().commands(reported)
        if not isinstance(instance, str) or not 0 < len(instance) <= NAME_LENGTH:
            raise UserError(self.env._("instance: a name is expected."))
        gateway = self._calling_gateway()
        lease = gateway._lend(instance)
        if lease["holder"] != instance:
            return {"commands": [], "lease": lease}
        answer = super().commands(reported)
        return {"commands": gateway._with_read_back(answer["commands"]), "lease": lease}

    def _lend(self, instance):
        """Give or renew the lease to ``instance`` unless another one has it.

        One statement, so that of two bridges at once one waits for the other.

        :return: dict ``holder``, ``since`` (names the term), ``seconds`` left.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        second = now.replace(microsecond=0)
        self.flush_recordset(LEASE)
        self.env.cr.execute(
            SQL(
                """
                UPDATE energy_gateway
                   SET lease_holder = %(me)s, lease_until = %(until)s,
                       lease_since = CASE WHEN lease_holder = %(me)s
                                          THEN lease_since ELSE %(now)s END
                 WHERE id = %(id)s
                   AND CASE WHEN lease_holder = %(me)s THEN lease_until < %(renew)s
                            ELSE lease_until IS NULL OR lease_until <= %(now)s END
                """,
                me=instance,
                id=self.id,
                now=second,
                until=second + timedelta(seconds=LEASE_SECONDS),
                renew=second + timedelta(seconds=RENEW_SECONDS),
            )
        )
        self.invalidate_recordset(LEASE)
        left = (self.lease_until - now).total_seconds()
        return {
            "holder": self.lease_holder,
            "since": f"{self.lease_since.isoformat()}Z",
            "seconds": max(left, 0),
        }

    def _with_read_back(self, commands):
        """Mark what another master may have executed before this one's term."""
        ids = [command["id"] for command in commands]
        sent = {c.id: c.sent_at for c in self.env["energy.command"].sudo().browse(ids)}
        # sudo: only those that this gateway was just given
        since = self.sudo().lease_since
        return [
            {**command, "read_back": True} if sent[command["id"]] < since else command
            for command in commands
        ]
