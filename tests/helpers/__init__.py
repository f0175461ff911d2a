"""What several tests share: small inputs, the README as a script, and oracles."""
