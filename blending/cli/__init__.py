"""The command line; bare, so that `--help` stays free of torch."""
