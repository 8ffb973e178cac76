"""Pictures of results, drawn without a display; readable with 3 classes and with 50."""
