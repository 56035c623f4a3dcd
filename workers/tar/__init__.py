"""The bytes of a tar: headers, and where each member lies. Pure."""
