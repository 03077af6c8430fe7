"""The box: from a PBX's bytes to a rated call."""
