"""The whole system on one machine, and the stand-ins it needs."""
