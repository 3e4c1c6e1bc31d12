// TracesData (OTLP protobuf) -> columns. Names, ids and times are read in one pass; attributes,
// events and links stay bytes until a span is looked at, which is what lets a trace of 100,000 spans
// open at once. Field numbers are opentelemetry/proto/trace/v1/trace.proto's.

import type { Attribute, RawSpans, Resource, Scope, SpanDetails, SpanEvent, SpanLink } from "../base/trace/model.ts";
import { resourceOf } from "./otlp_resource.ts";

const kUtf8 = new TextDecoder("utf-8");

class Reader {
  readonly view: DataView;
  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  // Calls back for each field of the message in [at, end). For length-delimited fields `value` is the
  // offset of the content and `stop` its end; for others `value` is the offset of the value itself.
  each(at: number, end: number, field: (number: number, wire: number, value: number, stop: number) => void): void {
    const bytes = this.bytes;
    while (at < end) {
      let key = bytes[at++];
      if (key >= 0x80) {
        const [wide, next] = this.varint(at - 1);
        key = wide;
        at = next;
      }
      const wire = key & 7;
      const value = at;
      if (wire === 2) {
        let length = bytes[at++];
        if (length >= 0x80) {
          const [wide, next] = this.varint(at - 1);
          length = wide;
          at = next;
        }
        const stop = at + length;
        if (stop > end) throw new Error("The trace's bytes end too early");
        field(key >>> 3, wire, at, stop);
        at = stop;
        continue;
      }
      if (wire === 0) while (bytes[at++] >= 0x80 && at < end);
      else if (wire === 1) at += 8;
      else if (wire === 5) at += 4;
      else throw new Error(`The trace's bytes hold an unknown wire type ${wire}`);
      if (at > end) throw new Error("The trace's bytes end too early");
      field(key >>> 3, wire, value, at);
    }
  }

  // Values up to 2^53; larger ones lose their low bits (lengths, kinds and counts never get there).
  varint(at: number): [value: number, next: number] {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return [value, at];
      factor *= 128;
    }
    throw new Error("The trace's bytes hold a broken number");
  }

  int64(at: number): bigint {
    let value = 0n;
    let shift = 0n;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
      shift += 7n;
    }
    return BigInt.asIntN(64, value);
  }

  text(at: number, end: number): string {
    return kUtf8.decode(this.bytes.subarray(at, end));
  }

  hex(at: number, end: number): string {
    let text = "";
    for (; at < end; at++) text += this.bytes[at].toString(16).padStart(2, "0");
    return text;
  }

  number(at: number): number {
    return this.varint(at)[0];
  }
}

type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain };

// AnyValue as a typed attribute value.
function readValue(r: Reader, at: number, end: number, depth = 0): { type: Attribute["type"]; text: string; plain: Plain } {
  let found: { type: Attribute["type"]; text: string; plain: Plain } = { type: "empty", text: "", plain: null };
  r.each(at, end, (number, _wire, value, stop) => {
    switch (number) {
      case 1: {
        const text = r.text(value, stop);
        found = { type: "string", text, plain: text };
        break;
      }
      case 2: {
        const bool = r.bytes[value] !== 0;
        found = { type: "bool", text: String(bool), plain: bool };
        break;
      }
      case 3: {
        const text = r.int64(value).toString();
        found = { type: "int", text, plain: Number.isSafeInteger(Number(text)) ? Number(text) : text };
        break;
      }
      case 4: {
        const double = r.view.getFloat64(value, true);
        found = { type: "double", text: String(double), plain: double };
        break;
      }
      case 5: {
        const list: Plain[] = [];
        if (depth < 16) r.each(value, stop, (n, _w, v, s) => void (n === 1 && list.push(readValue(r, v, s, depth + 1).plain)));
        found = { type: "array", text: JSON.stringify(list), plain: list };
        break;
      }
      case 6: {
        const map: { [key: string]: Plain } = Object.create(null);
        if (depth < 16) {
          r.each(value, stop, (n, _w, v, s) => {
            if (n === 1) readKeyValue(r, v, s, depth + 1, (key, inner) => (map[key] = inner.plain));
          });
        }
        found = { type: "map", text: JSON.stringify(map), plain: map };
        break;
      }
      case 7:
        found = { type: "bytes", text: r.hex(value, stop), plain: r.hex(value, stop) };
        break;
    }
  });
  return found;
}

function readKeyValue(r: Reader, at: number, end: number, depth: number, done: (key: string, value: ReturnType<typeof readValue>) => void): void {
  let key = "";
  let value: ReturnType<typeof readValue> = { type: "empty", text: "", plain: null };
  r.each(at, end, (number, _wire, from, stop) => {
    if (number === 1) key = r.text(from, stop);
    else if (number === 2) value = readValue(r, from, stop, depth);
  });
  done(key, value);
}

