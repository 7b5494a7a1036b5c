// Prints the page at a URL, by Node's own https, which knows no proxies: the tunnel is made by hand.
'use strict';
const http = require('http');
const https = require('https');

const url = new URL(process.argv[2]);
const proxy = new URL(process.env.https_proxy);
const authority = `${url.hostname}:${url.port || 443}`;

function fail(error) {
  console.error(error);
  process.exit(1);
}

const connect = http.request({
  host: proxy.hostname,
  port: proxy.port,
  method: 'CONNECT',
  path: authority,
  headers: {Host: authority},
});
connect.on('error', fail);
connect.on('connect', (answer, socket) => {
  if (answer.statusCode !== 200) fail(new Error(`CONNECT: ${answer.statusCode}`));
  const servername = /^[\d.]+$/.test(url.hostname) ? undefined : url.hostname;
  https.get(url, {agent: false, socket, servername, createConnection: (options, made) => require('tls').connect(options, made)},
    (response) => {
      if (response.statusCode !== 200) fail(new Error(`GET: ${response.statusCode}`));
      response.on('error', fail).pipe(process.stdout);
    }).on('error', fail);
});
connect.end();
