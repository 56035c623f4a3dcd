# Who may call the API, and whom it asks: docs/access.md.

variable "auth" {
  description = "How clients log in: oidc, token, \"oidc,token\", iam (signed requests), or none, which needs auth_none_i_know."
  type        = string

  validation {
    condition     = contains(["none", "iam", "oidc", "token", "oidc,token", "token,oidc"], var.auth)
    error_message = "Must be oidc, token, \"oidc,token\", iam or none."
  }

  validation {
    condition     = var.auth != "none" || var.auth_none_i_know
    error_message = "With none, all who reach the API may read and delete every cart. Set auth_none_i_know = true if that is meant."
  }
}

variable "auth_none_i_know" {
  description = "Allow auth = none: all who can reach the API, api_allowed_cidrs, may read and delete every cart."
  type        = bool
  default     = false
}

variable "iam_principals" {
  description = "ARNs of the AWS principals that may sign requests, with auth = iam; by default those of this account that IAM allows it."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.iam_principals : can(regex("^arn:[a-z-]+:(iam|sts)::[0-9]{12}:[^*]+$", arn))])
    error_message = "Must be ARNs of principals, without *."
  }
}

variable "oidc" {
  description = "OIDC_ISSUERS and OIDC_AUDIENCE, which auth = oidc needs."
  type = object({
    issuers  = list(string)
    audience = list(string)
  })
  default = { issuers = [], audience = [] }

  validation {
    condition     = alltrue([for url in var.oidc.issuers : can(regex("^https://[^/?# ]+(/[^?# ,]*)?$", url))])
    error_message = "Issuers must be https URLs without a query."
  }

  validation {
    condition = !strcontains(var.auth, "oidc") || (
      length(var.oidc.issuers) > 0 && length(var.oidc.audience) > 0 && length(var.issuer_cidrs) > 0
    )
    error_message = "Issuers, audience and issuer_cidrs are required by auth = oidc."
  }
}

variable "issuer_cidrs" {
  description = "Networks of the issuers, which the API asks for their keys; the API alone may connect to them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.issuer_cidrs : can(cidrnetmask(cidr))])
    error_message = "Must be IPv4 networks, for example 192.0.2.0/24."
  }
}

variable "policy_url" {
  description = "POLICY_URL: the service that says who may read which files; API and workers ask it."
  type        = string
  default     = ""

  validation {
    condition     = var.policy_url == "" || can(regex("^https?://[^/?# ]+(/[^?# ]*)?$", var.policy_url))
    error_message = "Must be an http or https URL without a query."
  }

  validation {
    condition     = (var.policy_url == "") == (length(var.policy_cidrs) == 0)
    error_message = "policy_url and policy_cidrs are set together or not at all."
  }
}

variable "policy_cidrs" {
  description = "Networks of that service; API and workers alone may connect to them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.policy_cidrs : can(cidrnetmask(cidr))])
    error_message = "Must be IPv4 networks, for example 192.0.2.0/24."
  }
}

variable "policy_token_secret_arn" {
  description = "ARN of a secret whose text is POLICY_TOKEN, the bearer token for that service; you create it."
  type        = string
  default     = null
}

variable "archive_token_secret_arn" {
  description = "ARN of a secret whose text is ARCHIVE_TOKEN, the bearer token for the archive; you create it."
  type        = string
  default     = null
}

variable "share_links" {
  description = "SHARE_LINKS: a cart may be shared with everybody who has the link, also with auth = iam."
  type        = bool
  default     = false
}

variable "download_cidrs" {
  description = "Networks from which signed download and upload URLs work; empty means everywhere."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.download_cidrs : can(cidrnetmask(cidr))])
    error_message = "Must be IPv4 networks, for example 192.0.2.0/24."
  }
}

variable "audit_days" {
  description = "AUDIT_DAYS: days the record of who did what is kept, in the database and in the bundle bucket's access log."
  type        = number
  default     = 365

  validation {
    condition     = var.audit_days >= 1
    error_message = "Must be 1 or more."
  }
}
