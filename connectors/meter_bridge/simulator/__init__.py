"""A plant of meters: real Modbus servers, load curves, relays that stop the flow."""
