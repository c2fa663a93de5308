"""``python -m meter_bridge``."""

from meter_bridge.cli import main

if __name__ == "__main__":
    main()
