# How much of everything. The defaults are for a small site: tens of carts a day, a terabyte a month.

variable "vpc_cidr" {
  description = "The VPC's network, at least a /22; it must not overlap the archive's."
  type        = string
  default     = "10.82.0.0/20"

  validation {
    condition     = can(cidrsubnets(var.vpc_cidr, 4, 4, 4, 4, 4, 4))
    error_message = "An IPv4 network of at least /24 to be cut in sixteen."
  }
}

variable "zones" {
  description = "Availability zones: 2, or 3."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3], var.zones)
    error_message = "2 or 3."
  }
}

variable "endpoint_zones" {
  description = "Zones with endpoints of AWS's services, each at a price by the hour: 1, or as many as zones."
  type        = number
  default     = 1

  validation {
    condition     = var.endpoint_zones >= 1 && var.endpoint_zones <= var.zones
    error_message = "1 to the number of zones."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone rather than one for all."
  type        = bool
  default     = false
}

variable "database_version" {
  description = "MySQL, major and minor; patches come by themselves."
  type        = string
  default     = "8.4"

  validation {
    condition     = try(tonumber(var.database_version) >= 8.4, false) # 8.0 is past its standard support
    error_message = "8.4 or newer."
  }
}

variable "database_class" {
  description = "Machine of the database."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = startswith(var.database_class, "db.")
    error_message = "An RDS instance class, as db.t4g.small."
  }
}

variable "database_connections" {
  description = "Most connections the database takes; the alarm is at 80 %."
  type        = number
  default     = 100

  # Each request has one, a worker one for each job and three besides; during a deploy there are twice as many workers.
  validation {
    condition = var.database_connections >= 5 + max(var.api_concurrency, 0) + 2 * var.worker_count.most * (
      tonumber(lookup(var.settings, "JOB_CONCURRENCY", "4")) + 3
    )
    error_message = "Too few for api_concurrency and, at a deploy, twice worker_count.most of JOB_CONCURRENCY + 3 each."
  }
}

variable "database_storage_gb" {
  description = "Disk of the database; it grows by itself up to five times that."
  type        = number
  default     = 20

  validation {
    condition     = var.database_storage_gb >= 20
    error_message = "At least 20."
  }
}

variable "database_multi_az" {
  description = "A standby in a second zone: twice the price, a minute's interruption instead of a restore."
  type        = bool
  default     = false
}

variable "database_backup_days" {
  description = "Days any moment of which can be restored."
  type        = number
  default     = 7

  validation {
    condition     = var.database_backup_days >= 1 && var.database_backup_days <= 35
    error_message = "1 to 35."
  }
}

variable "lease" {
  description = "LEASE: seconds after which a silent worker's job goes to another."
  type        = number
  default     = 30

  validation {
    condition     = var.lease >= 2 && var.lease <= 3600
    error_message = "2 to 3600."
  }
}

variable "recall_days" {
  description = "Days a file may stay on tape before its cart fails."
  type        = number
  default     = 7
}

variable "cart_days" {
  description = "Days after its POST in which a cart has to be ready, or it fails; unfinished uploads are kept longer."
  type        = number
  default     = 14

  validation {
    condition     = var.cart_days > var.recall_days
    error_message = "More than recall_days."
  }
}

variable "bundle_days" {
  description = "Days after its last download in which a bundle is kept."
  type        = number
  default     = 14
}

variable "bundle_most_days" {
  description = "Days after which the bucket itself drops a bundle, however often it is downloaded: a backstop for strays."
  type        = number
  default     = 400

  validation {
    condition     = var.bundle_most_days >= 4 * var.bundle_days
    error_message = "At least four times bundle_days: a cart still ready would lose its bundle."
  }
}

variable "volume_limit_gb" {
  description = "Bytes of staged files that are kept, in GiB; the disk itself has no end, so this is what bounds its price."
  type        = number
  default     = 200

  validation {
    condition     = var.volume_limit_gb >= 10
    error_message = "At least 10: a window takes a quarter."
  }
}

variable "volume_throughput" {
  description = "elastic: paid by the byte; provisioned: by the month; bursting: with the size, free, slow while it is empty."
  type        = string
  default     = "elastic"

  validation {
    condition     = contains(["elastic", "provisioned", "bursting"], var.volume_throughput)
    error_message = "elastic, provisioned or bursting."
  }
}

variable "volume_mibps" {
  description = "MiB/s of volume_throughput = provisioned."
  type        = number
  default     = 100
}

variable "volume_one_zone" {
  description = "Keep the volume and the workers in one zone, at half the price: it is a cache, and losing it loses no cart."
  type        = bool
  default     = true
}

variable "api_concurrency" {
  description = "Requests answered at once, each with its database connection; -1 reserves none."
  type        = number
  default     = 20
}

variable "api_rate" {
  description = "Requests a second the API takes in the long run; twice that in a burst."
  type        = number
  default     = 50
}

variable "worker_count" {
  description = "Workers: at least, and at most."
  type = object({
    least = number
    most  = number
  })
  default = { least = 1, most = 4 }

  validation {
    condition     = var.worker_count.least >= 1 && var.worker_count.most >= var.worker_count.least
    error_message = "least is 1 or more, most not below it."
  }
}

variable "worker_cpu" {
  description = "Of a worker, in 1/1024 of a processor."
  type        = number
  default     = 1024
}

variable "worker_memory" {
  description = "Of a worker, in MiB, as Fargate has it for that processor."
  type        = number
  default     = 2048
}

variable "worker_architecture" {
  description = "What the image was built for."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.worker_architecture)
    error_message = "X86_64 or ARM64."
  }
}

variable "worker_spot" {
  description = "Run workers beyond the least on spare machines, at about a third of the price, which may be taken away."
  type        = bool
  default     = false
}

variable "autoscaling" {
  description = "Whether the number of workers follows the backlog; without it there are always the least."
  type        = bool
  default     = true
}

variable "backlog_per_worker" {
  description = "Jobs, waiting and under way, for each of which there should be a worker: JOB_CONCURRENCY or a little more."
  type        = number
  default     = 6
}

variable "log_days" {
  description = "Days logs are kept."
  type        = number
  default     = 30
}
