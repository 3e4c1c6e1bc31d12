// Sends one trace of a client and its server with Zipkin's own library, with B3 ids of 64 bits.
// Prints the trace's id. ZIPKIN_URL names the collector.
const { BatchRecorder, ExplicitContext, Tracer, Annotation, jsonEncoder, option, TraceId } = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');

const logger = new HttpLogger({
  endpoint: `${process.env.ZIPKIN_URL}/api/v2/spans`, jsonEncoder: jsonEncoder.JSON_V2, httpInterval: 50,
});
const recorder = new BatchRecorder({ logger });
const tracer = (localServiceName) =>
  new Tracer({ ctxImpl: new ExplicitContext(), recorder, localServiceName, traceId128Bit: false });

const shop = tracer('shop');
const stock = tracer('stock');
shop.scoped(() => {
  const id = shop.createRootId();
  shop.setId(id);
  shop.recordServiceName('shop');
  shop.recordRpc('get /stock');
  shop.recordBinary('http.path', '/stock');
  shop.recordAnnotation(new Annotation.ClientSend());
  stock.scoped(() => {
    const child = new TraceId({
      traceId: id.traceId, parentId: new option.Some(id.spanId), spanId: 'b3b3b3b3b3b3b3b3',
      sampled: new option.Some(true),
    });
    stock.setId(child);
    stock.recordServiceName('stock');
    stock.recordRpc('read shelf');
    stock.recordAnnotation(new Annotation.ServerRecv());
    stock.recordMessage('shelf found');
    stock.recordBinary('error', 'shelf is empty');
    stock.recordAnnotation(new Annotation.ServerSend());
  });
  shop.setId(id);
  shop.recordAnnotation(new Annotation.ClientRecv());
  process.stdout.write(`${id.traceId}\n`);
});
// The library's own timer does not keep the process alive.
const alive = setInterval(() => {}, 1000);
logger.on('success', () => clearInterval(alive));
logger.on('error', (error) => { console.error(error); process.exit(1); });
