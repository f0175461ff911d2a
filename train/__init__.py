"""Training of the networks that ``jundscan`` runs; run it from a checkout: ``python -m train --help``."""
