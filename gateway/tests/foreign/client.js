// SPDX-License-Identifier: MIT
//
// A client with @grpc/grpc-js: client.js ADDRESS. Prints a line for each of gRPC's interop cases:
// "ok NAME", or "not ok NAME: reason". interop.proto describes the service.
'use strict';

const assert = require('node:assert');
const { grpc, load } = require('./load.js');

const Test = load().interop.Test;
const client = new Test(process.argv[2], grpc.credentials.createInsecure());
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

function call(method, request, options = {}, metadata = new grpc.Metadata()) {
  return new Promise((resolve, reject) =>
    client[method](request, metadata, options, (error, reply) => (error ? reject(error) : resolve(reply))));
}

async function fails(code, promise) {
  const error = await promise.then(() => null, (reason) => reason);
  assert.ok(error, 'it succeeded');
  assert.strictEqual(error.code, code, `${error.code}: ${error.details}`);
  return error;
}

// Collects all replies of a stream, or its error.
function collect(stream) {
  return new Promise((resolve, reject) => {
    const replies = [];
    stream.on('data', (reply) => replies.push(reply));
    stream.on('error', reject);
    stream.on('end', () => resolve(replies));
  });
}

function input(send) {
  return new Promise((resolve, reject) =>
    send(client.Input((error, reply) => (error ? reject(error) : resolve(reply)))));
}

const UNARY = { size: 314159, body: Buffer.alloc(271828) };
const SIZES = [27182, 8, 1828, 45904];

const cases = {
  async empty_unary() {
    await call('Empty', {});
  },
  async large_unary() {
    const reply = await call('Unary', UNARY);
    assert.strictEqual(reply.body.length, UNARY.size);
    assert.strictEqual(reply.requestSize, UNARY.body.length);
  },
  async client_streaming() {
    const reply = await input((stream) => {
      SIZES.forEach((size) => stream.write({ body: Buffer.alloc(size) }));
      stream.end();
    });
    assert.strictEqual(reply.requestSize, 74922);
  },
  async server_streaming() {
    const replies = await collect(client.Output({ replies: 50, size: 31415 }));
    assert.strictEqual(replies.length, 50);
    assert.ok(replies.every((reply) => reply.body.length === 31415));
  },
  async ping_pong() {
    const stream = client.Duplex();
    let at = 0;
    stream.on('data', (reply) => {
      assert.strictEqual(reply.body.length, SIZES[at]);
      at += 1;
      if (at < SIZES.length) stream.write({ size: SIZES[at], body: Buffer.alloc(at) });
      else stream.end();
    });
    stream.write({ size: SIZES[0] });
    await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
    assert.strictEqual(at, SIZES.length);
  },
  async empty_stream() {
    const stream = client.Duplex();
    stream.end();
    assert.strictEqual((await collect(stream)).length, 0);
  },
  async cancel_after_begin() {
    await fails(grpc.status.CANCELLED, input((stream) => stream.cancel()));
  },
  async cancel_after_first_response() {
    const stream = client.Duplex();
    stream.on('data', () => stream.cancel());
    stream.write({ size: 31415, body: Buffer.alloc(27182) });
    const error = await new Promise((resolve) => stream.on('error', resolve));
    assert.strictEqual(error.code, grpc.status.CANCELLED);
  },
  async timeout_on_sleeping_server() {
    await fails(grpc.status.DEADLINE_EXCEEDED, call('Keep', {}, { deadline: Date.now() + 300 }));
  },
  async status_code_and_message() {
    const error = await fails(grpc.status.UNKNOWN,
      call('Unary', { name: 'interop.Special', message: 'test status message' }));
    assert.strictEqual(error.details, 'test status message');
  },
  async special_status_message() {
    const error = await fails(grpc.status.NOT_FOUND, call('Unary', { code: -2, message: SPECIAL }));
    assert.strictEqual(error.details, SPECIAL);
  },
  async unimplemented_method() {
    await fails(grpc.status.UNIMPLEMENTED, call('Missing', {}));
  },
  async unimplemented_service() {
    const other = new (load().interop.Files)(process.argv[2], grpc.credentials.createInsecure());
    await fails(grpc.status.UNIMPLEMENTED, new Promise((resolve, reject) =>
      other.Open({ text: 'a' }, (error, reply) => (error ? reject(error) : resolve(reply)))));
    other.close();
  },
  async custom_metadata() {
    const metadata = new grpc.Metadata();
    metadata.set('x-grpc-test-echo-initial', 'test_initial_metadata_value');
    metadata.set('x-grpc-test-bin', Buffer.from([0xab, 0xab, 0xab]));
    const initial = await call('Metadata', { text: 'x-grpc-test-echo-initial' }, {}, metadata);
    assert.strictEqual(initial.text, 'test_initial_metadata_value');
    const binary = await call('Metadata', { text: 'x-grpc-test-bin' }, {}, metadata);
    assert.deepStrictEqual(Buffer.from(binary.text, 'base64'), Buffer.from([0xab, 0xab, 0xab]));
  },
};

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${error.message}`);
    }
  }
  client.close();
  // Timers of the library would keep the process alive.
  process.exit();
}

main();
