from datetime import timedelta

from odoo import fields, models

from ..exchange import loss_picture

DAYS = 30


class EnergySite(models.Model):
    """Where the energy of a site goes, as a picture."""

    _inherit = "energy.site"

    flow_picture = fields.Html(compute="_compute_flow_picture", sanitize=False)

    def _compute_flow_picture(self):
        for site in self:
            flow = loss_picture.flow(site._flow_roots("electricity"))
            site.flow_picture = flow and self.env["ir.qweb"]._render(
                "prepaid_energy.site_flow", {**flow, "days": DAYS}
            )

    def _flow_roots(self, commodity):
        """The trees of points with what each had in the last days."""
        since = self._today() - timedelta(days=DAYS)
        mine = [("site_id", "=", self.id), ("commodity", "=", commodity)]
        recent = [*mine, ("day", ">", since)]
        energies = dict(
            self.env["energy.interval"]._read_group(
                recent, ["service_point_id"], ["energy:sum"]
            )
        )
        losses = dict(
            self.env["energy.loss"]._read_group(
                recent, ["service_point_id"], ["loss:sum"]
            )
        )
        points = self.env["energy.service.point"].search(
            mine, order="parent_path, name"
        )
        nodes = {
            point: loss_picture.Node(point.name, energies.get(point, 0))
            for point in points
        }
        roots = []
        for point, node in nodes.items():
            parent = nodes.get(point.parent_id)
            (parent.children if parent else roots).append(node)
        for point in reversed(points):  # what is below, first
            node = nodes[point]
            if not node.children:
                continue
            if not node.energy:  # without a meter of its own
                node.energy = sum(child.energy for child in node.children)
            else:
                node.add_rest(losses.get(point, 0))
            node.gather(self.env._("%s others"))
        return roots
