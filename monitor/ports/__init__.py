"""What the services need of the outside world, as small Protocols. Adapters fulfil them; fakes do too."""
