"""Usage rows name their tariff version by its record, no longer by its place."""


def migrate(cr, version):
    """Rename and fill the columns that the new unique index needs."""
    cr.execute("ALTER TABLE energy_usage RENAME COLUMN kwh TO quantity")
    cr.execute(
        "ALTER TABLE energy_usage ADD COLUMN version_id integer, "
        "ADD COLUMN kind varchar NOT NULL DEFAULT 'energy', ADD COLUMN open boolean"
    )
    cr.execute("UPDATE energy_usage SET open = amount_total <> amount_settled")
    cr.execute("DROP INDEX IF EXISTS energy_usage__unsettled")
    cr.execute("ALTER TABLE energy_usage ALTER COLUMN kind DROP DEFAULT")
    cr.execute("DROP INDEX IF EXISTS energy_usage__key_uniq")
    cr.execute(
        """
        UPDATE energy_usage usage SET version_id = ordered.id
          FROM (SELECT id, tariff_id, row_number() OVER (
                       PARTITION BY tariff_id ORDER BY valid_from) - 1 AS place
                  FROM energy_tariff_version) ordered
         WHERE ordered.tariff_id = usage.tariff_id AND ordered.place = usage.version
        """
    )
    cr.execute("ALTER TABLE energy_usage DROP COLUMN version")
    cr.execute(
        """
        ALTER TABLE energy_tariff_version
              ALTER COLUMN price DROP NOT NULL,
              DROP CONSTRAINT IF EXISTS energy_tariff_version_valid_from_uniq,
              DROP CONSTRAINT IF EXISTS energy_tariff_version_price_positive
        """
    )
