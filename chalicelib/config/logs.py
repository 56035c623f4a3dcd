"""One log format for every process."""

from __future__ import annotations

import logging


def configure(level: str) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(threadName)s %(name)s %(message)s")
    logging.getLogger().setLevel(level)
    for chatty in ("botocore", "boto3", "urllib3"):  # at INFO they log where each of their settings comes from
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
