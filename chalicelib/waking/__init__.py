"""JOB_QUEUE=database: the jobs table is the queue, and this wakes idle workers of the machine (ADR 0045).

It knows no table. The wiring builds it for every process; workers also sleep in it.
"""
