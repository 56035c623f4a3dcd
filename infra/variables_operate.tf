# How the site is operated, and whom it tells of carts that are over: docs/operations.md, docs/notifications.md.

variable "ecs_exec" {
  description = "Allow ECS Exec, a shell in a running worker; its root file system is then writable."
  type        = bool
  default     = false
}

variable "oldest_cart_hours" {
  description = "Hours after its POST after which an unfinished cart rings the alarm oldest-cart."
  type        = number
  default     = 24
}

variable "nothing_ready_hours" {
  description = "Hours without a cart becoming ready, while some are unfinished, after which the alarm nothing-ready rings."
  type        = number
  default     = 6
}

variable "notify_egress" {
  description = "Networks and ports that workers may connect to for webhooks and mail; [\"0.0.0.0/0\"] is the internet."
  type = object({
    cidrs = list(string)
    ports = optional(list(number), [443])
  })
  default = { cidrs = [] }

  validation {
    condition     = alltrue([for cidr in var.notify_egress.cidrs : can(cidrnetmask(cidr))])
    error_message = "Must be IPv4 networks, for example 192.0.2.0/24."
  }

  validation {
    condition     = alltrue([for port in var.notify_egress.ports : port > 0 && port < 65536])
    error_message = "Must be ports, 1 to 65535."
  }
}

variable "notify_topic_arn" {
  description = "NOTIFY_TOPIC_ARN: an SNS topic that is told of every cart that is over; you create it."
  type        = string
  default     = null
}

variable "notify_bus_arn" {
  description = "NOTIFY_EVENT_BUS: an EventBridge bus that is told of every cart that is over; you create it."
  type        = string
  default     = null
}

variable "notify_key_secret_arn" {
  description = "Secret whose value is NOTIFY_SIGNING_KEY, which webhooks are signed with; without it there are none."
  type        = string
  default     = null
}

variable "smtp_secret_arn" {
  description = "Secret whose value is SMTP_URL, the mail server with its login; without it there is no mail."
  type        = string
  default     = null
}
