"""Every notebook alone, with only the wheel, in environments not ours: `python -m tools.elsewhere`."""
