// SPDX-License-Identifier: MIT
//
// A server with @grpc/grpc-js: server.js ADDRESS. It has a part of interop.Test, which interop.proto
// describes, and says "ready" when it listens.
'use strict';

const { grpc, load } = require('./load.js');

// Of the errors that the cases want.
const CODES = { '-2': grpc.status.NOT_FOUND, '-22': grpc.status.INVALID_ARGUMENT };

function failure(request) {
  return { code: CODES[request.code] || grpc.status.UNKNOWN, details: request.message };
}

const methods = {
  Empty(call, done) {
    done(null, {});
  },
  Unary(call, done) {
    const { request } = call;
    if (request.code) done(failure(request));
    else done(null, { body: Buffer.alloc(request.size), requestSize: request.body.length });
  },
  Keep(call) {
    call.on('cancelled', () => console.log('canceled'));
  },
  Metadata(call, done) {
    const [value] = call.metadata.get(call.request.text);
    done(null, { text: Buffer.isBuffer(value) ? value.toString('base64') : value });
  },
  Input(call, done) {
    let size = 0;
    call.on('data', (request) => { size += request.body.length; });
    call.on('end', () => done(null, { requestSize: size }));
  },
  Output(call) {
    const { replies, size } = call.request;
    for (let i = 0; i < replies; i += 1) call.write({ body: Buffer.alloc(size), requestSize: i });
    if (call.request.code) call.emit('error', failure(call.request));
    else call.end();
  },
  Duplex(call) {
    call.on('data', (request) =>
      call.write({ body: Buffer.alloc(request.size), requestSize: request.body.length }));
    call.on('end', () => call.end());
  },
};

const server = new grpc.Server();
server.addService(load().interop.Test.service, methods);
server.bindAsync(process.argv[2], grpc.ServerCredentials.createInsecure(), (error) => {
  console.log(error ? error.message : 'ready');
});
