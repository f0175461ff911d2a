"""Tests of reports in a headless Chromium, skipped if it is not installed."""
