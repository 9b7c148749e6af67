// SPDX-License-Identifier: MIT
//
// What client.js and server.js share: the library, and interop.proto as it makes of it. The library is
// where NODE_PATH says.
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
