// The service map's picture: squads as frames, services as cards, calls as curves whose width is the
// rate and whose red is the share of failures; calls that nobody continues are drawn broken.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatShare } from "../base/format.ts";
import { type Box, type DrawnEdge, type DrawnMap, type DrawnNode, edgeLines, isBroken, nodeNumbers, type LayoutAnswer, type Route } from "../base/map_model.ts";
import { shownLine } from "../base/text.ts";
import { useSize } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { colourOf } from "./service_name.tsx";

const kNodeWidth = 178;
const kNodeHeight = 46;
const kCharWidth = 6.1;
const kLine = 14;
// Small maps are drawn larger, up to this; large ones begin readable, and *Fit* shows them whole.
const kLargest = 1.3;
const kReadable = 0.72;
const kLegible = 0.55;

let worker: Worker | null = null;
let next_id = 1;
const waiting = new Map<number, (answer: LayoutAnswer) => void>();

function layout(map: DrawnMap): Promise<LayoutAnswer> {
  if (!worker) {
    worker = new Worker(__LAYOUT_WORKER__, { type: "module" });
    worker.onmessage = (event: MessageEvent<LayoutAnswer>) => {
      waiting.get(event.data.id)?.(event.data);
      waiting.delete(event.data.id);
    };
    worker.onerror = () => {
      for (const [id, done] of waiting) done({ id, routes: new Map(), nodes: new Map(), groups: new Map(), width: 0, height: 0, error: "The layout could not be worked out" });
      waiting.clear();
    };
  }
  const id = next_id++;
  worker.postMessage({
    id,
    nodes: map.nodes.map((n) => ({ id: n.id, group: n.closed ? null : n.squad, width: kNodeWidth, height: kNodeHeight })),
    edges: map.edges.map((e) => ({ from: e.from, to: e.to, labelWidth: labelSize(e).width, labelHeight: labelSize(e).height + 4 })),
  });
  return new Promise((done) => waiting.set(id, done));
}

function labelSize(e: DrawnEdge): { lines: string[]; width: number; height: number } {
  const { rate, failed, lost } = edgeLines(e);
  const lines = [rate, failed, lost].filter(Boolean);
  return { lines, width: Math.max(...lines.map((l) => l.length)) * kCharWidth + 10, height: lines.length * kLine + 4 };
}

interface Curve {
  path: string;
  x: number;
  y: number;
}

