"""A page in the browser that says what a model sees in images, and the same by HTTP."""
