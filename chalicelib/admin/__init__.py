"""`pacifica-cartd-cmd`: the operator's commands, one module for each group.

`command` assembles the groups and turns errors into exit codes; `operator` builds what the commands share. It needs the
packages of requirements-admin.txt. Nothing imports it, so that they stay out of the API, the sweep and the workers.
"""
