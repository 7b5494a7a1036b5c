// Uses a proxy as programs for Node.js do, with a keep-alive agent: client.js PROXY_PORT ORIGIN_AT. Prints the number of good
// answers and the number of connections that it needed.
'use strict';
const http = require('http');

const [proxyPort, origin] = process.argv.slice(2);
const agent = new http.Agent({keepAlive: true, maxSockets: 4});
const sockets = new Set();

function exchange(number) {
  const upload = number % 2 === 1;
  const body = upload ? 'x'.repeat(number * 1000) : '';
  return new Promise((resolve, reject) => {
    const request = http.request({
      agent,
      host: '127.0.0.1',
      port: proxyPort,
      method: upload ? 'POST' : 'GET',
      path: `http://${origin}/item/${number}`,
      headers: {Host: origin},
    }, (response) => {
      let text = '';
      response.on('data', (piece) => text += piece);
      response.on('error', reject);
      response.on('end', () => {
        const answer = JSON.parse(text);
        resolve(response.statusCode === 200 && answer.url === `/item/${number}` && answer.size === body.length ? 1 : 0);
      });
    });
    request.on('socket', (socket) => sockets.add(socket));
    request.on('error', reject);
    if (upload) request.write(body);  // without a length: chunked
    request.end();
  });
}

Promise.all(Array.from({length: 60}, (_, number) => exchange(number))).then((results) => {
  console.log(results.reduce((sum, good) => sum + good, 0), sockets.size);
  agent.destroy();
}, (error) => {
  console.error(error);
  process.exit(1);
});
