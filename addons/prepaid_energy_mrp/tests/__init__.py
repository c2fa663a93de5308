from . import test_energy_line_output, test_energy_line_plan, test_energy_work
