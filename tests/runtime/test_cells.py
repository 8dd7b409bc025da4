"""Where analysis cells run: in this process, in one beside it, in a Ray cluster; all keep the same contract."""

import msgspec
import pytest

from custodes.errors import Unavailable
from custodes.runtime.cell_process import ProcessHost
from custodes.runtime.cells import Answer, CellRunner, InlineHost, Lot
from custodes.runtime.ray_cells import RayHost, connect
from custodes.testing.cells import PLAN, check_host, check_large, check_poison, expected, items_of, run


def test_cells_in_this_process_keep_the_contract():
    check_host(InlineHost(), kills=False)


def test_cells_in_processes_of_their_own_keep_the_contract():
    check_host(ProcessHost())


def test_lots_and_answers_larger_than_a_pipe_pass_each_other():
    check_large(ProcessHost())


@pytest.mark.slow
def test_what_kills_a_process_twice_is_left_out():
    check_poison(ProcessHost())


@pytest.mark.slow
def test_cells_in_a_ray_cluster_keep_the_contract(monkeypatch):
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    ray = connect("local")
    try:
        host = RayHost(ray, labels={})
        check_host(host)
        check_poison(host)
        with pytest.raises(Unavailable, match="labels: zone=nowhere"):
            RayHost(ray, labels={"zone": "nowhere"}).start("x", PLAN)
    finally:
        ray.shutdown()


@pytest.mark.parametrize("fault", ["loses an output", "forgets its states", "works twice"])
def test_the_suite_fails_a_host_that(fault):
    class Faulty(InlineHost):
        def start(self, name, plan):
            replica = super().start(name, plan)
            take = replica._replica.take

            def faulty(packed):
                lot = msgspec.msgpack.decode(packed, type=Lot)
                if fault == "forgets its states":
                    packed = msgspec.msgpack.encode(msgspec.structs.replace(lot, states=[]))
                if fault == "works twice" and lot.items:
                    packed = msgspec.msgpack.encode(msgspec.structs.replace(lot, items=[*lot.items, lot.items[-1]]))
                answer = msgspec.msgpack.decode(take(packed), type=Answer)
                if fault == "loses an output" and len(answer.outputs) > 1:
                    answer = msgspec.structs.replace(answer, outputs=answer.outputs[:-1])
                return msgspec.msgpack.encode(answer)

            replica._replica.take = faulty
            return replica

    with pytest.raises(AssertionError):
        check_host(Faulty(), kills=False)


def test_a_cell_without_a_place_waits_for_one_and_loses_nothing():
    class Full(InlineHost):
        refusals = 3

        def start(self, name, plan):
            if self.refusals:
                self.refusals -= 1
                raise Unavailable("no machine has room")
            return super().start(name, plan)

    now_s = [0.0]

    def later():
        now_s[0] += 1.0
        return now_s[0]

    runner, items = CellRunner(Full(), "waits", PLAN, now_s=later), items_of(["a"], 40)
    assert run(runner, items) == expected(items)
    assert (runner.losses, runner.skipped) == (0, 0)
