"""Tests of infra/: its text is compared with the code, and `make test-infra` applies it to moto."""
