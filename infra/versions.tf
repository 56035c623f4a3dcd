# Also valid for OpenTofu. The module uses only what versions 5 and 6 of the provider have in common; the exact version is in
# the root's lock file.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}
