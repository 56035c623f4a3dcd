# Also valid for OpenTofu. The provider's major version is held; the exact one is in the lock file of the root.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
