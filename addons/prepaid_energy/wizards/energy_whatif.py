import base64
from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command

from ..exchange.to_document import to_document
from ..ingest.history import load_history
from ..rating import compile_tariff
from ..rating.bill import bill
from ..rating.clock import midnight
from ..rating.exact import EXACT, plain
from .whatif_xlsx import workbook

KINDS = [
    ("energy", "Energy"),
    ("fixed", "Fixed"),
    ("demand", "Demand"),
    ("minimum", "Minimum"),
]
AS_NOW = 0  # the scenario to compare with: each point under its own tariff
MAX_WORK = 30_000_000  # readings times tariffs: some minutes


class EnergyWhatif(models.TransientModel):
    """What past consumption would have cost under other tariffs."""

    _name = "energy.whatif"
    _description = "What-If Comparison of Tariffs"
    _check_company_auto = True

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    site_id = fields.Many2one(
        "energy.site", check_company=True, help="All its billed service points."
    )
    service_point_ids = fields.Many2many(
        "energy.service.point", string="Service Points", check_company=True
    )
    date_from = fields.Date(
        required=True,
        default=lambda self: fields.Date.today().replace(month=1, day=1),
    )
    date_to = fields.Date(
        required=True, default=fields.Date.today, help="Included; the tariff's clock."
    )
    tariff_ids = fields.Many2many("energy.tariff", string="Tariffs", check_company=True)
    draft_ids = fields.Many2many(
        "energy.tariff.version",
        string="Drafts",
        domain="[('state', '=', 'draft')]",
        help="Drafts as if they were in force.",
    )
    drafts_always = fields.Boolean(
        "Over the Whole Period",
        default=True,
        help="Else a draft counts from the day that is written in it.",
    )
    line_ids = fields.One2many("energy.whatif.line", "whatif_id")
    tables = fields.Json(readonly=True)
    note = fields.Text(readonly=True)
    result = fields.Html(compute="_compute_result", sanitize=False)
    xlsx = fields.Binary(compute="_compute_xlsx")
    xlsx_name = fields.Char(compute="_compute_xlsx")

    def _compute_display_name(self):
        self.display_name = self.env._("What If")

    @api.constrains("date_from", "date_to")
    def _check_dates(self):
        for whatif in self:
            if whatif.date_to < whatif.date_from:
                raise ValidationError(self.env._("The period ends before it begins."))

    # ------------------------------------------------------------------ work it out

    def action_compare(self):
        """Rate the period under every tariff and show the comparison.

        :raise UserError: there is nothing to compare, or it is too much at once.
        """
        self.ensure_one()
        points = self._points()
        scenarios = self._scenarios(points)
        self.line_ids.unlink()
        sums, months = self._rate(points, scenarios)
        self.line_ids = [
            Command.create(values) for values in self._lines(sums, scenarios)
        ]
        self.tables = self._tabulate(sums, scenarios)
        self.note = self._notes(points, months)

    def _points(self):
        points = self.service_point_ids
        if not points and self.site_id:
            points = points.search(
                [("site_id", "=", self.site_id.id), ("wallet_id", "!=", False)]
            )
        points.check_access("read")
        if not points:
            raise UserError(self.env._("Choose a site, or service points."))
        return points

    def _scenarios(self, points):
        """[(name, compiled tariff, or None for each point's own)].

        :raise UserError: no tariff was chosen, or currency or commodity differ.
        """
        tariffs = self.tariff_ids | self.draft_ids.tariff_id
        if not tariffs:
            raise UserError(self.env._("Choose at least one tariff to compare with."))
        own = points.tariff_id
        for name in ("currency_id", "commodity"):
            if len(set((own | tariffs).mapped(name))) > 1:
                raise UserError(
                    self.env._(
                        "These tariffs and service points do not have the same %s.",
                        tariffs._fields[name]._description_string(self.env).lower(),
                    )
                )
        found = [(self.env._("As now"), None)]
        for tariff in self.tariff_ids:
            if not tariff._in_force():
                raise UserError(self.env._("%s has no version.", tariff.name))
            found.append((tariff.name, tariff._compiled()))
        for draft in self.draft_ids:
            found.append((draft.display_name, self._with_draft(draft)))
        return found

    def _with_draft(self, draft):
        """A tariff compiled as if the draft were in force."""
        problem, _parsed = draft._parsed()
        if problem:
            raise UserError(
                self.env._(
                    "%(draft)s: %(problem)s", draft=draft.display_name, problem=problem
                )
            )
        tariff = draft.tariff_id
        if self.drafts_always:
            source = {**to_document(draft), "valid_from_local": "1900-01-02T00:00"}
            return compile_tariff({"versions": [source]}, tariff.tz, keys=draft.ids)
        others = tariff._in_force().filtered(
            lambda version: version._begin() != draft._begin()
        )
        versions = (others | draft).sorted(lambda version: version._begin())
        return compile_tariff(
            tariff._documented(versions), tariff.tz, keys=versions.ids
        )

    def _rate(self, points, scenarios):
        """Rate each point under each scenario.

        :return: ({(scenario, month, kind, season, band): [kWh, net, total]}, the months
            that have readings).
        """
        sums = defaultdict(lambda: [Decimal(0)] * 3)
        months, work = set(), 0
        for point in points:
            own = point.tariff_id._compiled()
            runs = self._history(point)
            work += sum(map(len, runs)) * len(scenarios)
            if work > MAX_WORK:
                raise UserError(
                    self.env._(
                        "That is more than %(n)s readings to rate: choose fewer "
                        "service points or a shorter period (stopped at %(point)s).",
                        n=MAX_WORK // len(scenarios),
                        point=point.name,
                    )
                )
            for number, (_name, tariff) in enumerate(scenarios):
                self._add(sums, months, number, tariff or own, runs)
        return sums, months

    def _history(self, point):
        """The point's readings from the year's beginning, for yearly tiers."""
        begin = fields.Date.subtract(self.date_from.replace(month=1, day=1), days=2)
        end = fields.Date.add(self.date_to, days=3)
        low, high = (datetime.combine(day, datetime.min.time()) for day in (begin, end))
        return load_history(self.env, [point.id], low, high)[point.id]

    def _add(self, sums, months, number, tariff, runs):
        start = midnight(tariff.tz, self.date_from)
        end = midnight(tariff.tz, fields.Date.add(self.date_to, days=1))
        for month, kind, season, band, *parts in bill(tariff, runs, start, end).lines():
            if kind == "energy":
                months.add(month)
            row = sums[number, month, kind, season, band]
            row[:] = [EXACT.add(a, Decimal(b)) for a, b in zip(row, parts, strict=True)]

    def _lines(self, sums, scenarios):
        """Values of the result lines: also what only the other scenario has."""
        keys = {key[1:] for key in sums}
        nothing = [Decimal(0)] * 3
        for number, (name, _tariff) in enumerate(scenarios):
            for key in sorted(keys):
                kwh, net, total = sums.get((number, *key), nothing)
                before = sums.get((AS_NOW, *key), nothing)[2]
                if not (kwh or net or total or before):
                    continue
                month, kind, season, band = key
                yield {
                    "sequence": number,
                    "scenario": name,
                    "month": month,
                    "kind": kind,
                    "season": season,
                    "band": band,
                    "quantity": kwh,
                    "amount": net,
                    "total": total,
                    "difference": EXACT.subtract(total, before),
                }

    def _notes(self, points, months):
        """What the reader must know before believing the figures."""
        notes = []
        if not months:
            notes.append(self.env._("There are no readings in this period."))
        for tariff in self.tariff_ids:
            first = tariff._in_force()[:1].valid_from
            if first > self.date_from:
                notes.append(
                    self.env._(
                        "%(tariff)s has no prices before %(day)s: nothing is charged "
                        "until then.",
                        tariff=tariff.name,
                        day=first,
                    )
                )
        notes.append(
            self.env._(
                "%(n)s service points, %(from)s to %(to)s, levies included.",
                n=len(points),
                **{"from": self.date_from, "to": self.date_to},
            )
        )
        return "\n".join(notes)

    # ------------------------------------------------------------------ show it

    def action_graph(self):
        """Show the lines as graph and pivot."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_whatif_line_action"
        )
        return {**action, "domain": [("whatif_id", "=", self.id)]}

    def action_xlsx(self):
        """Download the comparison as a workbook."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/energy.whatif/{self.id}/xlsx"
            "?download=true&filename_field=xlsx_name",
        }

    def _tabulate(self, sums, scenarios):
        """The result as plain values, for the page and the workbook.

        :return: dict: scenarios [name]; months [[month, [[total, difference]]]]; sums
            [[total, difference]]; bands: see :meth:`_tabulate_bands`; numbers are
            decimal strings, levies included.
        """
        numbers = range(len(scenarios))
        totals = defaultdict(Decimal)
        for (number, month, *_band), (_kwh, _net, total) in sums.items():
            for key in ((number, month), (number, None)):
                totals[key] = EXACT.add(totals[key], total)

        def pairs(month):
            now = totals[AS_NOW, month]
            found = [totals[number, month] for number in numbers]
            return [[plain(one), plain(EXACT.subtract(one, now))] for one in found]

        return {
            "scenarios": [name for name, _tariff in scenarios],
            "months": [
                [str(month), pairs(month)] for month in sorted({key[1] for key in sums})
            ],
            "sums": pairs(None),
            "bands": self._tabulate_bands(sums, scenarios),
        }

    @staticmethod
    def _tabulate_bands(sums, scenarios):
        """Where the consumption is, and where it has moved from.

        :return: list: [scenario, season, band, quantity, share in %, percentage points
            more than now, total]; those that a scenario gains and loses are equal.
        """
        bands = defaultdict(lambda: [Decimal(0)] * 2)
        shares = defaultdict(Decimal)
        for (number, _month, kind, *names), (kwh, _net, total) in sums.items():
            if kind == "energy":
                row = bands[(number, *names)]
                row[:] = [EXACT.add(row[0], kwh), EXACT.add(row[1], total)]
                shares[number] = EXACT.add(shares[number], kwh)

        def share(number, names):
            kwh, whole = bands[(number, *names)][0], shares[number]
            return 100 * kwh / whole if whole else Decimal(0)

        found = []
        for number, (scenario, _tariff) in enumerate(scenarios):
            for names in sorted({key[1:] for key in list(bands)}):
                now, here = share(AS_NOW, names), share(number, names)
                kwh, total = bands[(number, *names)]
                if here or now and number != AS_NOW:
                    figures = plain(kwh), f"{here:.2f}", f"{here - now:+.2f}"
                    found.append([scenario, *names, *figures, plain(total)])
        return found

    @api.depends("tables")
    def _compute_result(self):
        for whatif in self:
            whatif.result = whatif.tables and self.env["ir.qweb"]._render(
                "prepaid_energy.whatif_result",
                {
                    **whatif.tables,
                    "money": {
                        "widget": "monetary",
                        "display_currency": whatif._currency(),
                    },
                    "unit": whatif._unit(),
                },
            )

    def _currency(self):
        tariffs = self.tariff_ids | self.draft_ids.tariff_id
        return tariffs[:1].currency_id

    def _unit(self):
        tariffs = self.tariff_ids | self.draft_ids.tariff_id
        return tariffs[:1].uom_id.name or ""

    @api.depends("tables")
    def _compute_xlsx(self):
        for whatif in self:
            content = whatif.tables and workbook(
                whatif.tables, whatif.note or "", whatif._unit()
            )
            whatif.xlsx = content and base64.b64encode(content)
            begin, end = whatif.date_from, whatif.date_to
            whatif.xlsx_name = f"what-if_{begin}_{end}.xlsx"


class EnergyWhatifLine(models.TransientModel):
    """One scenario, month, kind of charge and band of a comparison."""

    _name = "energy.whatif.line"
    _description = "What-If Result"
    _order = "sequence, month, kind, season, band"

    whatif_id = fields.Many2one("energy.whatif", required=True, ondelete="cascade")
    currency_id = fields.Many2one(
        "res.currency", compute="_compute_currency_id", store=True
    )
    sequence = fields.Integer("Scenario Number", readonly=True, aggregator=None)
    scenario = fields.Char(readonly=True)
    month = fields.Date(readonly=True)
    kind = fields.Selection(KINDS, readonly=True)
    season = fields.Char(readonly=True)
    band = fields.Char(readonly=True)
    quantity = fields.Float("Consumption", digits=(18, 3), readonly=True)
    amount = fields.Monetary("Net Amount", readonly=True)
    total = fields.Monetary("With Levies", readonly=True)
    difference = fields.Monetary("Difference to Now", readonly=True)

    @api.depends("whatif_id")
    def _compute_currency_id(self):
        for line in self:
            line.currency_id = line.whatif_id._currency()
