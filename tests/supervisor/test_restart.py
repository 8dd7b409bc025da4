from custodes.runtime.restart import DEGRADED_DELAY_S, MAX_DELAY_S, RestartPolicy
from custodes.units import NS_PER_S, Ns


def _crash_at(policy: RestartPolicy, second: float, *, lived_s: float = 0.0) -> float:
    now_ns = Ns(int(second * NS_PER_S))
    return policy.crashed(started_ns=Ns(now_ns - int(lived_s * NS_PER_S)), now_ns=now_ns)


def test_delay_doubles_when_crashes_follow_each_other() -> None:
    policy = RestartPolicy()
    assert [_crash_at(policy, second) for second in (100, 101, 102, 103)] == [0.2, 0.4, 0.8, 1.6]


def test_process_is_degraded_when_it_crashes_five_times_in_a_minute() -> None:
    policy = RestartPolicy()
    delays = [_crash_at(policy, 100 + second) for second in range(5)]
    assert policy.is_degraded
    assert delays[-1] == DEGRADED_DELAY_S


def test_process_is_not_degraded_when_five_crashes_take_longer_than_a_minute() -> None:
    policy = RestartPolicy()
    delays = [_crash_at(policy, 100 + 16 * number, lived_s=15) for number in range(12)]
    assert not policy.is_degraded
    assert max(delays) == MAX_DELAY_S


def test_crashes_are_forgotten_when_the_process_lived_a_minute() -> None:
    policy = RestartPolicy()
    for second in range(5):
        _crash_at(policy, 100 + second)
    assert _crash_at(policy, 300, lived_s=61) == 0.2
    assert not policy.is_degraded
