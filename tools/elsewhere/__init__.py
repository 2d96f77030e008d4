"""Every notebook alone, with only the wheel, in environments that are not ours: `python -m tools.elsewhere`."""
