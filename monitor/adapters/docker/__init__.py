"""The Docker engine, through the docker SDK."""
