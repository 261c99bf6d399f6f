"""A strict Cloud Storage server for tests: real HTTP, real generations, every precondition enforced.

No other server that can be run locally refuses a conditional copy, delete or move whose condition does not hold, so
none can show that a rename is conditional. This one follows Google's documentation (each room cites what it follows),
keeps a log of requests, and fails on command.

    with strict_gcs(pubsub="127.0.0.1:8085") as server:
        server.create_bucket("mybucket")
        server.notify("mybucket", "projects/p/topics/t", prefix="pipeline/")
        server.fail("objects.move", status=503, times=2)
        ...
        assert [record.status for record in server.calls("objects.move")] == [503, 503, 200]

The way of a request: `transport` (sockets) -> `service` (routes, log, faults) -> `objects_api`, `buckets_api`,
`uploads`, `batch` -> `state` (one lock) -> `model`, with `preconditions`, `guards`, `listing` and `resources`
as pure rules beside it and `notifications` behind. `clients` points gsutil and gcloud here; `control` and `__main__`
(`python -m tests.emulators.gcs`) are for another process and for trying things out.

Not there: Object Versioning and soft delete (what is deleted is gone; asking for versioning is refused), ACLs,
customer-supplied encryption keys, decompressive transcoding, and the XML API, which none of the clients needs.
"""

from tests.emulators.gcs.faults import Fault
from tests.emulators.gcs.model import StoredObject
from tests.emulators.gcs.notifications import Message
from tests.emulators.gcs.server import StrictGcs, strict_gcs
from tests.emulators.gcs.service import Record

__all__ = ["Fault", "Message", "Record", "StoredObject", "StrictGcs", "strict_gcs"]
