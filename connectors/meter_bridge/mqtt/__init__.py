"""Meters that speak by themselves: MQTT topics and LoRaWAN uplinks."""
