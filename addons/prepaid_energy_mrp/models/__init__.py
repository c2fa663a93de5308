from . import (
    energy_line,
    energy_line_output,
    energy_line_plan,
    energy_work,
    mrp_production,
    mrp_workcenter,
    mrp_workorder,
    product_template,
    res_company,
    res_config_settings,
)
