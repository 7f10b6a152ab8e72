"""`python -m monitor` is `bgmon`."""

from monitor.cli.main import run

if __name__ == "__main__":
    run()
