"""A line with a head, a line manager, and a quota; a second line beside it."""

from odoo.tests import new_test_user

from .common import EnergyCase, add_point


class QuotaCase(EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_lines(cls)

    def request(self, amount=100, user=None, **values):
        """A request of the line's manager, as a draft."""
        return (
            self.env["energy.quota.request"]
            .with_user(user or self.asker)
            .create(
                {
                    "quota_id": self.quota.id,
                    "amount": amount,
                    "reason": "A late order",
                    **values,
                }
            )
        )

    def submitted(self, amount=100, **values):
        request = self.request(amount, **values)
        request.action_submit()
        return request

    def use(self, line, quantity):
        """Let a line have used so many kWh this month, in all: in the last minutes."""
        point = line.wallet_id.service_point_ids[:1]
        if not point:
            point, _meter = add_point(self, line.name, wallet_id=line.wallet_id.id)
            self.ingest((3480, "0", line.name))
        self.used = getattr(self, "used", 3480) + 1
        self.ingest((self.used, str(quantity), line.name))

    def granted(self, quota=None):
        """What the database has, exactly."""
        return (quota or self.quota).sudo()._exact()["granted"]


def add_user(cls, login, groups="prepaid_energy.group_energy_user"):
    """A user with an employee, who has an address."""
    user = new_test_user(
        cls.env, login, groups=groups, email=f"{login}@example.com", password=login
    )
    user.action_create_employee()
    return user


def add_line(cls, name, head, planned=1000, unit="energy"):
    """A line of a department of its own, with its quota of this month."""
    department = cls.env["hr.department"].create(
        {"name": f"Department of {name}", "manager_id": head.employee_id.id}
    )
    line = cls.env["energy.line"].create(
        {
            "name": name,
            "site_id": cls.site.id,
            "department_id": department.id,
            "user_id": cls.asker.id,
        }
    )
    quota = (
        cls.env["energy.quota"]
        .sudo()
        .create(
            {
                "line_id": line.id,
                "month": line._month(),
                "unit": unit,
                "planned": planned,
                "total": planned,
            }
        )
    )
    return line, quota.with_env(cls.env)


def set_up_lines(cls):
    if "tier.definition" in cls.env:  # of the glue, which tests it
        cls.env["tier.definition"].search(
            [("model", "=", "energy.quota.request")]
        ).active = False
    cls.company.write(
        {
            "energy_plant_manager_ids": False,
            "energy_finance_ids": False,
            "energy_plant_limit": 0,
            "energy_plant_percent": 0,
            "energy_finance_limit": 0,
            "energy_finance_percent": 0,
        }
    )
    cls.asker = add_user(cls, "asker")
    cls.head = add_user(cls, "the_head")
    cls.other_head = add_user(cls, "other_head")
    cls.stranger = add_user(cls, "a_stranger")
    cls.line, cls.quota = add_line(cls, "Extrusion", cls.head)
    cls.other_line, cls.other_quota = add_line(cls, "Moulding", cls.other_head)
