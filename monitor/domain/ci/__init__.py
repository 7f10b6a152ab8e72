"""What changed, and how images are built: for pipelines and for `bgmon build`."""
