"""Wrong voucher codes are counted by company: those before, by the user's own."""


def migrate(cr, version):
    """Give each row its company before the column must have one."""
    cr.execute("DROP INDEX IF EXISTS energy_voucher_attempt_user_hour_uniq")
    cr.execute(
        "ALTER TABLE energy_voucher_attempt ADD COLUMN IF NOT EXISTS company_id integer"
    )
    cr.execute(
        """
        UPDATE energy_voucher_attempt attempt SET company_id = users.company_id
          FROM res_users users WHERE users.id = attempt.user_id
        """
    )
