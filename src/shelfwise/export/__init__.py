"""From a torch module to a file that other runtimes read."""
