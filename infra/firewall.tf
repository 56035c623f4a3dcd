# Network access: a security group for each component and a rule for each arrow of the diagram in docs/deploy.md.

locals {
  parts = {
    lambda    = "API and sweep"
    callout   = "API only: issuers and the policy service"
    workers   = "Workers and dbsync"
    database  = "MySQL"
    volume    = "The volume"
    endpoints = "Endpoints of AWS services"
  }
  lines = {
    lambda-database   = 3306
    workers-database  = 3306
    workers-volume    = 2049
    lambda-endpoints  = 443
    workers-endpoints = 443
  }
  ports = {
    for url in concat([var.archive_url], var.oidc.issuers, compact([var.policy_url])) : url => try(
      tonumber(regex("^https?://[^/]+:([0-9]+)", url)[0]), startswith(url, "https") ? 443 : 80
    )
  }
  archive_port = local.ports[var.archive_url]

  # Who goes where outside, beside the workers to the archive. Two equal rules of one group would be refused.
  callouts = [
    { part = "callout", cidrs = var.issuer_cidrs, urls = var.oidc.issuers },
    { part = "callout", cidrs = var.policy_cidrs, urls = compact([var.policy_url]) },
    { part = "workers", cidrs = var.policy_cidrs, urls = compact([var.policy_url]) },
  ]
  callout_rules = distinct(concat(local.notify_rules, flatten([
    for callout in local.callouts : [
      for pair in setproduct(callout.cidrs, callout.urls) : {
        part = callout.part, cidr = pair[0], port = local.ports[pair[1]]
      }
      if !(callout.part == "workers" && contains(var.archive_cidrs, pair[0]) && local.ports[pair[1]] == local.archive_port)
    ]
  ])))

  # Webhooks and mail: the workers alone tell others of carts that are over.
  notify_rules = [
    for pair in setproduct(var.notify_egress.cidrs, var.notify_egress.ports) : {
      part = "workers", cidr = pair[0], port = pair[1]
    }
    if !(contains(var.archive_cidrs, pair[0]) && pair[1] == local.archive_port)
  ]
}

resource "aws_security_group" "this" {
  for_each = local.parts

  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each = local.lines

  security_group_id            = aws_security_group.this[split("-", each.key)[0]].id
  referenced_security_group_id = aws_security_group.this[split("-", each.key)[1]].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = each.key
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each = local.lines

  security_group_id            = aws_security_group.this[split("-", each.key)[1]].id
  referenced_security_group_id = aws_security_group.this[split("-", each.key)[0]].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = each.key
}

resource "aws_vpc_security_group_egress_rule" "store" {
  for_each = toset(["lambda", "workers"])

  security_group_id = aws_security_group.this[each.key].id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "bundle store"
}

resource "aws_vpc_security_group_egress_rule" "archive" {
  for_each = toset(var.archive_cidrs)

  security_group_id = aws_security_group.this["workers"].id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.archive_port
  to_port           = local.archive_port
  description       = "archive"
}

resource "aws_vpc_security_group_egress_rule" "callout" {
  for_each = { for rule in local.callout_rules : "${rule.part} ${rule.cidr} ${rule.port}" => rule }

  security_group_id = aws_security_group.this[each.value.part].id
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  description       = "issuers, policy and notifications"
}