// From the right of one card along the layout's way to the left of the other; calls to itself bow
// above the card.
export function curveBetween(a: Box, b: Box, route: Route | undefined, self: boolean): Curve {
  if (self || !route) {
    const x = a.x + a.width / 4;
    const y = a.y - a.height / 2;
    return { path: `M${x} ${y}C${x} ${y - 34} ${x + 50} ${y - 34} ${x + 40} ${y}`, x: x + 24, y: y - 28 };
  }
  const back = b.x < a.x;
  const start: [number, number] = [a.x + ((back ? -1 : 1) * a.width) / 2, a.y];
  const end: [number, number] = [b.x + (back ? b.width / 2 + 7 : -b.width / 2 - 7), b.y];
  // Through its own label, wherever that found room.
  const stops = [start, ...route.points, end];
  const at = route.points.reduce((best, p, i) => (Math.abs(p[0] - route.x) < Math.abs(route.points[best][0] - route.x) ? i : best), 0);
  stops.splice(1 + at, route.points.length ? 1 : 0, [route.x, route.y]);
  let path = `M${start[0]} ${start[1]}`;
  for (let i = 1; i < stops.length; i++) {
    const [x0, y0] = stops[i - 1];
    const [x1, y1] = stops[i];
    const bend = (x1 - x0) / 2;
    path += `C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
  }
  return { path, x: route.x, y: route.y };
}

function errorMix(share: number): string {
  // One failure in a hundred is seen; one in five is all red.
  const red = Math.min(1, Math.sqrt(share * 5));
  return share > 0 ? `color-mix(in oklab, var(--error) ${Math.round(30 + red * 70)}%, var(--line-strong))` : "var(--line-strong)";
}

export interface ServiceGraphProps {
  map: DrawnMap;
  chosen: string | null; // a node's or an edge's id
  onChoose(id: string | null): void;
  onToggleGroup(squad: string): void;
}

export function ServiceGraph({ map, chosen, onChoose, onToggleGroup }: ServiceGraphProps) {
  const [placed, setPlaced] = useState<{ map: DrawnMap; answer: LayoutAnswer } | null>(null);
  const [box, width, height] = useSize<HTMLDivElement>();
  const [pan, setPan] = useState({ x: 0, y: 0, zoom: 1, whole: false });
  const [pointed, setPointed] = useState<string | null>(null); // at the label of this edge
  const drag = useRef<{ x: number; y: number } | null>(null);
  useEffect(() => {
    let gone = false;
    layout(map).then((answer) => {
      if (gone) return;
      setPlaced({ map, answer });
      setPan({ x: 0, y: 0, zoom: 1, whole: false });
    });
    return () => void (gone = true);
  }, [map]);
  const near = useMemo(() => neighbours(map, chosen), [map, chosen]);
  if (placed?.answer.error) return <p class="state error-text">{placed.answer.error}. The table shows the same numbers.</p>;
  const answer = placed?.map === map ? placed.answer : null;
  const fitting = answer && width ? Math.min(kLargest, (width - 24) / answer.width, (height - 24) / answer.height) : 1;
  const scale = (pan.whole || fitting >= kLegible ? fitting : kReadable) * pan.zoom;
  const ox = answer ? Math.max(12, (width - answer.width * scale) / 2) + pan.x : 0;
  const oy = answer ? top(answer, height, scale) + pan.y : 0;
  const zoom = (factor: number) => setPan((p) => ({ ...p, zoom: Math.min(4, Math.max(0.25, p.zoom * factor)) }));
  return (
    <div
      class="map"
      ref={box}
      onWheel={(e) => {
        if (!e.ctrlKey && !e.metaKey) return;
        e.preventDefault();
        zoom(e.deltaY < 0 ? 1.15 : 0.87);
      }}
      onPointerDown={(e) => {
        if (e.button === 0 && !(e.target as Element).closest("[role=button]")) drag.current = { x: e.clientX - pan.x, y: e.clientY - pan.y };
      }}
      onPointerMove={(e) => drag.current && setPan((p) => ({ ...p, x: e.clientX - drag.current!.x, y: e.clientY - drag.current!.y }))}
      onPointerUp={() => (drag.current = null)}
      onPointerLeave={() => (drag.current = null)}
    >
      {answer && (
        <svg width="100%" height="100%" role="group" aria-label={`Service map: ${map.nodes.length} services, ${map.edges.length} connections`}>
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">
              <path d="M0 0L8 4L0 8z" class="map-arrow" />
            </marker>
          </defs>
          <g transform={`translate(${ox} ${oy}) scale(${scale})`}>
            {[...answer.groups].map(([squad, g]) => (
              <Frame key={squad} squad={squad} box={g} onToggle={() => onToggleGroup(squad)} />
            ))}
            {map.edges.map((e) => answer.nodes.has(e.from) && answer.nodes.has(e.to) && <EdgePath key={e.id} edge={e} curve={curveBetween(answer.nodes.get(e.from)!, answer.nodes.get(e.to)!, answer.routes.get(e.id), e.from === e.to)} faded={near !== null && !near.has(e.id)} chosen={chosen === e.id || pointed === e.id} />)}
            {map.nodes.map((n) => answer.nodes.has(n.id) && <Card key={n.id} node={n} box={answer.nodes.get(n.id)!} chosen={chosen === n.id} faded={near !== null && !near.has(n.id)} onChoose={() => onChoose(chosen === n.id ? null : n.id)} onOpen={n.closed ? () => onToggleGroup(n.squad!) : undefined} />)}
            {map.edges.map((e) => answer.nodes.has(e.from) && answer.nodes.has(e.to) && <EdgeLabel key={e.id} edge={e} curve={curveBetween(answer.nodes.get(e.from)!, answer.nodes.get(e.to)!, answer.routes.get(e.id), e.from === e.to)} faded={near !== null && !near.has(e.id)} chosen={chosen === e.id} onChoose={() => onChoose(chosen === e.id ? null : e.id)} onPoint={(on) => setPointed(on ? e.id : null)} />)}
          </g>
        </svg>
      )}
      <div class="map-zoom segments" role="group" aria-label="Zoom">
        <button type="button" class="button icon" aria-label="Zoom in" onClick={() => zoom(1.25)}><Icon.plus /></button>
        <button type="button" class="button icon" aria-label="Zoom out" onClick={() => zoom(0.8)}><Icon.minus /></button>
        <button type="button" class="button" onClick={() => setPan({ x: 0, y: 0, zoom: 1, whole: true })}>Fit</button>
      </div>
    </div>
  );
}

// A map that is higher than its panel begins with where the calls come from: the leftmost cards.
function top(answer: LayoutAnswer, height: number, scale: number): number {
  const whole = answer.height * scale;
  if (whole + 24 <= height) return (height - whole) / 2;
  const boxes = [...answer.nodes.values()];
  const left = Math.min(...boxes.map((b) => b.x));
  const first = boxes.filter((b) => b.x - left < 1);
  const middle = first.reduce((sum, b) => sum + b.y, 0) / Math.max(1, first.length);
  return Math.min(12, Math.max(height - whole - 12, height / 2 - middle * scale));
}

// What is one hop from the chosen node or edge; null when nothing is chosen.
function neighbours(map: DrawnMap, chosen: string | null): Set<string> | null {
  const edge = map.edges.find((e) => e.id === chosen);
  if (edge) return new Set([edge.id, edge.from, edge.to]);
  if (!chosen || !map.nodes.some((n) => n.id === chosen)) return null;
  const near = new Set([chosen]);
  for (const e of map.edges) {
    if (e.from !== chosen && e.to !== chosen) continue;
    near.add(e.id).add(e.from).add(e.to);
  }
  return near;
}

function press(action: () => void) {
  return {
    onClick: action,
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        action();
      }
    },
  };
}

const clipped = (text: string, chars: number) => (text.length > chars ? `${text.slice(0, chars - 1)}…` : text);

function Frame({ squad, box, onToggle }: { squad: string; box: Box; onToggle(): void }) {
  const x = box.x - box.width / 2;
  const y = box.y - box.height / 2;
  const title = clipped(shownLine(squad, 200), 24);
  return (
    <g>
      <rect class="map-frame" x={x} y={y} width={box.width} height={box.height} rx="10" />
      <g class="map-frame-title" role="button" tabindex={0} aria-expanded="true" aria-label={`▾ ${title}: close the squad`} {...press(onToggle)}>
        <rect x={x + 6} y={y + 4} width={Math.min(box.width - 12, title.length * 7.4 + 26)} height={18} rx="4" class="map-hit" />
        <text x={x + 12} y={y + 17}>▾ {title}</text>
      </g>
    </g>
  );
}

function Card({ node, box, chosen, faded, onChoose, onOpen }: { node: DrawnNode; box: Box; chosen: boolean; faded: boolean; onChoose(): void; onOpen?: () => void }) {
  const x = box.x - box.width / 2;
  const y = box.y - box.height / 2;
  const share = node.errors / Math.max(1, node.requests);
  const numbers = nodeNumbers(node);
  const colour = colourOf(node.members[0], node.squad);
  const count = node.members.length > 1 ? ` (${node.members.length})` : "";
  const room = (share > 0 ? 18 : 23) - count.length;
  const whole = shownLine(node.title, 200);
  const title = clipped(whole, room) + count;
  // Begins with what is seen, so that it can be spoken to; then what is not.
  const who = node.members.length > 1 ? `squad of ${node.members.length} services` : `service ${shownLine(node.members[0], 200)}, ${node.squad ? `squad ${shownLine(node.squad, 60)}` : "unowned"}`;
  const said = [title, numbers, share > 0 ? formatShare(share) : "", share > 0 ? `failed; ${who}` : `; ${who}`].filter(Boolean).join(" ");
  return (
    <g class={`map-node${node.virtual ? " virtual" : ""}${chosen ? " chosen" : ""}${faded ? " faded" : ""}`} role="button" tabindex={0} aria-pressed={chosen} aria-label={said} {...press(onChoose)} onDblClick={onOpen}>
      <title>{said}</title>
      <rect x={x} y={y} width={box.width} height={box.height} rx="6" />
      {!node.virtual && <rect class="map-colour" x={x} y={y} width="5" height={box.height} rx="2" style={{ fill: colour.fill }} />}
      <text x={x + 13} y={y + 19} class="map-name">{title}</text>{" "}
      <text x={x + 13} y={y + 35} class="map-numbers">{numbers}</text>{" "}
      {share > 0 && <text x={x + box.width - 9} y={y + 19} class="map-errors" text-anchor="end">{formatShare(share)}</text>}
    </g>
  );
}

function EdgePath({ edge, curve, faded, chosen }: { edge: DrawnEdge; curve: Curve; faded: boolean; chosen: boolean }) {
  const width = Math.min(7, 1.2 + Math.log10(1 + edge.rate * 20));
  const broken = isBroken(edge);
  return <path class={`map-edge${broken ? " broken" : ""}${faded ? " faded" : ""}${chosen ? " chosen" : ""}`} d={curve.path} marker-end="url(#arrow)" style={{ stroke: chosen ? "var(--accent)" : errorMix(edge.errors / Math.max(1, edge.calls)), strokeWidth: width }} />;
}

function EdgeLabel({ edge, curve, faded, chosen, onChoose, onPoint }: { edge: DrawnEdge; curve: Curve; faded: boolean; chosen: boolean; onChoose(): void; onPoint(on: boolean): void }) {
  const { failed, lost } = edgeLines(edge);
  const { lines, width, height } = labelSize(edge);
  const name = (id: string) => shownLine(id.replace(/^squad:/, ""), 60);
  const said = `${lines.join(" ")}${lost ? " the trace" : ""}: calls from ${name(edge.from)} to ${name(edge.to)}`;
  return (
    <g class={`map-label${faded ? " faded" : ""}${chosen ? " chosen" : ""}`} role="button" tabindex={0} aria-pressed={chosen} aria-label={said} {...press(onChoose)} onPointerEnter={() => onPoint(true)} onPointerLeave={() => onPoint(false)} onFocus={() => onPoint(true)} onBlur={() => onPoint(false)}>
      <title>{said}</title>
      <rect x={curve.x - width / 2} y={curve.y - height / 2} width={width} height={height} rx="4" />
      {lines.map((line, i) => [
        i > 0 ? " " : "",
        <text key={line} x={curve.x} y={curve.y - height / 2 + 12 + i * kLine} text-anchor="middle" class={line === failed ? "map-errors" : line === lost ? "map-lost" : ""}>{line}</text>,
      ])}
    </g>
  );
}
