package interop;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.KeyValue;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.concurrent.TimeUnit;

/**
 * Sends the interop test's spans: protocol in the first argument (grpc, http/protobuf), endpoint and
 * compression from the OTEL_* variables. Prints the trace id.
 */
public final class Send {
  private static SpanExporter exporter(String protocol) {
    String endpoint = System.getenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    String compression = System.getenv().getOrDefault("OTEL_EXPORTER_OTLP_COMPRESSION", "none");
    if (protocol.equals("grpc")) {
      return OtlpGrpcSpanExporter.builder().setEndpoint(endpoint).setCompression(compression)
          .build();
    }
    return OtlpHttpSpanExporter.builder().setEndpoint(endpoint + "/v1/traces")
        .setCompression(compression).build();
  }

  public static void main(String[] arguments) {
    Resource resource = Resource.create(Attributes.builder()
        .put("service.name", "interop-java").put("interop.list", "a", "b").build());
    SdkTracerProvider provider = SdkTracerProvider.builder().setResource(resource)
        .addSpanProcessor(BatchSpanProcessor.builder(exporter(arguments[0])).build()).build();
    Tracer tracer = provider.tracerBuilder("weft.interop").setInstrumentationVersion("1.2.3")
        .build();

    Span root = tracer.spanBuilder("root").setNoParent().setSpanKind(SpanKind.SERVER)
        .setAttribute("text", "Grüße 🧵").setAttribute("empty", "").setAttribute("yes", true)
        .setAttribute("no", false).setAttribute("int", 42).setAttribute("negative", -7)
        .setAttribute("big", 9007199254740991L).setAttribute("double", 2.5)
        .setAllAttributes(Attributes.builder().put("texts", "a", "b").put("ints", 1, 2, 3)
            .put("doubles", 0.5, 1.5).put("bools", true, false)
            .put(AttributeKey.valueKey("bytes"), Value.of(new byte[] {0, (byte) 255, 16}))
            .put(AttributeKey.valueKey("mixed"),
                Value.of(Value.of("a"), Value.of(1), Value.of(true), Value.of(2.5)))
            .put(AttributeKey.valueKey("nested"),
                Value.of(Value.of(Value.of("a"), Value.of(1)), Value.of(Value.of(true))))
            .put(AttributeKey.valueKey("map"),
                Value.of(KeyValue.of("inner", Value.of(KeyValue.of("n", Value.of(1)))),
                    KeyValue.of("list", Value.of(Value.of("x"), Value.of(2.5)))))
            .build())
        .startSpan();
    root.addEvent("happened", Attributes.of(AttributeKey.longKey("n"), 7L,
        AttributeKey.stringKey("what"), "it"));
    Span child = tracer.spanBuilder("child").setParent(Context.root().with(root))
        .setSpanKind(SpanKind.CLIENT)
        .addLink(root.getSpanContext(), Attributes.of(AttributeKey.stringKey("why"), "test"))
        .startSpan();
    child.setStatus(StatusCode.ERROR, "it failed");
    child.end();
    root.end();
    provider.forceFlush().join(20, TimeUnit.SECONDS);
    provider.shutdown().join(20, TimeUnit.SECONDS);
    System.out.println(root.getSpanContext().getTraceId());
  }
}
