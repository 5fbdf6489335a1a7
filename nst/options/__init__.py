"""Every option once: its name, default, range and help. No torch here."""
