// OTLP/JSON -> protobuf TracesData, by a writer of its own: what the page's reader is tested against.

class Writer {
  constructor() {
    this.bytes = Buffer.alloc(1024);
    this.used = 0;
  }
  need(n) {
    if (this.used + n <= this.bytes.length) return;
    const wider = Buffer.alloc(Math.max(this.bytes.length * 2, this.used + n));
    this.bytes.copy(wider, 0, 0, this.used);
    this.bytes = wider;
  }
  varint(value) {
    this.need(10);
    let v = BigInt.asUintN(64, BigInt(value));
    while (v >= 0x80n) {
      this.bytes[this.used++] = Number(v & 0x7fn) | 0x80;
      v >>= 7n;
    }
    this.bytes[this.used++] = Number(v);
  }
  tag(field, wire) {
    this.need(10);
    let v = field * 8 + wire;
    while (v >= 0x80) {
      this.bytes[this.used++] = (v & 0x7f) | 0x80;
      v >>= 7;
    }
    this.bytes[this.used++] = v;
  }
  raw(field, buffer) {
    this.tag(field, 2);
    this.varint(buffer.length);
    this.need(buffer.length);
    buffer.copy(this.bytes, this.used);
    this.used += buffer.length;
  }
  text(field, value) {
    this.raw(field, Buffer.from(value ?? "", "utf8"));
  }
  hex(field, value) {
    this.raw(field, Buffer.from(value ?? "", "hex"));
  }
  fixed64(field, value) {
    this.tag(field, 1);
    this.need(8);
    this.bytes.writeBigUInt64LE(BigInt(value ?? 0), this.used);
    this.used += 8;
  }
  message(field, write) {
    const inner = new Writer();
    write(inner);
    this.raw(field, inner.done());
  }
  done() {
    return this.bytes.subarray(0, this.used);
  }
}

function anyValue(w, v) {
  if (v.stringValue !== undefined) w.text(1, v.stringValue);
  else if (v.boolValue !== undefined) {
    w.tag(2, 0);
    w.varint(v.boolValue ? 1 : 0);
  } else if (v.intValue !== undefined) {
    w.tag(3, 0);
    w.varint(v.intValue);
  } else if (v.doubleValue !== undefined) {
    w.tag(4, 1);
    w.need(8);
    w.bytes.writeDoubleLE(v.doubleValue, w.used);
    w.used += 8;
  } else if (v.arrayValue) w.message(5, (m) => (v.arrayValue.values ?? []).forEach((x) => m.message(1, (y) => anyValue(y, x))));
  else if (v.kvlistValue) w.message(6, (m) => keyValues(m, 1, v.kvlistValue.values));
  else if (v.bytesValue !== undefined) w.raw(7, Buffer.from(v.bytesValue, "base64"));
}

function keyValues(w, field, list) {
  for (const { key, value } of list ?? []) {
    w.message(field, (m) => {
      m.text(1, key);
      m.message(2, (x) => anyValue(x, value ?? {}));
    });
  }
}

function span(w, s) {
  w.hex(1, s.traceId);
  w.hex(2, s.spanId);
  if (s.parentSpanId) w.hex(4, s.parentSpanId);
  w.text(5, s.name);
  w.tag(6, 0);
  w.varint(s.kind ?? 0);
  w.fixed64(7, s.startTimeUnixNano);
  w.fixed64(8, s.endTimeUnixNano);
  keyValues(w, 9, s.attributes);
  for (const e of s.events ?? []) {
    w.message(11, (m) => {
      m.fixed64(1, e.timeUnixNano);
      m.text(2, e.name);
      keyValues(m, 3, e.attributes);
    });
  }
  for (const l of s.links ?? []) {
    w.message(13, (m) => {
      m.hex(1, l.traceId);
      m.hex(2, l.spanId);
      keyValues(m, 4, l.attributes);
    });
  }
  if (s.status && Object.keys(s.status).length) {
    w.message(15, (m) => {
      if (s.status.message) m.text(2, s.status.message);
      m.tag(3, 0);
      m.varint(s.status.code ?? 0);
    });
  }
}

export function encodeTracesData(data) {
  const w = new Writer();
  for (const rs of data.resourceSpans) {
    w.message(1, (m) => {
      m.message(1, (r) => keyValues(r, 1, rs.resource?.attributes));
      for (const ss of rs.scopeSpans) {
        m.message(2, (x) => {
          x.message(1, (y) => {
            y.text(1, ss.scope?.name ?? "");
            y.text(2, ss.scope?.version ?? "");
          });
          for (const s of ss.spans) x.message(2, (y) => span(y, s));
        });
      }
    });
  }
  return w.done();
}
