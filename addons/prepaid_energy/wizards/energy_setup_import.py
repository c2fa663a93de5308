import base64
import binascii

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..exchange import meter_list
from ..exchange.profiles import TRANSPORTS
from .setup_entry import ERROR, NEW, SAME, UPDATE
from .setup_plan import SetupPlan

MAX_BYTES = 5_000_000


class EnergySetupImport(models.TransientModel):
    """Meters and tenants from one csv or xlsx file: first a preview, then the import.

    Nothing is written before the preview is accepted. What is known by its name or
    serial number is updated, so the same file can be imported again.
    """

    _name = "energy.setup.import"
    _description = "Import Meters and Tenants"
    _check_company_auto = True

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    data = fields.Binary("File", attachment=False, help="csv or xlsx, with a heading.")
    filename = fields.Char()
    site_id = fields.Many2one(
        "energy.site",
        required=True,
        check_company=True,
        default=lambda self: self._first("energy.site"),
    )
    tariff_id = fields.Many2one(
        "energy.tariff",
        "Tariff of New Points",
        required=True,
        check_company=True,
        default=lambda self: self._first("energy.tariff"),
    )
    policy_id = fields.Many2one(
        "energy.policy",
        "Policy of New Wallets",
        check_company=True,
        default=lambda self: self._first("energy.policy"),
    )
    gateway_id = fields.Many2one(
        "energy.gateway",
        compute="_compute_gateway_id",
        store=True,
        readonly=False,
        check_company=True,
        help="The bridge that reads meters with a line. Empty: one is made.",
    )
    invite = fields.Boolean(
        "Invite tenants to the portal",
        help="Each tenant with an e-mail address gets a mail with a link to set a "
        "password.",
    )
    state = fields.Selection(
        [("file", "File"), ("preview", "Preview"), ("done", "Done")], default="file"
    )
    row_ids = fields.One2many("energy.setup.row", "import_id", readonly=True)
    new_count = fields.Integer("New", readonly=True)
    update_count = fields.Integer("Updated", readonly=True)
    same_count = fields.Integer("Unchanged", readonly=True)
    error_count = fields.Integer("Errors", readonly=True)
    invited_count = fields.Integer("Invited", readonly=True)
    ignored = fields.Char("Columns Not Read", readonly=True)
    message = fields.Text(readonly=True)

    def _first(self, model):
        """The company's only or first record of a kind."""
        domain = [("company_id", "=", self.env.company.id)]
        return self.env[model].search(domain, limit=1, order="id")

    @api.depends("site_id")
    def _compute_gateway_id(self):
        for one in self:
            domain = [("site_id", "=", one.site_id.id)]
            one.gateway_id = self.env["energy.gateway"].search(
                domain, limit=1, order="id"
            )

    # ------------------------------------------------------------------------ buttons

    def action_preview(self):
        """Show what each row would do; nothing is written.

        :raise UserError: the file as a whole cannot be read.
        """
        self.ensure_one()
        plan = self._plan()
        self._show(plan)
        self.state = "preview"
        return self._again()

    def action_import(self):
        """Write what the preview showed; rows with errors are left out.

        Where the records have changed since the preview so that other rows have
        errors, the preview is shown anew instead.
        """
        self.ensure_one()
        plan = self._plan()
        known = {row.number: row.state for row in self.row_ids}
        now = {entry.row.number: entry.state for entry in plan.entries}
        if self.state != "preview" or known != now:
            self._show(plan)
            self.state = "preview"
            self.message = self.env._(
                "The file or the records have changed since: look again."
            )
            return self._again()
        wallets = plan.carry_out()
        self.gateway_id = plan.gateway
        self.invited_count = self._invite(wallets) if self.invite else 0
        self.state = "done"
        self.site_id.message_post(
            body=self.env._(
                "%(file)s was imported: new %(new)s, updated %(update)s, left out "
                "%(errors)s.",
                file=self.filename or self.env._("A list"),
                new=self.new_count,
                update=self.update_count,
                errors=self.error_count,
            )
        )
        return self._again()

    def action_back(self):
        """Choose another file."""
        self.ensure_one()
        self.write({"state": "file", "data": False, "row_ids": [(5, 0, 0)]})
        return self._again()

    @api.model
    def action_sample(self):
        """Hand out a list to begin with."""
        return self._download("meters.csv", meter_list.sample())

    def action_errors(self):
        """Hand out the rows with errors, each with its reason, to be mended."""
        self.ensure_one()
        return self._download("meters-errors.csv", self._errors_file(self._plan()))

    def action_open_points(self):
        """Show the site's service points."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_service_point_action"
        )
        return {**action, "domain": [("site_id", "=", self.site_id.id)]}

    # -------------------------------------------------------------------------- parts

    def _plan(self):
        self.check_access("write")
        if not self.data:
            raise UserError(self.env._("Choose a file first."))
        try:
            data = base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise UserError(self.env._("The file did not arrive whole.")) from error
        if len(data) > MAX_BYTES:
            raise UserError(self.env._("The file is larger than 5 MB."))
        try:
            rows = meter_list.read(data)
            self.ignored = ", ".join(meter_list.unknown_columns(data))
        except meter_list.MeterListError as error:
            raise UserError(self._explained(error)) from error
        plan = SetupPlan(
            self.site_id, self.tariff_id, self.policy_id, self.gateway_id, rows
        )
        plan.judge()
        return plan

    def _explained(self, error):
        if error.kind == "empty":
            return self.env._("The file has no rows below its heading.")
        if error.kind == "long":
            return self.env._("The file has more than %s rows: cut it.", error.detail)
        if error.kind == "unpacked":
            return self.env._(
                "The workbook unpacks to %(size)s MB, more than %(most)s MB: save the "
                "list alone, as csv.",
                size=error.detail,
                most=meter_list.MAX_UNPACKED // 10**6,
            )
        if error.kind == "twice":
            return self.env._(
                "The column %s means the same as another one: take one out.",
                error.detail,
            )
        if error.kind == "no_point":
            return self.env._(
                "The first row must name the columns, and one of them is Point: the "
                "name of the service point. Found: %s. Download the sample to compare.",
                error.detail[:200],
            )
        return self.env._("This is no csv or xlsx file: %s", error.detail)

    def _show(self, plan):
        """Keep what the rows would do, for the preview."""
        self.row_ids.unlink()
        self.env["energy.setup.row"].create(
            [
                {
                    "import_id": self.id,
                    "number": entry.row.number,
                    "state": entry.state,
                    "bad": entry.state == ERROR,
                    "point": entry.row.cells.get("point"),
                    "tenant": entry.row.cells.get("tenant"),
                    "serial": entry.row.cells.get("serial"),
                    "note": self._what(entry),
                }
                for entry in plan.entries
            ]
        )
        states = [entry.state for entry in plan.entries]
        self.write(
            {
                "new_count": states.count(NEW),
                "update_count": states.count(UPDATE),
                "same_count": states.count(SAME),
                "error_count": states.count(ERROR),
                "message": False,
            }
        )

    def _what(self, entry):
        """What a row would do, or why it cannot."""
        if entry.reasons:
            return " ".join(entry.reasons)
        what = ", ".join(entry.changed)
        if entry.state == NEW:
            what = self.env._("Makes: %s", ", ".join(entry.made()))
        profile = entry.values.get("profile")
        if not profile or profile in TRANSPORTS:
            return what
        doubt = self.env._(
            "(The bridge is not shipped with a profile %s: is it one of your own?)",
            profile,
        )
        return f"{what} {doubt}".strip()

    def _errors_file(self, plan):
        columns = list(meter_list.HEADINGS)
        rows = [
            [
                *(entry.row.cells.get(column, "") for column in columns),
                entry.row.number,
                " ".join(entry.reasons),
            ]
            for entry in plan.entries
            if entry.reasons
        ]
        heading = [*meter_list.HEADINGS.values(), "Row", self.env._("Reason")]
        return meter_list.write_csv([heading, *rows])

    def _invite(self, wallets):
        """Invite the wallets' tenants who have an e-mail address and no user yet.

        :return: how many were invited.
        """
        partners = wallets.partner_id.filtered(
            lambda partner: partner.email and not partner.user_ids
        )
        # sudo: a manager of energy is none of users; portal users only are made
        wizard = self.env["portal.wizard"].sudo().create({})
        rows = self.env["portal.wizard.user"].sudo()
        rows = rows.create(
            [
                {"wizard_id": wizard.id, "partner_id": one.id, "email": one.email}
                for one in partners
            ]
        )
        invited = rows.filtered(lambda row: row.email_state == "ok")
        for row in invited:
            row.action_grant_access()
        return len(invited)

    def _download(self, name, data):
        return {
            "type": "ir.actions.client",
            "tag": "energy_download",
            "params": {"name": name, "content": data.decode("utf-8-sig"), "mark": True},
        }

    def _again(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Import Meters and Tenants"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"dialog_size": "extra-large"},
        }
