# A large site: thousands of carts a day, tens of terabytes a month, no long interruption when a zone fails.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # terraform init -backend-config=bucket=... -backend-config=region=...
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

  archive_url        = "http://archive.internal.example.org:8080/"
  archive_route      = "transit_gateway"
  transit_gateway_id = "tgw-0123456789abcdef0"
  archive_cidrs      = ["172.20.0.0/16"]
  api_allowed_cidrs  = ["198.51.100.0/24", "203.0.113.0/24"]
  cors_origins       = ["https://data.example.org"]
  alarm_emails       = ["cart-operators@example.org"]

  auth         = "oidc"
  oidc         = { issuers = ["https://login.example.org/"], audience = ["pacifica-cart"] }
  issuer_cidrs = ["172.21.0.0/24"]
  policy_url   = "https://policy.internal.example.org/v1"
  policy_cidrs = ["172.21.1.0/24"]

  domain = {
    name            = "cart.example.org"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  }

  zones = 3

  database_class       = "db.m7g.large"
  database_multi_az    = true
  database_connections = 640
  database_storage_gb  = 100
  database_backup_days = 14

  volume_limit_gb   = 4096
  volume_one_zone   = false
  volume_throughput = "provisioned"
  volume_mibps      = 300

  api_concurrency = 100
  api_rate        = 500

  worker_count       = { least = 2, most = 24 }
  worker_cpu         = 2048
  worker_memory      = 4096
  worker_spot        = true
  backlog_per_worker = 10

  settings = {
    JOB_CONCURRENCY  = "8"
    PULL_CONCURRENCY = "32"
    BUNDLE_LIMIT     = "50T"
  }
}

output "next_steps" {
  value = module.cart.next_steps
}

output "cart" {
  value = module.cart
}
