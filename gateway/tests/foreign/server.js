// SPDX-License-Identifier: MIT
//
// A server with @grpc/grpc-js: server.js ADDRESS. It has most of interop.Test, which interop.proto
// describes. It prints "ready" when it listens, and lines about calls for the cases: "taken", "note
// TEXT", "left MSEC" (of the deadline), "metadata NAME BASE64" and "canceled".
'use strict';

const { grpc, load } = require('./load.js');

// The errors that the cases use.
const CODES = {
  '-2': grpc.status.NOT_FOUND,
  '-13': grpc.status.PERMISSION_DENIED,
  '-16': grpc.status.FAILED_PRECONDITION,
  '-22': grpc.status.INVALID_ARGUMENT,
  '-34': grpc.status.OUT_OF_RANGE,
  '-125': grpc.status.CANCELLED,
};

function bytesField(number, value) {
  const data = Buffer.from(value);
  if (data.length > 127) throw new Error('too long for a length of one byte');
  return Buffer.concat([Buffer.from([number * 8 + 2, data.length]), data]);
}

// The bytes of a google.rpc.Status with an ipc.Error.
function details({ name, message, number }) {
  const error = Buffer.concat([bytesField(1, name), bytesField(2, message),
    Buffer.from([3 * 8, number < 0 ? -2 * number - 1 : 2 * number])]);
  const any = Buffer.concat([bytesField(1, 'type.googleapis.com/ipc.Error'), bytesField(2, error)]);
  return Buffer.concat([Buffer.from([8, grpc.status.UNKNOWN]), bytesField(2, message), bytesField(3, any)]);
}

function fails(request) {
  return request.code || request.name;
}

function failure(request) {
  const error = { code: CODES[request.code] || grpc.status.UNKNOWN, details: request.message };
  if (request.name) {
    error.metadata = new grpc.Metadata();
    error.metadata.set('grpc-status-details-bin', details(request));
  }
  return error;
}

function sayMetadata(call) {
  Object.entries(call.metadata.getMap()).forEach(([name, value]) =>
    console.log('metadata', name, Buffer.from(value).toString('base64')));
}

// The library reports each call as canceled at its end, even if it has ended successfully.
const ended = new WeakSet();

function watched(call) {
  call.on('cancelled', () => ended.has(call) || console.log('canceled'));
}

// Runs at the end of the requests. The library also reports an end if a call is about to be
// canceled.
function atEnd(call, then) {
  call.on('end', () => setImmediate(() => call.cancelled || then()));
}

function end(call, request) {
  ended.add(call);
  if (fails(request)) call.emit('error', failure(request));
  else call.end();
}

// Neither receives nor sends.
function deaf(call) {
  watched(call);
  const until = call.getDeadline();
  if (Number.isFinite(Number(until))) console.log('left', Number(until) - Date.now());
}

// Respects back-pressure: sends the next message after the previous one has left.
function output(call) {
  const { replies, size, sleepMsec } = call.request;
  let i = 0;
  function next() {
    while (!call.cancelled && i < replies) {
      const more = call.write({ body: Buffer.alloc(size), requestSize: i });
      i += 1;
      if (sleepMsec) {
        setTimeout(next, sleepMsec);
        return;
      }
      if (!more) {
        call.once('drain', next);
        return;
      }
    }
    if (!call.cancelled) end(call, call.request);
  }
  watched(call);
  next();
}

function duplex(call) {
  watched(call);
  sayMetadata(call);
  call.on('data', (request) => {
    if (fails(request)) end(call, request);
    else call.write({ body: Buffer.alloc(request.size), requestSize: request.body.length });
  });
  atEnd(call, () => end(call, {}));
}

function input(call, done) {
  let size = 0;
  function over(error) {
    if (!ended.has(call)) done(error, { requestSize: size });
    ended.add(call);
  }
  watched(call);
  call.on('data', (request) => {
    console.log('taken');
    size += request.body.length;
    if (fails(request)) over(failure(request));
  });
  atEnd(call, () => over(null));
}

const methods = {
  Empty(call, done) {
    done(null, {});
  },
  Unary(call, done) {
    const { request } = call;
    if (fails(request)) done(failure(request));
    else done(null, { body: Buffer.alloc(request.size), requestSize: request.body.length });
  },
  Metadata(call, done) {
    const [value] = call.metadata.get(call.request.text);
    done(null, { text: Buffer.isBuffer(value) ? value.toString('base64') : value });
  },
  Note(call, done) {
    const { text } = call.request;
    console.log('note', text);
    done(text === 'refused' ? failure({ code: -13, message: 'not this' }) : null, {});
  },
  Keep: deaf,
  Deaf: deaf,
  Input: input,
  Output: output,
  Duplex: duplex,
};

const server = new grpc.Server();
server.addService(load().interop.Test.service, methods);
server.bindAsync(process.argv[2], grpc.ServerCredentials.createInsecure(), (error) => {
  console.log(error ? error.message : 'ready');
});
