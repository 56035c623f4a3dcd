# Required and optional variables of a site. Sizes and limits are in variables_capacity.tf.

variable "name" {
  description = "Prefix of all resource names; lower case, because bucket names allow nothing else."
  type        = string
  default     = "pacifica-cart"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "Must be 3 to 28 characters of a-z, 0-9 and -, starting with a letter."
  }
}

variable "lambda_zip" {
  description = "Zip of the API's code, made by `python -m infra.package`; its name contains the Python version."
  type        = string

  validation {
    condition     = can(regex("python3\\.1[1-9]\\.zip$", var.lambda_zip))
    error_message = "Must end with the Python version, for example build/cart-python3.12.zip."
  }
}

variable "image_tag" {
  description = "Tag of the workers' image in the repository created here; null (before the first push) means none."
  type        = string
  default     = null
}

variable "migration_image_tag" {
  description = "Tag of the image that runs dbsync; null means image_tag. In an upgrade, set the new tag here first."
  type        = string
  default     = null
}

variable "database_ca" {
  description = "CA certificates of RDS in PEM: file(\"REGION-bundle.pem\"), as published by AWS."
  type        = string

  validation {
    condition     = strcontains(var.database_ca, "-----BEGIN CERTIFICATE-----")
    error_message = "Must be certificates in PEM."
  }
}

variable "archive_url" {
  description = "URL of the archive interface, as the workers reach it."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/?# ]+(/[^?# ]*)?$", var.archive_url))
    error_message = "Must be an http or https URL without a query."
  }
}

variable "archive_route" {
  description = "The route to the archive, the issuers and the policy service: nat (the internet), vpn, transit_gateway or none."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["none", "nat", "vpn", "transit_gateway"], var.archive_route)
    error_message = "Must be none, nat, vpn or transit_gateway."
  }
}

variable "archive_cidrs" {
  description = "Networks of the archive, the only ones outside the VPC that workers may connect to."
  type        = list(string)

  validation {
    condition     = length(var.archive_cidrs) > 0 && alltrue([for cidr in var.archive_cidrs : can(cidrnetmask(cidr))])
    error_message = "Must be one or more IPv4 networks, for example 192.0.2.0/24."
  }
}

variable "transit_gateway_id" {
  description = "Id of the transit gateway for archive_route = transit_gateway."
  type        = string
  default     = null

  validation {
    condition     = var.archive_route != "transit_gateway" || var.transit_gateway_id != null
    error_message = "Required by archive_route = transit_gateway."
  }
}

variable "vpn_gateway_id" {
  description = "Id of the unattached virtual private gateway for archive_route = vpn; you create its VPN connection."
  type        = string
  default     = null

  validation {
    condition     = var.archive_route != "vpn" || var.vpn_gateway_id != null
    error_message = "Required by archive_route = vpn."
  }
}

variable "api_allowed_cidrs" {
  description = "Networks that may call the API; [\"0.0.0.0/0\"] allows everyone, who then still has to log in as auth says."
  type        = list(string)

  validation {
    condition     = length(var.api_allowed_cidrs) > 0 && alltrue([for cidr in var.api_allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "Must be one or more IPv4 networks, for example 192.0.2.0/24."
  }
}

variable "domain" {
  description = "Custom domain of the API: name, certificate in this region, optionally its Route 53 zone."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
  default = null
}

variable "manage_api_account" {
  description = "Set this region's API Gateway log role, which the whole account shares; false if the account has one."
  type        = bool
  default     = true
}

variable "cors_origins" {
  description = "ALLOWED_ORIGINS: origins of web pages that may call the API, download bundles and upload manifests from a browser."
  type        = list(string)
  default     = []
}

variable "alarm_emails" {
  description = "E-mail addresses that receive alarms; each has to confirm the subscription."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "More settings of API, sweep and workers: docs/settings.md."
  type        = map(string)
  default     = {}

  validation {
    # Every other setting is set by this module or has no meaning in AWS. A test compares this list with settings.py.
    condition = length(setsubtract(keys(var.settings), [
      "VOLUME_RESERVE", "LRU_BUFFER_TIME", "ARCHIVE_PATIENCE", "ARCHIVE_CONNECT_TIMEOUT", "ARCHIVE_READ_TIMEOUT",
      "ARCHIVE_LOOKS", "PULL_CONCURRENCY", "UPLOAD_CONCURRENCY", "JOB_CONCURRENCY", "PART_SIZE", "WINDOW_SIZE",
      "WINDOW_FILES",
      "DATABASE_LOGGING", "BUNDLE_URL_LIFE", "BUNDLE_LIMIT", "MAX_MANIFEST", "MAX_ENTRIES", "MAX_BUNDLE",
      "ERROR_TTL", "HISTORY_DAYS", "ARCHIVE_MIN_RATE", "LOG_LEVEL", "HUNG_AFTER",
      "OIDC_ALGORITHMS", "GROUPS_CLAIM", "ADMIN_CLAIM", "ADMIN_VALUE", "READ_ONLY_VALUE", "SHARE_URL_LIFE", "POLICY_TTL",
      "ARCHIVE_FORWARD_USER", "LIMIT_CARTS", "LIMIT_ENTRIES", "LIMIT_BUNDLES", "LIMIT_STAGING", "LIMIT_RECALLS",
      "LIMIT_UPLOADS", "LIMIT_POSTS", "LIMITS", "LIMIT_WEBHOOKS", "NOTIFY_ALLOWED_HOSTS", "NOTIFY_MAIL_FROM",
      "NOTIFY_MAIL_DOMAINS", "OTLP_ENDPOINT",
    ])) == 0
    error_message = "Contains an unknown setting, or one that is set by this module."
  }

  validation {
    condition     = length(join("", concat(keys(var.settings), values(var.settings)))) <= 2500
    error_message = "Too long: a Lambda's environment holds 4 KB. Give LIMITS few overrides; see docs/deploy.md."
  }
}

variable "rehearsal" {
  description = "Leave out resources that moto, the stand-in for AWS, does not support. Only for tests."
  type        = bool
  default     = false
}

variable "protect" {
  description = "What terraform destroy keeps: the database from deletion at all; its last snapshot and backups; bundles and images."
  type = object({
    database = optional(bool, true)
    backups  = optional(bool, true)
    bundles  = optional(bool, true)
  })
  default = {}
}
