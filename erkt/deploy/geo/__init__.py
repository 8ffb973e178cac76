"""A map of a large georeferenced image: windows classified, logits averaged. Needs the extra ``geo``."""
