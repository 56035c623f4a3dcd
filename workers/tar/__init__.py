"""The bytes of a tar: headers, and where each member lies. Pure: no I/O, imports only `errors`. Bundling imports it."""
