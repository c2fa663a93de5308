from odoo import api, fields, models


class EnergyServicePoint(models.Model):
    """The production lines that a service point feeds."""

    _inherit = "energy.service.point"

    line_point_ids = fields.One2many(
        "energy.line.point", "service_point_id", "Production Lines", copy=False
    )
    shed = fields.Boolean(
        "Cut by Quota",
        readonly=True,
        copy=False,
        tracking=True,
        help="The hard quotas of all production lines that it feeds are used up.",
    )
    shed_reason = fields.Char("Cut Because Of", readonly=True, copy=False)
    shed_at = fields.Datetime("Cut Since", readonly=True, copy=False)

    @api.model_create_multi
    def create(self, vals_list):
        """A point with the wallet of a line is that line's."""
        points = super().create(vals_list)
        points._follow_wallet()
        return points

    def write(self, vals):
        """A point with the wallet of another line is that line's from today on."""
        before = {point: point.wallet_id for point in self}
        result = super().write(vals)
        if "wallet_id" in vals:
            changed = self.filtered(lambda point: before[point] != point.wallet_id)
            for point in changed:
                point._leave_wallet(before[point])
            changed._follow_wallet()
        return result

    def _follow_wallet(self):
        """Give the line of the wallet its row, where it has none.

        sudo: it follows from the wallet, which the user may choose.
        """
        Row = self.env["energy.line.point"].sudo()
        for point in self.sudo():
            line = point.wallet_id.line_ids
            if line and line not in point.line_point_ids.line_id:
                Row.create({"line_id": line.id, "service_point_id": point.id})
            elif point.line_point_ids:
                Row._level(point)

    def _leave_wallet(self, wallet):
        """End the row of the line that the wallet was of; all, if no line follows."""
        rows = self.sudo().line_point_ids  # sudo: as above
        if self.wallet_id.line_ids:
            rows = rows.filtered(lambda row: row.line_id.wallet_id == wallet)
        rows.unlink()

    def _site_today(self):
        """The day by the clock of the site."""
        return self.site_id._today()

    # ------------------------------------------------------------------ shedding

    def _is_shed(self, vals):
        """Whether a quota cuts it, unless the site has stopped all cut-offs.

        :param dict vals: values about to be written.
        """
        stopped = self.sudo().site_id.cutoffs_stopped  # sudo: see _payer
        return bool(vals.get("shed", self.shed)) and not stopped

    def _follow_quotas(self):
        """Be cut where the quotas of all its lines want it, and only then.

        sudo: the quotas decide, see ``ACTIONS_ONLY``.
        """
        for point in self.sudo():
            rows = point.line_point_ids.filtered("share")
            shed = bool(rows) and all(rows.mapped("shed"))
            if shed == point.shed:
                continue
            reason = "; ".join(row.line_id._shed_reason() for row in rows)
            point.write(
                {
                    "shed": shed,
                    "shed_reason": reason if shed else False,
                    "shed_at": fields.Datetime.now() if shed else False,
                }
            )
            point._note(
                point.env._("Cut by quota: %s", reason)
                if shed
                else point.env._("No longer cut by quota.")
            )
