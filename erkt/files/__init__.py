"""Files: replaced whole, hashed, and in the few formats that the project reads and writes."""
