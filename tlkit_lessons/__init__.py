"""What the pages of the workbook need: material, ledger, notebooks, widgets, and a module a page."""
