# Also valid for OpenTofu. The provider's major version is pinned here, the exact version in the root's lock file.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
