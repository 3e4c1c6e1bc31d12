// What the page needs to know of a resource, from its attributes.

import type { Attribute, Resource } from "../base/trace/model.ts";

export function resourceOf(attributes: Attribute[]): Resource {
  const get = (key: string) => attributes.find((a) => a.key === key)?.text ?? "";
  return {
    service: get("service.name") || "unknown_service",
    namespace: get("service.namespace") || get("team") || null,
    host: get("host.name") || get("k8s.pod.name") || get("container.id") || get("service.instance.id"),
    version: get("service.version"),
    browser: get("telemetry.sdk.language") === "webjs" || attributes.some((a) => a.key.startsWith("browser.")),
    attributes,
  };
}