function readAttribute(r: Reader, at: number, end: number): Attribute {
  let attribute: Attribute = { key: "", type: "empty", text: "" };
  readKeyValue(r, at, end, 0, (key, value) => (attribute = { key, type: value.type, text: value.text }));
  return attribute;
}

function readResource(r: Reader, at: number, end: number): Resource {
  const attributes: Attribute[] = [];
  r.each(at, end, (number, _wire, value, stop) => void (number === 1 && attributes.push(readAttribute(r, value, stop))));
  return resourceOf(attributes);
}

function readScope(r: Reader, at: number, end: number): Scope {
  const scope: Scope = { name: "", version: "" };
  r.each(at, end, (number, _wire, value, stop) => {
    if (number === 1) scope.name = r.text(value, stop);
    else if (number === 2) scope.version = r.text(value, stop);
  });
  return scope;
}

// Names repeat; each distinct run of bytes is decoded once.
class Names {
  readonly list: string[] = [];
  private readonly byHash = new Map<number, number[]>(); // hash -> ids
  private readonly from: number[] = [];
  private readonly to: number[] = [];
  constructor(private readonly r: Reader) {}

  id(at: number, end: number): number {
    const bytes = this.r.bytes;
    let hash = 0x811c9dc5;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
    const ids = this.byHash.get(hash);
    if (ids) for (const id of ids) if (this.equal(id, at, end)) return id;
    const id = this.list.push(this.r.text(at, end)) - 1;
    this.from.push(at);
    this.to.push(end);
    if (ids) ids.push(id);
    else this.byHash.set(hash, [id]);
    return id;
  }

  private equal(id: number, at: number, end: number): boolean {
    const from = this.from[id];
    if (this.to[id] - from !== end - at) return false;
    const bytes = this.r.bytes;
    for (let i = 0; i < end - at; i++) if (bytes[from + i] !== bytes[at + i]) return false;
    return true;
  }
}

class Columns {
  count = 0;
  at = new Uint32Array(256); // the span message's bytes
  end = new Uint32Array(256);
  startHi = new Uint32Array(256);
  startLo = new Uint32Array(256);
  endHi = new Uint32Array(256);
  endLo = new Uint32Array(256);
  idHi = new Uint32Array(256);
  idLo = new Uint32Array(256);
  parentHi = new Uint32Array(256);
  parentLo = new Uint32Array(256);
  nameId = new Int32Array(256);
  resourceId = new Int32Array(256);
  scopeId = new Int32Array(256);
  kind = new Uint8Array(256);
  status = new Uint8Array(256);
  eventCount = new Uint16Array(256);

  add(): number {
    if (this.count === this.at.length) {
      for (const [key, value] of Object.entries(this)) {
        if (!ArrayBuffer.isView(value)) continue;
        const old = value as Uint32Array;
        const wider = new (old.constructor as typeof Uint32Array)(old.length * 2);
        wider.set(old);
        (this as unknown as Record<string, unknown>)[key] = wider;
      }
    }
    return this.count++;
  }
}

function readSpan(r: Reader, c: Columns, names: Names, i: number, at: number, end: number): void {
  c.at[i] = at;
  c.end[i] = end;
  c.nameId[i] = -1;
  r.each(at, end, (number, wire, value, stop) => {
    switch (number) {
      case 2:
        if (stop - value === 8) {
          c.idHi[i] = r.view.getUint32(value);
          c.idLo[i] = r.view.getUint32(value + 4);
        }
        break;
      case 4:
        if (stop - value === 8) {
          c.parentHi[i] = r.view.getUint32(value);
          c.parentLo[i] = r.view.getUint32(value + 4);
        }
        break;
      case 5:
        c.nameId[i] = names.id(value, stop);
        break;
      case 6:
        c.kind[i] = r.number(value);
        break;
      case 7:
        c.startLo[i] = r.view.getUint32(value, true);
        c.startHi[i] = r.view.getUint32(value + 4, true);
        break;
      case 8:
        c.endLo[i] = r.view.getUint32(value, true);
        c.endHi[i] = r.view.getUint32(value + 4, true);
        break;
      case 11:
        c.eventCount[i]++;
        break;
      case 15:
        if (wire === 2) r.each(value, stop, (n, _w, v) => void (n === 3 && (c.status[i] = r.number(v))));
        break;
    }
  });
  if (c.nameId[i] < 0) c.nameId[i] = names.id(at, at);
}

