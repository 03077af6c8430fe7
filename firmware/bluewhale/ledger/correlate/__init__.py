"""Legs and signals to calls; wall time to UTC."""
