"""Tariff documents to and from other forms: Odoo records, published rates."""
