"""gRPC's own Python client on the control socket: reflection, health, status, version metadata, refusals."""

import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

socket, pid, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# The client would send the escaped path as `:authority`, which servers refuse.
channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")])

database = ProtoReflectionDescriptorDatabase(channel)
services = set(database.get_services())
package = "bitrouter.control.v1"
expected = {f"{package}.DaemonService", f"{package}.EnvironmentService", f"{package}.LogService", "grpc.health.v1.Health"}
assert expected <= services, services

pool = descriptor_pool.DescriptorPool(database)
daemon = pool.FindServiceByName(f"{package}.DaemonService")
assert {method.name for method in daemon.methods} == {"Status", "Reload", "Stop", "WatchEvents", "Logs"}, daemon
messages: list[str] = []
for service in sorted(services):
    if service.startswith(package):
        for method in pool.FindServiceByName(service).methods:
            messages += [method.input_type.full_name, method.output_type.full_name]
assert len(messages) == len(set(messages)), f"two methods share a message: {messages}"


def call(method: str, metadata: list[tuple[str, str]] | None = None) -> tuple[object, dict[str, str]]:
    """Calls a unary method of the daemon with an empty request."""
    described = daemon.methods_by_name[method]
    request = message_factory.GetMessageClass(described.input_type)
    reply = message_factory.GetMessageClass(described.output_type)
    stub = channel.unary_unary(
        f"/{daemon.full_name}/{method}",
        request_serializer=request.SerializeToString,
        response_deserializer=reply.FromString,
    )
    answer, info = stub.with_call(request(), metadata=metadata or [], timeout=10)
    return answer, dict(info.initial_metadata())


# A client that announces nothing is served.
status, metadata = call("Status")
assert (status.state, status.pid, status.version) == ("running", pid, version), status
assert metadata["bitrouter-version"] == version, metadata
assert metadata["bitrouter-protocol"] == str(status.protocol), metadata

# Another version is served, another protocol is not, and Status answers under any.
call("Reload", [("bitrouter-version", "99.0.0"), ("bitrouter-protocol", str(status.protocol))])
foreign = [("bitrouter-version", "99.0.0"), ("bitrouter-protocol", "99")]
assert call("Status", foreign)[0].pid == pid
try:
    call("Reload", foreign)
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert b"VERSION_MISMATCH" in details and b"bitrouter" in details, details
    assert version in error.details(), error.details()
else:
    raise AssertionError("another protocol was served")

# Health: SERVING is 1, as a field 1 varint.
health = channel.unary_unary("/grpc.health.v1.Health/Check")
for name in ["", daemon.full_name]:
    request = b"" if not name else b"\x0a" + bytes([len(name)]) + name.encode()
    assert health(request, timeout=10) == b"\x08\x01", name

# More than 4 MiB is refused by name.
large = channel.unary_unary(f"/{daemon.full_name}/Reload")
try:
    large(b"\x12\x80\x80\xc0\x02" + b"x" * (5 << 20), timeout=20)
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
else:
    raise AssertionError("5 MiB were taken")

# Nobody is unknown: a method that does not exist says so.
try:
    channel.unary_unary(f"/{daemon.full_name}/Nothing")(b"", timeout=10)
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
else:
    raise AssertionError("a method that does not exist answered")
