// Sends the interop test's spans: protocol in the first argument (grpc, http/protobuf), the rest
// from the OTEL_* variables. Prints the trace id.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func newExporter(ctx context.Context, protocol string) (*otlptrace.Exporter, error) {
	if protocol == "grpc" {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

func main() {
	ctx := context.Background()
	exporter, err := newExporter(ctx, os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "interop-go"),
			attribute.StringSlice("interop.list", []string{"a", "b"}))))
	tracer := provider.Tracer("weft.interop", trace.WithInstrumentationVersion("1.2.3"))

	ctx, root := tracer.Start(ctx, "root", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("text", "Grüße 🧵"), attribute.String("empty", ""),
			attribute.Bool("yes", true), attribute.Bool("no", false),
			attribute.Int("int", 42), attribute.Int("negative", -7),
			attribute.Int64("big", 9007199254740991), attribute.Float64("double", 2.5),
			attribute.StringSlice("texts", []string{"a", "b"}),
			attribute.IntSlice("ints", []int{1, 2, 3}),
			attribute.Float64Slice("doubles", []float64{0.5, 1.5}),
			attribute.BoolSlice("bools", []bool{true, false}),
			attribute.ByteSlice("bytes", []byte{0, 255, 16}),
			attribute.Slice("mixed", attribute.StringValue("a"), attribute.IntValue(1),
				attribute.BoolValue(true), attribute.Float64Value(2.5)),
			attribute.Slice("nested",
				attribute.SliceValue(attribute.StringValue("a"), attribute.IntValue(1)),
				attribute.SliceValue(attribute.BoolValue(true))),
			attribute.Map("map", attribute.Map("inner", attribute.Int("n", 1)),
				attribute.Slice("list", attribute.StringValue("x"), attribute.Float64Value(2.5)))))
	root.AddEvent("happened", trace.WithAttributes(
		attribute.Int("n", 7), attribute.String("what", "it")))
	_, child := tracer.Start(ctx, "child", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithLinks(trace.Link{SpanContext: root.SpanContext(),
			Attributes: []attribute.KeyValue{attribute.String("why", "test")}}))
	child.SetStatus(codes.Error, "it failed")
	child.End()
	root.End()
	if err := provider.ForceFlush(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := provider.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(root.SpanContext().TraceID())
}
