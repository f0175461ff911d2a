"""``python -m jundscan`` is ``jundscan``."""

from jundscan.cli import main

if __name__ == "__main__":
    main()
