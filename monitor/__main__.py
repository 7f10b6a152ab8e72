"""`python -m monitor` is `bgmon`."""

from monitor.cli.main import main

if __name__ == "__main__":
    main()
