"""The same by requests."""

import sys

import requests

answer = requests.get(sys.argv[1], timeout=60)
answer.raise_for_status()
print(answer.text)
