// An origin with the defaults of Node.js: keepAliveTimeout 5 s. It answers every request with a JSON object that describes it, and
// prints "method url connection" for each. Arguments: certificate and key, for https.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');

let connections = 0;

function answer(request, response) {
  console.log(request.method, request.url, request.socket.number);
  const hash = crypto.createHash('sha256');
  let size = 0;
  request.on('data', (piece) => {
    hash.update(piece);
    size += piece.length;
  });
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({
      method: request.method,
      url: request.url,
      fields: request.headers,
      size,
      sha256: hash.digest('hex'),
    }));
  });
}

const [certificate, key] = process.argv.slice(2);
const server = certificate ?
    https.createServer({cert: fs.readFileSync(certificate), key: fs.readFileSync(key)}, answer) :
    http.createServer(answer);
server.on(certificate ? 'secureConnection' : 'connection', (socket) => {
  socket.number = connections++;
});
server.listen(0, '0.0.0.0', () => console.log(server.address().port));
