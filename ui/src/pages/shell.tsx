// What surrounds every view: the bar with its navigation, range and sharing; dialogs; shortcuts.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { getConfig } from "../api/endpoints.ts";
import { giveToken, tokenRefused, tokenVersion, tokenWanted } from "../api/http.ts";
import type { PageName } from "../base/permalink.ts";
import { address, interceptLinks, linkTo, navigate, patchAddress } from "../base/router.ts";
import { applyTheme, chooseTheme, isDark, themeChoice } from "../base/theme.ts";
import { Announcer } from "../widgets/announce.tsx";
import { CopyLink } from "../widgets/copy_link.tsx";
import { Icon, Mark } from "../widgets/icons.tsx";
import { RangePicker } from "../widgets/range_picker.tsx";
import { config, useConfig } from "../widgets/service_name.tsx";
import { ComparePage } from "./compare.tsx";
import { ErrorsPage } from "./errors.tsx";
import { LinkPage, NotFoundPage } from "./link.tsx";
import { MapPage } from "./map.tsx";
import { SearchPage } from "./search.tsx";
import { ServicesPage } from "./services.tsx";
import { TracePage } from "./trace.tsx";

const kNav: readonly [PageName, string, string][] = [
  ["search", "Search", "s"],
  ["map", "Map", "m"],
  ["errors", "Errors", "e"],
  ["services", "Services", "v"],
  ["compare", "Compare", "c"],
];
const kViews: Record<PageName, () => preact.JSX.Element> = {
  search: SearchPage,
  trace: TracePage,
  map: MapPage,
  errors: ErrorsPage,
  services: ServicesPage,
  compare: ComparePage,
  link: LinkPage,
  notfound: NotFoundPage,
};
const kTitles: Record<PageName, string> = { search: "Search", trace: "Trace", map: "Service map", errors: "Errors", services: "Services", compare: "Compare", link: "Link", notfound: "Not found" };
const kRanged = new Set<PageName>(["search", "map", "errors", "services"]);

function ThemeSwitch() {
  const choice = themeChoice.value;
  const next = choice === "system" ? "light" : choice === "light" ? "dark" : "system";
  const Face = choice === "system" ? Icon.system : choice === "light" ? Icon.sun : Icon.moon;
  return (
    <button type="button" class="button icon quiet" onClick={() => chooseTheme(next)} aria-label={`Theme: ${choice}. Switch to ${next}`} title={`Theme: ${choice}`}>
      <Face />
    </button>
  );
}

const kShortcuts: readonly [string, string][] = [
  ["/", "Go to the query, or to the search inside a trace"],
  ["g then s m e v c", "Search, map, errors, services, compare"],
  ["j k, ↓ ↑", "Next and previous span"],
  ["← →", "Collapse and expand, or go to the parent and first child"],
  ["Enter", "Open the span's details"],
  ["n p", "Next and previous failed span"],
  ["f", "Waterfall or flame view"],
  ["c", "Critical path on or off"],
  ["t", "Raw clocks or corrected clocks"],
  ["z", "Zoom to the chosen span (or double-click its row)"],
  ["+ − 0", "Zoom in, out, to the whole trace"],
  ["y", "Copy the link"],
  ["Esc", "Close what is open"],
  ["?", "This help"],
];

const kReading: readonly [string, string][] = [
  ["Colour", "A squad has a hue, a service of it a shade; red is failure and nothing else."],
  ["Pale bar", "A call that waits. Inset stands the server's span that answered; what is left over is the network. Hatched: the clocks disagree, the place is inferred."],
  ["Stripes in it", "The phases of the call: DNS, connect, TLS, send, wait, receive."],
  ["Line below", "The critical path: what the trace waited for at that moment."],
  ["Dot", "An event or a log line; a red one is an exception."],
  ["Dashed bar", "A span that others name as their parent and that was never received."],
];

function HelpDialog() {
  return (
    <dialog id="help-dialog" aria-labelledby="help-title">
      <div class="toolbar">
        <h1 id="help-title" class="grow">Keys</h1>
        <form method="dialog">
          <button class="button icon quiet" aria-label="Close"><Icon.close /></button>
        </form>
      </div>
      <dl class="keys">
        {kShortcuts.map(([keys, what]) => [
          <dt key={keys}><kbd>{keys}</kbd></dt>,
          <dd key={what}>{what}</dd>,
        ])}
      </dl>
      <h1 class="help-part">How a waterfall is read</h1>
      <dl class="keys">
        {kReading.map(([sign, what]) => [
          <dt key={sign}>{sign}</dt>,
          <dd key={what}>{what}</dd>,
        ])}
      </dl>
    </dialog>
  );
}

function TokenDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (tokenWanted.value && !dialog.current!.open) dialog.current!.showModal();
    if (!tokenWanted.value) dialog.current!.close();
  }, [tokenWanted.value]);
  const submit = (event: Event) => {
    event.preventDefault();
    giveToken(String(new FormData(event.target as HTMLFormElement).get("token") ?? ""));
  };
  return (
    <dialog ref={dialog} aria-labelledby="token-title" onClose={() => (tokenWanted.value = false)}>
      <form onSubmit={submit} class="range-form">
        <h1 id="token-title">This Weft asks for a query token</h1>
        <p class="muted">It is set by whoever runs the server (auth in its configuration) and stays in this tab only.</p>
        <label>
          Query token
          <input class="field" type="password" name="token" autocomplete="off" required />
        </label>
        {tokenRefused.value && <p class="error-text" role="alert">The server does not take this token.</p>}
        <button type="submit" class="button primary">Go on</button>
      </form>
    </dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  const e = target as HTMLElement | null;
  return !!e && (e.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(e.tagName)) && (e as HTMLInputElement).type !== "checkbox";
}

let after_g = 0;
// The search that the reader came from: "Search" leads back to it.
let last_search = "";

function onShortcut(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (Date.now() - after_g < 1200) {
    after_g = 0;
    const to = kNav.find(([, , key]) => key === event.key);
    if (to) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return navigate(linkTo(to[0]));
    }
  }
  if (event.key === "g") after_g = Date.now();
  else if (event.key === "?") {
    event.preventDefault();
    (document.getElementById("help-dialog") as HTMLDialogElement).showModal();
  } else if (event.key === "/") {
    const field = document.querySelector<HTMLElement>('[data-focus-key="/"]');
    if (field) {
      event.preventDefault();
      field.focus();
      (field as HTMLInputElement).select?.();
    }
  } else if (event.key === "y") document.querySelector<HTMLElement>('[aria-label="Share"] button')?.click();
}

export function Shell() {
  const now = address.value;
  const [asked, setAsked] = useState(false); // for the configuration
  useEffect(applyTheme, [isDark.value]);
  useEffect(() => void (document.title = `${kTitles[now.page]}${now.page === "trace" ? ` ${now.id.slice(0, 8)}` : ""} · Weft`), [now.page, now.id]);
  useLayoutEffect(() => {
    document.addEventListener("keydown", onShortcut, true);
    return () => document.removeEventListener("keydown", onShortcut, true);
  }, []);
  useEffect(() => {
    getConfig().then(useConfig, () => {}).finally(() => setAsked(true));
  }, [tokenVersion.value]);
  const View = kViews[now.page];
  if (now.page === "search" && now.range) last_search = linkTo("search", { params: now.params });
  return (
    <div class="shell" onClick={interceptLinks}>
      <a class="skip button" href="#main" data-reload onClick={(e) => (e.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to the content
      </a>
      <header class="topbar">
        <a class="brand" href={linkTo("search")} aria-label="Weft, to search">
          <Mark />
          <span>weft</span>
        </a>
        <nav class="nav" aria-label="Views">
          {kNav.map(([page, title]) => (
            <a key={page} href={page === "search" && now.page !== "search" && last_search ? last_search : linkTo(page, { params: sharedQuery(page) })} aria-current={now.page === page || (page === "search" && now.page === "trace") ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <span class="spacer" />
        {kRanged.has(now.page) && <RangePicker />}
        <CopyLink />
        <ThemeSwitch />
        <button type="button" class="button icon quiet" aria-label="Help" title="Keys, and how a waterfall is read (?)" onClick={() => (document.getElementById("help-dialog") as HTMLDialogElement).showModal()}>
          <Icon.help />
        </button>
      </header>
      {now.fromNewerVersion && (
        <p class="notice" role="status">
          This link was made by a newer Weft{config.value ? ` than this one (${config.value.version})` : ""}; parts of its state may be missing.
          <button type="button" class="button small" onClick={() => patchAddress({}, true)}>Go on</button>
        </p>
      )}
      {/* How old the oldest span is decides the range of an address without one. */}
      {(now.range || asked) && <View key={now.page} />}
      <Announcer />
      <HelpDialog />
      <TokenDialog />
    </div>
  );
}

// The filter goes along between the views that take one.
function sharedQuery(to: PageName): Record<string, string> {
  const { page, params } = address.value;
  const filtered = new Set<PageName>(["map", "errors", "services"]);
  return filtered.has(page) && filtered.has(to) && params.q ? { q: params.q } : {};
}
