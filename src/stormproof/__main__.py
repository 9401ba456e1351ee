"""Run stormproof as `python -m stormproof`."""

from stormproof.cli.main import main

if __name__ == "__main__":
    main()
