from odoo import models

BOARD = "energy_board_"


class IrWebsocket(models.AbstractModel):
    """Who may listen to what is told to live boards."""

    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Replace the boards that the client asks for by sites that its user reads."""
        boards = [name for name in channels if str(name).startswith(BOARD)]
        others = [name for name in channels if name not in boards]
        numbers = [name.removeprefix(BOARD) for name in boards]
        ids = [int(number) for number in numbers if number.isdecimal()]
        return super()._build_bus_channel_list([*others, *self._board_sites(ids)])

    def _board_sites(self, ids):
        sites = self.env["energy.site"]
        if not ids or not sites.has_access("read"):
            return sites
        return sites.search([("id", "in", ids)])
