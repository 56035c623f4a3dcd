# The REST API. Chalice finds a route by its resource, so each is declared; a test compares them with app.py.

locals {
  routes = {
    "/"               = ["GET"]
    "/{uid}"          = ["DELETE", "GET", "HEAD", "POST"]
    "/{uid}/files"    = ["GET"]
    "/{uid}/manifest" = ["POST"]
    "/{uid}/status"   = ["GET"]
  }
  calls = merge([
    for path, methods in local.routes : { for method in methods : "${method} ${path}" => { path = path, method = method } }
  ]...)
  below_cart = toset([for path in keys(local.routes) : split("/", path)[2] if length(split("/", path)) == 3])
  resources = merge(
    { "/" = aws_api_gateway_rest_api.this.root_resource_id, "/{uid}" = aws_api_gateway_resource.cart.id },
    { for part, resource in aws_api_gateway_resource.below_cart : "/{uid}/${part}" => resource.id },
  )
  stage = "api" # api_gateway_stage of .chalice/config.json
}

data "aws_iam_policy_document" "api_callers" {
  statement {
    sid     = "Callers"
    actions = ["execute-api:Invoke"]
    # The full ARN, because AWS expands the short form, which every plan would then show as a change.
    resources = ["${aws_api_gateway_rest_api.this.execution_arn}/${local.stage}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = var.api_allowed_cidrs
    }
  }
}

resource "aws_api_gateway_rest_api" "this" {
  name        = var.name
  description = "Pacifica Data Cart"

  # Bodies pass through unchanged: treating a gzipped manifest as text would corrupt it.
  binary_media_types = ["*/*"]

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_rest_api_policy" "this" {
  count = var.rehearsal ? 0 : 1

  rest_api_id = aws_api_gateway_rest_api.this.id
  policy      = data.aws_iam_policy_document.api_callers.json
}

resource "aws_api_gateway_resource" "cart" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "{uid}"
}

resource "aws_api_gateway_resource" "below_cart" {
  for_each = local.below_cart

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.cart.id
  path_part   = each.key
}

resource "aws_api_gateway_method" "this" {
  for_each = local.calls

  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = local.resources[each.value.path]
  http_method   = each.value.method
  authorization = "NONE" # the resource policy limits callers to api_allowed_cidrs
}

resource "aws_api_gateway_integration" "this" {
  for_each = local.calls

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = local.resources[each.value.path]
  http_method             = aws_api_gateway_method.this[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.api.invoke_arn
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.api.function_name
  principal     = "apigateway.${local.suffix}"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${local.stage}/*"
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  # A stage serves the last deployment, so any change above needs a new one.
  triggers = {
    routes  = jsonencode(local.routes)
    callers = jsonencode(var.api_allowed_cidrs)
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [aws_api_gateway_integration.this, aws_api_gateway_rest_api_policy.this]
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = local.stage

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this["access"].arn
    format = jsonencode({
      time    = "$context.requestTime", id = "$context.requestId", ip = "$context.identity.sourceIp",
      method  = "$context.httpMethod", path = "$context.path", status = "$context.status",
      latency = "$context.responseLatency", bytes = "$context.responseLength", error = "$context.error.message",
    })
  }

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "all" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = false # metrics per route cost $0.30 each; those of the API and the stage are free
    logging_level          = "OFF" # execution logs contain request bodies; the access log records who requested what
    throttling_rate_limit  = var.api_rate
    throttling_burst_limit = var.api_rate * 2
  }
}
