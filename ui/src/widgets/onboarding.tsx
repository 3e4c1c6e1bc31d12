// An empty store: how to send the first span, ready to paste: by curl, and in five languages.

import { useEffect, useRef, useState } from "preact/hooks";
import { search } from "../api/endpoints.ts";
import { nanoToMs } from "../api/types.ts";
import { patchAddress } from "../base/router.ts";
import { copyText, toast } from "./announce.tsx";
import { Icon } from "./icons.tsx";
import { defaultSpanMs } from "./range_picker.tsx";
import { config } from "./service_name.tsx";

const kLanguages: Record<string, (http: string) => string> = {
  curl: (http) => `now=$(date +%s)
curl ${http}/v1/traces -H "Content-Type: application/json" -d '{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "hello"}}]},
  "scopeSpans": [{"spans": [{
    "traceId": "'$(od -An -N16 -tx1 /dev/urandom | tr -d " ")'",
    "spanId": "'$(od -An -N8 -tx1 /dev/urandom | tr -d " ")'",
    "name": "first span", "kind": 1,
    "startTimeUnixNano": "'$now'000000000", "endTimeUnixNano": "'$now'250000000",
    "attributes": [{"key": "greeting", "value": {"stringValue": "hello"}}]
  }]}]
}]}'`,
  "C++": (http) => `// With Weft's SDK installed: find_package(weft COMPONENTS exporters), then link weft::exporters.
// OTEL_EXPORTER_OTLP_ENDPOINT=${http} ./hello
#include <weft/init.h>
#include <weft/tracer.h>

int main() {
  auto sdk = weft::init_from_env({.service_name = "hello"});
  weft::Span span = weft::tracer("hello").start_span("first span");
  span.set("greeting", "hello");
}  // the span ends; what is queued goes out`,
  JavaScript: (http) => `// npm install @opentelemetry/sdk-node @opentelemetry/exporter-trace-otlp-http
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { trace } = require("@opentelemetry/api");

const sdk = new NodeSDK({
  serviceName: "hello",
  traceExporter: new OTLPTraceExporter({ url: "${http}/v1/traces" }),
});
sdk.start();
trace.getTracer("hello").startActiveSpan("first span", (span) => {
  span.setAttribute("greeting", "hello");
  span.end();
});
sdk.shutdown();`,
  Python: (http) => `# pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "hello"}))
provider.add_span_processor(
    BatchSpanProcessor(OTLPSpanExporter(endpoint="${http}/v1/traces")))
trace.set_tracer_provider(provider)

with trace.get_tracer("hello").start_as_current_span("first span") as span:
    span.set_attribute("greeting", "hello")
provider.shutdown()`,
  Go: (http) => `// go get go.opentelemetry.io/otel/sdk \\
//   go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp
package main

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL("${http}/v1/traces"))
	if err != nil {
		panic(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "hello"))))
	_, span := provider.Tracer("hello").Start(ctx, "first span")
	span.SetAttributes(attribute.String("greeting", "hello"))
	span.End()
	provider.Shutdown(ctx)
}`,
  Java: (http) => `// Maven: io.opentelemetry:opentelemetry-sdk and io.opentelemetry:opentelemetry-exporter-otlp, 1.50 or newer.
// A service needs no code at all: java -javaagent:opentelemetry-javaagent.jar with
// OTEL_SERVICE_NAME=hello OTEL_EXPORTER_OTLP_ENDPOINT=${http}
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;

public class Hello {
  public static void main(String[] args) {
    var exporter = OtlpHttpSpanExporter.builder().setEndpoint("${http}/v1/traces").build();
    try (var provider = SdkTracerProvider.builder()
        .addSpanProcessor(BatchSpanProcessor.builder(exporter).build())
        .addResource(Resource.builder().put("service.name", "hello").build())
        .build()) {
      Span span = provider.get("hello").spanBuilder("first span").startSpan();
      span.setAttribute("greeting", "hello");
      span.end();
    }
  }
}`,
};

function endpoints(): { http: string; grpc: string } {
  const host = location.hostname;
  const given = config.value;
  return { http: (given?.otlpHttp || `http://${host}:4318`).replace(/\/$/, ""), grpc: (given ? (given.otlpGrpc ?? "") : `${host}:4317`).replace(/^https?:\/\//, "") };
}

const kLookEveryMs = 3000;

// Looks for the first span by itself, and shows it as soon as it is there.
function useFirstSpan(found: () => void): () => void {
  const gone = useRef(false); // to another view, whose range is its own
  const look = () =>
    search("{}", null, 1).then(
      ({ traces }) => {
        if (!traces.length || gone.current) return;
        // The page's range ends when it was opened; the span came after.
        const endMs = Math.max(Date.now(), nanoToMs(traces[0].startTimeUnixNano) + 1000);
        patchAddress({ range: { startMs: endMs - defaultSpanMs(), endMs } }, true);
        found();
      },
      () => {}, // the server may be starting again
    );
  useEffect(() => {
    const timer = setInterval(look, kLookEveryMs);
    return () => {
      gone.current = true;
      clearInterval(timer);
    };
  }, []);
  return look;
}

export function Onboarding({ retry }: { retry(): void }) {
  const look = useFirstSpan(retry);
  const languages = Object.keys(kLanguages);
  const [chosen, setChosen] = useState(languages[0]);
  const { http, grpc } = endpoints();
  const code = kLanguages[chosen](http);
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const next = languages[(languages.indexOf(chosen) + step + languages.length) % languages.length];
    setChosen(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <section class="panel onboarding" aria-labelledby="onboarding-title">
      <h1 id="onboarding-title">No span has been received yet</h1>
      <p>
        Weft takes OTLP over HTTP at <code>{http}</code>{grpc && <> and over gRPC at <code>{grpc}</code></>}. Send the first span with one of these; it shows here the moment it is acknowledged.
      </p>
      <div class="tabs" role="tablist" aria-label="Language" onKeyDown={onKey}>
        {languages.map((language) => (
          <button key={language} type="button" role="tab" id={`tab-${language}`} aria-selected={language === chosen} aria-controls="onboarding-code" tabindex={language === chosen ? 0 : -1} onClick={() => setChosen(language)}>
            {language}
          </button>
        ))}
      </div>
      <div id="onboarding-code" role="tabpanel" aria-labelledby={`tab-${chosen}`}>
        <pre tabindex={0} aria-label={`First span in ${chosen}`}>{code}</pre>
      </div>
      <div class="toolbar">
        <button type="button" class="button primary" onClick={async () => toast((await copyText(code)) ? "Copied." : "The browser refused the clipboard; select the text instead.")}>
          <Icon.copy /> Copy
        </button>
        <button type="button" class="button" onClick={look}>
          <Icon.refresh /> Look again
        </button>
      </div>
    </section>
  );
}
