# VPC endpoints of AWS services, so that neither the API nor the workers need the internet.

locals {
  pull = {
    PullImage = {
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = [aws_ecr_repository.workers.arn]
    }
    RegistryLogin = { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] } # this ECR action has no resource level
  }

  # What the API uses is in every zone, so that it outlives any of them. Endpoints are paid by zone and hour.
  of_workers = ["ecr.api", "ecr.dkr", "logs", "ssmmessages", "sns", "events"]

  # Each endpoint allows only the actions used here on this site's resources: other accounts' credentials are useless.
  always = {
    "ecr.api" = local.pull
    "ecr.dkr" = local.pull
    logs = {
      Write = { actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = [local.log_streams.workers] }
    }
    secretsmanager = {
      Login = {
        actions = ["secretsmanager:GetSecretValue"]
        resources = concat(
          [local.database_secret_arn], [for secret in aws_secretsmanager_secret.database : secret.arn],
          values(local.worker_secrets),
        )
      }
      Users = {
        actions   = ["secretsmanager:PutSecretValue"]
        resources = [for secret in aws_secretsmanager_secret.database : secret.arn]
      }
    }
    sqs = {
      Jobs = {
        actions = [
          "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
          "sqs:SendMessage",
        ]
        resources = [local.queue_arn, local.dead_arn]
      }
    }
    sts = {
      Sign = { actions = ["sts:AssumeRole"], resources = [local.signing_role_arn] }
    }
  }
  endpoints = merge(
    local.always,
    !var.ecs_exec ? {} : {
      ssmmessages = { Shell = { actions = local.exec_actions, resources = ["*"] } }
    },
    var.notify_topic_arn == null ? {} : {
      sns = { Notify = { actions = ["sns:Publish"], resources = [var.notify_topic_arn] } }
    },
    var.notify_bus_arn == null ? {} : {
      events = { Notify = { actions = ["events:PutEvents"], resources = [var.notify_bus_arn] } }
    },
  )
}

# All calls of these roles come through the endpoints, so their credentials are denied from anywhere else.
data "aws_iam_policy_document" "from_here_only" {
  statement {
    sid       = "FromHereOnly"
    effect    = "Deny"
    actions   = ["s3:*", "secretsmanager:*", "sqs:*", "sts:*"]
    resources = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "aws:SourceVpc"
      values   = [aws_vpc.this.id]
    }
  }
}

resource "aws_iam_role_policy" "from_here_only" {
  for_each = merge(local.code_roles, { migrate = aws_iam_role.migrate.id, operate = aws_iam_role.operate.id })

  name   = "from-here-only"
  role   = each.value
  policy = data.aws_iam_policy_document.from_here_only.json
}

data "aws_iam_policy_document" "endpoints" {
  for_each = local.endpoints

  dynamic "statement" {
    for_each = each.value

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
    }
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = contains(local.of_workers, each.key) ? local.worker_subnets : aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.this["endpoints"].id]
  policy              = data.aws_iam_policy_document.endpoints[each.key].json

  tags = { Name = "${var.name}-${each.key}" }
}

# A gateway endpoint: free, also per byte.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = aws_route_table.private[*].id
  policy            = data.aws_iam_policy_document.s3_endpoint.json

  tags = { Name = "${var.name}-s3" }
}

# A compromised worker cannot copy bundles to another account's bucket.
data "aws_iam_policy_document" "s3_endpoint" {
  statement {
    sid = "Bundles"
    actions = [
      "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
    ]
    resources = ["${local.bucket_arn}/carts/*", "${local.bucket_arn}/doctor/*", "${local.bucket_arn}/manifests/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "BundleLists"
    actions   = ["s3:GetLifecycleConfiguration", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "ImageLayers" # the bucket where ECR stores them
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}
