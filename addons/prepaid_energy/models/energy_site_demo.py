from odoo import models

SKIP = "prepaid_energy.demo_without_past"


class EnergySite(models.Model):
    """What demo data cannot say in XML, as it begins some days ago."""

    _inherit = "energy.site"

    def _demo_past(self):
        """Give the demo park its past; called by the demo data, once.

        A park that has readings has a past. With the system parameter
        ``prepaid_energy.demo_without_past`` there is none: ``make demo`` makes a longer
        one, and the system tests begin from nothing.
        """
        from ..demo.park_past import ParkPast  # only where there are demo data

        self.ensure_one()
        known = self.env["energy.meter"].search_count(
            [("last_reading_at", "!=", False)], limit=1
        )
        # sudo: a parameter that tells nothing else
        if known or self.env["ir.config_parameter"].sudo().get_param(SKIP):
            return
        ParkPast(self).live()
