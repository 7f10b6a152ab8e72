"""The stories: deploy, watch, logs to metrics, generate. They speak to ports and to the domain, to nothing else."""
