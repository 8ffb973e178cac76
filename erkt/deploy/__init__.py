"""What leaves the lab: a student that knows how it sees images, and what runs it without the pipeline."""
