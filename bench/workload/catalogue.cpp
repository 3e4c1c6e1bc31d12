#include "workload/catalogue.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "model/protobuf.h"
#include "wire/protobuf_writer.h"

namespace weft::workload {
namespace {

constexpr size_t kVariants = 4;
constexpr size_t kPods = 3;

// A service: its HTTP entries as "METHOD route path-pattern", its database and what it does there.
struct Entry {
  std::string_view method;
  std::string_view route;
  std::string_view path;
};
struct Spec {
  std::string_view name;
  std::string_view database;  // "" for none
  std::array<Entry, 4> entries;
  // "service.entry" that entries call; services only call later ones of the list.
  std::array<std::string_view, 4> calls;
  std::string_view topic;  // published to, "" for none
};

constexpr std::array<Spec, 20> kSpecs = {{
    {"edge-gateway",
     "",
     {{{"GET", "/products/{id}", "/products/{d6}"},
       {"GET", "/search", "/search"},
       {"POST", "/cart/items", "/cart/{uuid}/items"},
       {"POST", "/checkout/{cart}", "/checkout/{uuid}"}}},
     {"web-bff.0", "web-bff.1", "web-bff.2", "web-bff.3"},
     ""},
    {"web-bff",
     "",
     {{{"GET", "/bff/products/{id}", "/bff/products/{d6}"},
       {"GET", "/bff/search", "/bff/search"},
       {"POST", "/bff/cart/{cart}/items", "/bff/cart/{uuid}/items"},
       {"POST", "/bff/checkout/{cart}", "/bff/checkout/{uuid}"}}},
     {"catalog.0", "search.0", "cart.0", "checkout.0"},
     ""},
    {"session-api",
     "redis",
     {{{"GET", "/sessions/{id}", "/sessions/{x8}{x8}"},
       {"POST", "/sessions", "/sessions"},
       {"DELETE", "/sessions/{id}", "/sessions/{x8}{x8}"},
       {"GET", "/sessions/{id}/scopes", "/sessions/{x8}{x8}/scopes"}}},
     {"account-oauth.0", "account-oauth.1", "account-legacy.0", "account-oauth.2"},
     ""},
    {"account-oauth",
     "postgresql",
     {{{"POST", "/oauth/token", "/oauth/token"},
       {"GET", "/oauth/userinfo", "/oauth/userinfo"},
       {"POST", "/oauth/introspect", "/oauth/introspect"},
       {"GET", "/oauth/keys", "/oauth/keys"}}},
     {"user-profile.0", "user-profile.1", "", ""},
     ""},
    {"account-legacy",
     "mysql",
     {{{"GET", "/legacy/customer/{id}", "/legacy/customer/{d8}"},
       {"POST", "/legacy/login", "/legacy/login"},
       {"GET", "/legacy/customer/{id}/rights", "/legacy/customer/{d8}/rights"},
       {"PUT", "/legacy/customer/{id}", "/legacy/customer/{d8}"}}},
     {"", "", "", ""},
     ""},
    {"catalog",
     "postgresql",
     {{{"GET", "/v1/products/{id}", "/v1/products/{d6}"},
       {"GET", "/v1/products", "/v1/products"},
       {"GET", "/v1/categories/{id}", "/v1/categories/{d3}"},
       {"GET", "/v1/products/{id}/variants", "/v1/products/{d6}/variants"}}},
     {"pricing.0", "media.0", "inventory.0", "pricing.1"},
     ""},
    {"search",
     "elasticsearch",
     {{{"GET", "/v2/search", "/v2/search"},
       {"GET", "/v2/suggest", "/v2/suggest"},
       {"POST", "/v2/index/{id}", "/v2/index/{d6}"},
       {"GET", "/v2/facets", "/v2/facets"}}},
     {"recommendations.0", "", "", ""},
     ""},
    {"recommendations",
     "redis",
     {{{"GET", "/recommend/{user}", "/recommend/{d6}"},
       {"GET", "/trending", "/trending"},
       {"POST", "/feedback/{id}", "/feedback/{uuid}"},
       {"GET", "/similar/{id}", "/similar/{d6}"}}},
     {"user-profile.2", "", "", ""},
     ""},
    {"cart",
     "redis",
     {{{"POST", "/carts/{id}/items", "/carts/{uuid}/items"},
       {"GET", "/carts/{id}", "/carts/{uuid}"},
       {"DELETE", "/carts/{id}/items/{item}", "/carts/{uuid}/items/{d4}"},
       {"PUT", "/carts/{id}", "/carts/{uuid}"}}},
     {"inventory.1", "pricing.2", "", ""},
     "cart-events"},
    {"checkout",
     "postgresql",
     {{{"POST", "/orders", "/orders"},
       {"GET", "/orders/{id}", "/orders/{uuid}"},
       {"POST", "/orders/{id}/confirm", "/orders/{uuid}/confirm"},
       {"POST", "/orders/{id}/cancel", "/orders/{uuid}/cancel"}}},
     {"payment.0", "payment.1", "shipping.0", "inventory.2"},
     "orders"},
    {"payment",
     "postgresql",
     {{{"POST", "/payments", "/payments"},
       {"GET", "/payments/{id}", "/payments/{uuid}"},
       {"POST", "/payments/{id}/capture", "/payments/{uuid}/capture"},
       {"POST", "/payments/{id}/refund", "/payments/{uuid}/refund"}}},
     {"fraud-check.0", "", "fraud-check.1", ""},
     "payments"},
    {"fraud-check",
     "mongodb",
     {{{"POST", "/score", "/score"},
       {"GET", "/score/{id}", "/score/{uuid}"},
       {"POST", "/rules", "/rules"},
       {"GET", "/rules/{id}", "/rules/{d4}"}}},
     {"", "", "", ""},
     ""},
    {"inventory",
     "mysql",
     {{{"GET", "/stock/{sku}", "/stock/{d8}"},
       {"POST", "/stock/{sku}/reserve", "/stock/{d8}/reserve"},
       {"POST", "/stock/{sku}/release", "/stock/{d8}/release"},
       {"GET", "/warehouses/{id}", "/warehouses/{d3}"}}},
     {"", "", "", ""},
     "stock-levels"},
    {"pricing",
     "redis",
     {{{"GET", "/prices/{sku}", "/prices/{d8}"},
       {"GET", "/prices", "/prices"},
       {"POST", "/quotes", "/quotes"},
       {"GET", "/discounts/{id}", "/discounts/{d4}"}}},
     {"", "", "", ""},
     ""},
    {"shipping",
     "postgresql",
     {{{"POST", "/shipments", "/shipments"},
       {"GET", "/shipments/{id}", "/shipments/{uuid}"},
       {"GET", "/rates", "/rates"},
       {"POST", "/labels/{id}", "/labels/{uuid}"}}},
     {"", "", "", ""},
     "shipments"},
    {"notification",
     "",
     {{{"POST", "/notify/{user}", "/notify/{d6}"},
       {"GET", "/templates/{id}", "/templates/{d3}"},
       {"POST", "/devices/{id}", "/devices/{uuid}"},
       {"GET", "/preferences/{user}", "/preferences/{d6}"}}},
     {"mailer.0", "", "", "user-profile.3"},
     ""},
    {"mailer",
     "",
     {{{"POST", "/mail", "/mail"},
       {"GET", "/mail/{id}", "/mail/{uuid}"},
       {"GET", "/bounces/{id}", "/bounces/{d6}"},
       {"POST", "/mail/batch", "/mail/batch"}}},
     {"", "", "", ""},
     ""},
    {"analytics-ingest",
     "clickhouse",
     {{{"POST", "/collect", "/collect"},
       {"POST", "/collect/batch", "/collect/batch"},
       {"GET", "/reports/{id}", "/reports/{d6}"},
       {"GET", "/funnels/{id}", "/funnels/{d4}"}}},
     {"", "", "", ""},
     ""},
    {"media",
     "",
     {{{"GET", "/images/{id}", "/images/{uuid}"},
       {"GET", "/images/{id}/thumbnail", "/images/{uuid}/thumbnail"},
       {"POST", "/images", "/images"},
       {"DELETE", "/images/{id}", "/images/{uuid}"}}},
     {"", "", "", ""},
     ""},
    {"user-profile",
     "mongodb",
     {{{"GET", "/profiles/{id}", "/profiles/{d6}"},
       {"GET", "/profiles/{id}/addresses", "/profiles/{d6}/addresses"},
       {"GET", "/profiles/{id}/history", "/profiles/{d6}/history"},
       {"PUT", "/profiles/{id}", "/profiles/{d6}"}}},
     {"", "", "", ""},
     ""},
}};

constexpr std::array<std::string_view, 8> kUserAgents = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "axios/1.7.2 (shop-platform 4.18.2; node v20.14.0; linux x64)",
    "python-requests/2.32.3 (shop-platform 4.18.2; CPython 3.12.4)",
    "Apache-HttpClient/5.3 (Java/21.0.3; shop-platform 4.18.2; amd64)",
    "Go-http-client/1.1 (shop-platform 4.18.2; go1.22.4; linux/amd64)"};

constexpr std::string_view kStacktrace =
    "com.example.shop.UpstreamException: upstream timed out\n"
    "\tat com.example.shop.client.HttpClient.execute(HttpClient.java:211)\n"
    "\tat com.example.shop.service.OrderService.handle(OrderService.java:87)\n"
    "\tat com.example.shop.web.Dispatcher.dispatch(Dispatcher.java:142)\n"
    "\tat java.base/java.lang.Thread.run(Thread.java:1583)";

std::string_view pick(size_t variant, std::initializer_list<std::string_view> of) {
  return of.begin()[variant % of.size()];
}

void finish(SpanTemplate& span, bool failing) {
  if (failing) {
    span.add_exception("com.example.shop.UpstreamException",
                       "upstream timed out after {d4} ms, request {x8}", kStacktrace);
    span.finish(StatusCode::kError, "upstream timed out");
  } else {
    span.finish(StatusCode::kUnset, "");
  }
}

SpanTemplate http_server(const Spec& spec, const Entry& entry, size_t variant, bool root,
                         bool failing) {
  SpanTemplate span(fmt::format("{} {}", entry.method, entry.route), SpanKind::kServer, root);
  span.add_string("http.request.method", entry.method);
  span.add_string("http.route", entry.route);
  span.add_string("url.path", entry.path);
  span.add_string("url.scheme", variant % 2 == 0 ? "https" : "http");
  span.add_int("http.response.status_code",
               failing ? 503 : (entry.method == "POST" ? 201 : (variant == 3 ? 304 : 200)));
  span.add_string("server.address", fmt::format("{}.shop.svc.cluster.local", spec.name));
  span.add_string("client.address", "10.1{d1}.{o}.{o}");
  span.add_string("user_agent.original", kUserAgents[variant + (root ? 0 : 4)]);
  span.add_string("network.protocol.version", pick(variant, {"1.1", "2"}));
  span.add_string("user.id", "u-{d6}");
  finish(span, failing);
  return span;
}

SpanTemplate http_client(const Spec& target, const Entry& entry, size_t variant, bool failing) {
  SpanTemplate span(std::string(entry.method), SpanKind::kClient, false);
  span.add_string("http.request.method", entry.method);
  span.add_string("url.full", fmt::format("http://{}.shop.svc.cluster.local:8080{}?rid={{x8}}",
                                          target.name, entry.path));
  span.add_int("http.response.status_code",
               failing ? 503 : (entry.method == "POST" ? 201 : (variant == 3 ? 304 : 200)));
  span.add_string("server.address", fmt::format("{}.shop.svc.cluster.local", target.name));
  span.add_int("server.port", 8080);
  span.add_string("network.peer.address", "10.12{d1}.{o}.{o}");
  span.add_int("network.peer.port", 8080);
  span.add_string("network.protocol.version", pick(variant, {"1.1", "2"}));
  finish(span, failing);
  return span;
}

SpanTemplate database(const Spec& spec, size_t variant, bool failing) {
  const std::string table = fmt::format("{}_{}", spec.name, pick(variant, {"items", "events"}));
  const std::string_view operation = pick(variant, {"SELECT", "INSERT", "UPDATE", "SELECT"});
  SpanTemplate span(fmt::format("{} {}", operation, table), SpanKind::kClient, false);
  span.add_string("db.system", spec.database);
  span.add_string("db.name", spec.name);
  span.add_string("db.operation", operation);
  std::string statement = fmt::format(
      "SELECT id, state, version, payload, updated_at FROM {} WHERE tenant_id = $1 AND id = $2",
      table);
  if (operation == "INSERT") {
    statement = fmt::format(
        "INSERT INTO {} (tenant_id, id, state, payload) VALUES ($1, $2, $3, $4)", table);
  } else if (operation == "UPDATE") {
    statement = fmt::format(
        "UPDATE {} SET state = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2", table);
  }
  span.add_string("db.statement", statement);
  span.add_string("server.address", fmt::format("{}-db-{}.shop.internal", spec.name, variant % 2));
  span.add_int("server.port", spec.database == "mysql" ? 3306 : 5432);
  span.add_string("network.peer.address", "10.200.{o}.{o}");
  span.add_int("network.peer.port", spec.database == "mysql" ? 3306 : 5432);
  finish(span, failing);
  return span;
}

SpanTemplate internal(const Spec& spec, size_t entry, size_t variant, bool failing) {
  const std::string_view function = pick(entry, {"validate", "render", "authorize", "transform"});
  SpanTemplate span(std::string(function), SpanKind::kInternal, false);
  span.add_string("code.function", function);
  span.add_string("code.namespace", fmt::format("com.example.shop.{}.Handler", spec.name));
  span.add_random_int("thread.id");
  span.add_string("thread.name", fmt::format("http-nio-8080-exec-{}", variant));
  finish(span, failing);
  return span;
}

SpanTemplate message(std::string_view topic, bool publish, size_t variant, bool failing) {
  SpanTemplate span(fmt::format("{} {}", topic, publish ? "publish" : "process"),
                    publish ? SpanKind::kProducer : SpanKind::kConsumer, false);
  span.add_string("messaging.system", "kafka");
  span.add_string("messaging.destination.name", topic);
  span.add_string("messaging.operation", publish ? "publish" : "process");
  span.add_string("messaging.message.id", "{uuid}");
  span.add_int("messaging.kafka.partition", static_cast<int64_t>(variant));
  span.add_string("server.address", fmt::format("kafka-{}.messaging.shop.internal", variant % 3));
  finish(span, failing);
  return span;
}

SpanTemplate rpc(const Spec& spec, size_t entry, size_t variant, bool failing) {
  const std::string_view method = pick(entry, {"Get", "Put", "Increment", "Expire"});
  SpanTemplate span(fmt::format("shop.Cache/{}", method), SpanKind::kClient, false);
  span.add_string("rpc.system", "grpc");
  span.add_string("rpc.service", "shop.Cache");
  span.add_string("rpc.method", method);
  span.add_int("rpc.grpc.status_code", failing ? 14 : 0);
  span.add_string("server.address", fmt::format("cache-{}.shop.internal", variant));
  span.add_string("network.peer.address", fmt::format("10.220.{}.{{o}}", spec.name.size()));
  finish(span, failing);
  return span;
}

template <typename Make>
Variants variants(Make&& make) {
  Variants out;
  for (size_t variant = 0; variant < kVariants; ++variant) {
    out.good.push_back(make(variant, false));
    out.bad.push_back(make(variant, true));
  }
  return out;
}

void put_attribute(std::string& out, std::string_view key, std::string_view value) {
  wire::MessageScope attribute(out, 1);
  protobuf::put_bytes(out, 1, key);
  wire::MessageScope any(out, 2);
  protobuf::put_bytes(out, 1, value);
}

std::string make_resource(const Spec& spec, size_t pod, Random& random) {
  std::string out;
  const auto suffix = static_cast<uint32_t>(random.next());
  put_attribute(out, "service.name", spec.name);
  put_attribute(out, "service.namespace", "shop");
  put_attribute(out, "service.version", fmt::format("1.{}.0", spec.name.size()));
  put_attribute(out, "service.instance.id", fmt::format("{}-{:08x}-{}", spec.name, suffix, pod));
  put_attribute(out, "telemetry.sdk.name", "opentelemetry");
  put_attribute(out, "telemetry.sdk.language", spec.name.size() % 2 == 0 ? "java" : "go");
  put_attribute(out, "telemetry.sdk.version", "1.38.0");
  put_attribute(out, "k8s.pod.name", fmt::format("{}-{:08x}-{}", spec.name, suffix, pod));
  put_attribute(out, "k8s.namespace.name", "shop");
  put_attribute(out, "k8s.node.name", fmt::format("node-{}", suffix % 12));
  put_attribute(out, "deployment.environment", "production");
  put_attribute(out, "container.image.name", fmt::format("registry.shop.internal/{}", spec.name));
  put_attribute(out, "process.runtime.description", "OpenJDK 64-Bit Server VM 21.0.3+9-LTS");
  return out;
}

// "catalog.2" is the entry 2 of the service catalog.
bool find_target(std::string_view name, uint32_t& service, uint32_t& operation) {
  if (name.empty()) return false;
  const size_t dot = name.find('.');
  for (uint32_t i = 0; i < kSpecs.size(); ++i) {
    if (kSpecs[i].name != name.substr(0, dot)) continue;
    service = i;
    operation = static_cast<uint32_t>(name[dot + 1] - '0');
    return true;
  }
  return false;
}

// Whom clients from outside call: there traces begin.
bool is_edge(const Spec& spec) {
  return spec.name == "edge-gateway" || spec.name == "session-api" || spec.name == "media";
}

Operation make_operation(const Spec& spec, uint32_t entry_index) {
  const Entry& entry = spec.entries[entry_index];
  Operation operation;
  operation.entry = variants([&](size_t variant, bool failing) {
    return http_server(spec, entry, variant, false, failing);
  });
  if (is_edge(spec)) {
    operation.root_entry = variants([&](size_t variant, bool failing) {
      return http_server(spec, entry, variant, true, failing);
    });
  }
  const auto add_step = [&](Step::Kind kind, uint32_t percent, uint32_t typical_us, auto make) {
    Step& step = operation.steps.emplace_back();
    step.kind = kind;
    step.span = variants(make);
    step.percent = percent;
    step.typical_us = typical_us;
  };
  add_step(Step::Kind::kInternal, 22, 300, [&](size_t variant, bool failing) {
    return internal(spec, entry_index, variant, failing);
  });
  if (spec.database == "redis") {
    add_step(Step::Kind::kCache, 55, 400, [&](size_t variant, bool failing) {
      return rpc(spec, entry_index, variant, failing);
    });
  } else if (!spec.database.empty()) {
    add_step(Step::Kind::kDatabase, 85, 1800,
             [&](size_t variant, bool failing) { return database(spec, variant, failing); });
  }
  // Its own call mostly, its neighbours' now and then.
  constexpr std::array<uint32_t, 3> kCallPercent = {74, 23, 12};
  for (uint32_t offset = 0; offset < kCallPercent.size(); ++offset) {
    uint32_t service = 0;
    uint32_t target = 0;
    if (!find_target(spec.calls[(entry_index + offset) % 4], service, target)) continue;
    add_step(Step::Kind::kCall, kCallPercent[offset], 1000, [&](size_t variant, bool failing) {
      return http_client(kSpecs[service], kSpecs[service].entries[target], variant, failing);
    });
    operation.steps.back().target_service = service;
    operation.steps.back().target_operation = target;
  }
  if (!spec.topic.empty()) {
    add_step(Step::Kind::kPublish, 50, 700, [&](size_t variant, bool failing) {
      return message(spec.topic, true, variant, failing);
    });
  }
  return operation;
}

// The services that consume topics: operation 4 of each.
void add_consumers(Catalogue& catalogue) {
  constexpr uint32_t kNotification = 15;
  constexpr uint32_t kAnalytics = 17;
  for (uint32_t i = 0; i < kSpecs.size(); ++i) {
    const std::string_view topic = kSpecs[i].topic;
    if (topic.empty()) continue;
    const uint32_t consumer = i % 2 == 0 ? kAnalytics : kNotification;
    Operation operation;
    operation.entry = variants(
        [&](size_t variant, bool failing) { return message(topic, false, variant, failing); });
    if (consumer == kNotification) {
      constexpr uint32_t kMailer = kNotification + 1;
      Step& step = operation.steps.emplace_back();
      step.kind = Step::Kind::kCall;
      step.percent = 70;
      step.target_service = kMailer;
      step.span = variants([&](size_t variant, bool failing) {
        return http_client(kSpecs[kMailer], kSpecs[kMailer].entries[0], variant, failing);
      });
    }
    auto& operations = catalogue.services[consumer].operations;
    const auto index = static_cast<uint32_t>(operations.size());
    operations.push_back(std::move(operation));
    for (Operation& publisher : catalogue.services[i].operations) {
      for (Step& step : publisher.steps) {
        if (step.kind != Step::Kind::kPublish) continue;
        step.target_service = consumer;
        step.target_operation = index;
      }
    }
  }
}

}  // namespace

