"""Sends the interop test's spans: protocol in argv[1] (grpc, http/protobuf), the rest from the
OTEL_* variables. Prints the trace id."""
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

provider = TracerProvider(
    resource=Resource.create({"service.name": "interop-python", "interop.list": ["a", "b"]}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("weft.interop", "1.2.3")

root = tracer.start_span("root", kind=SpanKind.SERVER, attributes={
    "text": "Grüße 🧵", "empty": "", "yes": True, "no": False, "int": 42, "negative": -7,
    "big": 9007199254740991, "double": 2.5, "texts": ["a", "b"], "ints": [1, 2, 3],
    "doubles": [0.5, 1.5], "bools": [True, False],
    "bytes": b"\x00\xff\x10", "mixed": ["a", 1, True, 2.5], "nested": [["a", 1], [True]],
    "map": {"inner": {"n": 1}, "list": ["x", 2.5]}, "gaps": ["a", None], "none": None,
})
root.add_event("happened", {"n": 7, "what": "it"})
child = tracer.start_span(
    "child", context=trace.set_span_in_context(root), kind=SpanKind.CLIENT,
    links=[Link(root.get_span_context(), {"why": "test"})])
child.set_status(Status(StatusCode.ERROR, "it failed"))
child.end()
root.end()
provider.force_flush()
provider.shutdown()
print(trace.format_trace_id(root.get_span_context().trace_id))
