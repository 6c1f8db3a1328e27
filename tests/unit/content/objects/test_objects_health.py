"""The circuit breaker of an endpoint."""

from ipfs_accelerate.content.objects import Health, HealthPolicy, State

POLICY = HealthPolicy(failures_to_open=3, first_pause_ns=100, longest_pause_ns=350)


def opened(at_ns=0):
    health = Health(POLICY)
    for _ in range(3):
        health.begin()
        health.failed(at_ns)
    return health


def test_it_opens_after_failures_in_a_row_only():
    health = Health(POLICY)
    for _ in range(5):
        health.failed(0)
        health.failed(0)
        health.answered(7)
    assert health.state is State.CLOSED
    assert opened().state is State.OPEN


def test_one_probe_goes_through_after_the_pause():
    health = opened(at_ns=50)
    assert not health.admits(149)
    assert health.wait_ns(60) == 90
    assert health.admits(150)
    health.begin()
    assert health.state is State.HALF_OPEN
    assert not health.admits(10_000)  # none beside the probe


def test_the_probe_decides():
    health = opened()
    health.begin()
    health.answered(5)
    assert health.state is State.CLOSED
    assert health.consecutive_failures == 0


def test_failed_probes_double_the_pause_up_to_its_bound():
    health, now, pauses = opened(), 0, []
    for _ in range(4):
        pauses.append(health.wait_ns(now))
        now += pauses[-1]
        health.begin()
        health.failed(now)
    assert pauses == [100, 200, 350, 350]


def test_late_failures_of_one_outage_do_not_lengthen_the_pause():
    health = opened()
    health.failed(40)
    health.failed(60)
    assert health.wait_ns(0) == 100


def test_a_success_forgets_the_long_pause():
    health = opened()
    health.begin()
    health.failed(100)
    health.begin()
    health.answered(None)
    for _ in range(3):
        health.failed(1000)
    assert health.wait_ns(1000) == 100


def test_an_abandoned_probe_leaves_another_due():
    health = opened()
    health.begin()
    health.abandoned(500)
    assert health.admits(500)


def test_latency_is_a_moving_average_of_answers():
    health = Health(HealthPolicy(alpha=0.5))
    assert health.latency_ns is None
    health.answered(100)
    health.answered(200)
    health.answered(None)
    assert health.latency_ns == 150
