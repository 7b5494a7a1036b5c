// Prints the page at a URL, by undici, which is also what fetch() is made of.
'use strict';
const {Agent, ProxyAgent, request} = require('undici');

async function main() {
  const dispatcher = process.env.https_proxy ? new ProxyAgent(process.env.https_proxy) : new Agent();
  const {statusCode, body} = await request(process.argv[2], {dispatcher});
  if (statusCode !== 200) throw new Error(`GET: ${statusCode}`);
  console.log(await body.text());
  await dispatcher.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
