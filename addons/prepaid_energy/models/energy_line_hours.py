from odoo import models
from odoo.tools import SQL


class EnergyLine(models.Model):
    """Which service points a line draws from, for what is told by day and hour."""

    _inherit = "energy.line"

    def _parts(self):
        """The line's service points as SQL.

        :return: (service_point_id, share in per cent, date_from, date_to or NULL: the
            first day without it).
        """
        self.ensure_one()
        return SQL(
            "SELECT service_point_id, share, date_from, date_to "
            "FROM energy_line_share WHERE line_id = %s AND share > 0",
            self.id,
        )
