"""``python -m meter_bridge.simulator``."""

from meter_bridge.simulator.cli import main

if __name__ == "__main__":
    main()
