"""The command line. Data and JSON go to standard output, everything else to standard error."""
