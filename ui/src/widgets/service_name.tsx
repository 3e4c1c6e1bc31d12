// A service with its colour, and who owns it: the configuration's squads, else the resource's word.

import { signal } from "@preact/signals";
import type { Config } from "../api/types.ts";
import { configureSquads, serviceColour } from "../base/color.ts";
import { shownLine } from "../base/text.ts";
import { isDark } from "../base/theme.ts";

export const config = signal<Config | null>(null);

const squad_of = new Map<string, string>();
// What resources and answers said, for services that the configuration does not name.
const heard = new Map<string, string>();

export function useConfig(loaded: Config): void {
  squad_of.clear();
  for (const squad of loaded.squads ?? []) for (const service of squad.services ?? []) squad_of.set(service, squad.name);
  configureSquads((loaded.squads ?? []).map((s) => s.name));
  config.value = loaded;
}

export function hearOwner(service: string, squad: string | null | undefined): void {
  if (squad) heard.set(service, squad);
}

export function squadOf(service: string, namespace?: string | null): string | null {
  return squad_of.get(service) ?? namespace ?? heard.get(service) ?? null;
}

export function colourOf(service: string, namespace?: string | null) {
  void config.value; // who is drawn in these colours is drawn again when the squads are known
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
