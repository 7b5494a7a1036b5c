// Prints the page at a URL, by Node's own https, which knows no proxies: the tunnel is made by hand.
'use strict';
const http = require('http');
const https = require('https');

const url = new URL(process.argv[2]);

function fail(error) {
  console.error(error);
  process.exit(1);
}

function get(options) {
  https.get(url, options, (response) => {
    if (response.statusCode !== 200) fail(new Error(`GET: ${response.statusCode}`));
    response.on('error', fail).pipe(process.stdout);
  }).on('error', fail);
}

if (process.env.https_proxy) {
  const proxy = new URL(process.env.https_proxy);
  const authority = `${url.hostname}:${url.port || 443}`;
  const fields = {Host: authority};
  const connect = http.request({host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: authority, headers: fields});
  connect.on('error', fail);
  connect.on('connect', (answer, socket) => {
    if (answer.statusCode !== 200) fail(new Error(`CONNECT: ${answer.statusCode}`));
    get({agent: false, socket});
  });
  connect.end();
} else {
  get({agent: false});
}
