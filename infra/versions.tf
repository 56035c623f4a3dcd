# Also valid for OpenTofu. The provider's minor version is held, since what it changes by itself is not reviewed here.
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
