"""The benchmark behind tests/bench/run.sh.

process.py     a program in a folder and on a CPU of its own; what it costs
tools.py       origin, load and relay, which tests/bench/CMakeLists.txt builds
peers.py       keepwarm and what it is compared with, each with its configuration
local_ca.py    the authority of those that intercept
compare.py     one kind of load on all peers in turn, over and over
counting.py    what does not depend on the machine's mood: system calls and instructions for each exchange
builds.py      keepwarm against another build of it
scenarios.py   the list of scenarios
burst.py       thousands of clients at once
special.py     those that are not a load on all peers: memory, first visits, the stale race
report.py      tables
"""
