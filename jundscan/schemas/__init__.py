"""The shape of every JSON record: types for the code, and JSON Schemas (``*.schema.json``) for its readers."""
