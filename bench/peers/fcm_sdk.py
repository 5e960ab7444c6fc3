"""Google's own SDK for FCM as its documentation uses it: batches of 500, one after another.

REQUESTS_CA_BUNDLE=PEM python -m bench.peers.fcm_sdk URL COUNT KEY   # the file of a service account
"""

import sys
import time
from typing import Any
from urllib.parse import urlsplit

import firebase_admin
from firebase_admin import credentials, messaging

BATCH = 500  # as many as ``send_each`` takes
TEXT = "the grid is lost, the load is on the inverter"


def send(url: str, count: int, key: str) -> float:
    """Send so many texts; return how many seconds it took."""
    app = firebase_admin.initialize_app(credentials.Certificate(key))
    service: Any = messaging._get_messaging_service(app)
    service._fcm_url = url + urlsplit(service._fcm_url).path
    began_s = time.perf_counter()
    for first in range(0, count, BATCH):
        texts = [
            messaging.Message(
                token=f"token-{number}", notification=messaging.Notification(body=TEXT)
            )
            for number in range(first, min(first + BATCH, count))
        ]
        batch = messaging.send_each(texts, app=app)
        if batch.failure_count:
            raise next(each.exception for each in batch.responses if each.exception)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    sys.stdout.write(f"{send(sys.argv[1], int(sys.argv[2]), sys.argv[3])}\n")
