"""What is built and installed is what stands in the repository."""
