from odoo import fields, models
from odoo.tools import SQL

ALWAYS = "1970-01-01"  # the shares that a point had first count for all days before

# What was booked for a point that lines share goes from the wallet that has paid it to
# the other lines', by the shares of its day. %(booked)s: (wallet, point, day).
MOVE = """
INSERT INTO energy_wallet_entry (wallet_id, company_id, currency_id, day, amount, at,
       kind, name, source_key)
SELECT part.wallet, entry.company_id, entry.currency_id, entry.day, part.amount,
       %(now)s, 'share',
       concat(line.name, ' ', trim_scale(share.share), ' %%: ', entry.name),
       concat_ws(':', 'share', entry.id, line.id, part.tail)
  FROM unnest(%(wallets)s::int[], %(points)s::int[], %(days)s::date[])
       AS booked(wallet, point, day)
  JOIN energy_wallet_entry entry ON entry.wallet_id = booked.wallet
   AND entry.service_point_id = booked.point AND entry.day = booked.day
  JOIN energy_line_share share ON share.service_point_id = entry.service_point_id
   AND entry.day >= share.date_from
   AND (share.date_to IS NULL OR entry.day < share.date_to)
  JOIN energy_line line ON line.id = share.line_id AND line.wallet_id <> entry.wallet_id
  JOIN energy_wallet holder ON holder.id = entry.wallet_id AND holder.kind = 'line'
 CROSS JOIN LATERAL (VALUES
       (line.wallet_id, entry.amount * share.share * 0.01, 'to'),
       (holder.id, entry.amount * share.share * -0.01, 'from'))
       AS part(wallet, amount, tail)
 WHERE share.share > 0
 ORDER BY part.wallet, entry.id
    ON CONFLICT (source_key) DO NOTHING RETURNING wallet_id
"""


class EnergyLineShare(models.Model):
    """Which line had which share of a service point, and when: written by the product.

    A share that is changed counts from that day on, by the clock of the site, so that a
    late reading of a day before is divided as that day was.
    """

    _name = "energy.line.share"
    _description = "Share of a Service Point"
    _order = "service_point_id, date_from desc, line_id"
    _rec_name = "service_point_id"

    service_point_id = fields.Many2one(
        "energy.service.point",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    line_id = fields.Many2one(
        "energy.line", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    share = fields.Float("Share (%)", digits=(7, 4), readonly=True, aggregator=None)
    date_from = fields.Date(required=True, readonly=True)
    date_to = fields.Date(readonly=True, help="The first day without it.")

    def _record(self, points):
        """Note the shares as they are now. sudo: they follow from what was allowed."""
        Share = self.sudo()
        for point in points:
            old = Share.search(
                [("service_point_id", "=", point.id), ("date_to", "=", False)]
            )
            rows = point.sudo().line_point_ids
            now = {(row.line_id.id, row.share) for row in rows if row.share}
            if now == {(share.line_id.id, share.share) for share in old}:
                continue
            today = rows.line_id[:1]._today() if rows else point.sudo()._site_today()
            first = not Share.search_count(
                [("service_point_id", "=", point.id)], limit=1
            )
            fresh = old.filtered(lambda share, day=today: share.date_from >= day)
            fresh.unlink()
            (old - fresh).write({"date_to": today})
            Share.create(
                [
                    {
                        "service_point_id": point.id,
                        "line_id": line_id,
                        "company_id": point.company_id.id,
                        "share": share,
                        "date_from": ALWAYS if first else today,
                    }
                    for line_id, share in sorted(now)
                ]
            )

    def _move(self, rows):
        """Divide what was booked for these days; what was divided before stays.

        Each ledger row is divided once: its id is in the source keys. A correction is a
        row of its own, so differences follow by themselves. One statement.

        :param rows: (wallet id, service point id, day, …).
        """
        wallets, points, days = (
            list(column) for column in zip(*(row[:3] for row in rows), strict=True)
        )
        moved = self.env.execute_query(
            SQL(
                MOVE,
                now=fields.Datetime.now(),
                wallets=wallets,
                points=points,
                days=days,
            )
        )
        if moved:
            Wallet = self.env["energy.wallet"].sudo()  # sudo: the ledger moves them
            Wallet.invalidate_model(["balance", "entry_ids", "entry_count"])
            Wallet.browse({row[0] for row in moved})._apply_policy()


class EnergyUsage(models.Model):
    _inherit = "energy.usage"

    def _book(self, rows):  # pylint: disable=missing-return
        """The shares of other lines follow in the same transaction."""
        super()._book(rows)
        self.env["energy.line.share"]._move(rows)
