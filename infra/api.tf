# The REST API. Chalice finds a route by its resource, so each is declared; a test compares them with app.py.

locals {
  routes = {
    "/"                        = ["GET", "OPTIONS"]
    "/-/carts"                 = ["GET", "OPTIONS"]
    "/-/healthz"               = ["GET", "OPTIONS"]
    "/-/limits"                = ["GET", "OPTIONS"]
    "/-/metrics"               = ["GET", "OPTIONS"]
    "/-/readyz"                = ["GET", "OPTIONS"]
    "/-/notify-keys"           = ["GET", "OPTIONS"]
    "/-/shared/{token}"        = ["GET", "HEAD", "OPTIONS"]
    "/-/shared/{token}/files"  = ["GET", "OPTIONS"]
    "/-/shared/{token}/status" = ["GET", "OPTIONS"]
    "/{uid}"                   = ["DELETE", "GET", "HEAD", "OPTIONS", "POST"]
    "/{uid}/files"             = ["GET", "OPTIONS"]
    "/{uid}/manifest"          = ["OPTIONS", "POST"]
    "/{uid}/shares"            = ["GET", "OPTIONS", "POST"]
    "/{uid}/shares/{share}"    = ["DELETE", "OPTIONS"]
    "/{uid}/status"            = ["GET", "OPTIONS"]
  }
  calls = merge([
    for path, methods in local.routes : {
      for method in methods : "${method} ${path}" => {
        path          = path
        method        = method
        authorization = local.signed && !contains(local.unsigned, "${method} ${path}") ? "AWS_IAM" : "NONE"
      }
    }
  ]...)

  # With auth = iam, what may be called without a signature: preflights, which no browser signs, and what has no owner.
  signed = var.auth == "iam"
  unsigned = concat(
    [for path in keys(local.routes) : "OPTIONS ${path}"], ["GET /", "GET /-/healthz", "GET /-/readyz", "GET /-/notify-keys"],
    var.share_links ? flatten([
      for path, methods in local.routes : [for method in methods : "${method} ${path}"] if startswith(path, "/-/shared/")
    ]) : [],
  )
  binary_types = ["*/*"]
  stage        = "api" # api_gateway_stage of .chalice/config.json
}

resource "aws_api_gateway_rest_api" "this" {
  name        = var.name
  description = "Pacifica Data Cart"

  # Bodies pass through unchanged: treating a gzipped manifest as text would corrupt it.
  binary_media_types = local.binary_types

  # Beside a domain it would be a second way in, past what guards the domain.
  disable_execute_api_endpoint = var.domain != null

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_method" "this" {
  for_each = local.calls

  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = local.resources[each.value.path]
  http_method   = each.value.method
  authorization = each.value.authorization
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

  # A stage serves the last deployment, so any change of what it serves needs a new one. What is missing here would be
  # planned and applied, and not be served.
  triggers = {
    calls     = jsonencode(local.calls)
    callers   = jsonencode([var.api_allowed_cidrs, local.signed, var.iam_principals])
    responses = jsonencode(local.gateway_responses)
    binary    = jsonencode(local.binary_types)
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [
    aws_api_gateway_integration.this, aws_api_gateway_method.this, aws_api_gateway_rest_api_policy.this,
    aws_api_gateway_gateway_response.this,
  ]
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = local.stage

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this["access"].arn
    # The resource's path and not the request's, which may contain a share's token.
    format = jsonencode({
      time     = "$context.requestTime", id = "$context.requestId", ip = "$context.identity.sourceIp",
      identity = "$context.identity.userArn", method = "$context.httpMethod", path = "$context.resourcePath",
      status   = "$context.status", latency = "$context.responseLatency", bytes = "$context.responseLength",
      error    = "$context.error.responseType",
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