Catalogue make_catalogue(uint64_t seed) {
  Random random(seed);
  Catalogue catalogue;
  for (const Spec& spec : kSpecs) {
    Service& service = catalogue.services.emplace_back();
    service.name = spec.name;
    for (size_t pod = 0; pod < kPods; ++pod) {
      service.resources.push_back(make_resource(spec, pod, random));
    }
    protobuf::put_bytes(service.scope, 1,
                        spec.name.size() % 2 == 0 ? "io.opentelemetry.spring-webmvc-6.0"
                                                  : "go.opentelemetry.io/contrib/otelhttp");
    protobuf::put_bytes(service.scope, 2, "2.4.0");
    for (uint32_t entry = 0; entry < 4; ++entry) {
      service.operations.push_back(make_operation(spec, entry));
    }
  }
  add_consumers(catalogue);
  for (uint32_t i = 0; i < kSpecs.size(); ++i) {
    if (!is_edge(kSpecs[i])) continue;
    // Most come through the gateway.
    for (uint32_t weight = i == 0 ? 12 : 1; weight > 0; --weight) {
      for (uint32_t entry = 0; entry < 4; ++entry)
        catalogue.roots.emplace_back(i, entry);
    }
  }
  for (uint32_t i = 0; i < 200; ++i) {
    std::string encoded;
    {
      wire::MessageScope attribute(encoded, 9);
      protobuf::put_bytes(encoded, 1, fmt::format("shop.custom.attribute_{}", i));
      wire::MessageScope any(encoded, 2);
      if (i % 3 == 0) {
        wire::put_uint(encoded, 3, 1000 + i);
      } else {
        protobuf::put_bytes(encoded, 1, fmt::format("value-{}", i % 17));
      }
    }
    catalogue.extra_attributes.push_back(std::move(encoded));
  }
  return catalogue;
}

}  // namespace weft::workload
