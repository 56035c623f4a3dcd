# The number of workers follows the backlog: messages, waiting and under way, for each worker. Those that wait for tape
# are delayed and do not count. Messages under way do, so that a busy worker is not taken away, and what is taken away
# hands its jobs back.

# Also without autoscaling, to hold the service to the least when that is changed.
resource "aws_appautoscaling_target" "workers" {
  count = var.rehearsal ? 0 : local.workers

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.workers[0].name}"
  min_capacity       = var.worker_count.least
  max_capacity       = var.autoscaling ? var.worker_count.most : var.worker_count.least
}

resource "aws_appautoscaling_policy" "backlog" {
  count = var.autoscaling && !var.rehearsal ? local.workers : 0

  name               = "${var.name}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.workers[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.workers[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.workers[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog_per_worker
    scale_out_cooldown = 60
    scale_in_cooldown  = 900

    customized_metric_specification {
      metrics {
        id          = "waiting"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.jobs.name
            }
          }
        }
      }

      metrics {
        id          = "under_way"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesNotVisible"

            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.jobs.name
            }
          }
        }
      }

      # Each running task reports its processor once a minute: the number of reports is that of the tasks.
      metrics {
        id          = "workers"
        return_data = false

        metric_stat {
          stat = "SampleCount"

          metric {
            namespace   = "AWS/ECS"
            metric_name = "CPUUtilization"

            dimensions {
              name  = "ClusterName"
              value = aws_ecs_cluster.this.name
            }

            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.workers[0].name
            }
          }
        }
      }

      metrics {
        id          = "backlog"
        label       = "jobs for each worker"
        expression  = "(waiting + under_way) / IF(FILL(workers, 0) > 0, workers, 1)"
        return_data = true
      }
    }
  }
}
