# Capacity. The defaults suit a small site: tens of carts a day, a terabyte a month.

variable "vpc_cidr" {
  description = "The VPC's network, a /22 or larger; it must not overlap the archive's networks."
  type        = string
  default     = "10.82.0.0/20"

  validation {
    condition     = can(cidrsubnets(var.vpc_cidr, 4, 4, 4, 4, 4, 4))
    error_message = "Must be an IPv4 network of /24 or larger, which is split into sixteen subnets."
  }
}

variable "zones" {
  description = "Number of availability zones: 2 or 3."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3], var.zones)
    error_message = "Must be 2 or 3."
  }
}

variable "zone_names" {
  description = "Names of the availability zones; by default the region's first ones. Volume and workers in one zone take the first."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zone_names) == 0 || length(distinct(var.zone_names)) >= var.zones
    error_message = "Must name as many zones as the variable zones says."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone instead of one for all."
  type        = bool
  default     = false
}

variable "lease" {
  description = "LEASE: seconds without a heartbeat after which a worker's job goes to another worker."
  type        = number
  default     = 30

  validation {
    condition     = var.lease >= 2 && var.lease <= 3600
    error_message = "Must be from 2 to 3600."
  }
}

variable "recall_days" {
  description = "Days a recall from tape may take before its cart fails."
  type        = number
  default     = 7
}

variable "cart_days" {
  description = "Days from POST until a cart must be ready or fail; unfinished uploads are kept longer."
  type        = number
  default     = 14

  validation {
    condition     = var.cart_days > var.recall_days
    error_message = "Must be more than recall_days."
  }
}

variable "bundle_days" {
  description = "Days a bundle is kept after its last download."
  type        = number
  default     = 14
}

variable "bundle_most_days" {
  description = "Days after which the bucket deletes any bundle, even one in use: a backstop for orphaned objects."
  type        = number
  default     = 400

  validation {
    condition     = var.bundle_most_days >= 4 * var.bundle_days
    error_message = "Must be at least four times bundle_days; otherwise a ready cart could lose its bundle."
  }
}

variable "volume_limit_gb" {
  description = "Limit of the staged files in GiB; EFS itself has no limit, so this bounds its price."
  type        = number
  default     = 200

  validation {
    condition     = var.volume_limit_gb >= 10
    error_message = "Must be at least 10, because a window takes up to a quarter of it."
  }
}

variable "volume_throughput" {
  description = "elastic: paid per byte; provisioned: paid per month; bursting: free, slow while little is stored."
  type        = string
  default     = "elastic"

  validation {
    condition     = contains(["elastic", "provisioned", "bursting"], var.volume_throughput)
    error_message = "Must be elastic, provisioned or bursting."
  }
}

variable "volume_mibps" {
  description = "MiB/s for volume_throughput = provisioned."
  type        = number
  default     = 100
}

variable "volume_one_zone" {
  description = "Keep volume and workers in one zone at half the price; the volume is a cache, losing it loses no cart."
  type        = bool
  default     = true
}

variable "api_concurrency" {
  description = "Reserved concurrency of the API; each request has its own database connection. -1 reserves none."
  type        = number
  default     = 20
}

variable "api_rate" {
  description = "Sustained requests per second of the API; bursts may be twice as high."
  type        = number
  default     = 50
}

variable "worker_count" {
  description = "Minimum and maximum number of workers."
  type = object({
    least = number
    most  = number
  })
  default = { least = 1, most = 4 }

  validation {
    condition     = var.worker_count.least >= 1 && var.worker_count.most >= var.worker_count.least
    error_message = "least must be 1 or more, and most must not be below least."
  }
}

variable "worker_cpu" {
  description = "CPU of a worker, in 1/1024 vCPU."
  type        = number
  default     = 1024
}

variable "worker_memory" {
  description = "Memory of a worker in MiB, one of the values that Fargate allows for worker_cpu."
  type        = number
  default     = 2048
}

variable "worker_architecture" {
  description = "CPU architecture of the workers' image."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.worker_architecture)
    error_message = "Must be X86_64 or ARM64."
  }
}

variable "worker_spot" {
  description = "Run workers above the minimum on Fargate Spot: about a third of the price, but AWS may stop them."
  type        = bool
  default     = false
}

variable "autoscaling" {
  description = "Scale the number of workers with the backlog; without it the minimum always runs."
  type        = bool
  default     = true
}

variable "backlog_per_worker" {
  description = "Target of waiting and in-flight jobs per worker: JOB_CONCURRENCY or a little more."
  type        = number
  default     = 6
}

variable "log_days" {
  description = "Log retention in days."
  type        = number
  default     = 30
}
