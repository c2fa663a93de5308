"""Flat prices become price rows; usage gets its unit, service points their terms."""


def migrate(cr, version):
    """Fill the new tables from the old columns, then drop these."""
    cr.execute(
        """
        INSERT INTO energy_tariff_price (version_id, sequence, tier, price)
        SELECT id, 10, 1, price FROM energy_tariff_version
         WHERE price IS NOT NULL
        """
    )
    cr.execute(
        """
        INSERT INTO energy_tariff_levy (version_id, sequence, name, percent)
        SELECT id, 10, COALESCE(NULLIF(levy_name, ''), 'levy'), levy_percent
          FROM energy_tariff_version WHERE levy_percent <> 0
        """
    )
    cr.execute(
        """
        ALTER TABLE energy_tariff_version
              DROP COLUMN price, DROP COLUMN levy_name, DROP COLUMN levy_percent
        """
    )
    cr.execute(
        """
        UPDATE energy_usage usage
           SET commodity = tariff.commodity, uom_id = tariff.uom_id
          FROM energy_tariff tariff WHERE tariff.id = usage.tariff_id
        """
    )
    cr.execute(
        """
        INSERT INTO energy_supply_term
               (service_point_id, company_id, tariff_id, wallet_id)
        SELECT point.id, point.company_id, point.tariff_id, point.wallet_id
          FROM energy_service_point point
         WHERE NOT EXISTS (SELECT FROM energy_supply_term term
                            WHERE term.service_point_id = point.id)
        """
    )
