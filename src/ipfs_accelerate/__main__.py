"""``python -m ipfs_accelerate`` is the command line."""

from ipfs_accelerate.cli import main

if __name__ == "__main__":
    main()
