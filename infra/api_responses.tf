# What API Gateway answers by itself, in the form of docs/api.md: JSON, and for HEAD the two headers.

locals {
  # Type -> status (null leaves API Gateway's own), message and further headers. Unknown addresses and methods are a missing
  # authentication token to API Gateway, and so is a missing signature.
  gateway_responses = {
    MISSING_AUTHENTICATION_TOKEN = local.signed ? {
      status  = "401", message = "Sign the request with AWS Signature Version 4. Unknown addresses answer the same."
      headers = { WWW-Authenticate = "AWS4-HMAC-SHA256" }
      } : {
      status  = "404", message = "There is nothing at this address for this method: see docs/api.md."
      headers = {}
    }
    ACCESS_DENIED     = { status = "403", message = "This login or address may not call the API.", headers = {} }
    UNAUTHORIZED      = { status = "401", message = "Log in.", headers = { WWW-Authenticate = "Bearer" } }
    INVALID_SIGNATURE = { status = "403", message = "The request's signature is wrong.", headers = {} }
    EXPIRED_TOKEN     = { status = "403", message = "The AWS credentials have expired.", headers = {} }
    THROTTLED         = { status = "429", message = "Too many requests at once.", headers = { Retry-After = "5" } }
    REQUEST_TOO_LARGE = {
      status = "413", message = "The body is too large: upload the manifest, see docs/api.md.", headers = {}
    }
    INTEGRATION_TIMEOUT = { status = null, message = "The service took too long.", headers = { Retry-After = "5" } }
    INTEGRATION_FAILURE = { status = null, message = "The service cannot answer now.", headers = { Retry-After = "5" } }
    DEFAULT_4XX         = { status = null, message = "API Gateway refused the request.", headers = {} }
    DEFAULT_5XX         = { status = null, message = "API Gateway failed.", headers = {} }
  }
  unavailable = ["INTEGRATION_TIMEOUT", "INTEGRATION_FAILURE", "DEFAULT_5XX"]
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each = local.gateway_responses

  rest_api_id   = aws_api_gateway_rest_api.this.id
  response_type = each.key
  status_code   = each.value.status

  # A cart of which nothing is known has not failed, so clients ask again.
  response_parameters = { for name, value in merge(each.value.headers, {
    X-Pacifica-Status      = contains(local.unavailable, each.key) ? "unavailable" : "error"
    X-Pacifica-Message     = each.value.message
    Cache-Control          = "no-store"
    X-Content-Type-Options = "nosniff"
  }) : "gatewayresponse.header.${name}" => "'${value}'" }
  response_templates = { "application/json" = jsonencode({ status = "error", message = each.value.message }) }
}
