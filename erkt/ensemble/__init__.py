"""The ensemble of teachers: its score, and where its weights come from."""
