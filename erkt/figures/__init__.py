"""Pictures of results, drawn without a display. Each module draws one; readable with 3 classes and with 50."""
