"""Prints the page at a URL, by urllib, with whatever the environment says of proxies and authorities."""

import sys
import urllib.request

print(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())
