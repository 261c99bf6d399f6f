"""Which reason a run is given for each error of the storage."""

from __future__ import annotations

import pytest

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.reasons import Reason
from poltergust.runs.storage_reasons import storage_reasons
from poltergust.stores import Conflict, Denied, DiskFull, NameTooLong, NotFound, StoreError, Unavailable


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (Unavailable("503"), Temporary, Reason.STORAGE_UNAVAILABLE),
        (Denied("403"), Temporary, Reason.STORAGE_DENIED),
        (DiskFull("no space left"), NodeError, Reason.DISK_FULL),
        (NameTooLong("too long"), Permanent, Reason.NAME_TOO_LONG),
        (NotFound("gone"), Temporary, Reason.STORAGE_UNAVAILABLE),
        (Conflict("replaced"), Temporary, Reason.STORAGE_UNAVAILABLE),
    ],
)
def test_each_error_of_the_storage_has_its_reason(error: StoreError, kind: type[RunError], reason: Reason) -> None:
    with pytest.raises(kind) as caught, storage_reasons():
        raise error
    assert (caught.value.reason, str(caught.value)) == (reason, str(error))


def test_the_delay_that_the_store_asks_for_is_kept() -> None:
    with pytest.raises(Temporary) as caught, storage_reasons():
        raise Unavailable("still being written to", delay=1.0)
    assert caught.value.delay == 1.0
