"""What infra/ deploys: held to the code by text here, and applied to moto by `make test-infra`."""
