"""`python -m immabench` is the command line."""

from immabench.cli import main

if __name__ == "__main__":
    main()
