# The database.

variable "database_version" {
  description = "MySQL version, major.minor; patches are installed automatically."
  type        = string
  default     = "8.4"

  validation {
    condition     = try(tonumber(var.database_version) >= 8.4, false) # 8.0 is out of standard support
    error_message = "Must be 8.4 or newer."
  }
}

variable "database_class" {
  description = "Instance class of the database."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = startswith(var.database_class, "db.")
    error_message = "Must be an RDS instance class, for example db.t4g.small."
  }
}

variable "database_connections" {
  description = "Maximum number of database connections; the alarm is at 80 %."
  type        = number
  default     = 100

  # A request uses one, a worker one per job plus three; during a deployment there are twice as many workers.
  validation {
    condition = var.database_connections >= 5 + max(var.api_concurrency, 0) + 2 * var.worker_count.most * (
      tonumber(lookup(var.settings, "JOB_CONCURRENCY", "4")) + 3
    )
    error_message = "Too few for api_concurrency plus, in a deployment, 2 * worker_count.most * (JOB_CONCURRENCY + 3)."
  }
}

variable "database_storage_gb" {
  description = "Disk of the database in GiB; it grows automatically to at most five times that."
  type        = number
  default     = 20

  validation {
    condition     = var.database_storage_gb >= 20
    error_message = "Must be at least 20."
  }
}

variable "database_multi_az" {
  description = "A standby in a second zone: twice the price, a minute of interruption instead of a restore."
  type        = bool
  default     = false
}

variable "database_apply_immediately" {
  description = "Make changes of the database at once, with a restart where they need one; otherwise in the maintenance window."
  type        = bool
  default     = true
}

variable "database_backup_days" {
  description = "Days of point-in-time recovery."
  type        = number
  default     = 7

  validation {
    condition     = var.database_backup_days >= 1 && var.database_backup_days <= 35
    error_message = "Must be from 1 to 35."
  }
}
