"""Figures made of records. Everything here imports matplotlib only when it draws, and no torch."""
