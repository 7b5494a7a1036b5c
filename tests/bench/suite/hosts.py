"""The hosts that a load with --hosts asks, as load/plan.cpp counts them."""

import os


def isolated() -> bool:
    """Whether network and name service are our own: hosts have names then, and are addresses else."""
    return os.environ.get("KEEPWARM_BENCH_ISOLATED") == "1"


def host_address(number: int) -> str:
    return f"127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}"


def host_name(number: int) -> str:
    address = host_address(number)
    return address.replace(".", "-") + ".bench.test" if isolated() else address
