"""50 services deployed one after another, and 4 at once."""

from __future__ import annotations

from bench.common import percentile, table, write_result
from bench.project import project, shop
from tools import images

SERVICES = 50
GROUP = 10
AT_ONCE = 4
NOISE = 1.25


def main() -> list[str]:
    names = [f"s{number:02}" for number in range(SERVICES)]
    services = {name: shop(route={"path": f"/{name}"}) for name in names}
    with project(services) as made:
        first = [made.timed("deploy", name) for name in names]
        # Again, so that each replaces a running one, with all 50 there.
        alone = [made.timed("deploy", name, "--image", f"{images.SHOP_REPOSITORY}:v2") for name in names[:AT_ONCE]]
        together = made.timed("deploy", *names[:AT_ONCE], "--tag", "v1")
    early, late = percentile(first[:GROUP], 0.5), percentile(first[-GROUP:], 0.5)
    figures = {
        "services": SERVICES,
        "first_s": round(first[0], 3),
        "last_s": round(first[-1], 3),
        "first_10_median_s": round(early, 3),
        "last_10_median_s": round(late, 3),
        "one_by_one_s": round(sum(alone), 3),
        "at_once_s": round(together, 3),
        "at_once": AT_ONCE,
    }
    write_result("fleet", figures)
    table(
        f"{SERVICES} services, seconds a deploy",
        ("first 10, median", "last 10, median", f"{AT_ONCE} one by one", f"{AT_ONCE} at once"),
        [[early, late, sum(alone), together]],
    )
    broken = []
    if late > early * NOISE:
        broken.append(f"the last 10 of {SERVICES} took {late:.2f} s each, the first 10 {early:.2f} s")
    if together >= sum(alone):
        broken.append(f"{AT_ONCE} at once took {together:.2f} s, one by one {sum(alone):.2f} s")
    return broken
