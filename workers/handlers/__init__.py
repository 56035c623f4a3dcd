"""The handlers of the kinds of jobs, and the steps they share. A handler returns what happens to its job next."""
