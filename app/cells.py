"""Cells of a CSV file, which people open in spreadsheets."""


def harmless(cell: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula and run (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
