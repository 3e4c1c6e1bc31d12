// A service with its colour, and who owns it: the configuration's squads, else the resource's word.

import { signal } from "@preact/signals";
import type { Config } from "../api/types.ts";
import { configureSquads, serviceColour } from "../base/color.ts";
import { shownLine } from "../base/text.ts";
import { isDark } from "../base/theme.ts";

export const config = signal<Config | null>(null);

const squad_of = new Map<string, string>();
// "payments-*": every service whose name begins so; the longest beginning wins, as in the server.
let prefixes: { prefix: string; squad: string }[] = [];
// What resources and answers said, for services that the configuration does not name.
const heard = new Map<string, string>();

export function useConfig(loaded: Config): void {
  squad_of.clear();
  prefixes = [];
  for (const squad of loaded.squads ?? []) {
    for (const service of squad.services ?? []) {
      if (service.endsWith("*")) prefixes.push({ prefix: service.slice(0, -1), squad: squad.name });
      else squad_of.set(service, squad.name);
    }
  }
  prefixes.sort((a, b) => b.prefix.length - a.prefix.length);
  configureSquads((loaded.squads ?? []).map((s) => s.name));
  config.value = loaded;
}

export function hearOwner(service: string, squad: string | null | undefined): void {
  if (squad) heard.set(service, squad);
}

export function squadOf(service: string, namespace?: string | null): string | null {
  void config.value; // whoever names an owner names it again when the squads are known
  return squad_of.get(service) ?? prefixes.find((p) => service.startsWith(p.prefix))?.squad ?? (namespace || heard.get(service) || null);
}

export function colourOf(service: string, namespace?: string | null) {
  return serviceColour(service, squadOf(service, namespace), isDark.value);
}

export function Swatch({ service, namespace }: { service: string; namespace?: string | null }) {
  return <span class="swatch" style={{ background: colourOf(service, namespace).fill }} aria-hidden="true" />;
}

export function ServiceName({ service, namespace, withSquad }: { service: string; namespace?: string | null; withSquad?: boolean }) {
  const squad = squadOf(service, namespace);
  return (
    <span class="service">
      <Swatch service={service} namespace={namespace} />
      <span class="value">{shownLine(service)}</span>
      {withSquad && <span class="muted squad"> {squad ? shownLine(squad) : "unowned"}</span>}
    </span>
  );
}
