"""What a list of meters and tenants would make of a site; it only reads."""

from collections import defaultdict

from ..exchange.meter_list import HEADINGS
from .setup_entry import METER_FIELDS, Entry, fold


class SetupJudgement:
    """Judges the rows, see :class:`~.setup_plan.SetupPlan`.

    :param recordset site: where the points are.
    :param recordset tariff: of new points.
    :param recordset policy: of new wallets; may be empty.
    :param recordset gateway: of meters with a line; may be empty.
    :param list rows: :class:`~..exchange.meter_list.Row`.
    """

    def __init__(self, site, tariff, policy, gateway, rows):
        self.env, self.site, self.company = site.env, site, site.company_id
        self.tariff, self.policy, self.gateway = tariff, policy, gateway
        self.entries = [Entry(row) for row in rows]

    def judge(self):
        """Find what exists and what is wrong in each row; writes nothing."""
        self._load()
        for entry in self.entries:
            entry.reasons += [self._problem(*one) for one in entry.row.problems]
        self._refuse_twice()
        for entry in self.entries:
            if entry.values.get("point"):
                self._judge_meter(entry)
                self._judge_tenant(entry)
                self._judge_point(entry)
        self._judge_emails()
        self._judge_feeders()
        self.emails = self._first_emails()
        return self.entries

    def _load(self):
        env, values = self.env, [entry.values for entry in self.entries]
        points = env["energy.service.point"].search([("site_id", "=", self.site.id)])
        self.points = {}
        for point in points.sorted("id", reverse=True):  # the oldest of equals
            self.points[fold(point.name)] = point
        serials = [one["serial"] for one in values if one.get("serial")]
        # sudo: a serial number is taken in whatever company
        meters = env["energy.meter"].sudo().with_context(active_test=False)
        self.meters = {
            meter.serial: meter for meter in meters.search([("serial", "in", serials)])
        }
        self.taken = {
            (meter.line, meter.address): meter
            for meter in (self.gateway and self.gateway.meter_ids) or ()
            if meter.line and meter.address
        }
        wallets = env["energy.wallet"].search(
            [("company_id", "=", self.company.id), ("kind", "=", "tenant")]
        )
        self.wallets = defaultdict(env["energy.wallet"].browse)
        for wallet in wallets:
            if wallet.currency_id == self.tariff.currency_id:
                self.wallets[fold(wallet.partner_id.name)] |= wallet
        self._load_partners(values)

    def _load_partners(self, values):
        names = {one["tenant"] for one in values if one.get("tenant")}
        partners = self.env["res.partner"].search(
            [
                ("name", "in", list(names)),
                ("parent_id", "=", False),
                ("company_id", "in", (False, self.company.id)),
            ]
        )
        self.partners = defaultdict(self.env["res.partner"].browse)
        for partner in partners:
            self.partners[fold(partner.name)] |= partner

    def _refuse_twice(self):
        """Points, serials and places are named once in a file."""
        env = self.env
        for columns in (("point",), ("serial",), ("line", "address")):
            first = {}
            for entry in self.entries:
                key = tuple(fold(entry.values.get(column)) for column in columns)
                if not all(key):
                    continue
                other = first.setdefault(key, entry)
                if other is not entry:
                    entry.reasons.append(
                        env._(
                            "%(what)s %(value)s is in row %(row)s already.",
                            what=" ".join(self._title(column) for column in columns),
                            value=" ".join(entry.values[c] for c in columns),
                            row=other.row.number,
                        )
                    )

    def _judge_meter(self, entry):
        env, values = self.env, entry.values
        serial = values.get("serial")
        entry.point = self.points.get(fold(values["point"]))
        meter = self.meters.get(serial)
        if meter and meter.company_id != self.company:
            entry.reasons.append(env._("Meter %s is in another company.", serial))
            return
        if meter and not meter.active:
            entry.reasons.append(env._("Meter %s is archived.", serial))
            return
        entry.meter = meter and meter.with_env(env)
        here = entry.point and entry.point.meter_id
        if serial and here and here.serial != serial:
            text = env._(
                "%(point)s has the meter %(meter)s: exchange it there, not here.",
                point=entry.point.name,
                meter=here.serial,
            )
            entry.reasons.append(text)
        elsewhere = meter and entry.meter.service_point_id
        if elsewhere and elsewhere != entry.point:
            text = env._(
                "Meter %(meter)s is installed at %(point)s.",
                meter=serial,
                point=elsewhere.name,
            )
            entry.reasons.append(text)
        place = values.get("line"), values.get("address")
        other = all(place) and self.taken.get(place)
        if other and other.serial != serial:
            text = env._(
                "Meter %(meter)s has address %(address)s on line %(line)s already.",
                meter=other.serial,
                line=place[0],
                address=place[1],
            )
            entry.reasons.append(text)
        if entry.meter and not entry.reasons:
            self._meter_changes(entry)

    def _meter_changes(self, entry):
        values, meter = entry.values, entry.meter
        if not meter.service_point_id:
            entry.changed.append(self._title("serial"))
        for column, field in METER_FIELDS.items():
            if column in values and (meter[field] or "") != (values[column] or ""):
                entry.changes["meter"][field] = values[column]
                entry.changed.append(self._title(column))
        if values.get("line") and meter.gateway_id != self.gateway:
            if meter.gateway_id:
                text = self.env._(
                    "Meter %(meter)s belongs to the gateway %(gateway)s.",
                    meter=meter.serial,
                    gateway=meter.gateway_id.name,
                )
                entry.reasons.append(text)
            else:
                entry.changes["meter"]["gateway_id"] = True
                entry.changed.append(self.env._("Gateway"))
        opening = values.get("opening")
        current = meter.installation_ids.filtered(lambda one: not one.date_to)[:1]
        if opening is not None and current:
            if float(opening) != current.opening_register or (
                not opening and not current.opening_counts
            ):
                entry.reasons.append(
                    self.env._(
                        "Meter %s is installed already; its opening register is "
                        "changed at the installation.",
                        meter.serial,
                    )
                )

    def _judge_tenant(self, entry):
        env, name = self.env, entry.values.get("tenant")
        if not name:
            return
        email = entry.values.get("email")
        wallet = entry.point and entry.point.wallet_id
        if wallet and fold(wallet.partner_id.name) != fold(name):
            entry.reasons.append(
                env._(
                    "%(point)s is paid by the wallet %(wallet)s: change it there, not "
                    "here.",
                    point=entry.point.name,
                    wallet=wallet.name,
                )
            )
        wallets = wallet or self.wallets[fold(name)]
        if len(wallets) > 1:
            text = env._("%s has several wallets: choose one at the point.", name)
            entry.reasons.append(text)
        elif not wallets and len(self.partners[fold(name)]) > 1:
            entry.reasons.append(env._("Several contacts are named %s.", name))
        entry.wallet = wallets[:1]
        partner = wallets[:1].partner_id or self.partners[fold(name)][:1]
        if email and partner and not partner.email:
            if self._logs_in(partner):
                text = env._(
                    "%s logs in here already: enter the e-mail at the user.", name
                )
                entry.reasons.append(text)
            entry.changed.append(self._title("email"))
        elif email and partner and fold(partner.email) != fold(email):
            text = env._(
                "%(tenant)s has the e-mail %(email)s: change it at the contact.",
                tenant=name,
                email=partner.email,
            )
            entry.reasons.append(text)

    def _judge_emails(self):
        """A tenant has one e-mail; a row that is left out gives none."""
        first = self._first_emails()
        for entry in self.entries:
            name, email = entry.values.get("tenant"), entry.values.get("email")
            if not name or not email or entry.reasons:
                continue
            if fold(first[fold(name)]) != fold(email):
                text = self.env._(
                    "%(tenant)s has the e-mail %(email)s in a row above.",
                    tenant=name,
                    email=first[fold(name)],
                )
                entry.reasons.append(text)

    def _first_emails(self):
        """The first e-mail of each tenant, by rows without errors."""
        emails = {}
        for entry in self.entries:
            name, email = entry.values.get("tenant"), entry.values.get("email")
            if name and email and not entry.reasons:
                emails.setdefault(fold(name), email)
        return emails

    def _logs_in(self, partner):
        """Whether the contact is a user's: their e-mail opens their account."""
        # sudo: who may set up energy may not read users
        return bool(partner.sudo().with_context(active_test=False).user_ids)

    def _judge_point(self, entry):
        point, values = entry.point, entry.values
        if not point:
            return
        if values.get("tenant") and not point.wallet_id:
            entry.changed.append(self._title("tenant"))
        safe = values.get("life_safety")
        if safe is not None and safe != point.life_safety:
            if not safe:
                entry.reasons.append(
                    self.env._(
                        "%s is a life-safety load: only a person takes that off, at "
                        "the point.",
                        point.name,
                    )
                )
            entry.changes["point"]["life_safety"] = safe
            entry.changed.append(self._title("life_safety"))
        feeder = values.get("feeder")
        if feeder and fold(point.parent_id.name) != fold(feeder):
            entry.changed.append(self._title("feeder"))

    def _judge_feeders(self):
        """Each feeder exists or will; none feeds itself."""
        env = self.env
        named = {}
        for entry in reversed(self.entries):
            named[fold(entry.values.get("point"))] = entry
        for entry in self.entries:
            feeder = entry.values.get("feeder")
            if not feeder:
                continue
            if fold(feeder) not in named and fold(feeder) not in self.points:
                text = env._(
                    "Its feeder %s is not in the file nor at the site.", feeder
                )
                entry.reasons.append(text)
            elif self._feeds_itself(fold(entry.values.get("point")), named):
                entry.reasons.append(env._("%s would feed itself.", feeder))
        # a point whose feeder is left out is left out as well, however deep
        wrong = True
        while wrong:
            wrong = [
                entry
                for entry in self.entries
                if not entry.reasons and self._feeder_fails(entry, named)
            ]
            for entry in wrong:
                above = named[fold(entry.values["feeder"])]
                text = env._("Its feeder, row %s, has an error.", above.row.number)
                entry.reasons.append(text)

    def _feeder_fails(self, entry, named):
        feeder = fold(entry.values.get("feeder"))
        above = named.get(feeder)
        return bool(above and above.reasons and feeder not in self.points)

    def _feeds_itself(self, name, named):
        seen, current = {name}, name
        while current := self._feeder_of(current, named):
            if current in seen:
                return current == name
            seen.add(current)
        return False

    def _feeder_of(self, name, named):
        entry = named.get(name)
        if entry and entry.values.get("feeder"):
            return fold(entry.values["feeder"])
        point = self.points.get(name)
        return fold(point.parent_id.name) if point else ""

    # ------------------------------------------------------------------------- words

    def _title(self, column):
        return HEADINGS[column]

    def _problem(self, kind, column, text):
        """What is wrong in a cell, in words."""
        env, title = self.env, self._title(column)
        if kind == "needs":
            other = self._title(text)
            return env._(
                "%(column)s is given, %(other)s is missing.", column=title, other=other
            )
        words = {
            "missing": env._("is missing"),
            "yes_no": env._("is neither yes nor no"),
            "number": env._("is no number"),
            "ambiguous": env._(
                "may be thousands or decimals: write it without a comma, or with a "
                "decimal point"
            ),
            "ratio": env._(
                "is no transformer ratio with at most 6 decimals: write 200/5 or 40"
            ),
            "register": env._("is no register: 0 to 99999999, with at most 3 decimals"),
            "email": env._("is no e-mail address"),
            "mangled": env._(
                "was shortened by a spreadsheet: format the column as text and enter "
                "the number again"
            ),
        }
        return f"{title} {text} {words[kind]}.".replace("  ", " ")
