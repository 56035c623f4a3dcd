# What a site has to say, and what it may. Sizes and speeds are in variables_capacity.tf.

variable "name" {
  description = "Begins the name of everything that is made: lower case, so that a bucket may have it too."
  type        = string
  default     = "pacifica-cart"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "3 to 28 of a-z, 0-9 and -, beginning with a letter."
  }
}

variable "lambda_zip" {
  description = "The API's code, made by `python -m infra.package`; its name says the Python it was made for."
  type        = string

  validation {
    condition     = can(regex("python3\\.1[1-9]\\.zip$", var.lambda_zip))
    error_message = "Ends with the Python it was made for, as in build/cart-python3.12.zip."
  }
}

variable "image_tag" {
  description = "The workers' image in the repository made here; null until one was pushed: then there are no workers."
  type        = string
  default     = null
}

variable "migration_image_tag" {
  description = "The image whose dbsync is run; null is image_tag. An upgrade names the new one here first."
  type        = string
  default     = null
}

variable "database_ca" {
  description = "PEM of the authorities RDS certificates are checked by: file(\"REGION-bundle.pem\"), as AWS publishes it."
  type        = string

  validation {
    condition     = strcontains(var.database_ca, "-----BEGIN CERTIFICATE-----")
    error_message = "Certificates in PEM."
  }
}

variable "archive_url" {
  description = "The archive interface, as the workers reach it."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/?# ]+(/[^?# ]*)?$", var.archive_url))
    error_message = "A http or https URL without query."
  }
}

variable "archive_route" {
  description = "The workers' way out to the archive: nat (the internet), vpn, transit_gateway, or none."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["none", "nat", "vpn", "transit_gateway"], var.archive_route)
    error_message = "none, nat, vpn or transit_gateway."
  }
}

variable "archive_cidrs" {
  description = "Networks the archive is in: the only ones beyond the VPC that workers may speak to."
  type        = list(string)

  validation {
    condition     = length(var.archive_cidrs) > 0 && alltrue([for cidr in var.archive_cidrs : can(cidrnetmask(cidr))])
    error_message = "One or more IPv4 networks, as 192.0.2.0/24."
  }
}

variable "transit_gateway_id" {
  description = "The gateway of archive_route = transit_gateway."
  type        = string
  default     = null

  validation {
    condition     = var.archive_route != "transit_gateway" || var.transit_gateway_id != null
    error_message = "archive_route = transit_gateway needs it."
  }
}

variable "vpn_gateway_id" {
  description = "The virtual private gateway of archive_route = vpn, in no VPC yet; its VPN connection is yours."
  type        = string
  default     = null

  validation {
    condition     = var.archive_route != "vpn" || var.vpn_gateway_id != null
    error_message = "archive_route = vpn needs it."
  }
}

variable "api_allowed_cidrs" {
  description = "Networks that may call the API, which has no login of its own: name yours; [\"0.0.0.0/0\"] is everyone."
  type        = list(string)

  validation {
    condition     = length(var.api_allowed_cidrs) > 0 && alltrue([for cidr in var.api_allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "One or more IPv4 networks, as 192.0.2.0/24."
  }
}

variable "domain" {
  description = "A name of your own for the API, its certificate in this region, and the Route 53 zone if that is to have it."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
  default = null
}

variable "manage_api_account" {
  description = "Whether to set this region's API Gateway role for logs: one for the whole account. No where it has one."
  type        = bool
  default     = true
}

variable "cors_origins" {
  description = "Origins of web pages that may fetch bundles and upload manifests from the browser."
  type        = list(string)
  default     = []
}

variable "alarm_emails" {
  description = "Who is told of alarms; each has to confirm a mail of AWS."
  type        = list(string)
  default     = []
}

variable "settings" {
  description = "Further settings for API, sweep and workers: docs/settings.md."
  type        = map(string)
  default     = {}

  validation {
    # Every other setting is set by what is made here, or means nothing in AWS. A test holds this list to settings.py.
    condition = length(setsubtract(keys(var.settings), [
      "VOLUME_RESERVE", "LRU_BUFFER_TIME", "ARCHIVE_PATIENCE", "ARCHIVE_CONNECT_TIMEOUT", "ARCHIVE_READ_TIMEOUT",
      "PULL_CONCURRENCY", "UPLOAD_CONCURRENCY", "JOB_CONCURRENCY", "PART_SIZE", "WINDOW_SIZE", "WINDOW_FILES",
      "DATABASE_LOGGING", "BUNDLE_URL_LIFE", "BUNDLE_LIMIT", "MAX_MANIFEST", "LOG_LEVEL",
    ])) == 0
    error_message = "A setting that is not one, or that other variables say."
  }
}

variable "rehearsal" {
  description = "Leave out what moto, the stand-in for AWS, cannot make. Only the tests say yes."
  type        = bool
  default     = false
}

variable "protect" {
  description = "Whether database and bundles are kept from deletion: no only for trials."
  type        = bool
  default     = true
}
