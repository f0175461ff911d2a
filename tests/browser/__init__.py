"""Reports opened in a headless Chromium; skipped, saying so, where there is none."""
