"""What production lines consume, as SQL: usage by the shares of its day."""

from odoo.tools import SQL

# energy in kWh where the unit is one of energy, else NULL; all numbers are exact.
# Without a share (a wallet that has no line rows yet) all is the wallet's line's.
LINE_USAGE = """
SELECT usage.id AS usage_id, share.id AS share_id,
       COALESCE(share.line_id, own.id) AS line_id, usage.service_point_id, usage.day,
       usage.kind, usage.band, usage.commodity, usage.company_id, usage.currency_id,
       CASE WHEN usage.kind = 'energy' AND unit.parent_path LIKE concat(
                     split_part(kwh.parent_path, '/', 1), '/%%')
            THEN usage.quantity * unit.factor / kwh.factor
                 * COALESCE(share.share, 100) * 0.01 END AS energy,
       usage.amount_total * COALESCE(share.share, 100) * 0.01 AS money
  FROM energy_usage usage
  JOIN energy_wallet wallet ON wallet.id = usage.wallet_id AND wallet.kind = 'line'
  LEFT JOIN energy_line_share share ON share.service_point_id = usage.service_point_id
   AND usage.day >= share.date_from
   AND (share.date_to IS NULL OR usage.day < share.date_to)
  LEFT JOIN energy_line own ON own.wallet_id = usage.wallet_id
  LEFT JOIN uom_uom unit ON unit.id = usage.uom_id
 CROSS JOIN (SELECT parent_path, factor FROM uom_uom WHERE id = %(kwh)s) kwh
 WHERE %(only)s
"""
# Of some lines: found by the indexes of usage, whatever the others have. Rows of lines
# that share a point with them come as well.
ONLY = """
(usage.service_point_id = ANY(ARRAY(SELECT service_point_id FROM energy_line_share
                                     WHERE line_id = ANY(%(lines)s)))
 OR usage.wallet_id = ANY(ARRAY(SELECT wallet_id FROM energy_line
                                 WHERE id = ANY(%(lines)s))))
"""


def line_usage(env, lines=None):
    """The query, with one row for each usage row and line.

    :param recordset lines: those that the caller looks at, if not all.
    """
    only = SQL("true") if lines is None else SQL(ONLY, lines=lines.ids)
    return SQL(LINE_USAGE, kwh=env.ref("uom.product_uom_kwh").id, only=only)
