"""Reads meters, keeps every reading until the ERP has it, and switches relays."""

__version__ = "0.1.0"
