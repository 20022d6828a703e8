"""The web page. Imported by `app.py` only."""
