// SPDX-License-Identifier: MIT
//
// Shared by client.js and server.js: loads the library, from NODE_PATH, and interop.proto.
'use strict';

const path = require('node:path');

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const top = path.join(__dirname, '../../..');

function load() {
  const definition = loader.loadSync('interop.proto', {
    includeDirs: [path.join(top, 'gateway/tests'), path.join(top, 'idl')],
    defaults: true,
  });
  return grpc.loadPackageDefinition(definition);
}

module.exports = { grpc, load };
