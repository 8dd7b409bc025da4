"""Telling others: webhook, e-mail, MQTT. Blocking; for the server alone."""
