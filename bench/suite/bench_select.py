"""How long does each policy take on a film of 100,000 scanned frames, and each peer on 5,000?

Run `pytest bench/suite/bench_select.py --benchmark-enable`; without it every case runs once, on a
few hundred rows. For figures to quote, `python -m fewframes.bench.research.selection` runs the
same cases on one thread, in processes of their own.
"""

import numpy as np
import pytest

from fewframes.bench.research.selection import BUDGET, CASES, PEERS, film_signatures


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what peers import
@pytest.mark.parametrize("name", CASES)
def bench_select(benchmark, name):
    """One call, from signatures to picks; the call that compiles is not timed."""
    case = CASES[name]
    if case.peer is not None:
        pytest.importorskip(case.peer, reason=f"{PEERS[case.peer]} is not installed")
    rows = 300 if benchmark.disabled else case.rows
    benchmark.group = f"{BUDGET} of {rows}"
    case.pick(film_signatures(200), np.arange(200.0))
    signatures, relevance = film_signatures(rows, kind=case.kind), np.arange(float(rows))
    picks = benchmark.pedantic(case.pick, (signatures, relevance), rounds=5)
    assert len(np.unique(picks)) == BUDGET
