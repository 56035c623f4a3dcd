# A small site: tens of carts a day, one zone for whatever can be lost, about 172 dollars a month idle (docs/cost.md).

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # The state names every resource; without it Terraform can neither change nor destroy them. So it is not left on one
  # machine: terraform init -backend-config=bucket=... -backend-config=region=...
  backend "s3" {
    key          = "pacifica-cart.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = "us-east-1"

  default_tags {
    tags = { Service = "pacifica-data-cart" }
  }
}

variable "image_tag" {
  description = "Tag of the workers' image; null for the first apply."
  type        = string
  default     = null
}

variable "migration_image_tag" {
  description = "Tag of the image that runs dbsync; in an upgrade, set the new tag here first."
  type        = string
  default     = null
}

module "cart" {
  source = "../.."

  lambda_zip          = "../../../build/cart-python3.12.zip"
  image_tag           = var.image_tag
  migration_image_tag = var.migration_image_tag
  database_ca         = file("us-east-1-bundle.pem")

  archive_url       = "https://archive.example.org/"
  archive_cidrs     = ["192.0.2.0/24"]
  api_allowed_cidrs = ["198.51.100.0/24"]
  alarm_emails      = ["cart-operators@example.org"]

  auth         = "oidc,token"
  oidc         = { issuers = ["https://login.example.org/"], audience = ["pacifica-cart"] }
  issuer_cidrs = ["203.0.113.0/24"]
}

output "next_steps" {
  value = module.cart.next_steps
}

output "cart" {
  value = module.cart
}
