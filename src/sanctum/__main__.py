"""Run the command line as ``python -m sanctum``."""

from sanctum.cli import main

if __name__ == "__main__":
    main()
