from . import energy_order_report