export function decodeTracesData(bytes: Uint8Array, traceId: string): RawSpans {
  const r = new Reader(bytes);
  const c = new Columns();
  const names = new Names(r);
  const resources: Resource[] = [];
  const scopes: Scope[] = [];
  r.each(0, bytes.length, (number, _wire, rs, rsEnd) => {
    if (number !== 1) return;
    const resource = resources.push(resourceOf([])) - 1;
    r.each(rs, rsEnd, (n, _w, value, stop) => void (n === 1 && (resources[resource] = readResource(r, value, stop))));
    r.each(rs, rsEnd, (n, _w, ss, ssEnd) => {
      if (n !== 2) return;
      const scope = scopes.push({ name: "", version: "" }) - 1;
      r.each(ss, ssEnd, (m, _w2, value, stop) => {
        if (m === 1) scopes[scope] = readScope(r, value, stop);
        else if (m === 2) {
          const i = c.add();
          c.resourceId[i] = resource;
          c.scopeId[i] = scope;
          readSpan(r, c, names, i, value, stop);
        }
      });
    });
  });
  return finish(r, c, names, resources, scopes, traceId);
}

function finish(r: Reader, c: Columns, names: Names, resources: Resource[], scopes: Scope[], traceId: string): RawSpans {
  const n = c.count;
  let baseHi = 0xffffffff;
  let baseLo = 0xffffffff;
  for (let i = 0; i < n; i++) {
    if (c.startHi[i] < baseHi || (c.startHi[i] === baseHi && c.startLo[i] < baseLo)) {
      baseHi = c.startHi[i];
      baseLo = c.startLo[i];
    }
  }
  if (!n) baseHi = baseLo = 0;
  const startNs = new Float64Array(n);
  const durationNs = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    startNs[i] = (c.startHi[i] - baseHi) * 4294967296 + (c.startLo[i] - baseLo);
    durationNs[i] = Math.max(0, (c.endHi[i] - c.startHi[i]) * 4294967296 + (c.endLo[i] - c.startLo[i]));
  }
  const { at, end } = c;
  return {
    traceId,
    baseNs: (BigInt(baseHi) << 32n) | BigInt(baseLo),
    count: n,
    startNs,
    durationNs,
    idHi: c.idHi,
    idLo: c.idLo,
    parentHi: c.parentHi,
    parentLo: c.parentLo,
    nameId: c.nameId,
    names: names.list,
    resourceId: c.resourceId,
    resources,
    scopeId: c.scopeId,
    scopes,
    kind: c.kind,
    status: c.status,
    eventCount: c.eventCount,
    details: (span) => readDetails(r, at[span], end[span], baseHi, baseLo),
  };
}

function readDetails(r: Reader, at: number, end: number, baseHi: number, baseLo: number): SpanDetails {
  const d: SpanDetails = { attributes: [], events: [], links: [], statusMessage: "", traceState: "", droppedAttributes: 0, droppedEvents: 0, droppedLinks: 0 };
  if (end === undefined || end === at) return d;
  r.each(at, end, (number, _wire, value, stop) => {
    if (number === 3) d.traceState = r.text(value, stop);
    else if (number === 9) d.attributes.push(readAttribute(r, value, stop));
    else if (number === 10) d.droppedAttributes = r.number(value);
    else if (number === 11) d.events.push(readEvent(r, value, stop, baseHi, baseLo));
    else if (number === 12) d.droppedEvents = r.number(value);
    else if (number === 13) d.links.push(readLink(r, value, stop));
    else if (number === 14) d.droppedLinks = r.number(value);
    else if (number === 15) r.each(value, stop, (n, _w, v, s) => void (n === 2 && (d.statusMessage = r.text(v, s))));
  });
  return d;
}

function readEvent(r: Reader, at: number, end: number, baseHi: number, baseLo: number): SpanEvent {
  const event: SpanEvent = { timeNs: 0, name: "", attributes: [] };
  r.each(at, end, (number, _wire, value, stop) => {
    if (number === 1) {
      event.timeNs = (r.view.getUint32(value + 4, true) - baseHi) * 4294967296 + (r.view.getUint32(value, true) - baseLo);
    } else if (number === 2) event.name = r.text(value, stop);
    else if (number === 3) event.attributes.push(readAttribute(r, value, stop));
  });
  return event;
}

function readLink(r: Reader, at: number, end: number): SpanLink {
  const link: SpanLink = { traceId: "", spanId: "", attributes: [] };
  r.each(at, end, (number, _wire, value, stop) => {
    if (number === 1) link.traceId = r.hex(value, stop);
    else if (number === 2) link.spanId = r.hex(value, stop);
    else if (number === 4) link.attributes.push(readAttribute(r, value, stop));
  });
  return link;
}
