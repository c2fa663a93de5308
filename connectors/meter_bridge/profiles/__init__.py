"""Register maps of meters, one TOML file a model; read by ``meter_profile``."""
